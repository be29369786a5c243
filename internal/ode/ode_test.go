package ode

import (
	"math"
	"testing"

	"lfm/internal/path"
)

// field is the exact velocity of a mixture.
func field(m path.Mixture) Field[float64] {
	return func(dst, z []float64, t float64) { copy(dst, m.At(z, t).Velocity) }
}

// bimodal is ½N(-1.5,.4²) + ½N(1,.7²). In one dimension the flow is monotone, so it is the quantile map: from z_1 = .3
// it passes the points of flowAt exactly.
var bimodal = path.Mixture{Components: []path.Gaussian{
	{Weight: 1, Mean: []float64{-1.5}, Std: []float64{0.4}},
	{Weight: 1, Mean: []float64{1}, Std: []float64{0.7}},
}}

var flowAt = map[float64]float64{0.75: 0.183983970371, 0.5: 0.149989645983, 0.25: 0.331625424279, 0: 0.496137893083}

// errorAt is the error of a method on bimodal from z_1 = .3 to a time.
func errorAt(m Tableau, to float64, steps int) float64 {
	z := []float64{0.3}
	Solve(m, field(bimodal), z, Uniform(1, to, steps))
	return z[0] - flowAt[to]
}

// TestOrder requires the error to fall with the order each method claims: the slope of log error over log step, down to
// t = .25. On a single Gaussian it would not do: there the midpoint rule is of order 3, and RK4's error changes its sign.
func TestOrder(t *testing.T) {
	for _, m := range Methods() {
		var n, sx, sy, sxx, sxy float64
		for _, steps := range []int{16, 32, 64, 128, 256} {
			x, y := -math.Log(float64(steps)), math.Log(math.Abs(errorAt(m, 0.25, steps)))
			n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
		}
		if slope := (n*sxy - sx*sy) / (n*sxx - sx*sx); math.Abs(slope-float64(m.Order)) > 0.05 {
			t.Errorf("%s: error falls as h^%.3f, want h^%d", m.Name, slope, m.Order)
		}
	}
}

// TestErrors pins the errors themselves, which tell methods of one order apart (worked out by an independent program): down
// to t = .25 in 8, 16, ..., 256 steps, and to t = 0 in 256.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		m       Tableau
		quarter [6]float64
		end     float64
	}{
		{Euler, [6]float64{-9.41e-2, -4.71e-2, -2.36e-2, -1.18e-2, -5.89e-3, -2.94e-3}, -3.96e-3},
		{Midpoint, [6]float64{-2.41e-3, -6.49e-4, -1.68e-4, -4.25e-5, -1.07e-5, -2.69e-6}, -5.58e-6},
		{Heun, [6]float64{-5.16e-3, -1.32e-3, -3.34e-4, -8.38e-5, -2.10e-5, -5.24e-6}, -9.43e-6},
		{RK4, [6]float64{-3.41e-5, -2.38e-6, -1.51e-7, -9.43e-9, -5.88e-10, -3.67e-11}, -1.70e-10},
	} {
		check := func(to float64, steps int, want float64) {
			// flowAt has twelve digits, and want three.
			if got := errorAt(c.m, to, steps); math.Abs(got-want) > 0.006*math.Abs(want)+1e-12 {
				t.Errorf("%s, %d steps to t = %v: error %.3e, want %.3e", c.m.Name, steps, to, got, want)
			}
		}
		for i, want := range c.quarter {
			check(0.25, 8<<i, want)
		}
		check(0, 256, c.end)
	}
}

// TestFlow: RK4 with many steps passes the exact points of the flow.
func TestFlow(t *testing.T) {
	for to, want := range flowAt {
		z := []float64{0.3}
		Solve(RK4, field(bimodal), z, Uniform(1, to, 1000))
		if math.Abs(z[0]-want) > 2e-11 {
			t.Errorf("z at t = %v is %.12f, want %.12f", to, z[0], want)
		}
	}
}

// TestGaussian: data N(1, .5²) from z_1 = 1, whose flow ends at m + s z_1 = 1.5; values in closed form.
func TestGaussian(t *testing.T) {
	f := field(path.Normal([]float64{1}, []float64{0.5}))
	for _, c := range []struct {
		m     Tableau
		steps int
		want  float64
	}{
		{Euler, 1, 1}, {Euler, 2, 1.2}, {Euler, 4, 1.340540540541}, {Heun, 1, 1.5}, {Heun, 2, 1.48}, {Midpoint, 1, 1.4}, {RK4, 1, 1.38},
	} {
		z := []float64{1}
		if n := Solve(c.m, f, z, Uniform(1, 0, c.steps)); n != c.steps*c.m.Stages() {
			t.Errorf("%s, %d steps: %d evaluations", c.m.Name, c.steps, n)
		}
		if math.Abs(z[0]-c.want) > 1e-12 {
			t.Errorf("%s, %d steps: %.12f, want %.12f", c.m.Name, c.steps, z[0], c.want)
		}
	}
	z := []float64{-0.4}
	Solve(RK4, f, z, Uniform(1, 0, 400))
	if want := 1 + 0.5*-0.4; math.Abs(z[0]-want) > 1e-9 {
		t.Errorf("the flow ends at %.12f, want m + s z_1 = %.12f", z[0], want)
	}
}

