package classifier

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/internal/engine/cpu"
	"lfm/internal/rng"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
)

// critters are inputs of a stage that learns so many critters of 16 pixels.
func critters(t *testing.T, b *pipelinetest.Bench, count int, change func(*dataset.Config)) pipeline.Inputs {
	t.Helper()
	c := dataset.Default()
	c.Source, c.Count, c.Size = "critters", count, 16
	if change != nil {
		change(c)
	}
	src, err := dataset.Open(c, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Inputs{Data: b.Data(src), Source: src}
}

// tiny are settings of a classifier that trains in a moment.
func tiny(steps int) *Config {
	c := DefaultConfig()
	c.Channels, c.Features, c.Batch, c.Steps, c.LearningRate = 8, 16, 16, steps, 4e-3
	return c
}

func evaluation(t *testing.T, b *pipelinetest.Bench, a *artifacts.Artifact) (e Evaluation) {
	t.Helper()
	if err := json.Unmarshal(b.Read(a, evaluationFile), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestLearns: a small classifier learns in a second to tell ten kinds of critters that it has not
// seen apart; and as an artifact read again it says what was measured, in batches of any size.
func TestLearns(t *testing.T) {
	b := pipelinetest.New(t)
	in := critters(t, b, 1200, nil)
	a := b.Run(Kind(pipelinetest.CPU), tiny(400), in)
	e := evaluation(t, b, a)
	if e.HeldOut.Accuracy < 0.4 || e.Train.Accuracy < e.HeldOut.Accuracy {
		t.Errorf("accuracy %.3f held out, %.3f in training", e.HeldOut.Accuracy, e.Train.Accuracy)
	}
	m, err := Open(a)
	if err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != a.ID || m.Arch != (Arch{Channels: 8, Features: 16, Classes: 10, Size: 16}) || !slices.Equal(m.Classes, set.Classes()) {
		t.Errorf("read again: %v of %s", m.Spec, m.ID)
	}
	p := Items(set, set.Test())
	var first []float32
	for _, batch := range []int{7, 64} {
		judge, err := m.NewJudge(cpu.Open(2), batch)
		if err != nil {
			t.Fatal(err)
		}
		defer judge.Close()
		predicted, features := make([]int, p.Len()), make([]float32, p.Len()*16)
		if err := judge.Verdicts(t.Context(), predicted, features, func(x []float32, i int) error { return p.Read(x, i, false) }); err != nil {
			t.Fatal(err)
		}
		right := 0
		for i, c := range predicted {
			if c == p.Label(i) {
				right++
			}
		}
		if got := float64(right) / float64(p.Len()); got != e.HeldOut.Accuracy {
			t.Errorf("in batches of %d accuracy %v, measured %v", batch, got, e.HeldOut.Accuracy)
		}
		if first == nil {
			first = features
		} else if !slices.Equal(first, features) {
			t.Error("features depend on the batch")
		}
	}
}

// TestExact: the payload's bytes do not depend on threads, nor on where the training was
// interrupted.
func TestExact(t *testing.T) {
	b := pipelinetest.New(t)
	in, c := critters(t, b, 60, nil), tiny(12)
	c.CheckpointEvery, c.HFlip = 5, true
	want := b.Run(Kind(pipelinetest.CPU), c, in)
	b.Env.Threads = 3
	for _, at := range []int{5, 12} {
		got, resumed := b.Interrupted(Kind(pipelinetest.CPU), c, in, pipeline.StageCheckpoint, at)
		if got.ID != want.ID || resumed < at || resumed > at+1 { // the step that went on meanwhile was done
			t.Errorf("interrupted at step %d, resumed at %d: output %s, want %s", at, resumed, got.ID.Short(), want.ID.Short())
		}
	}
	b.Env.Seed++
	if got := b.Run(Kind(pipelinetest.CPU), c, in); got.ID == want.ID {
		t.Error("another seed makes the same classifier")
	}
}

// TestDraw: each epoch shows every picture once, with its own label; with hflip half of them
// mirrored.
func TestDraw(t *testing.T) {
	b := pipelinetest.New(t)
	in := critters(t, b, 60, nil)
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		t.Fatal(err)
	}
	p := Items(set, set.Train())
	const batch, epochs = 4, 40
	d := &draw{pictures: p, batch: batch, hflip: true, order: rng.NewOrder(5, p.Len()), flip: rng.New(5, rng.Flip)}
	pixels := 16 * 16 * 3
	x, labels := make([]float32, batch*pixels), make([]float32, batch)
	plain, turned := make([]float32, pixels), make([]float32, pixels)
	seen, mirrored, steps := make([]int, p.Len()), 0, epochs*p.Len()/batch
	for step := range steps {
		if err := d.step(step, [][]float32{x, labels}); err != nil {
			t.Fatal(err)
		}
		for i := range batch {
			item := d.order.Index(step, batch, i)
			seen[item]++
			p.Read(plain, item, false)
			p.Read(turned, item, true)
			switch got := x[i*pixels : (i+1)*pixels]; {
			case int(labels[i]) != p.Label(item):
				t.Fatalf("step %d: picture %d has the label %v, want %d", step, item, labels[i], p.Label(item))
			case slices.Equal(got, turned):
				mirrored++
			case !slices.Equal(got, plain):
				t.Fatalf("step %d, sample %d is not picture %d", step, i, item)
			}
		}
	}
	if slices.Min(seen) < epochs-1 || slices.Max(seen) > epochs {
		t.Errorf("in %d epochs pictures were seen %d to %d times", epochs, slices.Min(seen), slices.Max(seen))
	}
	if share := float64(mirrored) / float64(steps*batch); share < 0.45 || share > 0.55 {
		t.Errorf("%.3f of the pictures are mirrored", share)
	}
}

// TestPoorData: one class is an error that says so, and without test images the held-out
// accuracy is null, with a warning.
func TestPoorData(t *testing.T) {
	b := pipelinetest.New(t)
	in := critters(t, b, 20, func(c *dataset.Config) { c.Classes = []string{"cat"} })
	if _, err := b.Start(t.Context(), Kind(pipelinetest.CPU), tiny(1), in, nil); err == nil || !strings.Contains(err.Error(), `one class, "cat"`) {
		t.Errorf("one class: %v", err)
	}
	in = critters(t, b, 40, func(c *dataset.Config) { c.TestFraction = 0 })
	var warned string
	a, err := b.Start(t.Context(), Kind(pipelinetest.CPU), tiny(1), in, func(e pipeline.Event) {
		if e.Event == pipeline.StageWarning {
			warned += e.Message
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if evaluation(t, b, a).HeldOut != nil || !strings.Contains(warned, "no test images") {
		t.Errorf("without test images: warning %q", warned)
	}
}
