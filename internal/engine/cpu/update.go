package cpu

import (
	"math"

	"lfm/internal/engine"
	"lfm/internal/kernels"
)

// chunkSize is how many floats of a parameter are summed and moved at a time. It is fixed,
// as it decides the order of additions in the norm of the gradients.
const chunkSize = 1 << 14

// updater is the optimizer's step after the backward pass: one loop for the norm of all
// gradients, one that moves everything.
type updater struct {
	scalars engine.Scalars
	chunks  []chunk
	squares []float64 // by chunk
	loss    []float32

	decaying, plain kernels.AdamW // of the step at hand, with and without weight decay
	norm, move      func(worker, i0, i1 int)
}

// chunk is a piece of a parameter with its gradient and state.
type chunk struct {
	weights, moment1, moment2, average, grad []float32
	decay                                    bool
}

func (u *updater) open(m *Machine) {
	p := m.plan
	if len(p.Outputs) > 0 {
		u.loss = m.values[p.Outputs[0]]
	}
	for i, entry := range p.Updates {
		if !entry.Trained() {
			continue
		}
		state, grad := &m.params[i], m.values[entry.Grad]
		for from := 0; from < len(grad); from += chunkSize {
			to := min(from+chunkSize, len(grad))
			c := chunk{
				weights: state.weights[from:to],
				moment1: state.moment1[from:to],
				moment2: state.moment2[from:to],
				grad:    grad[from:to],
				decay:   entry.Decay,
			}
			if entry.EMA {
				c.average = state.average[from:to]
			}
			u.chunks = append(u.chunks, c)
		}
	}
	u.squares = make([]float64, len(u.chunks))
	u.norm = func(_, i0, i1 int) {
		for i := i0; i < i1; i++ {
			u.squares[i] = kernels.SumSquares(u.chunks[i].grad)
		}
	}
	u.move = func(_, i0, i1 int) {
		for i := i0; i < i1; i++ {
			c := &u.chunks[i]
			how := u.plain
			if c.decay {
				how = u.decaying
			}
			kernels.UpdateAdamW(c.weights, c.moment1, c.moment2, c.average, c.grad, how)
		}
	}
}

// run makes the step, unless the loss or the gradients' norm is not finite.
func (u *updater) run(m *Machine) engine.Report {
	r := engine.Report{}
	if len(u.loss) > 0 {
		r.Loss = float64(u.loss[0])
	}
	if len(u.chunks) == 0 {
		return r
	}
	m.backend.pool.do(len(u.chunks), 0, u.norm)
	sum := 0.0
	for _, s := range u.squares {
		sum += s
	}
	r.GradNorm = math.Sqrt(sum)
	if !engine.Finite(r.Loss) || !engine.Finite(r.GradNorm) {
		r.Skipped = true
		return r
	}
	u.prepare(r.GradNorm)
	m.backend.pool.do(len(u.chunks), 0, u.move)
	for i := range m.params {
		m.params[i].block.version.Add(1)
	}
	return r
}

func (u *updater) prepare(norm float64) {
	s := u.scalars
	u.plain = kernels.AdamW{
		Rate:     float32(s.Rate),
		Beta1:    float32(s.Beta1),
		Beta2:    float32(s.Beta2),
		Eps:      float32(s.Eps),
		Clip:     float32(engine.ClipFactor(norm, s.Clip)),
		Correct1: float32(s.Correct1),
		Correct2: float32(s.Correct2),
		EMADecay: float32(s.EMA),
	}
	u.decaying = u.plain
	u.decaying.WeightDecay = float32(s.WeightDecay)
}
