package flow

import (
	"context"

	"lfm/internal/engine"
	"lfm/internal/ode"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// SampleOptions say how samples are drawn.
type SampleOptions struct {
	Guidance float64        // w: 0 without class, 1 conditional, more: guided
	Steps    int            // from noise to data
	Solver   string         // euler, heun, …: package ode
	Weights  engine.Weights // the last weights or their average
}

// Sampler draws latents from a network: noise at t = 1, the velocity field with guidance
// wrapped round it, a solver down to t = 0, and the finish that takes away what sigma_min
// left. One sample is the same, bit for bit, whatever it shares a batch with.
type Sampler struct {
	field  *guided
	spec   *Spec
	path   path.Straight
	solver *ode.Solver[float32]
	grid   []float64
	z, v   []float32
	labels []int
}

// NewSampler compiles the model's network for batch samples at a time.
func (m *Model) NewSampler(b engine.Backend, batch int, o SampleOptions) (*Sampler, error) {
	net, err := newField(b, m.Arch, batch, guidance(o.Guidance).halves(), engine.Options{})
	if err != nil {
		return nil, err
	}
	if err := net.load(m, o.Weights); err != nil {
		net.Close()
		return nil, err
	}
	return newSampler(net, &m.Spec, batch, o)
}

// newSampler wraps a network for the right numbers of samples and conditions, whose weights are
// in place.
func newSampler(net network, spec *Spec, batch int, o SampleOptions) (*Sampler, error) {
	method, err := ode.ByName(o.Solver)
	if err != nil {
		net.Close()
		return nil, err
	}
	size := spec.Latent.Size()
	return &Sampler{
		field: newGuided(net, guidance(o.Guidance), batch, size, spec.Null()), spec: spec,
		path: path.Straight{SigmaMin: float32(spec.SigmaMin)}, solver: ode.NewSolver[float32](method),
		grid: ode.Uniform(1, 0, o.Steps),
		z:    make([]float32, batch*size), v: make([]float32, batch*size), labels: make([]int, batch),
	}, nil
}

// Evaluations is how many evaluations of the network a sample costs under o, guided ones counted
// twice: what Draw returns.
func (s *Spec) Evaluations(o SampleOptions) (int, error) {
	method, err := ode.ByName(o.Solver)
	if err != nil {
		return 0, err
	}
	n := o.Steps * len(method.C)
	if (path.Straight{SigmaMin: float32(s.SigmaMin)}).NeedsFinish() {
		n++
	}
	return n * guidance(o.Guidance).halves(), nil
}

// Batch is how many samples are drawn at a time.
func (s *Sampler) Batch() int { return len(s.labels) }

// Size is the length of one latent.
func (s *Sampler) Size() int { return s.spec.Latent.Size() }

// Close frees the network.
func (s *Sampler) Close() error { return s.field.net.Close() }

// Draw fills dst with as many latents as there are labels, (n, h, w, C) as the autoencoder
// makes them. Sample i has the class labels[i] (Spec.Null for none) and starts from the
// noise that (seed, labels[i], numbers[i]) draws. It returns the evaluations of the network
// that one sample cost, guided ones counted twice. When ctx ends, it stops before the next
// evaluation and returns ctx's error.
func (s *Sampler) Draw(ctx context.Context, dst []float32, labels, numbers []int, seed uint64) (nfe int, err error) {
	if len(labels) != len(numbers) {
		panic("flow: draw: want as many labels as numbers")
	}
	return s.draw(ctx, dst, labels, func(z []float32, i int) { s.Noise(z, seed, labels[i], numbers[i]) })
}

// Noise sets z (h, w, C) to what Draw starts a sample from.
func (s *Sampler) Noise(z []float32, seed uint64, label, number int) {
	s.spec.law().Draw(z, newDraws(seed, rng.Sample), uint64(label), uint64(number), label)
}

// DrawFrom is Draw where sample i starts from noise[i] of noise (n, h, w, C), such as Noise
// makes, rather than from what a seed draws. Where passing is not nil, it is shown what each batch has become
// at each evaluation of the network: the time, and latents (batch, h, w, C) denormalised as
// Draw's are. A batch that is not full repeats its last sample.
func (s *Sampler) DrawFrom(ctx context.Context, dst, noise []float32, labels []int, passing func(t float64, latents []float32)) (nfe int, err error) {
	size := s.Size()
	if len(noise) != len(labels)*size {
		panic("flow: draw: want as many labels as noises")
	}
	if passing != nil {
		latents := make([]float32, len(s.z))
		s.field.passing = func(t float64, z []float32) {
			s.spec.Stats.Denormalize(latents, z)
			passing(t, latents)
		}
		defer func() { s.field.passing = nil }()
	}
	return s.draw(ctx, dst, labels, func(z []float32, i int) { copy(z, noise[i*size:(i+1)*size]) })
}

// draw draws samples of labels; start sets z to the noise of sample i.
func (s *Sampler) draw(ctx context.Context, dst []float32, labels []int, start func(z []float32, i int)) (nfe int, err error) {
	size := s.Size()
	if len(dst) != len(labels)*size {
		panic("flow: draw: want as many labels as latents")
	}
	for from := 0; from < len(labels); from += s.Batch() {
		n := min(s.Batch(), len(labels)-from)
		for i := range s.labels {
			j := from + min(i, n-1) // a batch that is not full repeats its last sample
			s.labels[i] = labels[j]
			start(s.z[i*size:(i+1)*size], j)
		}
		if nfe, err = s.integrate(ctx); err != nil {
			return nfe, err
		}
		s.spec.Stats.Denormalize(dst[from*size:(from+n)*size], s.z[:n*size])
	}
	return nfe, nil
}

// integrate takes s.z from noise to normalised latents.
func (s *Sampler) integrate(ctx context.Context) (nfe int, err error) {
	s.path.Start(s.z)
	s.field.begin(ctx, s.labels)
	evaluations := s.solver.Solve(s.field.velocity, s.z, s.grid)
	if s.path.NeedsFinish() {
		s.field.velocity(s.v, s.z, 0)
		s.path.Finish(s.z, s.v)
		evaluations++
	}
	return evaluations * s.field.w.halves(), s.field.err
}
