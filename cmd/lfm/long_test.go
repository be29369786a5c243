package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"lfm/artifacts"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
	"lfm/stages/decode"
	"lfm/stages/encode"
	"lfm/stages/flow"
)

// TestLong: training and drawing may go on for as long as they like. Over 10,000 steps of each
// trained stage and 2,000 pictures (300 and 60 unless LFM_LONG is set: make long), once they
// are under way, nothing grows: not the live heap, nor goroutines, open files, or mapped
// memory. A training step that is followed by neither a checkpoint nor a line of metrics
// allocates nothing, the drawing of its batch included.
//
// The trainings are set to a million steps, of which these are the first: metrics have up to
// 2,000 lines however long a run is, and in so short a one they would look like a leak.
func TestLong(t *testing.T) {
	steps, pictures := 300, 60
	if os.Getenv("LFM_LONG") != "" {
		steps, pictures = 10000, 2000
	}
	b := pipelinetest.New(t)
	b.Env.Threads = 2
	in, _ := someCritters(t, b, 60, 8)
	ac := autoencoder.DefaultConfig()
	ac.Channels, ac.LatentChannels, ac.HFlip, ac.Batch, ac.CheckpointEvery = 4, 2, true, 4, longCheckpoints
	fc := flow.DefaultConfig()
	fc.Width, fc.Heads, fc.ContextTokens, fc.Previews, fc.Batch, fc.CheckpointEvery = 16, 2, 2, false, 4, longCheckpoints

	ac.Steps, fc.Steps = 5, 5
	ae := b.Run(autoencoder.Kind(pipelinetest.CPU), ac, in)
	in.Artifacts = map[string]*artifacts.Artifact{"autoencoder": ae}
	latents := pipeline.Inputs{Artifacts: map[string]*artifacts.Artifact{"encode": b.Run(encode.Kind(pipelinetest.CPU), encode.DefaultConfig(), in)}}
	fl := b.Run(flow.Kind(pipelinetest.CPU), fc, latents)

	ac.Steps, fc.Steps = 1_000_000, 1_000_000
	in.Artifacts = nil
	longTraining(t, b, autoencoder.Kind, ac, in, steps)
	longTraining(t, b, flow.Kind, fc, latents, steps)
	longDrawing(t, ae, fl, pictures)
}

// longTraining trains a stage for so many of its steps.
func longTraining(t *testing.T, b *pipelinetest.Bench, kind func(engine.Open) pipeline.Kind, cfg any, in pipeline.Inputs, steps int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var g gauge
	var m runtime.MemStats
	var mallocs uint64
	done, measured, allocating := 0, 0, 0
	k := kind((&watch{after: func() {
		runtime.ReadMemStats(&m)
		if len(g.read) > 0 {
			measured++
			if m.Mallocs != mallocs {
				allocating++
			}
		}
		if done++; done%(steps/readings) == 0 {
			g.take()
		}
		if done == steps {
			cancel()
		}
		runtime.ReadMemStats(&m)
		mallocs = m.Mallocs
	}}).open)
	if _, err := b.Start(ctx, k, cfg, in, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("%s: %v", k.Name, err)
	}
	g.check(t, fmt.Sprintf("%s, %d steps", k.Name, steps))
	t.Logf("%s: %d of %d steps allocate", k.Name, allocating, measured)
	// One in 100 is followed by a checkpoint, one in 500 by a line of metrics; the rest is for
	// the runtime's own doings, more of them where the machine is busy.
	if most := measured/50 + 50; allocating > most {
		t.Errorf("%s: %d of %d steps allocate, want at most %d", k.Name, allocating, measured, most)
	}
}

// longCheckpoints is how many steps lie between two checkpoints.
const longCheckpoints = 100

// longDrawing draws so many pictures at once, and then a few again and again.
func longDrawing(t *testing.T, aa, fa *artifacts.Artifact, pictures int) {
	t.Helper()
	ae, err := autoencoder.Open(aa)
	if err != nil {
		t.Fatal(err)
	}
	fl, err := flow.Open(fa)
	if err != nil {
		t.Fatal(err)
	}
	backend := cpu.Open(2)
	defer backend.Close()
	r := decode.Request{Batch: 4, SampleOptions: flow.SampleOptions{Guidance: 2, Steps: 2, Solver: "heun"}}
	for i := range pictures {
		r.Labels, r.Numbers = append(r.Labels, i%2), append(r.Numbers, i/2)
	}
	draw := func(each func(decode.Drawn) error) {
		if err := decode.Generate(t.Context(), backend, ae, fl, r, each); err != nil {
			t.Fatal(err)
		}
	}
	var g gauge
	draw(func(d decode.Drawn) error {
		if (d.Index+1)%(pictures/readings) == 0 {
			g.take()
		}
		return nil
	})
	g.check(t, fmt.Sprintf("%d pictures", pictures))

	g, r.Labels, r.Numbers = gauge{}, r.Labels[:4], r.Numbers[:4]
	for range max(readings, pictures/readings) {
		draw(func(decode.Drawn) error { return nil })
		g.take()
	}
	g.check(t, fmt.Sprintf("4 pictures, %d times", len(g.read)))
}

// readings is how many times a gauge is read, at least where so little is done.
const readings = 20

// gauge reads what this process holds, again and again.
type gauge struct{ read []holding }

// holding is what a process holds at a time.
type holding struct {
	heap       int // live bytes, after a collection
	goroutines int
	files      int // open ones, where /proc tells
	mapped     int // writable bytes that are not Go's, the engine's above all, where /proc tells
}

// take reads once.
func (g *gauge) take() {
	if g.read == nil {
		g.read = make([]holding, 0, 1000) // nothing of ours may grow
	}
	runtime.GC()
	runtime.GC() // pools drop what they keep at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd")
	g.read = append(g.read, holding{int(m.HeapAlloc), runtime.NumGoroutine(), len(files), writable() - int(m.Sys)})
}

// writable is how many bytes of writable memory are mapped, where /proc tells.
func writable() (bytes int) {
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		var from, to int
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n == 3 && strings.Contains(mode, "w") {
			bytes += to - from
		}
	}
	return bytes
}

// check compares the least of the second quarter with the least of the last: what comes and
// goes only adds to a reading. Allowances are for the runtime's own doings: when Go's heap takes
// another arena, some 10 KiB live and 9 MiB are mapped for it, once. Over 10,000 steps that is
// less than 7 bytes a step, and less than a page.
func (g *gauge) check(t *testing.T, what string) {
	t.Helper()
	n := len(g.read)
	for _, c := range []struct {
		name  string
		allow int
		of    func(holding) int
	}{
		{"bytes of live heap", 32 << 10, func(h holding) int { return h.heap }},
		{"goroutines", 0, func(h holding) int { return h.goroutines }},
		{"open files", 0, func(h holding) int { return h.files }},
		{"mapped bytes", 16 << 20, func(h holding) int { return h.mapped }},
	} {
		least := func(from, to int) int {
			v := c.of(g.read[from])
			for _, h := range g.read[from:to] {
				v = min(v, c.of(h))
			}
			return v
		}
		before, after := least(n/4, n/2), least(3*n/4, n)
		t.Logf("%s: %d %s, then %d", what, before, c.name, after)
		if after > before+c.allow {
			t.Errorf("%s: %s grow from %d to %d", what, c.name, before, after)
		}
	}
}
