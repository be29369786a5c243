package path

import (
	"fmt"
	"math"
	"testing"

	"lfm/internal/rng"
)

// paths are all there are.
var paths = []Path{Straight{}, Straight{0.125}, LinearBeta, Cosine}

// objectives are all that a network may be trained for.
func objectives() (all []Objective) {
	for _, p := range paths {
		all = append(all, Objective{p, Velocity}, Objective{p, Noise})
	}
	return all
}

// TestEnds: every path leads from the data to noise with hardly a trace of them, its signal falls and its noise grows,
// rates are those of central differences by the clock, and Time inverts Clock.
func TestEnds(t *testing.T) {
	const h = 1e-6
	for _, p := range paths {
		begin, end := p.At(0), p.At(1)
		if s, ok := p.(Straight); begin.A != 1 || (!ok && begin.B != 0) || (ok && begin.B != float64(s.SigmaMin)) || end.A > 0.008 {
			t.Errorf("%s runs from %+v to %+v", p.Name(), begin, end)
		}
		before := begin
		for i := 1; i <= 100; i++ {
			time := float64(i) / 100
			m, clock := p.At(time), p.Clock(time)
			if m.A >= before.A || m.B <= before.B {
				t.Errorf("%s, t = %v: %+v after %+v", p.Name(), time, m, before)
			}
			if before = m; i < 100 {
				near(t, p.Name()+": time of the clock", p.Time(clock), time, 1e-9)
				up, down := p.At(p.Time(clock+h)), p.At(p.Time(clock-h))
				near(t, p.Name()+": A'", m.DA, (up.A-down.A)/(2*h), 1e-7)
				near(t, p.Name()+": B'", m.DB, (up.B-down.B)/(2*h), 1e-7)
			}
		}
	}
}

// TestSchedules: ᾱ of both schedules by their papers' formulas.
func TestSchedules(t *testing.T) {
	for _, time := range []float64{0, 0.01, 0.3, 0.8, 1} {
		a := LinearBeta.At(time).A
		near(t, "linear", a*a, math.Exp(-0.1*time-0.5*19.9*time*time), 1e-14)
		f := func(t float64) float64 { c := math.Cos((t + 0.008) / 1.008 * math.Pi / 2); return c * c }
		a = Cosine.At(time).A
		near(t, "cosine", a*a, f(0.995*time)/f(0), 1e-14)
	}
	// DDPM's discrete schedule, 1000 steps of β from 1e-4 to 0.02, is the linear one.
	alpha := 1.0
	for i := range 1000 {
		alpha *= 1 - (1e-4 + (0.02-1e-4)*float64(i)/999)
		if i%100 == 99 {
			a := LinearBeta.At(float64(i+1) / 1000).A
			near(t, "log ᾱ", math.Log(a*a), math.Log(alpha), 0.01*math.Abs(math.Log(alpha))+2e-4)
		}
	}
}

// TestConversions: from what an exact network of either kind predicts, data, noise, velocity and score follow, on every
// path; and of one sample's own velocity or noise, that sample.
func TestConversions(t *testing.T) {
	for _, o := range objectives() {
		for _, time := range []float64{0.1, 0.5, 0.98} {
			z := []float64{-0.3, 0.8}
			g := some.On(o.Path.At(time), z)
			prediction := g.Velocity
			if o.Predicts == Noise {
				prediction = g.Noise
			}
			for name, c := range map[string]struct {
				mix  Mix
				want []float64
			}{"data": {o.Data(time), g.Data}, "noise": {o.Noise(time), g.Noise}, "velocity": {o.Velocity(time), g.Velocity}, "score": {o.Score(time), g.Score}} {
				for k := range z {
					got := c.mix.Z*z[k] + c.mix.P*prediction[k]
					near(t, fmt.Sprintf("%s, predicting %d, t = %v: %s", o.Path.Name(), o.Predicts, time, name), got, c.want[k], 1e-10)
				}
			}
			x, eps := []float32{2, -1, 0.25}, []float32{0.5, 3, -0.75}
			zt, target, back := make([]float32, 3), make([]float32, 3), make([]float32, 3)
			o.Interpolate(zt, target, x, eps, float32(time))
			for i, mix := range []Mix{o.Data(time), o.Noise(time)} {
				mix.To(back, zt, target)
				for k, want := range [][]float32{x, eps}[i] {
					near(t, o.Path.Name()+": a sample told apart", float64(back[k]), float64(want), 1e-4)
				}
			}
		}
	}
}

// TestInterpolateInPlace: the buffers may be shared as training shares them.
func TestInterpolateInPlace(t *testing.T) {
	for _, o := range objectives() {
		x, eps := []float32{2, -1}, []float32{0.5, 3}
		zt, target := make([]float32, 2), make([]float32, 2)
		o.Interpolate(zt, target, x, eps, 0.4)
		o.Interpolate(eps, x, x, eps, 0.4)
		if [2]float32(eps) != [2]float32(zt) || [2]float32(x) != [2]float32(target) {
			t.Errorf("%s: in place %v, %v, want %v, %v", o.Path.Name(), eps, x, zt, target)
		}
	}
}

