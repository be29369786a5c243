package flow

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"lfm/artifacts"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
	"lfm/stages/autoencoder/autoencodertest"
)

// inputs are the inputs of a stage that learns latents of two classes, around -1 and 1.
func inputs(t *testing.T, b *pipelinetest.Bench) pipeline.Inputs {
	dir := t.TempDir()
	latents(t, dir, latent.Shape{H: 2, W: 2, C: 1}, 2, 120, func(c int) float32 { return float32(2*c - 1) })
	files := map[string][]byte{}
	for _, name := range []string{"part-00000.arrow", latent.SummaryName} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return pipeline.Inputs{Artifacts: map[string]*artifacts.Artifact{"encode": b.Artifact(latent.Kind, files)}}
}

// tiny are settings of a flow that trains in a moment.
func tiny(steps int) *Config {
	c := DefaultConfig()
	c.Arch, c.Width, c.Depth, c.Heads, c.ContextTokens, c.Previews = Transformer, 16, 1, 2, 2, false
	c.Batch, c.Steps, c.LearningRate, c.EMA = 32, steps, 5e-3, 0.98
	return c
}

// tinies are tiny settings for each network.
func tinies(steps int) map[string]*Config {
	unet := tiny(steps)
	unet.Arch, unet.Depth = UNet, DefaultConfig().Depth
	return map[string]*Config{Transformer: tiny(steps), UNet: unet}
}

// TestLearns: a small flow comes near the floor of its loss in seconds, its average too, and
// draws samples of the classes asked for: what training and sampling say of time and sign
// is one.
func TestLearns(t *testing.T) {
	for name, c := range tinies(300) {
		t.Run(name, func(t *testing.T) { testLearns(t, c) })
	}
}

func testLearns(t *testing.T, c *Config) {
	b := pipelinetest.New(t)
	a := b.Run(Kind(pipelinetest.CPU), c, inputs(t, b))
	var e HeldOut
	if err := json.Unmarshal(b.Read(a, evaluationFile), &e); err != nil {
		t.Fatal(err)
	}
	// The latents' deviation within a class is 0.24 after normalisation: no loss is below π 0.24/2 = 0.38.
	if e.Raw.Mean > 0.5 || e.EMA.Mean > 0.5 || e.Raw.Mean < 0.33 {
		t.Errorf("held-out loss %.3f, of the average %.3f, of nothing %.3f", e.Raw.Mean, e.EMA.Mean, e.Zero)
	}
	m, err := Open(a)
	if err != nil {
		t.Fatal(err)
	}
	backend := cpu.Open(1)
	defer backend.Close()
	for _, w := range []engine.Weights{engine.Raw, engine.Average} {
		s, err := m.NewSampler(backend, 64, SampleOptions{Guidance: 1, Steps: 10, Solver: "heun", Weights: w})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		labels, numbers := make([]int, 64), make([]int, 64)
		for i := range labels {
			labels[i], numbers[i] = i%2, i
		}
		z := make([]float32, 64*s.Size())
		if _, err := s.Draw(t.Context(), z, labels, numbers, 1); err != nil {
			t.Fatal(err)
		}
		var miss float64
		for i, v := range z {
			miss += math.Abs(float64(v)-float64(2*(i/4%2)-1)) / float64(len(z))
		}
		if miss > 0.4 { // deviation 0.25 has a mean of 0.2
			t.Errorf("weights %d: samples are %.2f from the middle of their classes in the mean", w, miss)
		}
	}
}

// TestExact: the payload's bytes do not depend on threads, nor on where the training was
// interrupted.
func TestExact(t *testing.T) {
	for name, c := range tinies(24) {
		t.Run(name, func(t *testing.T) {
			b := pipelinetest.New(t)
			testExact(t, b, c, inputs(t, b))
		})
	}
	for _, condition := range []string{byCaption, byProperties} {
		t.Run(condition, func(t *testing.T) {
			b, c := pipelinetest.New(t), tiny(24)
			c.Condition = condition
			testExact(t, b, c, told(t, b, 60))
		})
	}
}

