package ode

import (
	"math"
	"testing"
)

// TestAdaptive: the error follows the tolerance down, evaluations go up and are those that were made, and steps lead up
// and down alike.
func TestAdaptive(t *testing.T) {
	var lastError float64 = 1
	var lastCost int
	for _, tol := range []float64{1e-3, 1e-5, 1e-7, 1e-9} {
		calls := 0
		f := func(dst, z []float64, t float64) { calls++; field(bimodal)(dst, z, t) }
		z := []float64{0.3}
		a := NewAdaptive[float64](tol, tol)
		n, err := a.Solve(f, z, 1, 0)
		if err != nil || n != calls {
			t.Fatalf("tolerance %g: %d evaluations are told, %d were made, %v", tol, n, calls, err)
		}
		miss := math.Abs(z[0] - flowAt[0])
		if miss > 50*tol || miss >= lastError || n <= lastCost {
			t.Errorf("tolerance %g: error %.2g after %d evaluations; with the tolerance before %.2g after %d", tol, miss, n, lastError, lastCost)
		}
		lastError, lastCost = miss, n
		if _, err := a.Solve(f, z, 0, 1); err != nil || math.Abs(z[0]-0.3) > 100*tol {
			t.Errorf("tolerance %g: back at %.10f, want 0.3: %v", tol, z[0], err)
		}
	}
}

// TestAdaptiveStraight: along a straight path the first step is short, as nothing is known yet, and then they are as
// long as may be.
func TestAdaptiveStraight(t *testing.T) {
	z := []float32{3}
	n, err := NewAdaptive[float32](1e-5, 1e-5).Solve(func(dst, z []float32, t float64) { dst[0] = 2 }, z, 1, 0)
	if err != nil || n > 1+6*6 || math.Abs(float64(z[0]-5)) > 1e-6 {
		t.Errorf("ends at %v after %d evaluations, want 5 after a few: %v", z[0], n, err)
	}
}

// TestAdaptiveFails: a field that is not finite, and one that no step is short enough for, are errors.
func TestAdaptiveFails(t *testing.T) {
	for name, f := range map[string]Field[float64]{
		"not a number": func(dst, z []float64, t float64) { dst[0] = math.NaN() },
		"a pole":       func(dst, z []float64, t float64) { dst[0] = 1 / ((t - 0.5) * (t - 0.5)) },
	} {
		if _, err := NewAdaptive[float64](1e-6, 1e-6).Solve(f, []float64{1}, 1, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestGrids: every grid runs from exactly 1 down to exactly 0, and its parameter says where steps are short.
func TestGrids(t *testing.T) {
	for _, n := range []int{1, 2, 5, 50} {
		for name, g := range map[string][]float64{"uniform": Uniform(1, 0, n), "shifted": Shifted(3, n), "karras": Karras(7, n)} {
			if len(g) != n+1 || g[0] != 1 || g[n] != 0 {
				t.Errorf("%s: %d steps run from %v to %v in %d times", name, n, g[0], g[len(g)-1], len(g))
			}
			for i := range n {
				if !(g[i] > g[i+1]) {
					t.Errorf("%s: %d steps: time %d is %v, the next %v", name, n, i, g[i], g[i+1])
				}
			}
		}
	}
	for i, v := range Shifted(1, 8) {
		if v != Uniform(1, 0, 8)[i] {
			t.Errorf("shift 1 makes %v of time %d", v, i)
		}
	}
	// Shifting multiplies the noise level t/(1-t) by the shift.
	for i, v := range Shifted(3, 8)[1:] {
		u := Uniform(1, 0, 8)[1+i]
		if got, want := v*(1-u), 3*u*(1-v); math.Abs(got-want) > 1e-15 {
			t.Errorf("shift 3 sends %v to %v", u, v)
		}
	}
	// Of 18 steps (Karras et al. 2022, Table 1) the second begins at level 57.59, the last at 0.002.
	g := Karras(7, 18)
	for i, want := range map[int]float64{1: 57.586, 17: 0.002} {
		if level := g[i] / (1 - g[i]); math.Abs(level-want) > 1e-3*want {
			t.Errorf("time %d has level %v, want %v", i, level, want)
		}
	}
}

// TestDopri5Order: on the mixture of TestOrder its error of order 5 is so small that float64 ends before it shows beside
// that of order 6. Slopes are taken on v = 2t z instead, whose flow is z_0 = e z_1, and that of the solution beside it,
// which gives the error and is of order 4, on v = t (z - z³), whose flow is 1/z_0² = 1 + (1/z_1² - 1)/e.
func TestDopri5Order(t *testing.T) {
	beside := Dopri5
	beside.B = make([]float64, len(Dopri5.B))
	for i := range beside.B {
		beside.B[i] = Dopri5.B[i] - Dopri5.Error[i]
	}
	for _, c := range []struct {
		m     Tableau
		order float64
		speed func(z, t float64) float64
		exact float64
	}{
		{Dopri5, 5, func(z, t float64) float64 { return 2 * t * z }, 0.3 * math.E},
		{beside, 4, func(z, t float64) float64 { return t * (z - z*z*z) }, 1 / math.Sqrt(1+(1/0.09-1)/math.E)},
	} {
		var n, sx, sy, sxx, sxy float64
		for _, steps := range []int{8, 16, 32, 64} {
			z := []float64{0.3}
			Solve(c.m, func(dst, z []float64, t float64) { dst[0] = c.speed(z[0], t) }, z, Uniform(1, 0, steps))
			x, y := -math.Log(float64(steps)), math.Log(math.Abs(z[0]-c.exact))
			n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
		}
		if slope := (n*sxy - sx*sy) / (n*sxx - sx*sx); math.Abs(slope-c.order) > 0.15 {
			t.Errorf("error falls as h^%.3f, want h^%v", slope, c.order)
		}
	}
}