// density is p(z) of a mixture at a moment.
func density(m Mixture, at Moment, z []float64) float64 { return math.Exp(m.On(at, z).LogDensity) }

// divFlux is div(p v) at a moment, by central differences.
func divFlux(m Mixture, at Moment, z []float64, h float64) (div float64) {
	for k := range z {
		for _, side := range []float64{1, -1} {
			p := append([]float64(nil), z...)
			p[k] += side * h
			g := m.On(at, p)
			div += side * math.Exp(g.LogDensity) * g.Velocity[k] / (2 * h)
		}
	}
	return div
}

// TestContinuity: ∂p/∂clock = div(p v), the continuity equation with the velocity that points back to the data, for
// finite data sets, Gaussians and mixtures, on every path; both sides by central differences.
func TestContinuity(t *testing.T) {
	const h = 1e-4
	for name, m := range map[string]Mixture{
		"points":   Points([]float64{-1, 0}, []float64{0.5, 1}, []float64{2, -1}),
		"gaussian": Normal([]float64{1, 0}, []float64{0.5, 2}),
		"mixture":  some,
	} {
		for _, p := range paths {
			for _, time := range []float64{0.3, 0.6, 0.9} {
				for _, z := range [][]float64{{0.4, 0.3}, {-0.7, 0.2}, {1, -1}} {
					clock := p.Clock(time)
					rate := (density(m, p.At(p.Time(clock+h)), z) - density(m, p.At(p.Time(clock-h)), z)) / (2 * h)
					div := divFlux(m, p.At(time), z, h)
					near(t, fmt.Sprintf("%s on %s, t = %v: ∂p/∂clock", name, p.Name(), time), rate, div, 2e-5*(1+math.Abs(div)))
				}
			}
		}
	}
}

// TestFluxAdds: it is the flux p v that adds up over the components of a mixture; the velocity does not.
func TestFluxAdds(t *testing.T) {
	for _, p := range paths {
		at, z := p.At(0.5), []float64{0.4, 0.3}
		whole := some.On(at, z)
		flux, plain := make([]float64, 2), make([]float64, 2)
		for _, c := range some.Components {
			part := Mixture{Components: []Gaussian{c}}.On(at, z)
			for k := range z {
				flux[k] += c.Weight / 4 * math.Exp(part.LogDensity) * part.Velocity[k]
				plain[k] += c.Weight / 4 * part.Velocity[k]
			}
		}
		for k := range z {
			near(t, p.Name()+": p v", flux[k], math.Exp(whole.LogDensity)*whole.Velocity[k], 1e-14)
		}
		if math.Hypot(plain[0]-whole.Velocity[0], plain[1]-whole.Velocity[1]) < 0.05 {
			t.Errorf("%s: the mean of the velocities is %v, and so is the velocity of the mixture", p.Name(), plain)
		}
	}
}

// TestSameGradient is the lecture's theorem: the loss against x - eps of single pairs has, in expectation, the gradient
// of the loss against the marginal velocity. For a model that is linear in its parameters, Σ θ_j φ_j(z, t), the gradients
// differ by E 2 φ_j (u - (x - eps)), which must be nought within four standard errors; against a wrong target,
// x + eps, it is not, and the two losses themselves are not one either.
func TestSameGradient(t *testing.T) {
	const n = 200_000
	data := []float64{-1, 0.5, 2}
	m := Points([]float64{-1}, []float64{0.5}, []float64{2})
	features := func(z, t float64) [4]float64 { return [4]float64{1, z, t * z, math.Sin(3*z) * (1 - t)} }
	var sum, square, wrong [4]float64
	var gap float64
	draws := rng.New(1, rng.Times)
	noise := rng.New(1, rng.Noise)
	u := make([]float32, 2)
	e := make([]float32, 1)
	for i := range n {
		draws.Uniform(u, 0, uint64(i))
		noise.Normal(e, 0, uint64(i))
		x, time, eps := data[int(3*u[0])], 0.02+0.98*float64(u[1]), float64(e[0])
		z := (1-time)*x + time*eps
		marginal := m.At([]float64{z}, time).Velocity[0]
		for j, f := range features(z, time) {
			d := 2 * f * (marginal - (x - eps))
			sum[j] += d / n
			square[j] += d * d / n
			wrong[j] += 2 * f * (marginal - (x + eps)) / n
		}
		gap += (marginal - (x - eps)) * (marginal - (x - eps)) / n
	}
	off := false
	for j := range sum {
		bound := 4 * math.Sqrt(square[j]/n)
		near(t, fmt.Sprintf("gradient %d: conditional less marginal", j), sum[j], 0, bound)
		off = off || math.Abs(wrong[j]) > bound
	}
	if !off || gap < 0.1 {
		t.Errorf("a wrong target is told apart: %v; the losses differ by %v", off, gap)
	}
}

