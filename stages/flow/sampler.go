package flow

import (
	"context"
	"fmt"

	"lfm/internal/engine"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// Sampler draws latents from a network: noise at t = 1, the network's predictions with guidance
// wrapped round them, steps down to t = 0 by a solver or by drawing, and the finish that takes
// away what sigma_min left. One sample is the same, bit for bit, whatever it shares a batch with.
type Sampler struct {
	field     *guided
	spec      *Spec
	path      path.Straight  // of sigma_min: how sampling starts and ends
	objective path.Objective // what the network was trained for
	walk      walk

	// Of the batch at hand.
	z, v    []float32
	labels  []int
	numbers []int // of the samples within their labels
	seed    uint64
}

// NewSampler compiles the model's network for batch samples at a time. With a solver that chooses
// its steps it is one at a time, so that no sample's steps depend on its neighbours'. It is an
// error if what the model was trained on has no such way of sampling.
func (m *Model) NewSampler(b engine.Backend, batch int, o SampleOptions) (*Sampler, error) {
	if o.Solver == Dopri5 {
		batch = 1
	}
	net, err := newField(b, m.Arch, batch, guidance(o.Guidance).halves(), engine.Options{})
	if err != nil {
		return nil, err
	}
	if err := net.load(m, o.Weights); err != nil {
		net.Close()
		return nil, err
	}
	var plain network
	if o.pauses() {
		half, err := newField(b, m.Arch, batch, 1, engine.Options{Share: net.machine})
		if err != nil {
			net.Close()
			return nil, err
		}
		half.book = net.book
		plain = half
	}
	return newSampler(net, plain, &m.Spec, batch, o)
}

// newSampler wraps a network for the right numbers of samples and conditions, whose weights are
// in place. plain is the same with the label alone, for the times at which samples are not
// guided; nil where there are none.
func newSampler(net, plain network, spec *Spec, batch int, o SampleOptions) (*Sampler, error) {
	size, objective := spec.Latent.Size(), spec.objective()
	s := &Sampler{
		field: newGuided(net, plain, objective, o, batch, size, spec.Null()), spec: spec,
		path: path.Straight{SigmaMin: float32(spec.SigmaMin)}, objective: objective,
		z: make([]float32, batch*size), v: make([]float32, batch*size), labels: make([]int, batch), numbers: make([]int, batch),
	}
	err := spec.Samples(o.Solver)
	if err != nil {
		err = fmt.Errorf("flow: %w", err)
	} else {
		s.walk, err = newWalk(objective.Path, o)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Evaluations is how many evaluations of the network a sample costs under o, guided ones counted
// twice: what Draw returns. Dopri5's depend on the sample, and are an error.
func (s *Spec) Evaluations(o SampleOptions) (int, error) {
	if o.Solver == Dopri5 {
		return 0, fmt.Errorf("flow: %s evaluates the network as often as a sample needs, which is not known before it is drawn", Dopri5)
	}
	sampler, err := newSampler(idle{}, idle{}, s, 1, o)
	if err != nil {
		return 0, err
	}
	return sampler.integrate(context.Background())
}

// idle is a network that costs nothing.
type idle struct{}

func (idle) condition([]float32) error                { return nil }
func (idle) velocity(_, _ []float32, _ float64) error { return nil }
func (idle) Close() error                             { return nil }

// Batch is how many samples are drawn at a time.
func (s *Sampler) Batch() int { return len(s.labels) }

// Size is the length of one latent.
func (s *Sampler) Size() int { return s.spec.Latent.Size() }

// Close frees the network.
func (s *Sampler) Close() error { return s.field.close() }

// Draw fills dst with as many latents as there are labels, (n, h, w, C) as the autoencoder
// makes them. Sample i has the class labels[i] (Spec.Null for none) and starts from the noise
// that (seed, labels[i], numbers[i]) draws; where classes are prompts, the label has no part in
// it. It returns the evaluations of the network that one sample cost, guided ones counted twice.
// When ctx ends, it stops before the next evaluation and returns ctx's error.
func (s *Sampler) Draw(ctx context.Context, dst []float32, labels, numbers []int, seed uint64) (nfe int, err error) {
	if len(labels) != len(numbers) {
		panic("flow: draw: want as many labels as numbers")
	}
	s.seed = seed
	return s.draw(ctx, dst, labels, func(z []float32, i int) (number int) {
		s.Noise(z, seed, labels[i], numbers[i])
		return numbers[i]
	})
}

// Noise sets z (h, w, C) to what Draw starts a sample from. Unconditional samples, w = 0, start
// from the noise of no class, which the label's own random numbers make.
func (s *Sampler) Noise(z []float32, seed uint64, label, number int) {
	stream := s.spec.stream(label)
	if s.field.w == 0 {
		label = s.spec.Null()
	}
	s.spec.law().Draw(z, newDraws(seed, rng.Sample), stream, uint64(number), label)
}

// DrawFrom is Draw where sample i starts from noise[i] of noise (n, h, w, C), such as Noise
// makes, rather than from what a seed draws. Where passing is not nil, it is shown what each
// batch has become at each evaluation of the network: the time, and latents (batch, h, w, C)
// denormalised as Draw's are. A batch that is not full repeats its last sample. What a solver draws on the way is
// that of seed 0, and of sample i as the number within its label.
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
	s.seed = 0
	return s.draw(ctx, dst, labels, func(z []float32, i int) (number int) {
		copy(z, noise[i*size:(i+1)*size])
		return i
	})
}

// draw draws samples of labels; start sets z to the noise of sample i and returns its number.
func (s *Sampler) draw(ctx context.Context, dst []float32, labels []int, start func(z []float32, i int) (number int)) (nfe int, err error) {
	size := s.Size()
	if len(dst) != len(labels)*size {
		panic("flow: draw: want as many labels as latents")
	}
	for from := 0; from < len(labels); from += s.Batch() {
		n := min(s.Batch(), len(labels)-from)
		for i := range s.labels {
			j := from + min(i, n-1) // a batch that is not full repeats its last sample
			s.labels[i] = labels[j]
			s.numbers[i] = start(s.z[i*size:(i+1)*size], j)
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
	err = s.walk(s)
	if s.path.NeedsFinish() {
		s.field.predict(s.v, s.z, 0)
		s.path.Finish(s.z, s.v)
	}
	if clip := float32(s.field.clip); clip > 0 {
		for i, x := range s.z { // where a solver looks at several predictions a step, their sum may lie beyond
			s.z[i] = min(clip, max(-clip, x))
		}
	}
	if s.field.err != nil {
		err = s.field.err // what it did to the walk is no news
	}
	return s.field.nfe, err
}

// velocity is the guided field by the path's clock, an ode.Field.
func (s *Sampler) velocity(dst, z []float32, clock float64) {
	t := s.objective.Path.Time(clock)
	s.field.predict(dst, z, t)
	if s.objective.Predicts != path.Velocity {
		s.objective.Velocity(t).To(dst, z, dst)
	}
}
