package path

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s is %.12g, want %.12g ± %g", what, got, want, tol)
	}
}

func withSigma(m Mixture, sigma float64) Mixture { m.SigmaMin = sigma; return m }

// some is a mixture of a point, a round and a flat Gaussian in the plane.
var some = Mixture{Components: []Gaussian{
	{2, []float64{-1, 0.5}, []float64{0.3, 0.3}},
	{1, []float64{0.8, -0.7}, []float64{0.9, 0.1}},
	{1, []float64{1.5, 1}, []float64{0, 0}},
}}

// TestStraight: the path starts in the data, ends in noise of deviation 1+σ, and its velocity is that of the line.
func TestStraight(t *testing.T) {
	x, eps := []float32{2, -1, 0.25}, []float32{0.5, 3, -0.75}
	z, v, w := make([]float32, 3), make([]float32, 3), make([]float32, 3)
	for _, p := range []Straight{{}, {0.0001}, {0.1}} {
		p.Interpolate(z, v, x, eps, 0)
		p.Finish(z, v)
		for i := range x {
			near(t, "data after finish", float64(z[i]), float64(x[i]), 1e-6)
		}
		p.Interpolate(z, v, x, eps, 1)
		copy(w, eps)
		p.Start(w)
		for i := range x {
			if z[i] != w[i] {
				t.Errorf("σ = %v: z_1 = %v, but sampling starts at %v", p.SigmaMin, z[i], w[i])
			}
		}
		// One Euler step of any size along the line is exact: z_{t-dt} = z_t + dt v.
		p.Interpolate(z, v, x, eps, 0.75)
		p.Interpolate(w, v, x, eps, 0.25)
		for i := range x {
			near(t, "z_.25", float64(z[i]+0.5*v[i]), float64(w[i]), 1e-6)
		}
		p.Data(w, z, v, 0.75)
		for i := range x {
			near(t, "data seen from t = .75", float64(w[i]), float64(x[i]), 1e-6)
		}
	}
}

// TestPointsByNumbers: the data set {-1, .5, 2} seen from z = .3 (values of the closed form, worked out by an independent program).
func TestPointsByNumbers(t *testing.T) {
	m := Points([]float64{-1}, []float64{0.5}, []float64{2})
	for _, c := range []struct{ t, v, div float64 }{
		{1, 0.2, -1}, {0.75, 0.415303295563, -0.4874954007}, {0.5, 0.577037321743, 1.5359200716},
		{0.25, 0.799135168464, -3.9821921539}, {0.1, 2, -10},
	} {
		g := m.At([]float64{0.3}, c.t)
		near(t, "velocity", g.Velocity[0], c.v, 1e-9)
		near(t, "divergence", g.Divergence, c.div, 1e-6)
	}
	s := withSigma(m, 0.1)
	near(t, "velocity with σ, t = .3", s.At([]float64{0.7}, 0.3).Velocity[0], 0.605760635682, 1e-11)
	near(t, "velocity with σ, t = 0", s.At([]float64{0.7}, 0).Velocity[0], -1.5, 1e-4)
	near(t, "velocity with σ, t = 1", s.At([]float64{0.7}, 1).Velocity[0], -0.136363636364, 1e-11)
}

// TestMixtureByNumbers: ½N(-1.5,.4²) + ½N(1,.7²) along its flow from z_1 = .3.
func TestMixtureByNumbers(t *testing.T) {
	m := Mixture{Components: []Gaussian{{1, []float64{-1.5}, []float64{0.4}}, {1, []float64{1}, []float64{0.7}}}}
	for _, c := range []struct{ t, v float64 }{
		{1, -0.55}, {0.75, -0.388195712298}, {0.5, 0.506559256990}, {0.25, 0.834468215974}, {0, 0.3},
	} {
		near(t, "velocity", m.At([]float64{0.3}, c.t).Velocity[0], c.v, 1e-6)
	}
}

// TestScaledPath: a path with σ is the plain one at t' = (t+σ)/(1+σ), z' = z/(1+σ).
func TestScaledPath(t *testing.T) {
	for _, sigma := range []float64{1e-4, 0.1, 0.5} {
		for _, time := range []float64{0, 0.3, 0.9, 1} {
			z := []float64{0.7, -0.2}
			b := withSigma(some, sigma).At(z, time)
			a := some.At([]float64{z[0] / (1 + sigma), z[1] / (1 + sigma)}, (time+sigma)/(1+sigma))
			for k := range z {
				near(t, "velocity", b.Velocity[k], a.Velocity[k], 1e-9)
			}
		}
	}
}

