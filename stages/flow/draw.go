package flow

import (
	"lfm/internal/latent"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// draw fills the training graph's inputs for a step: the lecture's training algorithm up to
// the loss. Sample i of a step has latent x, noise eps and time t of its own:
//
//	z_t = (1-t) x + (t + sigma_min) eps        v = x - eps
type draw struct {
	set               *latent.Set
	rows              []int // of the training split
	batch             int
	spec              *Spec
	path              path.Straight
	times             path.Times
	dropout           float64
	order             rng.Order
	noise, time, drop rng.Stream
	x                 []float32
}

func newDraw(set *latent.Set, c Config, spec *Spec, seed uint64) *draw {
	rows := set.Rows(latent.Train)
	return &draw{
		set: set, rows: rows, batch: c.Batch, spec: spec,
		path: path.Straight{SigmaMin: float32(c.SigmaMin)}, times: c.times(), dropout: c.ConditionDropout,
		order: rng.NewOrder(seed, len(rows)),
		noise: rng.New(seed, rng.Noise), time: rng.New(seed, rng.Times), drop: rng.New(seed, rng.Drop),
		x: make([]float32, spec.Latent.Size()),
	}
}

// step fills z_t (N, L, C), t (N), labels (N) and the velocity v (N, L, C).
func (d *draw) step(step int, inputs [][]float32) error {
	zt, t, labels, target := inputs[0], inputs[1], inputs[2], inputs[3]
	size := len(d.x)
	path.Stratified(t, d.times, func(i int) float64 { return d.time.Float64(uint64(step), uint64(i)) })
	for i := range d.batch {
		row := d.rows[d.order.Index(step, d.batch, i)]
		d.spec.Stats.Normalize(d.x, d.set.Latent(row))
		eps := zt[i*size : (i+1)*size]
		d.noise.Normal(eps, uint64(step), uint64(i))
		d.path.Interpolate(eps, target[i*size:(i+1)*size], d.x, eps, t[i])
		labels[i] = float32(d.spec.Label(d.set.Label(row)))
		if d.drop.Float64(uint64(step), uint64(i)) < d.dropout {
			labels[i] = float32(d.spec.Null())
		}
	}
	return nil
}
