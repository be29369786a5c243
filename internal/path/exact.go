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
	SigmaMin   float64
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
	Velocity   []float64 // E[x - eps | z], what a perfect model predicts
	Data       []float64 // E[x | z]
	Noise      []float64 // E[eps | z]
	Score      []float64 // ∇ log p_t(z)
	Divergence float64   // of the velocity
	LogDensity float64   // log p_t(z)
	Residual   float64   // E|x - eps - v|² given z: the loss that no model can go below
}

// At returns the exact marginal at (z, t).
//
// With b = t + σ, a component N(m, s²) becomes N((1-t)m, S), S = (1-t)²s² + b², at time t, and within it
//
//	E[x|z] = m + (1-t)s²/S (z-(1-t)m)      v = m + ((1-t)s² - b)/S (z-(1-t)m)      ∇log p = -(z-(1-t)m)/S
//
// The components then count by their posterior weights r ∝ w N(z; (1-t)m, S), and as ∇r = r (∇log p_i - ∇log p),
//
//	div v = Σ r_i (div v_i + (∇log p_i - ∇log p)·v_i)
//
// For points this is v = ((1+σ) x̄ - z)/b. Where a component has no width, t + SigmaMin must be positive.
func (m Mixture) At(z []float64, t float64) Marginal {
	d, n := len(z), len(m.Components)
	a, b := 1-t, t+m.SigmaMin
	logs, best, total := make([]float64, n), math.Inf(-1), 0.0
	for i, c := range m.Components {
		total += c.Weight
		logs[i] = math.Log(c.Weight)
		for k := range z {
			S := a*a*c.Std[k]*c.Std[k] + b*b
			if S == 0 {
				panic("path: exact: a point has no density at t + sigma_min = 0")
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
			g := c.along(k, z[k], a, b)
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

// along evaluates a component along axis k: posterior means, score, dv/dz and the posterior variance of x - eps.
func (c Gaussian) along(k int, z, a, b float64) axis {
	m, q := c.Mean[k], c.Std[k]*c.Std[k]
	S := a*a*q + b*b
	u := (z - a*m) / S
	return axis{
		x: m + a*q*u, eps: b * u, v: m + (a*q-b)*u,
		score: -u, slope: (a*q - b) / S,
		left: q + 1 - (a*q-b)*(a*q-b)/S,
	}
}