// TestStraightPath: where the velocity is constant, every method is exact in one step, also backwards.
func TestStraightPath(t *testing.T) {
	for _, m := range Methods() {
		f := func(dst, z []float32, t float64) { dst[0], dst[1] = 2, -0.5 }
		z := []float32{1, 1}
		Solve(m, f, z, Uniform(1, 0, 1))
		if z[0] != 3 || z[1] != 0.5 {
			t.Errorf("%s: one step ends at %v, want [3 0.5]", m.Name, z)
		}
		Solve(m, f, z, Uniform(0, 1, 4))
		if z[0] != 1 || z[1] != 1 {
			t.Errorf("%s: and back at %v, want [1 1]", m.Name, z)
		}
	}
}

// TestTimeAlone: where the velocity is 3t² everywhere, z moves by ∫ 3t² dt = 1 in all, and a method is a rule of
// integration: Euler's the sum at the upper ends of N steps, 1 + 3/(2N) + 1/(2N²); the midpoint rule, 1 - 1/(4N²); Heun's the
// trapezoidal rule, 1 + 1/(2N²); RK4 Simpson's rule, exact for cubics.
func TestTimeAlone(t *testing.T) {
	f := func(dst, z []float64, t float64) { dst[0] = 3 * t * t }
	for _, steps := range []int{1, 2, 5, 64} {
		n := float64(steps)
		for _, c := range []struct {
			m    Tableau
			want float64
		}{{Euler, 1 + 3/(2*n) + 1/(2*n*n)}, {Midpoint, 1 - 1/(4*n*n)}, {Heun, 1 + 1/(2*n*n)}, {RK4, 1}, {Dopri5, 1}} {
			z := []float64{-0.2}
			if Solve(c.m, f, z, Uniform(1, 0, steps)); math.Abs(z[0]+0.2-c.want) > 1e-12 {
				t.Errorf("%s, %d steps: z moves by %.12f, want %.12f", c.m.Name, steps, z[0]+0.2, c.want)
			}
		}
	}
}

// TestTableaux: the rows of A add up to C, B adds up to one, and nothing is implicit.
func TestTableaux(t *testing.T) {
	for _, m := range append(Methods(), Dopri5) {
		var b, e float64
		for _, w := range m.Error {
			e += w
		}
		if math.Abs(e) > 1e-15 {
			t.Errorf("%s: the error of a straight path is %v", m.Name, e)
		}
		for i := range m.B {
			b += m.B[i]
			var a float64
			for _, v := range m.A[i] {
				a += v
			}
			if len(m.A[i]) > i || math.Abs(a-m.C[i]) > 1e-15 {
				t.Errorf("%s: row %d of A is %v, C is %v", m.Name, i, m.A[i], m.C[i])
			}
		}
		if math.Abs(b-1) > 1e-15 {
			t.Errorf("%s: B adds up to %v", m.Name, b)
		}
	}
}

// TestLogLikelihood: log p_0(x) = log N(z_1) - ∫ div v dt along the flow from x up to noise. On the path with σ the
// answer is the data set smoothed by σ, a mixture in closed form.
func TestLogLikelihood(t *testing.T) {
	m := path.Points([]float64{-1}, []float64{0.5}, []float64{2})
	m.SigmaMin = 0.1
	// The second number gathers the integral; as dz/dt = -v, its "velocity" is +div v.
	f := func(dst, z []float64, t float64) {
		g := m.At(z[:1], t)
		dst[0], dst[1] = g.Velocity[0], g.Divergence
	}
	for x, want := range map[float64]float64{-1: 0.2850342711, 0.3: -1.7149657289, 0.55: 0.1600342711, 2.1: -0.2149657289} {
		z := []float64{x, 0}
		Solve(RK4, f, z, Uniform(0, 1, 2000))
		std := 1 + m.SigmaMin
		// z[1] is -∫ div v dt already.
		got := -0.5*z[0]*z[0]/(std*std) - math.Log(std*math.Sqrt(2*math.Pi)) + z[1]
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("log p(%v) = %.10f, want %.10f", x, got, want)
		}
	}
}

// TestStepsDoNotAllocate, once a solver has seen the size of its state.
func TestStepsDoNotAllocate(t *testing.T) {
	s, z := NewSolver[float32](RK4), make([]float32, 64)
	f := func(dst, z []float32, t float64) { copy(dst, z) }
	s.Step(f, z, 1, 0.5)
	if a := testing.AllocsPerRun(10, func() { s.Step(f, z, 1, 0.5) }); a != 0 {
		t.Errorf("a step makes %v allocations", a)
	}
}

// TestUniform: both ends are exact, also when the step is not.
func TestUniform(t *testing.T) {
	for _, n := range []int{1, 3, 7, 49, 1000} {
		g := Uniform(1, 0, n)
		if len(g) != n+1 || g[0] != 1 || g[n] != 0 {
			t.Errorf("%d steps: from %v to %v in %d times", n, g[0], g[n], len(g))
		}
	}
}

