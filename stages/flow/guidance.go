package flow

import "context"

// guidance is the scale w of classifier-free guidance (Ho & Salimans 2022), in the lecture's
// form and on every channel of the latent:
//
//	v = v(z, t, null) + w (v(z, t, c) - v(z, t, null))
//
// w = 1 is the conditional model and w = 0 the unconditional one.
type guidance float64

// halves is how many evaluations of the network a guided one takes.
func (w guidance) halves() int {
	if w == 0 || w == 1 {
		return 1
	}
	return 2
}

// network is a velocity field under a condition: it sets v to the velocity at z, (rows, L, C)
// both, all rows at one time and each under a label of its own.
type network interface {
	velocity(v, z []float32, t float64, labels []float32) error
	Close() error
}

// guided wraps guidance round a network; whoever integrates it knows nothing of guidance.
// Both halves are rows of one batch, the unconditional ones first.
type guided struct {
	net    network
	w      guidance
	null   int
	batch  int
	z, v   []float32 // of all rows
	labels []float32
	ctx    context.Context // of the samples at hand: an integration stops between evaluations
	err    error           // of the first evaluation that failed; those after it give zero
}

// newGuided wraps a network of batch samples' rows, which are of so many floats each.
func newGuided(net network, w guidance, batch, size, null int) *guided {
	rows := batch * w.halves()
	return &guided{net: net, w: w, null: null, batch: batch,
		z: make([]float32, rows*size), v: make([]float32, rows*size), labels: make([]float32, rows)}
}

// begin sets the classes of the samples to come, which are given up when ctx ends.
func (g *guided) begin(ctx context.Context, labels []int) {
	g.ctx, g.err = ctx, nil
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
}

// velocity is the guided field, an ode.Field.
func (g *guided) velocity(dst, z []float32, t float64) {
	for h := range g.w.halves() {
		copy(g.z[h*len(z):], z)
	}
	if g.err == nil {
		g.err = g.ctx.Err()
	}
	if g.err == nil {
		g.err = g.net.velocity(g.v, g.z, t, g.labels)
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
