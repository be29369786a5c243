package flow

import (
	"fmt"

	"lfm/internal/ot"
	"lfm/internal/rng"
)

// The couplings of noise and data, as pipeline.yaml calls them.
const (
	independent = "independent"
	exactly     = "ot"
	withinClass = "class-ot"
	softly      = "sinkhorn"
)

// maxPaired is the largest batch that is paired by distance: 2048 take seconds to pair, and a run that is interrupted
// waits for the batch that is being drawn.
const maxPaired = 2048

// coupling says which noise of a batch goes with which of its latents. Every kind is a permutation of the batch, so that
// over a batch noise and latents are those that were drawn, each once:
//
//	independent   as drawn
//	ot            the permutation of least Σ |x_i - eps_π(i)|² (Tong et al. 2023)
//	class-ot      the least of those that keep every latent to noise that was drawn for its class
//	sinkhorn      one drawn from the plan of least cost and entropy, whose mean over draws is that plan
//
// ot and sinkhorn let noise go where it is near, whatever the class, and so p(eps | class) is not p(eps) any more: a
// conditional model is then trained on another noise than it is sampled from. class-ot keeps it.
type coupling struct {
	kind    string
	epsilon float64
	draws   rng.Stream // of sinkhorn
}

func newCoupling(c *Config, draws rng.Stream) coupling {
	return coupling{c.Coupling, c.SinkhornEpsilon, draws}
}

// skews says whether a coupling pairs across classes.
func skews(kind string) bool { return kind == exactly || kind == softly }

// pair brings noise eps (N, size) into the order in which it goes with latents x (N, size) of labels (N). It is a pure
// function of these and the step.
func (c coupling) pair(step uint64, x, eps, labels []float32) error {
	if c.kind == independent {
		return nil
	}
	of, err := c.partners(step, ot.Points{X: x, Y: eps, D: len(x) / len(labels)}, labels)
	if err != nil {
		return fmt.Errorf("flow: coupling %s: %w: the latents are not finite numbers", c.kind, err)
	}
	reorder(eps, of)
	return nil
}

// partners numbers the noise that goes with each latent.
func (c coupling) partners(step uint64, p ot.Points, labels []float32) ([]int, error) {
	switch c.kind {
	case withinClass:
		class := make([]int, len(labels))
		for i, label := range labels {
			class[i] = int(label)
		}
		return p.AssignWithin(class)
	case softly:
		plan, err := p.Sinkhorn(c.epsilon)
		if err != nil {
			return nil, err
		}
		return plan.Draw(func(k int) float64 { return c.draws.Float64(step, uint64(k)) }), nil
	}
	pairs, err := p.Assign()
	return pairs.Of, err
}

// reorder puts row of[i] of rows at i.
func reorder(rows []float32, of []int) {
	size := len(rows) / len(of)
	was := append([]float32(nil), rows...)
	for i, j := range of {
		copy(rows[i*size:(i+1)*size], was[j*size:(j+1)*size])
	}
}
