package autoencoder

import (
	"bytes"
	"encoding/json"
	"image/png"
	"maps"
	"slices"
	"testing"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
)

// critters are inputs of a stage that learns so many critters of a size.
func critters(t *testing.T, b *pipelinetest.Bench, count, size int) pipeline.Inputs {
	t.Helper()
	c := dataset.Default()
	c.Source, c.Count, c.Size = "critters", count, size
	src, err := dataset.Open(c, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Inputs{Data: b.Data(src), Source: src}
}

// tiny are settings of an autoencoder that trains in a moment.
func tiny(steps int) *Config {
	c := DefaultConfig()
	c.Channels, c.Batch, c.Steps, c.LearningRate = 8, 16, steps, 4e-3
	return c
}

func evaluation(t *testing.T, b *pipelinetest.Bench, a *artifacts.Artifact) (e Evaluation) {
	t.Helper()
	if err := json.Unmarshal(b.Read(a, evaluationFile), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestLearns: a small autoencoder learns in seconds to restore critters that it has not seen,
// with every channel of its latents; and as an artifact read again it codes as measured.
func TestLearns(t *testing.T) {
	b := pipelinetest.New(t)
	in := critters(t, b, 400, 16)
	before := evaluation(t, b, b.Run(Kind(pipelinetest.CPU), tiny(1), in))
	a := b.Run(Kind(pipelinetest.CPU), tiny(200), in)
	e := evaluation(t, b, a)
	if e.HeldOut.PSNR < 16.5 || e.HeldOut.PSNR < before.HeldOut.PSNR+4 || e.HeldOut.SSIM < before.HeldOut.SSIM {
		t.Errorf("held-out PSNR %.2f dB and SSIM %.3f, after one step %.2f dB and %.3f", e.HeldOut.PSNR, e.HeldOut.SSIM, before.HeldOut.PSNR, before.HeldOut.SSIM)
	}
	if len(e.LatentStd) != 4 || slices.Min(e.LatentStd) < slices.Max(e.LatentStd)/10 {
		t.Errorf("latents' deviations %v: a channel carries nothing", e.LatentStd)
	}

	m, err := Open(a)
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != a.ID || m.Arch != (Arch{Channels: 8, LatentChannels: 4, Downsample: 4, Size: 16}) {
		t.Errorf("read again: %v of %s", m.Arch, m.ID)
	}
	if _, err := png.Decode(bytes.NewReader(b.Read(a, picturesFile))); err != nil {
		t.Error(err)
	}
}

// TestExact: the payload's bytes do not depend on threads, nor on where the training was
// interrupted.
func TestExact(t *testing.T) {
	b := pipelinetest.New(t)
	in, c := critters(t, b, 60, 8), tiny(12)
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
		t.Error("another seed makes the same autoencoder")
	}
}

// TestDraw: each epoch reads every training image once and no other; with hflip, half of them
// mirrored; and a step is a function of its number alone.
func TestDraw(t *testing.T) {
	b := pipelinetest.New(t)
	in := critters(t, b, 70, 8)
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		t.Fatal(err)
	}
	for _, hflip := range []bool{false, true} {
		c := *tiny(1)
		c.Batch, c.HFlip = 8, hflip
		d := newDraw(set, c, 3)
		const epochs = 24
		n := len(set.Train())
		x, noise := make([]float32, 8*8*8*3), make([]float32, 8*2*2*4)
		seen, mirrored := map[int]int{}, 0
		plain, turned := make([]float32, 8*8*3), make([]float32, 8*8*3)
		for step := range epochs * n / 8 {
			if err := d.step(step, [][]float32{x, noise}); err != nil {
				t.Fatal(err)
			}
			for i := range 8 {
				item := set.Train()[d.order.Index(step, 8, i)]
				seen[item]++
				if err := set.Read(plain, item, false); err != nil {
					t.Fatal(err)
				}
				if err := set.Read(turned, item, true); err != nil {
					t.Fatal(err)
				}
				switch got := x[i*len(plain) : (i+1)*len(plain)]; {
				case slices.Equal(got, plain):
				case hflip && slices.Equal(got, turned):
					mirrored++
				default:
					t.Fatalf("step %d, sample %d is not image %d", step, i, item)
				}
			}
		}
		total := epochs * n / 8 * 8
		if len(seen) != n || slices.Max(slices.Collect(maps.Values(seen))) > epochs {
			t.Errorf("%d of %d training images were read, one of them %d times in %d epochs", len(seen), n, slices.Max(slices.Collect(maps.Values(seen))), epochs)
		}
		if share := float64(mirrored) / float64(total); hflip && (share < 0.45 || share > 0.55) {
			t.Errorf("%.3f of the images are mirrored", share)
		}
		again := slices.Concat(x, noise)
		d.step(0, [][]float32{x, noise})
		d.step(epochs*n/8-1, [][]float32{x, noise})
		if !slices.Equal(again, slices.Concat(x, noise)) {
			t.Error("a step drawn again is another one")
		}
	}
}
