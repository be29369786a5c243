package flow

import "context"

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

// network is a velocity field under conditions.
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
type guided struct {
	net    network
	w      guidance
	null   int
	batch  int
	v      []float32 // of all rows
	labels []float32
	// passing, if not nil, is shown the samples at each evaluation.
	passing func(t float64, z []float32)

	ctx context.Context // of the samples at hand: an integration stops between evaluations
	err error           // the first that occurred; evaluations after it give zero
}

// newGuided wraps a network of batch samples of so many floats, under as many conditions each
// as w has halves.
func newGuided(net network, w guidance, batch, size, null int) *guided {
	rows := batch * w.halves()
	return &guided{net: net, w: w, null: null, batch: batch,
		v: make([]float32, rows*size), labels: make([]float32, rows)}
}

// begin sets the classes of the samples to come, which are given up when ctx ends.
func (g *guided) begin(ctx context.Context, labels []int) {
	g.ctx = ctx
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
}

// velocity is the guided field, an ode.Field.
func (g *guided) velocity(dst, z []float32, t float64) {
	if g.err == nil {
		g.err = g.ctx.Err()
	}
	if g.err == nil {
		if g.passing != nil {
			g.passing(t, z)
		}
		g.err = g.net.velocity(g.v, z, t)
	}
	if g.err != nil {
		clear(dst)
		return
	}
	if g.w.halves() == 1 {
		copy(dst, g.v)
		return
	}
	w := float32(g.w)
	for i, null := range g.v[:len(dst)] {
		dst[i] = null + float32(w*(g.v[len(dst)+i]-null))
	}
}