// linear is what an exact network predicts of N(m, s²) at a time: slope·z + offset.
func linear(o Objective, mean, std, t float64) (slope, offset float64) {
	at := func(z float64) float64 {
		g := Normal([]float64{mean}, []float64{std}).On(o.Path.At(t), []float64{z})
		if o.Predicts == Noise {
			return g.Noise[0]
		}
		return g.Velocity[0]
	}
	return at(1) - at(0), at(0)
}

// TestStepsKeepMarginals: from the exact prediction for a Gaussian every step is linear in z, so that mean and variance can be
// followed without a draw. DDIM, ancestral sampling and the stochastic equation end at those of the data, on every path,
// and four times nearer with four times as many steps.
func TestStepsKeepMarginals(t *testing.T) {
	const mean, std = 1, 0.5
	kinds := map[string]func(o Objective, t, s float64) (Mix, float64){
		"ddim":      func(o Objective, t, s float64) (Mix, float64) { return o.Back(t, s, 0) },
		"ancestral": func(o Objective, t, s float64) (Mix, float64) { return o.Back(t, s, 1) },
		"sde": func(o Objective, t, s float64) (Mix, float64) {
			w := o.Path.At(t).B
			if s == 0 {
				w = 0
			}
			return o.Diffuse(t, o.Path.Clock(t)-o.Path.Clock(s), w)
		},
	}
	for _, o := range objectives() {
		if _, straight := o.Path.(Straight); straight && o.Predicts == Noise {
			continue // at t = 1 it says nothing of the data
		}
		for name, step := range kinds {
			miss := func(steps int) float64 {
				first := o.Path.At(1)
				m, v := first.A*mean, first.A*first.A*std*std+first.B*first.B
				for i := steps; i > 0; i-- {
					from, to := float64(i)/float64(steps), float64(i-1)/float64(steps)
					mix, noise := step(o, from, to)
					slope, offset := linear(o, mean, std, from)
					gain := mix.Z + mix.P*slope
					m, v = gain*m+mix.P*offset, gain*gain*v+noise*noise
				}
				last := o.Path.At(0)
				return math.Abs(m-mean) + math.Abs(v-std*std-last.B*last.B)
			}
			coarse, fine := miss(500), miss(2000)
			if fine > 0.01 || fine > coarse/3 {
				t.Errorf("%s, predicting %d, %s: mean and variance are off by %.2g after 500 steps, %.2g after 2000", o.Path.Name(), o.Predicts, name, coarse, fine)
			}
		}
	}
}

// TestBack: given the very data and noise of a sample, a step back is a draw of q(z_s | z_t, x): the variance of z_s is
// B_s², and with eta = 1 z_s and z_t belong to one Markov chain, whose covariance is (A_t/A_s) B_s². On the straight path
// DDIM is Euler's method.
func TestBack(t *testing.T) {
	for _, p := range paths {
		o := Objective{p, Noise}
		from, to := p.At(0.7), p.At(0.4)
		for _, eta := range []float64{0, 0.5, 1} {
			m, noise := o.Back(0.7, 0.4, eta)
			near(t, p.Name()+": what is left of the data", m.Z*from.A, to.A, 1e-12)
			eps := m.Z*from.B + m.P
			near(t, p.Name()+": variance", eps*eps+noise*noise, to.B*to.B, 1e-12)
			if eta == 1 {
				near(t, p.Name()+": covariance", eps*from.B, from.A/to.A*to.B*to.B, 1e-12)
			}
		}
	}
	for _, sigma := range []float32{0, 0.125} {
		m, noise := Objective{Straight{sigma}, Velocity}.Back(0.7, 0.4, 0)
		near(t, "weight of z", m.Z, 1, 1e-12)
		near(t, "weight of v", m.P, 0.3, 1e-12)
		near(t, "noise", noise, 0, 0)
	}
}

// TestShiftedTimes: the shift multiplies t/(1-t), leaves both ends where they are, and all times if it is 1.
func TestShiftedTimes(t *testing.T) {
	for _, shift := range []float64{0.25, 1, 3} {
		for _, u := range []float64{0.1, 0.5, 0.9} {
			plain, shifted := LogitNormal{0.2, 1}.Sample(u), Shifted{LogitNormal{0.2, 1}, shift}.Sample(u)
			near(t, "odds", shifted/(1-shifted), shift*plain/(1-plain), 1e-12*shift*plain/(1-plain))
		}
		for _, end := range []float64{0, 1} {
			near(t, "end", Shifted{Uniform{}, shift}.Sample(end), end, 0)
		}
	}
}
