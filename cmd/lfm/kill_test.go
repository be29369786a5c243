package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lfm/internal/kernels"
	"lfm/pipeline"
)

// killed is a pipeline whose every stage works long enough to be killed in the middle:
// checkpoints every ten steps, latents in three shards, and pictures in many batches.
const killed = `
seed: 3
datasets: {dots: {source: dots, size: 8}}
stages:
  autoencoder:
    uses: autoencoder
    with: {latent_channels: 2, channels: 4, batch: 4, steps: %[1]d, checkpoint_every: %[3]d}
  encode: {uses: encode, needs: [autoencoder], with: {hflip: true, batch: 2}}
  flow:
    uses: flow
    needs: [encode]
    with: {width: 16, depth: 1, heads: 2, context_tokens: 2, batch: 4, steps: %[2]d, checkpoint_every: %[3]d, previews: false}
  decode: {uses: decode, needs: [autoencoder, flow], with: {per_class: 30, steps: 2, batch: %[4]d}}
`

// TestKill: whatever kill -9 interrupts, the next run goes on from the last checkpoint, and
// all ends in the same bytes as a run that nothing interrupted.
func TestKill(t *testing.T) {
	const (
		steps, flowSteps, interval = 300, 300, 10
		images, shard              = 5000, 4096 // 9500 rows with the mirror images
		pictures, batch            = 60, 4      // of two classes
	)
	t.Parallel()
	build := func() *program {
		p := newProgram(t)
		p.write(defaultFile, fmt.Sprintf(killed, steps, flowSteps, interval, batch))
		if err := writeIDX(filepath.Join(p.dir, "dots"), images); err != nil {
			t.Fatal(err)
		}
		return p
	}
	straight := build()
	straight.run("run")
	want := straight.outputs()

	p := build()
	type kill struct {
		stage    string
		after    int // step of a checkpoint
		interval int
		total    int
	}
	executed, started := map[string]int{}, map[string]int{} // steps, by stage: of all attempts; the step at which the last one began
	for _, k := range []kill{
		{"autoencoder", 20, interval, steps},
		{"autoencoder", 60, interval, steps},
		{"encode", shard, shard, images*2 - images/10},
		{"flow", 20, interval, flowSteps},
		{"decode", 2 * batch, batch, pictures},
	} {
		a := p.try(func(e pipeline.Event) os.Signal {
			if e.Stage == k.stage && e.Event == pipeline.StageCheckpoint && e.Step >= k.after {
				return os.Kill
			}
			return nil
		}, "run")
		if a.code != -1 {
			t.Fatalf("%s: ended with %d before it was killed\n%s", k.stage, a.code, a.messages())
		}
		if s := p.states()[k.stage]; s.State != pipeline.Interrupted {
			t.Errorf("%s is %s after the kill, want interrupted", k.stage, s.State)
		}
		checkResumed(t, a, executed, started)
		saved, _ := a.last(pipeline.StageCheckpoint, k.stage)
		if saved.Step >= k.total {
			t.Fatalf("%s: was done at step %d before it was killed", k.stage, saved.Step)
		}
		executed[k.stage] += saved.Step + k.interval - 1 - started[k.stage] // at most: the next checkpoint was not written
		started[k.stage] = saved.Step
	}
	a := p.try(func(pipeline.Event) os.Signal { return nil }, "run")
	if a.code != exitDone {
		t.Fatalf("the last run: exit code %d\n%s", a.code, a.messages())
	}
	checkResumed(t, a, executed, started)
	for stage, total := range map[string]int{"autoencoder": steps, "flow": flowSteps, "encode": images*2 - images/10, "decode": pictures} {
		kills, every := 1, interval
		switch stage {
		case "autoencoder":
			kills = 2
		case "encode":
			every = shard
		case "decode":
			every = batch
		}
		if sum := executed[stage] + total - started[stage]; sum > total+kills*every {
			t.Errorf("%s: %d steps in all attempts together, want at most %d", stage, sum, total+kills*every)
		}
	}
	if got := p.outputs(); !maps.Equal(got, want) {
		t.Errorf("other bytes than straight through:\n%v\nwant\n%v", got, want)
	}
}