// TestSigns holds the exact field to the lecture's time and sign by the continuity equation ∂p/∂t = div(p v), which in
// logarithms reads ∂log p/∂t = div v + v·∇log p; all derivatives by central differences of the density.
func TestSigns(t *testing.T) {
	const h = 1e-5
	for _, m := range []Mixture{some, withSigma(some, 0.2), Normal([]float64{1, 0}, []float64{0.5, 2})} {
		for _, time := range []float64{0.15, 0.5, 0.95} {
			z := []float64{0.4, 0.3}
			g := m.At(z, time)
			var div, drift float64
			for k := range z {
				up, down := []float64{z[0], z[1]}, []float64{z[0], z[1]}
				up[k] += h
				down[k] -= h
				u, d := m.At(up, time), m.At(down, time)
				div += (u.Velocity[k] - d.Velocity[k]) / (2 * h)
				near(t, "score", g.Score[k], (u.LogDensity-d.LogDensity)/(2*h), 1e-5)
				drift += g.Velocity[k] * g.Score[k]
			}
			near(t, "divergence", g.Divergence, div, 1e-5*math.Max(1, math.Abs(div)))
			rate := (m.At(z, time+h).LogDensity - m.At(z, time-h).LogDensity) / (2 * h)
			near(t, "∂log p/∂t", rate, div+drift, 1e-5*math.Max(1, math.Abs(rate)))
		}
	}
}

// TestPosteriorMeans: E[x|z], E[eps|z], v and the score tell one story: z = (1-t)E[x] + (t+σ)E[eps], v = E[x] - E[eps],
// ∇log p = -E[eps]/(t+σ) (Tweedie), and Straight.Data says the same of the data.
func TestPosteriorMeans(t *testing.T) {
	for _, sigma := range []float64{0, 0.1} {
		for _, time := range []float64{0.2, 0.6, 1} {
			z := []float64{-0.3, 0.8}
			g := withSigma(some, sigma).At(z, time)
			x := make([]float32, 2)
			Straight{float32(sigma)}.Data(x, []float32{-0.3, 0.8}, []float32{float32(g.Velocity[0]), float32(g.Velocity[1])}, float32(time))
			for k := range z {
				near(t, "z", (1-time)*g.Data[k]+(time+sigma)*g.Noise[k], z[k], 1e-12)
				near(t, "v", g.Data[k]-g.Noise[k], g.Velocity[k], 1e-12)
				near(t, "score", -g.Noise[k]/(time+sigma), g.Score[k], 1e-12)
				near(t, "data by the path", float64(x[k]), g.Data[k], 1e-6)
			}
		}
	}
}

// TestOneStepFromNoise: one Euler step from t = 1 to 0 lands on the mean of the data, whatever the data.
func TestOneStepFromNoise(t *testing.T) {
	for _, z := range [][]float64{{0, 0}, {2, -3}} {
		v := some.At(z, 1).Velocity
		near(t, "mean, first axis", z[0]+v[0], (2*-1+0.8+1.5)/4, 1e-12)
		near(t, "mean, second axis", z[1]+v[1], (2*0.5-0.7+1)/4, 1e-12)
	}
}

// TestLossFloor: on Gaussian data of deviation s the best possible loss is π s/2 under uniform times; under
// logit-normal(0, 1) times it is known numerically.
func TestLossFloor(t *testing.T) {
	const n = 1 << 17
	floor := func(times Times, s float64) (sum float64) {
		m := Normal([]float64{0}, []float64{s})
		for i := range n {
			sum += m.At([]float64{0.7}, times.Sample((float64(i)+0.5)/n)).Residual / n
		}
		return sum
	}
	for _, s := range []float64{0.25, 0.5, 1, 2} {
		near(t, "floor under uniform times", floor(Uniform{}, s), math.Pi*s/2, 1e-6)
	}
	for s, want := range map[float64]float64{1: 1.741264, 0.5: 0.811083, 0.25: 0.328235, 2: 3.244333} {
		near(t, "floor under logit-normal times", floor(LogitNormal{0, 1}, s), want, 2e-6)
	}
}

// TestLossFloorInTime: on Gaussian data of deviation s the best possible loss at time t is s²/S with S = (1-t)² s² + t²,
// wherever z is; all that is left is the data at t = 1 and the noise at t = 0. The loss of a network that predicts nothing
// is 1 + s² + m² at every time: what is left, and the mean square of the velocity, which is linear in z, so that z one
// deviation to either side of the mean give it exactly.
func TestLossFloorInTime(t *testing.T) {
	for _, c := range []struct{ m, s float64 }{{0, 1}, {0, 0.5}, {0, 2}, {-0.8, 0.3}} {
		data := Normal([]float64{c.m}, []float64{c.s})
		for _, time := range []float64{0, 0.1, 0.5, 0.8, 1} {
			S := (1-time)*(1-time)*c.s*c.s + time*time
			var zero float64
			for _, side := range []float64{-1, 1} {
				g := data.At([]float64{(1-time)*c.m + side*math.Sqrt(S)}, time)
				near(t, "floor", g.Residual, c.s*c.s/S, 1e-12)
				zero += (g.Residual + g.Velocity[0]*g.Velocity[0]) / 2
			}
			near(t, "loss of no prediction", zero, 1+c.s*c.s+c.m*c.m, 1e-12)
		}
	}
}

