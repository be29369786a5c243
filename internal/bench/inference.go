package bench

import (
	"bytes"
	"context"

	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/latent"
	"lfm/internal/nn"
	"lfm/internal/rng"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// Floats of an image and of a latent.
const (
	imageSize  = 32 * 32 * 3
	latentSize = 8 * latentWidth * 4

	latentWidth = 8 // in tokens
)

// coding is a half of the autoencoder at work on one batch.
type coding struct {
	*autoencoder.Coder
	dst, src []float32
}

func (c *coding) step(context.Context) error { return c.Apply(c.dst, c.src) }

func openEncode(b engine.Backend, batch int) (workload, error) {
	m, err := untrainedAutoencoder()
	if err != nil {
		return nil, err
	}
	c, err := m.NewImageEncoder(b, batch)
	if err != nil {
		return nil, err
	}
	return &coding{c, make([]float32, batch*latentSize), normal("images", batch*imageSize)}, nil
}

func openDecode(b engine.Backend, batch int) (workload, error) {
	m, err := untrainedAutoencoder()
	if err != nil {
		return nil, err
	}
	c, err := m.NewLatentDecoder(b, batch)
	if err != nil {
		return nil, err
	}
	return &coding{c, make([]float32, batch*imageSize), normal("latents", batch*latentSize)}, nil
}

// sampling is a sampler at work on one batch.
type sampling struct {
	*flow.Sampler
	dst             []float32
	labels, numbers []int
}

func (s *sampling) step(ctx context.Context) error {
	_, err := s.Draw(ctx, s.dst, s.labels, s.numbers, seed)
	return err
}

func openSample(b engine.Backend, a flow.Arch, batch int) (workload, error) {
	m, err := untrainedFlow(a)
	if err != nil {
		return nil, err
	}
	s, err := m.NewSampler(b, batch, flow.SampleOptions{Guidance: sampleGuidance, Steps: sampleSteps, Solver: "euler", Weights: engine.Raw})
	if err != nil {
		return nil, err
	}
	return &sampling{s, make([]float32, batch*s.Size()), labels(batch), numbers(batch)}, nil
}

// untrainedAutoencoder is R1's as training finds it.
func untrainedAutoencoder() (*autoencoder.Model, error) {
	t, err := autoencoder.NewTraining(autoencoder.R1, 1)
	if err != nil {
		return nil, err
	}
	w, err := untrained(t.Params)
	if err != nil {
		return nil, err
	}
	return autoencoder.NewModel(autoencoder.R1, w), nil
}

// untrainedFlow is a flow as training finds it.
func untrainedFlow(a flow.Arch) (*flow.Model, error) {
	e, err := flow.NewEvaluation(a, 1, 1)
	if err != nil {
		return nil, err
	}
	w, err := untrained(e.Params)
	if err != nil {
		return nil, err
	}
	spec := flow.Spec{
		Arch:    a,
		Latent:  latent.Shape{H: a.Tokens / latentWidth, W: latentWidth, C: a.Channels},
		Stats:   latent.Stats{Mean: make([]float64, 4), Std: []float64{1, 1, 1, 1}},
		Classes: make([]string, a.Classes),
	}
	return flow.NewModel(spec, w), nil
}

// untrained gives the first values of parameters the form of trained weights.
func untrained(params *nn.Params) (*checkpoint.File, error) {
	file, err := untrainedFile(params)
	if err != nil {
		return nil, err
	}
	return checkpoint.Read(bytes.NewReader(file), int64(len(file)))
}

// normal draws n standard normal numbers.
func normal(purpose rng.Purpose, n int) []float32 {
	x := make([]float32, n)
	rng.New(seed, purpose).Normal(x, 0, 0)
	return x
}

// labels are classes in turn.
func labels(n int) []int {
	l := numbers(n)
	for i := range l {
		l[i] %= flow.R1.Classes
	}
	return l
}

// numbers count from 0.
func numbers(n int) []int {
	c := make([]int, n)
	for i := range c {
		c[i] = i
	}
	return c
}

// item is item i of a batch whose items have so many floats.
func item(x []float32, i, size int) []float32 { return x[i*size : (i+1)*size] }
