package ode

import (
	"fmt"
	"math"
)

// Adaptive integrates with Dopri5 in steps as long as the error allows (Hairer, Nørsett, Wanner: Solving ordinary
// differential equations I, section II.4). A step is taken when the root mean square of its estimated errors, each over
// ATol + RTol·|z|, is at most one.
type Adaptive[F Float] struct {
	RTol, ATol float64
	solver     Solver[F]
}

const (
	safety           = 0.9 // of the step that would just do
	shrink, grow     = 0.2, 5
	maxAdaptiveSteps = 100_000
)

// NewAdaptive returns a solver of those tolerances.
func NewAdaptive[F Float](rtol, atol float64) *Adaptive[F] {
	return &Adaptive[F]{RTol: rtol, ATol: atol, solver: Solver[F]{Method: Dopri5}}
}

// Solve carries z from one time to another in place and returns how often it evaluated the field, steps that were
// rejected included. It is an error, and z is where it came to, if the field is not finite or no step is short enough.
func (a *Adaptive[F]) Solve(f Field[F], z []F, from, to float64) (evaluations int, err error) {
	s := &a.solver
	s.reserve(len(z))
	last := len(s.k) - 1
	f(s.k[0], z, from)
	evaluations = 1
	for t, dt := from, a.first(z, from-to); t != to; {
		if math.Abs(dt) < 1e-12*math.Abs(from-to) || evaluations > last*maxAdaptiveSteps {
			return evaluations, fmt.Errorf("ode: dopri5: no step at t = %.4g is short enough for rtol %g and atol %g", t, a.RTol, a.ATol)
		}
		next := t - dt
		if math.Abs(dt) >= (1-1e-9)*math.Abs(t-to) {
			next, dt = to, t-to // dt too: what is too long of it is what was tried
		}
		for i := 1; i <= last; i++ {
			s.stage(f, z, t, next, i)
		}
		evaluations += last
		size := a.error(z, t-next) // s.y is where the step ends: row last of A is B
		if math.IsNaN(size) {
			return evaluations, fmt.Errorf("ode: dopri5: the field is not finite near t = %.4g", t)
		}
		if size <= 1 {
			copy(z, s.y)
			s.k[0], s.k[last] = s.k[last], s.k[0]
			t = next
		}
		dt *= min(grow, max(shrink, safety*math.Pow(size, -1./5)))
	}
	return evaluations, nil
}

// first is a length for the first step: such that z would move by a hundredth of its size.
func (a *Adaptive[F]) first(z []F, span float64) float64 {
	var size, speed float64
	for i, v := range z {
		scale := a.ATol + a.RTol*math.Abs(float64(v))
		size += (float64(v) / scale) * (float64(v) / scale)
		speed += (float64(a.solver.k[0][i]) / scale) * (float64(a.solver.k[0][i]) / scale)
	}
	if dt := 0.01 * math.Sqrt(size/speed); dt > 1e-6*math.Abs(span) && dt < math.Abs(span) {
		return math.Copysign(dt, span)
	}
	return span / 100
}

// error is the estimated error of a step from z to s.y against the tolerance.
func (a *Adaptive[F]) error(z []F, dt float64) float64 {
	s := &a.solver
	var sum float64
	for e := range z {
		var d float64
		for j, w := range s.Method.Error {
			d += float64(w * float64(s.k[j][e]))
		}
		d *= dt / (a.ATol + a.RTol*max(math.Abs(float64(z[e])), math.Abs(float64(s.y[e]))))
		sum += float64(d * d)
	}
	return math.Sqrt(sum / float64(len(z)))
}