// TestKillGenerate: whatever of lfm generate a kill -9 interrupts, each picture is there whole
// or not at all, and the same command makes the rest and leaves what is there alone.
func TestKillGenerate(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	p.run("run")
	generate := func(out string) []string {
		return []string{"generate", "--prompt-class", "cat,dog", "-n", "100", "--steps", "2", "--batch", "4", "--out", out}
	}
	p.run(generate("straight")...)
	want := pictures(t, filepath.Join(p.dir, "straight"))
	if len(want) != 200+1 {
		t.Fatalf("%d pictures", len(want))
	}
	var before map[string]pictureFile
	for _, after := range []int{10, 90} {
		a := p.try(func(e pipeline.Event) os.Signal {
			if e.Event == pipeline.StageProgress && e.Step >= after {
				return os.Kill
			}
			return nil
		}, generate("killed")...)
		if a.code != -1 {
			t.Fatalf("ended with %d before it was killed\n%s", a.code, a.messages())
		}
		now := pictures(t, filepath.Join(p.dir, "killed"))
		if len(now) < after || len(now) >= len(want) {
			t.Fatalf("%d pictures when killed at %d", len(now), after)
		}
		checkKept(t, now, before, want)
		before = now
	}
	a := p.try(func(pipeline.Event) os.Signal { return nil }, generate("killed")...)
	if note := fmt.Sprintf("%d of 200 pictures are there already", len(before)); a.code != exitDone || !strings.Contains(a.messages(), note) {
		t.Errorf("exit code %d, want a note: %s\n%s", a.code, note, a.messages())
	}
	now := pictures(t, filepath.Join(p.dir, "killed"))
	checkKept(t, now, before, want)
	if len(now) != len(want) {
		t.Errorf("%d pictures in the end, want %d", len(now), len(want))
	}
}

// pictureFile is a file and its bytes.
type pictureFile struct {
	info fs.FileInfo
	data string
}

// pictures are the PNG files of a folder by name.
func pictures(t *testing.T, dir string) map[string]pictureFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]pictureFile{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = pictureFile{info, string(data)}
	}
	return files
}

// checkKept holds pictures to the bytes of a straight run, and those of before to being the
// very files that they were.
func checkKept(t *testing.T, now, before, want map[string]pictureFile) {
	t.Helper()
	for name, f := range now {
		if f.data != want[name].data {
			t.Errorf("%s has other bytes than straight through", name)
		}
	}
	for name, f := range before {
		if !os.SameFile(f.info, now[name].info) {
			t.Errorf("%s was written again", name)
		}
	}
}

// checkResumed holds an attempt to going on from the last checkpoint of the one before. One
// that was written but not told of before the kill may have been later.
func checkResumed(t *testing.T, a attempt, executed, started map[string]int) {
	t.Helper()
	for stage, saved := range started {
		e, ok := a.last(pipeline.StageResumed, stage)
		if _, begun := a.last(pipeline.StageStarted, stage); !begun {
			continue // cached by now
		}
		if !ok || e.Step < saved || e.Step == 0 {
			t.Errorf("%s: goes on from step %d (%v), want the checkpoint of %d", stage, e.Step, ok, saved)
			continue
		}
		started[stage] = e.Step
	}
}