// TestLogitNormal: the quantile function inverts the distribution function Φ((logit t - mean)/std).
func TestLogitNormal(t *testing.T) {
	for _, d := range []LogitNormal{{0, 1}, {-1.2, 1.2}, {0.5, 0.6}} {
		for _, u := range []float64{1e-9, 0.01, 0.3, 0.5, 0.77, 1 - 1e-9} {
			x := d.Sample(u)
			n := (math.Log(x/(1-x)) - d.Mean) / d.Std
			near(t, "Φ", 0.5*math.Erfc(-n/math.Sqrt2), u, 1e-9)
		}
		if x := d.Sample(0); x != 0 {
			t.Errorf("quantile of 0 is %v", x)
		}
	}
}

// TestStratified: each stratum holds one time, and both ends are inside [0, 1].
func TestStratified(t *testing.T) {
	dst := make([]float32, 10)
	for _, u := range []float64{0, 0.5, 1 - 0x1p-53} {
		Stratified(dst, Uniform{}, func(int) float64 { return u })
		for i, v := range dst {
			if lo, hi := float32(i)/10, float32(i+1)/10; v < lo || v > hi {
				t.Errorf("time %d is %v, outside [%v, %v]", i, v, lo, hi)
			}
		}
	}
}

// TestNotLipmans: on Lipman's path, (1-t) x + (σ + (1-σ) t) eps, the field of the data {-1, .5, 2} at (.7, .3) and σ = .1 is
// .483707388819, and at the ends -1.3 and -.13; on the lecture's it is another one (TestPointsByNumbers). Both follow
// from their moments.
func TestNotLipmans(t *testing.T) {
	m := Points([]float64{-1}, []float64{0.5}, []float64{2})
	lipman := func(t float64) Moment { return Moment{A: 1 - t, B: 0.1 + 0.9*t, DA: -1, DB: 0.9} }
	for _, c := range []struct{ t, v, tol float64 }{{0.3, 0.483707388819, 1e-11}, {0, -1.3, 1e-4}, {1, -0.13, 1e-11}} {
		near(t, "Lipman's velocity", m.On(lipman(c.t), []float64{0.7}).Velocity[0], c.v, c.tol)
	}
}

// TestNotTongs: the path of Tong et al. (2023, I-CFM), (1-t) x + t eps + σ ξ with a ξ of its own, has the marginals of the
// moment B = sqrt(t²+σ²): at t = 1 a deviation of sqrt(1+σ²), where the lecture's has 1+σ and Lipman's 1. That moment's
// velocity is the mean of x - eps, which of data N(m, s²) is m + ((1-t) s² - t)/S (z - (1-t) m), S = (1-t)² s² + t² + σ².
func TestNotTongs(t *testing.T) {
	const m, s = 0.7, 0.4
	data, z := Normal([]float64{m}, []float64{s}), []float64{-0.3}
	for _, sigma := range []float64{1e-4, 0.1, 0.5} {
		tong := func(t float64) Moment {
			b := math.Hypot(t, sigma)
			return Moment{A: 1 - t, B: b, DA: -1, DB: t / b}
		}
		end := func(at Moment) float64 { // the deviation, by the density at the middle
			return math.Exp(-data.On(at, []float64{0}).LogDensity) / math.Sqrt(2*math.Pi)
		}
		near(t, "Tong's deviation", end(tong(1)), math.Sqrt(1+sigma*sigma), 1e-12)
		near(t, "the lecture's deviation", end(straightAt(1, sigma)), 1+sigma, 1e-12)
		for _, time := range []float64{0, 0.3, 1} {
			S := (1-time)*(1-time)*s*s + time*time + sigma*sigma
			want := m + ((1-time)*s*s-time)/S*(z[0]-(1-time)*m)
			near(t, "Tong's velocity", data.On(tong(time), z).Velocity[0], want, 1e-12)
		}
	}
}

// TestMixedTarget: one step down a pair's line from t = 1 leaves x + σ eps, and Finish x. Along Lipman's target,
// x - (1-σ) eps, the same path leaves x + 2σ eps, and Finish x + σ eps.
func TestMixedTarget(t *testing.T) {
	x, eps := []float32{2, -1, 0.25}, []float32{0.5, 3, -0.75}
	z, v := make([]float32, 3), make([]float32, 3)
	for _, sigma := range []float32{1e-4, 0.1, 0.5} {
		p := Straight{sigma}
		for _, c := range []struct {
			name       string
			mixed      float32 // of σ eps, in the target
			left, ends float64 // of σ eps
		}{{"the lecture's target", 0, 1, 0}, {"Lipman's target", 1, 2, 1}} {
			p.Interpolate(z, v, x, eps, 1)
			for i := range z {
				v[i] += c.mixed * sigma * eps[i]
				z[i] += v[i]
				near(t, c.name+" leaves", float64(z[i]), float64(x[i])+c.left*float64(sigma*eps[i]), 1e-6)
			}
			p.Finish(z, v)
			for i := range z {
				near(t, c.name+" leaves in the end", float64(z[i]), float64(x[i])+c.ends*float64(sigma*eps[i]), 1e-6)
			}
		}
	}
}
