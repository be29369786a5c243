package flow

import (
	"context"
	"math"

	"lfm/internal/engine"
	"lfm/internal/ode"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// LikelihoodOptions say how log-densities are computed.
type LikelihoodOptions struct {
	// Probes is how many random vectors estimate the divergence (Hutchinson 1989; Grathwohl et al. 2019, FFJORD). 0: it is
	// exact, at as many products with the Jacobian as a latent has numbers.
	Probes     int
	RTol, ATol float64 // of Dormand-Prince's steps. If equal to 0, 1e-4
	Seed       uint64  // of the probes
	Weights    engine.Weights
}

// Likelihood computes the log-density of latents under a model by the instantaneous change of
// variables (Chen et al. 2018), along the model's flow from the latent at t = 0 up to its base:
//
//	log p(z_0) = log q(z_1) - ∫ div v dt      dz/dt = -v
//
// with rates by the path's clock. With sigma_min > 0 it is the density of x + sigma_min eps. A
// model of a diffusion path is taken to begin at N(0, I), as it is sampled.
type Likelihood struct {
	net       differential
	spec      *Spec
	objective path.Objective
	options   LikelihoodOptions
	solver    *ode.Adaptive[float64]
	rows      int

	// Of all rows of an evaluation.
	z, prediction, probe, product []float32
	labels                        []float32

	ctx    context.Context
	number int
	err    error
}

// differential is a network whose Jacobian can be multiplied by vectors.
type differential interface {
	condition(labels []float32) error

	// products sets p (R, L, C) to predictions at z (R, L, C), all at one time, and g to
	// probeᵀ ∂p/∂z of each row.
	products(p, g, z, probe []float32, t float64) error

	Close() error
}

// Density is a log-density, in nats, of a latent as the autoencoder makes it.
type Density struct {
	Log         float64
	BitsPerDim  float64 // -Log over numbers of a latent and ln 2
	Base        float64 // log q(z_1), in Log
	Volume      float64 // -∫ div v, in Log
	Evaluations int     // of the network and its Jacobian, by one probe each, that the latent cost
}

// NewLikelihood compiles the model's network with its Jacobian, for so many probes at a time: a matter
// of memory and speed, on which no bit of a density depends. It is an error if the model's base has no
// density.
func (m *Model) NewLikelihood(b engine.Backend, rows int, o LikelihoodOptions) (*Likelihood, error) {
	net, err := newDifferential(b, m.Arch, rows, engine.Options{})
	if err != nil {
		return nil, err
	}
	if err := net.load(m, o.Weights); err != nil {
		net.Close()
		return nil, err
	}
	return newLikelihood(net, &m.Spec, rows, o)
}

func newLikelihood(net differential, spec *Spec, rows int, o LikelihoodOptions) (*Likelihood, error) {
	size := spec.Latent.Size()
	if _, err := spec.LogBase(make([]float32, size), spec.Null()); err != nil {
		net.Close()
		return nil, err
	}
	if o.RTol == 0 {
		o.RTol = 1e-4
	}
	if o.ATol == 0 {
		o.ATol = 1e-4
	}
	return &Likelihood{net: net, spec: spec, objective: spec.objective(), options: o,
		solver: ode.NewAdaptive[float64](o.RTol, o.ATol), rows: rows,
		z: make([]float32, rows*size), prediction: make([]float32, rows*size), probe: make([]float32, rows*size), product: make([]float32, rows*size),
		labels: make([]float32, rows)}, nil
}

// Close frees the network.
func (l *Likelihood) Close() error { return l.net.Close() }

// Of is the density of a latent (h, w, C) under a label (Spec.Null for none). number says which
// probes are drawn for it: the same ones all the way, so that what is integrated is smooth.
func (l *Likelihood) Of(ctx context.Context, latent []float32, label, number int) (Density, error) {
	size := l.spec.Latent.Size()
	if len(latent) != size {
		panic("flow: likelihood: wrong length of a latent")
	}
	l.ctx, l.number = ctx, number
	for i := range l.labels {
		l.labels[i] = float32(label)
	}
	if l.err = l.net.condition(l.labels); l.err != nil {
		return Density{}, l.err
	}
	first := make([]float32, size)
	l.spec.Stats.Normalize(first, latent)
	state := make([]float64, size+1) // z, and the integral of -div v
	for i, v := range first {
		state[i] = float64(v)
	}
	p := l.objective.Path
	n, err := l.solver.Solve(l.rate, state, p.Clock(0), p.Clock(1))
	if l.err != nil {
		err = l.err
	}
	if err != nil {
		return Density{}, err
	}
	for i := range first {
		first[i] = float32(state[i])
	}
	d := Density{Volume: state[size], Evaluations: n * l.probes()}
	if d.Base, err = l.spec.LogBase(first, label); err != nil {
		return Density{}, err
	}
	d.Log = d.Base + d.Volume - l.logScale()
	d.BitsPerDim = -d.Log / (float64(size) * math.Ln2)
	return d, nil
}

// logScale is how much denser normalised latents are than those the autoencoder makes.
func (l *Likelihood) logScale() (sum float64) {
	for _, std := range l.spec.Stats.Std {
		if std > 0 { // a channel that never varies is shifted only
			sum += math.Log(std) * float64(l.spec.Latent.H*l.spec.Latent.W)
		}
	}
	return sum
}

// probes is how many vectors the Jacobian is multiplied by.
func (l *Likelihood) probes() int {
	if l.options.Probes > 0 {
		return l.options.Probes
	}
	return l.spec.Latent.Size()
}

// rate is an ode.Field of z and of the integral of -div v, by the path's clock.
func (l *Likelihood) rate(dst, state []float64, clock float64) {
	size, t := len(state)-1, l.objective.Path.Time(clock)
	for i := range l.z {
		l.z[i] = float32(state[i%size])
	}
	var trace float64
	for first := 0; first < l.probes(); first += l.rows {
		if l.err == nil {
			l.err = l.ctx.Err()
		}
		n := min(l.rows, l.probes()-first)
		for i := range l.rows {
			l.draw(l.probe[i*size:(i+1)*size], first+min(i, n-1))
		}
		if l.err == nil {
			l.err = l.net.products(l.prediction, l.product, l.z, l.probe, t)
		}
		if l.err != nil {
			clear(dst)
			return
		}
		for i := range n * size {
			trace += float64(float64(l.probe[i]) * float64(l.product[i]))
		}
	}
	if l.options.Probes > 0 {
		trace /= float64(l.probes())
	}
	v := l.objective.Velocity(t)
	for i := range size {
		dst[i] = float64(v.Z*state[i]) + float64(v.P*float64(l.prediction[i]))
	}
	dst[size] = v.Z*float64(size) + v.P*trace
}

// draw sets a probe: unit vector k, or the k-th of the latent's random signs.
func (l *Likelihood) draw(probe []float32, k int) {
	if l.options.Probes == 0 {
		clear(probe)
		probe[k] = 1
		return
	}
	words := make([]uint32, len(probe))
	rng.New(l.options.Seed, rng.Probe).Uint32s(words, uint64(k), uint64(l.number))
	for i, w := range words {
		probe[i] = 1 - 2*float32(w>>31)
	}
}
