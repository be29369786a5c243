package optim

import "math"

// Schedule gives the learning rate over time, as a factor of its greatest value.
type Schedule interface {
	Factor(step int) float64 // steps count from 0
}

// Cosine rises linearly over Warm steps and falls to zero at Steps along a cosine
// (Loshchilov and Hutter 2017, eq. 5, one period):
//
//	min(1, (step+1)/Warm) · (1 + cos(π step/Steps))/2
type Cosine struct {
	Warm, Steps int
}

func (c Cosine) Factor(step int) float64 {
	rise := 1.0
	if c.Warm > 0 {
		rise = min(1, float64(step+1)/float64(c.Warm))
	}
	progress := min(1, float64(step)/float64(max(1, c.Steps)))
	return rise * 0.5 * (1 + math.Cos(math.Pi*progress))
}
