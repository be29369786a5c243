package flow

import (
	"context"
	"errors"
	"math"

	"lfm/internal/path"
)

// guidance is the scale w of classifier-free guidance (Ho & Salimans 2022), in the lecture's
// form and on every channel of the latent:
//
//	v = v(z, t, null) + w (v(z, t, c) - v(z, t, null))
//
// w = 1 is the conditional model and w = 0 the unconditional one.
type guidance float64

// halves is how many evaluations of the network a guided one counts as: one for each
// condition.
func (w guidance) halves() int {
	if w == 0 || w == 1 {
		return 1
	}
	return 2
}

// network is a velocity field under conditions, or of whatever else it was trained to predict.
type network interface {
	// condition says under which labels (R) the velocities to come are; R is a multiple of
	// the number N of samples.
	condition(labels []float32) error

	// velocity sets v (R, L, C) to velocities at z (N, L, C), all at one time: row r is that
	// of sample r mod N under label r.
	velocity(v, z []float32, t float64) error

	Close() error
}

// guided wraps guidance round a network; whoever integrates it knows nothing of guidance.
// Both halves are rows of one evaluation, the unconditional ones first.
//
// Where the samples are guided at some times only (Kynkäänniemi et al. 2024), the others are
// evaluations of a network without the unconditional half.
type guided struct {
	net       network
	plain     network // with the samples' labels alone; may be nil where all times are guided
	w         guidance
	interval  Interval
	rescale   float64
	clip      float64
	objective path.Objective
	null      int
	batch     int
	v         []float32 // of all rows, where there are two halves
	labels    []float32
	// passing, if not nil, is shown the samples at each evaluation.
	passing func(t float64, z []float32)

	ctx context.Context // of the samples at hand: an integration stops between evaluations
	nfe int             // evaluations that each of them has cost
	err error           // the first that occurred; evaluations after it give zero
}

// newGuided wraps a network of batch samples of so many floats, under as many conditions each
// as w has halves, and one with the label alone.
func newGuided(net, plain network, objective path.Objective, o SampleOptions, batch, size, null int) *guided {
	w := guidance(o.Guidance)
	rows := batch * w.halves()
	return &guided{net: net, plain: plain, w: w, interval: o.Interval, rescale: o.Rescale, clip: o.Clip, objective: objective,
		null: null, batch: batch, v: make([]float32, rows*size), labels: make([]float32, rows)}
}

// close frees the networks, the one that has the other's weights first.
func (g *guided) close() error {
	if g.plain == nil {
		return g.net.Close()
	}
	return errors.Join(g.plain.Close(), g.net.Close())
}

// begin sets the classes of the samples to come, which are given up when ctx ends.
func (g *guided) begin(ctx context.Context, labels []int) {
	g.ctx, g.nfe = ctx, 0
	for i, label := range labels {
		switch {
		case g.w == 0:
			g.labels[i] = float32(g.null)
		case g.w == 1:
			g.labels[i] = float32(label)
		default:
			g.labels[i], g.labels[g.batch+i] = float32(g.null), float32(label)
		}
	}
	g.err = g.net.condition(g.labels)
	if g.plain != nil && g.err == nil {
		g.err = g.plain.condition(g.labels[len(g.labels)-g.batch:])
	}
}

// predict sets dst to the guided prediction at (z, t).
func (g *guided) predict(dst, z []float32, t float64) {
	if g.err == nil {
		g.err = g.ctx.Err()
	}
	if g.err == nil && g.passing != nil {
		g.passing(t, z)
	}
	switch {
	case g.err != nil:
	case g.w.halves() == 1:
		g.err = g.net.velocity(dst, z, t)
		g.nfe++
	case !g.interval.guides(t):
		g.err = g.plain.velocity(dst, z, t)
		g.nfe++
	default:
		g.err = g.net.velocity(g.v, z, t)
		g.nfe += 2
		g.extrapolate(dst)
		if g.rescale > 0 {
			g.narrow(dst, z, t)
		}
	}
	switch {
	case g.err != nil:
		clear(dst)
	case g.clip > 0:
		g.confine(dst, z, t)
	}
}

// extrapolate sets dst to the guided sum of both halves.
func (g *guided) extrapolate(dst []float32) {
	w := float32(g.w)
	for i, null := range g.v[:len(dst)] {
		dst[i] = null + float32(w*(g.v[len(dst)+i]-null))
	}
}

// narrow brings the guided prediction in dst nearer to the conditional one's range: guidance
// makes the data that it sees the larger the stronger it is, and pictures too contrasty (Lin et
// al. 2024, section 3.4). With x and x_c the data that the guided and the conditional prediction
// see, and std over all numbers of a sample,
//
//	x ← (rescale std(x_c)/std(x) + 1 - rescale) x
//
// At a time where the point is the data, there is nothing to be done.
func (g *guided) narrow(dst, z []float32, t float64) {
	data := g.objective.Data(t)
	if data.P == 0 {
		return
	}
	size := len(dst) / g.batch
	for from := 0; from < len(dst); from += size {
		p, point := dst[from:from+size], z[from:from+size]
		c := g.v[len(dst)+from : len(dst)+from+size]
		wide := deviation(data, point, p)
		if wide == 0 {
			continue
		}
		f := g.rescale*deviation(data, point, c)/wide + 1 - g.rescale
		// The prediction that sees f (Z z + P p) is f p + (f-1) Z/P z.
		path.Mix{Z: (f - 1) * data.Z / data.P, P: f}.To(p, point, p)
	}
}

// confine keeps the data that a prediction sees within clip of 0, the mean of the latents, as a mean of data lies among data.
// A prediction of noise says of the data what it says divided by the path's A, so near t = 1 its least error makes data
// without bounds, which a walk without noise never forgets (clip_denoised of DDPM's program, where pixels end at 1).
func (g *guided) confine(dst, z []float32, t float64) {
	data := g.objective.Data(t)
	if data.P == 0 {
		return
	}
	for i, p := range dst {
		point := float64(data.Z * float64(z[i]))
		x := point + float64(data.P*float64(p))
		if x < -g.clip || x > g.clip {
			dst[i] = float32((math.Copysign(g.clip, x) - point) / data.P)
		}
	}
}

// deviation is the standard deviation of the numbers of a sum.
func deviation(m path.Mix, z, p []float32) float64 {
	var sum, squares float64
	for i := range z {
		x := float64(m.Z*float64(z[i])) + float64(m.P*float64(p[i]))
		sum += x
		squares += float64(x * x)
	}
	n := float64(len(z))
	return math.Sqrt(max(0, squares/n-sum/n*sum/n))
}