// TestGaussianFlow: on the way the flow of N(m, s²) is z_t = (1-t) m + √S_t z_1 with S_t = (1-t)² s² + t², and the
// divergence of its velocity is -½ d log S/dt.
func TestGaussianFlow(t *testing.T) {
	m, s := []float64{1, -0.5}, []float64{0.5, 2}
	data := path.Normal(m, s)
	S := func(t float64, k int) float64 { return (1-t)*(1-t)*s[k]*s[k] + t*t }
	for _, to := range []float64{0.8, 0.5, 0.2, 0} {
		z := []float64{0.7, -1.1}
		Solve(RK4, field(data), z, Uniform(1, to, 400))
		var rate float64
		for k, z1 := range []float64{0.7, -1.1} {
			if want := (1-to)*m[k] + math.Sqrt(S(to, k))*z1; math.Abs(z[k]-want) > 1e-8 {
				t.Errorf("z at t = %v is %.10f, want %.10f", to, z[k], want)
			}
			const h = 1e-5
			rate -= (math.Log(S(to+h, k)) - math.Log(S(to-h, k))) / (4 * h)
		}
		if div := data.At(z, to).Divergence; math.Abs(div-rate) > 1e-7 {
			t.Errorf("t = %v: the divergence is %.8f, want %.8f", to, div, rate)
		}
	}
}

// TestAverageVelocity: between any two times the flow of N(m, s²) moves by its average velocity
// (Geng et al. 2025, "Mean Flows for One-step Generative Modeling", Equation 3, with the sign of our time),
//
//	u(z_t, r, t) = 1/(t-r) ∫ v(z_τ, τ) dτ = (z_r - z_t)/(t-r),  z_r = (1-r) m + √(S_r/S_t) (z_t - (1-t) m)
//
// forwards and back.
func TestAverageVelocity(t *testing.T) {
	const m, s = 0.8, 0.4
	data := path.Normal([]float64{m}, []float64{s})
	deviation := func(t float64) float64 { return math.Hypot((1-t)*s, t) }
	for _, c := range []struct{ zt, t, r float64 }{{-0.6, 1, 0}, {1.7, 0.9, 0.3}, {0.2, 0.5, 0.45}, {0.9, 0.2, 1}} {
		end := []float64{c.zt}
		Solve(RK4, field(data), end, Uniform(c.t, c.r, 400))
		zr := (1-c.r)*m + deviation(c.r)/deviation(c.t)*(c.zt-(1-c.t)*m)
		if math.Abs(end[0]-zr) > 1e-8 {
			t.Errorf("from t = %v to %v: z is %.10f, want %.10f", c.t, c.r, end[0], zr)
		}
		const points = 2000
		var sum float64 // by the midpoint rule, along the closed form
		for i := range points {
			at := c.r + (float64(i)+0.5)/points*(c.t-c.r)
			z := (1-at)*m + deviation(at)/deviation(c.t)*(c.zt-(1-c.t)*m)
			sum += data.At([]float64{z}, at).Velocity[0] / points
		}
		if u := (zr - c.zt) / (c.t - c.r); math.Abs(sum-u) > 1e-6 {
			t.Errorf("from t = %v to %v: the average velocity is %.8f, want %.8f", c.t, c.r, sum, u)
		}
	}
}

// TestPathEnergy: the flow of independent pairs spends E ∫|v|² dt = Σ (1 + s² - π s/2) + |m|², where the shortest way costs
// W2² = Σ (1-s)² + |m|²: more by (2 - π/2) Σ s. In one dimension, s = .5 and m = 0, that is .464602 against .25.
func TestPathEnergy(t *testing.T) {
	energy := func(m, s float64) (sum float64) {
		const points, steps = 400, 400
		data := path.Normal([]float64{m}, []float64{s})
		for i := range points {
			z1 := -math.Sqrt2 * math.Erfcinv(2*(float64(i)+0.5)/points)
			for j := range steps {
				at := (float64(j) + 0.5) / steps
				z := (1-at)*m + math.Sqrt((1-at)*(1-at)*s*s+at*at)*z1
				v := data.At([]float64{z}, at).Velocity[0]
				sum += v * v / (points * steps)
			}
		}
		return sum
	}
	if got := energy(0, 0.5); math.Abs(got-0.464602) > 2e-3 || math.Abs((got-0.25)/0.25-0.858407) > 8e-3 {
		t.Errorf("the path energy is %.6f, want .464602", got)
	}
	for _, c := range [][2]float64{{1, 0.5}, {-0.3, 2}, {0, 1}} {
		m, s := c[0], c[1]
		if got, want := energy(m, s), (1-s)*(1-s)+m*m+(2-math.Pi/2)*s; math.Abs(got-want) > 0.01*want {
			t.Errorf("m = %v, s = %v: the path energy is %.5f, want %.5f", m, s, got, want)
		}
	}
}