func testExact(t *testing.T, b *pipelinetest.Bench, c *Config, in pipeline.Inputs) {
	c.CheckpointEvery = 5
	want := b.Run(Kind(pipelinetest.CPU), c, in)
	b.Env.Threads = 3
	interruptions := []int{5, 10, 24}
	if testing.Short() {
		interruptions = []int{10}
	}
	for _, at := range interruptions {
		got, resumed := b.Interrupted(Kind(pipelinetest.CPU), c, in, pipeline.StageCheckpoint, at)
		if got.ID != want.ID || resumed < at || resumed > at+1 { // the step that went on meanwhile was done
			t.Errorf("interrupted at step %d, resumed at %d: output %s, want %s", at, resumed, got.ID.Short(), want.ID.Short())
		}
	}
	b.Env.Seed++
	if got := b.Run(Kind(pipelinetest.CPU), c, in); got.ID == want.ID {
		t.Error("another seed makes the same flow")
	}
}

// TestPreviews: ten times during training a grid appears in the stage's folder. The payload
// does not know of it, nor of a folder that cannot be written to.
func TestPreviews(t *testing.T) {
	b := pipelinetest.New(t)
	in, c := inputs(t, b), tiny(20)
	want := b.Run(Kind(pipelinetest.CPU), c, in)
	in.Artifacts["autoencoder"] = autoencodertest.Artifact(t, b, autoencoder.Arch{Channels: 4, LatentChannels: 1, Downsample: 2, Size: 4})
	c.Previews = true
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for out, pictures := range map[string]int{filepath.Join(dir, "flow"): 10, file: 0} {
		b.Env.OutDir = out
		shown, warned := 0, 0
		got, err := b.Start(t.Context(), Kind(pipelinetest.CPU), c, in, func(e pipeline.Event) {
			switch e.Event {
			case pipeline.StagePicture:
				if file, err := os.ReadFile(e.Path); err != nil || !bytes.HasPrefix(file, []byte("\x89PNG")) {
					t.Errorf("%s: %v", e.Path, err)
				}
				shown++
			case pipeline.StageWarning:
				warned++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if shown != pictures || warned != 10-pictures {
			t.Errorf("%d previews and %d warnings, want %d and %d", shown, warned, pictures, 10-pictures)
		}
		// The autoencoder is there for the previews alone, and changes no byte either.
		if got.ID != want.ID {
			t.Errorf("output %s, without previews %s", got.ID.Short(), want.ID.Short())
		}
	}
	// An end just behind a preview leaves the measuring that follows to the next run.
	b.Env.OutDir = filepath.Join(dir, "again")
	if got, resumed := b.Interrupted(Kind(pipelinetest.CPU), c, in, pipeline.StagePicture, 0); got.ID != want.ID || resumed != 2 {
		t.Errorf("interrupted behind a preview, resumed at step %d: output %s, want %s", resumed, got.ID.Short(), want.ID.Short())
	}
}

// TestPayload: files are those that the package says, and without an average there is none.
func TestPayload(t *testing.T) {
	b := pipelinetest.New(t)
	in, c := inputs(t, b), tiny(2)
	for _, ema := range []float64{0.5, 0} {
		c.EMA = ema
		a := b.Run(Kind(pipelinetest.CPU), c, in)
		_, averaged := a.File(averageFile)
		m, err := Open(a)
		if err != nil || averaged != (ema > 0) || m.Averaged != averaged || len(a.Files) != map[bool]int{true: 5, false: 4}[averaged] {
			t.Errorf("ema %v: %v, %v", ema, a.Files, err)
		}
		if lines := bytes.Count(b.Read(a, metricsFile), []byte("\n")); lines != 4 { // two steps and two evaluations
			t.Errorf("%d lines of metrics", lines)
		}
	}
}
