package path

import "math"

// Prediction is what a network predicts of a point.
type Prediction int

const (
	Velocity Prediction = iota // v = -dz/dclock
	Noise                      // eps
)

// Objective is what a network is trained for: a path, and what it predicts along it. Velocity, noise, data and score are
// one knowledge in four forms, as each is a sum of the point and of what is predicted there, Mix, with weights that depend on
// the time alone.
type Objective struct {
	Path     Path
	Predicts Prediction
}

// Mix is the sum Z z + P p of a point z and a prediction p.
type Mix struct{ Z, P float64 }

// To sets dst to the sum. dst may be z or p.
func (m Mix) To(dst, z, p []float32) {
	if len(z) != len(dst) || len(p) != len(dst) {
		panic("path: mix: lengths differ")
	}
	for i := range dst {
		// The conversions keep compilers from fusing, so that every machine rounds alike.
		dst[i] = float32(float64(m.Z*float64(z[i])) + float64(m.P*float64(p[i])))
	}
}

// plus is w times m, and v times n.
func (m Mix) plus(w float64, n Mix, v float64) Mix { return Mix{w*m.Z + v*n.Z, w*m.P + v*n.P} }

// Interpolate sets zt to the point at time t between data x and noise eps, and target to what is to be predicted there.
// All four have one length; zt may be eps, and target may be x.
func (o Objective) Interpolate(zt, target, x, eps []float32, t float32) {
	if straight, ok := o.Path.(Straight); ok && o.Predicts == Velocity {
		straight.Interpolate(zt, target, x, eps, t)
		return
	}
	if len(target) != len(zt) || len(x) != len(zt) || len(eps) != len(zt) {
		panic("path: interpolate: lengths differ")
	}
	m := o.Path.At(float64(t))
	for i := range zt {
		xi, ei := float64(x[i]), float64(eps[i])
		zt[i] = float32(float64(m.A*xi) + float64(m.B*ei))
		if o.Predicts == Noise {
			target[i] = float32(ei)
		} else {
			target[i] = float32(float64(-m.DA*xi) - float64(m.DB*ei))
		}
	}
}

// Data is E[x | z]. Where noise is predicted, A must be positive.
func (o Objective) Data(t float64) Mix {
	m := o.Path.At(t)
	if o.Predicts == Noise {
		return Mix{1 / m.A, -m.B / m.A}
	}
	d := m.A*m.DB - m.DA*m.B
	return Mix{m.DB / d, m.B / d}
}

// Noise is E[eps | z].
func (o Objective) Noise(t float64) Mix {
	if o.Predicts == Noise {
		return Mix{0, 1}
	}
	m := o.Path.At(t)
	d := m.A*m.DB - m.DA*m.B
	return Mix{-m.DA / d, -m.A / d}
}

// Velocity is v = -dz/dclock. Where noise is predicted, A must be positive.
func (o Objective) Velocity(t float64) Mix {
	if o.Predicts == Velocity {
		return Mix{0, 1}
	}
	m := o.Path.At(t)
	return o.Data(t).plus(-m.DA, o.Noise(t), -m.DB)
}

// Score is ∇ log p_t(z) = -E[eps | z]/B, where noise is Gaussian and drawn apart from the data. B must be positive.
func (o Objective) Score(t float64) Mix {
	return o.Noise(t).plus(-1/o.Path.At(t).B, Mix{}, 0)
}

// Back is the step of diffusion models from time t down to s: z_s is the sum, and noise times fresh unit noise. With
// eta = 0 it is DDIM, which adds none (Song, Meng, Ermon 2021, eq. 12), with eta = 1 ancestral sampling as in DDPM (Ho et
// al. 2020, algorithm 2): a draw of z_s given z_t and the data that the prediction sees.
//
//	z_s = A_s E[x|z] + sqrt(B_s² - ς²) E[eps|z] + ς ξ      ς² = eta² B_s² (1 - (A_t B_s / (A_s B_t))²)
//
// It asks nothing of the path but that A/B falls. On the straight one DDIM is Euler's method.
func (o Objective) Back(t, s, eta float64) (m Mix, noise float64) {
	from, to := o.Path.At(t), o.Path.At(s)
	ratio := from.A * to.B / (to.A * from.B)
	variance := eta * eta * to.B * to.B * max(0, 1-ratio*ratio)
	keep := math.Sqrt(max(0, to.B*to.B-variance))
	return o.Data(t).plus(to.A, o.Noise(t), keep), math.Sqrt(variance)
}

// Diffuse is a step down the stochastic equation that has the marginals of the flow (Ma et al. 2024, SiT, eq. 6), by
// Euler and Maruyama, from clock u to u - du at time t with diffusion w ≥ 0:
//
//	z + du (v + w/2 ∇log p) + sqrt(w du) ξ
func (o Objective) Diffuse(t, du, w float64) (m Mix, noise float64) {
	drift := o.Velocity(t)
	if w > 0 {
		drift = drift.plus(1, o.Score(t), w/2)
	}
	return Mix{1, 0}.plus(1, drift, du), math.Sqrt(w * du)
}
