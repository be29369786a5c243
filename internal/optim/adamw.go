package optim

import (
	"math"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/ops"
)

// AdamW are the settings of Loshchilov and Hutter (2019).
type AdamW struct {
	Rate         float64 // greatest learning rate
	Beta1, Beta2 float64 // decay of the moments; 0.9 and 0.999 if equal to 0
	Eps          float64 // added to the root of the second moment; 1e-8 if equal to 0
	WeightDecay  float64
	Clip         float64 // greatest norm of all gradients together; no clipping if equal to 0
	EMA          float64 // greatest decay of the weights' moving average
	WarmEMA      bool    // the average follows faster at first, see EMADecay
	Schedule     Schedule
}

// Scalars gives what the engine's update wants at a step; steps count from 0.
func (a AdamW) Scalars(step int) engine.Scalars {
	s := engine.Scalars{
		Rate:        a.Rate,
		Beta1:       orElse(a.Beta1, 0.9),
		Beta2:       orElse(a.Beta2, 0.999),
		Eps:         orElse(a.Eps, 1e-8),
		WeightDecay: a.WeightDecay,
		Clip:        a.Clip,
		EMA:         a.EMA,
	}
	if a.Schedule != nil {
		s.Rate *= a.Schedule.Factor(step)
	}
	if a.WarmEMA {
		s.EMA = EMADecay(a.EMA, step)
	}
	s.Correct1 = 1 - math.Pow(s.Beta1, float64(step+1))
	s.Correct2 = 1 - math.Pow(s.Beta2, float64(step+1))
	return s
}

func orElse(x, otherwise float64) float64 {
	if x == 0 {
		return otherwise
	}
	return x
}

// EMADecay is the decay of a moving average at a step, at first small so that the average
// forgets the weights it began with: min(greatest, (1+step)/(10+step)).
func EMADecay(greatest float64, step int) float64 {
	return min(greatest, float64(1+step)/float64(10+step))
}

// Updates lists parameters with their gradients, in order. All weights decay, biases too,
// as in PyTorch's AdamW.
func Updates(params, grads gorgonia.Nodes, ema bool) []ops.Update {
	if len(params) != len(grads) {
		panic("optim: updates: parameters and gradients differ in number")
	}
	updates := make([]ops.Update, len(params))
	for i, p := range params {
		updates[i] = ops.Update{Param: p, Grad: grads[i], Decay: true, EMA: ema}
	}
	return updates
}

// Frozen lists parameters that stay as they are, for graphs that only evaluate.
func Frozen(params gorgonia.Nodes) []ops.Update {
	updates := make([]ops.Update, len(params))
	for i, p := range params {
		updates[i] = ops.Update{Param: p}
	}
	return updates
}
