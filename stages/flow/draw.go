package flow

import (
	"lfm/internal/latent"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// Noising fills the training graph's inputs for a step: the lecture's training algorithm up
// to the loss. Sample i of a step has latent x and time t of its own, one from each of N equally
// likely strata of the distribution of times, and its share eps of the noise that the base draws
// for the batch's classes, as the coupling has it:
//
//	z_t = (1-t) x + (t + sigma_min) eps        v = x - eps
//
// or, where the objective is noise, z_t on the path of diffusion models and eps in the place of v;
// and its class is dropped with the probability of condition_dropout. All draws are pure
// functions of the seed, the step and i.
type Noising struct {
	objective  path.Objective
	base       Base
	coupling   coupling
	times      path.Times
	dropout    float64
	null       int
	noise      Draws
	time, drop rng.Stream
}

// NewNoising is what settings say, for a network whose null context has the label null. Noise
// is N(0, I): a base that is fitted wants the latents.
func NewNoising(c *Config, null int, seed uint64) *Noising {
	return &Noising{
		objective: c.objective(), base: unit{}, coupling: newCoupling(c, rng.New(seed, rng.Coupling)), times: c.times(), dropout: c.ConditionDropout, null: null,
		noise: newDraws(seed, rng.Noise), time: rng.New(seed, rng.Times), drop: rng.New(seed, rng.Drop),
	}
}

// Fill fills z_t (N, L, C), t (N), labels (N) and the velocity v (N, L, C), or whatever is predicted, the inputs of
// Training in their order. sample writes the normalised latent of sample i to x and returns
// its label. An error is sample's, or that of a latent which cannot be paired.
func (n *Noising) Fill(step int, inputs [][]float32, sample func(i int, x []float32) (label int, err error)) error {
	zt, t, labels, v := inputs[0], inputs[1], inputs[2], inputs[3]
	size := len(zt) / len(t)
	path.Stratified(t, n.times, func(i int) float64 { return n.time.Float64(uint64(step), uint64(i)) })
	for i := range t {
		label, err := sample(i, v[i*size:(i+1)*size])
		if err != nil {
			return err
		}
		labels[i] = float32(label)
		n.base.Draw(zt[i*size:(i+1)*size], n.noise, uint64(step), uint64(i), label)
	}
	if err := n.coupling.pair(uint64(step), v, zt, labels); err != nil {
		return err
	}
	for i := range t {
		x, eps := v[i*size:(i+1)*size], zt[i*size:(i+1)*size]
		n.objective.Interpolate(eps, x, x, eps, t[i])
		if n.drop.Float64(uint64(step), uint64(i)) < n.dropout {
			labels[i] = float32(n.null)
		}
	}
	return nil
}

// draw gives a training step the rows whose turn it is.
type draw struct {
	*Noising
	set   *latent.Set
	spec  *Spec
	rows  []int // of the training split
	batch int
	order rng.Order

	terms  terms
	labels []float32 // of a batch, where the network reads rows of the terms' book
}

func newDraw(set *latent.Set, c Config, spec *Spec, terms terms, seed uint64) *draw {
	rows := set.Rows(latent.Train)
	noising := NewNoising(&c, terms.null, seed)
	noising.base = spec.law()
	return &draw{Noising: noising, set: set, spec: spec,
		rows: rows, batch: c.Batch, order: rng.NewOrder(seed, len(rows)), terms: terms, labels: make([]float32, c.Batch)}
}

// step fills the inputs of Training.
func (d *draw) step(step int, inputs [][]float32) error {
	if d.terms.book == nil {
		return d.fill(step, inputs)
	}
	err := d.fill(step, [][]float32{inputs[0], inputs[1], d.labels, inputs[3]})
	d.terms.book.look(inputs[2], d.labels)
	return err
}

// fill fills them with labels for conditions.
func (d *draw) fill(step int, inputs [][]float32) error {
	return d.Fill(step, inputs, func(i int, x []float32) (int, error) {
		row := d.rows[d.order.Index(step, d.batch, i)]
		if err := d.set.Read(x, row); err != nil {
			return 0, err
		}
		d.spec.Stats.Normalize(x, x)
		return d.terms.label(row), nil
	})
}
