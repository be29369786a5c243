package path

import "math"

// Gaussian is a normal distribution with independent axes. A standard deviation of 0 makes it a point. (A general
// covariance is this one in turned coordinates, and the path does not notice a turn.)
type Gaussian struct {
	Weight    float64 // against the other components'; need not sum to one
	Mean, Std []float64
}

// Mixture is a data distribution whose path to noise is known exactly. Components is not empty, and all have one
// dimension.
type Mixture struct {
	SigmaMin   float64 // of the straight path, which At looks at
	Components []Gaussian
}

// Points returns the data set of the given points, equally likely.
func Points(x ...[]float64) Mixture {
	var m Mixture
	for _, p := range x {
		m.Components = append(m.Components, Gaussian{1, p, make([]float64, len(p))})
	}
	return m
}

// Normal returns a single Gaussian.
func Normal(mean, std []float64) Mixture {
	return Mixture{Components: []Gaussian{{1, mean, std}}}
}

// Marginal is what the whole distribution says about a point z at time t.
type Marginal struct {
	Velocity   []float64 // E[-dz/dclock | z], on the straight path E[x - eps | z]: what a perfect model predicts
	Data       []float64 // E[x | z]
	Noise      []float64 // E[eps | z]
	Score      []float64 // ∇ log p_t(z)
	Divergence float64   // of the velocity
	LogDensity float64   // log p_t(z)
	Residual   float64   // E|-dz/dclock - v|² given z: the loss that no model of the velocity can go below
}

// At returns the exact marginal at (z, t) of the straight path. Where a component has no width, t + SigmaMin must be
// positive.
func (m Mixture) At(z []float64, t float64) Marginal { return m.On(straightAt(t, m.SigmaMin), z) }

// On returns the exact marginal at z, at a moment of any path.
//
// With a, b, a', b' those of the moment, a component N(m, s²) becomes N(a m, S), S = a²s² + b², and within it
//
//	E[x|z] = m + a s²/S (z - a m)      E[eps|z] = b/S (z - a m)      v = -a' E[x|z] - b' E[eps|z]
//	∇log p = -(z - a m)/S
//
// The components then count by their posterior weights r ∝ w N(z; a m, S), and as ∇r = r (∇log p_i - ∇log p),
//
//	div v = Σ r_i (div v_i + (∇log p_i - ∇log p)·v_i)
//
// For points on the straight path this is v = ((1+σ) x̄ - z)/b. Where a component has no width, b must be positive.
func (m Mixture) On(at Moment, z []float64) Marginal {
	d, n := len(z), len(m.Components)
	a, b := at.A, at.B
	logs, best, total := make([]float64, n), math.Inf(-1), 0.0
	for i, c := range m.Components {
		total += c.Weight
		logs[i] = math.Log(c.Weight)
		for k := range z {
			S := a*a*c.Std[k]*c.Std[k] + b*b
			if S == 0 {
				panic("path: exact: a point has no density where there is no noise")
			}
			u := z[k] - a*c.Mean[k]
			logs[i] -= 0.5 * (u*u/S + math.Log(2*math.Pi*S))
		}
		best = max(best, logs[i])
	}
	var sum float64
	for i := range logs {
		logs[i] = math.Exp(logs[i] - best)
		sum += logs[i]
	}
	out := Marginal{
		Velocity: make([]float64, d), Data: make([]float64, d), Noise: make([]float64, d), Score: make([]float64, d),
		LogDensity: best + math.Log(sum/total),
	}
	// Pass 1: posterior means, and the second moment of the target.
	var square float64
	for i, c := range m.Components {
		r := logs[i] / sum
		for k := range z {
			g := c.along(k, z[k], at)
			out.Velocity[k] += r * g.v
			out.Data[k] += r * g.x
			out.Noise[k] += r * g.eps
			out.Score[k] += r * g.score
			out.Divergence += r * (g.slope + g.score*g.v)
			square += r * (g.v*g.v + g.left)
		}
	}
	// Pass 2: what the means take away.
	for k := range z {
		out.Divergence -= out.Score[k] * out.Velocity[k]
		square -= out.Velocity[k] * out.Velocity[k]
	}
	out.Residual = square
	return out
}

// axis is what one component says along one axis.
type axis struct{ x, eps, v, score, slope, left float64 }

// along evaluates a component along axis k: posterior means, score, dv/dz and the posterior variance of the velocity.
func (c Gaussian) along(k int, z float64, at Moment) axis {
	m, q := c.Mean[k], c.Std[k]*c.Std[k]
	S := at.A*at.A*q + at.B*at.B
	u := (z - at.A*m) / S
	turn := at.DA*at.A*q + at.DB*at.B // half of dS/dclock
	return axis{
		x: m + at.A*q*u, eps: at.B * u, v: -at.DA*m - turn*u,
		score: -u, slope: -turn / S,
		left: at.DA*at.DA*q + at.DB*at.DB - turn*turn/S,
	}
}