// TestSignals: SIGINT and SIGTERM end any stage within seconds, with the exit code of the
// signal, after saying how to go on; and going on works.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals to send")
	}
	t.Parallel()
	const soon = 10 * time.Second
	p := newProgram(t)
	p.tiny()
	p.run("run")
	a := p.try(func(e pipeline.Event) os.Signal {
		if e.Event == pipeline.StageProgress {
			return os.Interrupt
		}
		return nil
	}, "generate", "--prompt-class", "all", "-n", "100", "--batch", "1", "--steps", "100")
	if a.code != exitInterrupted || a.took > soon || !strings.Contains(a.messages(), "the same command makes the rest") {
		t.Errorf("generate: exit code %d after %v\n%s", a.code, a.took, a.messages())
	}
	for _, c := range []struct {
		stage, set string
		signal     os.Signal
		code       int
	}{
		{"autoencoder", "stages.autoencoder.with.steps=1000000", os.Interrupt, exitInterrupted},
		{"autoencoder", "stages.autoencoder.with.steps=1000000", syscall.SIGTERM, exitTerminated},
		{"encode", "datasets.critters.count=100000", os.Interrupt, exitInterrupted},
		{"flow", "stages.flow.with.steps=1000000", syscall.SIGTERM, exitTerminated},
		{"decode", "stages.decode.with.steps=10000", os.Interrupt, exitInterrupted},
	} {
		sets := []string{"--set", c.set}
		if c.stage == "encode" {
			// Many images, of which the autoencoder sees few.
			sets = append(sets, "--set", "datasets.critters.test_fraction=0")
		}
		a := p.try(func(e pipeline.Event) os.Signal {
			if e.Stage == c.stage && (e.Event == pipeline.StageProgress || c.stage == "decode" && e.Event == pipeline.StageStarted) {
				return c.signal
			}
			return nil
		}, append([]string{"run"}, sets...)...)
		name := fmt.Sprintf("%s, %v", c.stage, c.signal)
		if a.code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s", name, a.code, c.code, a.messages())
		}
		if a.took > soon {
			t.Errorf("%s: took %v to end", name, a.took)
		}
		if text := a.messages(); !strings.Contains(text, "interrupted in "+c.stage) || !strings.Contains(text, "go on with: lfm resume") {
			t.Errorf("%s: does not say how to go on:\n%s", name, text)
		}
		if c.stage == "autoencoder" || c.stage == "flow" {
			if s := p.states()[c.stage]; s.State != pipeline.Interrupted {
				t.Errorf("%s: is %s", name, s.State)
			}
			resumed := p.try(func(e pipeline.Event) os.Signal {
				if e.Event == pipeline.StageResumed && e.Step > 0 {
					return os.Kill
				}
				return nil
			}, "resume")
			if resumed.code != -1 {
				t.Errorf("%s: does not go on:\n%s", name, resumed.messages())
			}
		}
	}
}

// TestInexact: what one instruction set began, another does not go on with unless that is
// accepted, because the bytes would be neither's.
func TestInexact(t *testing.T) {
	if kernels.Level() == kernels.Generic {
		t.Skip("there is one instruction set only")
	}
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	generic := *p
	generic.env = append(slices.Clone(p.env), "LFM_CPU=generic")
	a := generic.try(func(e pipeline.Event) os.Signal {
		if e.Event == pipeline.StageCheckpoint {
			return os.Kill
		}
		return nil
	}, "run", "--set", "stages.autoencoder.with.steps=300", "--set", "stages.autoencoder.with.checkpoint_every=10")
	if a.code != -1 {
		t.Fatalf("exit code %d before the kill\n%s", a.code, a.messages())
	}
	never := func(pipeline.Event) os.Signal { return nil }
	if a = p.try(never, "resume"); a.code != exitFailed || !strings.Contains(a.messages(), "--accept-inexact") {
		t.Errorf("exit code %d\n%s", a.code, a.messages())
	}
	a = p.try(never, "resume", "--accept-inexact")
	if e, ok := a.last(pipeline.StageResumed, "autoencoder"); a.code != exitDone || !ok || e.Step == 0 {
		t.Errorf("accepted: exit code %d, goes on from step %d\n%s", a.code, e.Step, a.messages())
	}
}
