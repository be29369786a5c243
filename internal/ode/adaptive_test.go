package ode

import (
	"math"
	"slices"
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

// TestAdaptiveLearns: no step is tried twice. The last one ends at the end, however long it would have been; where its
// error is too large, the next is shorter than what was tried, not than what would have been.
func TestAdaptiveLearns(t *testing.T) {
	for _, at := range []float64{0.02, 0.05, 0.1, 0.2} {
		var times []float64
		f := func(dst, z []float64, t float64) {
			times = append(times, t)
			dst[0] = 1 + 50*math.Exp(-(t-at)*(t-at)/2e-4) // a long way, and a hill at its end
		}
		n, err := NewAdaptive[float64](1e-4, 1e-4).Solve(f, []float64{0.3}, 1, 0)
		if err != nil || n != len(times) {
			t.Fatalf("a hill at %v: %d evaluations are told, %d were made, %v", at, n, len(times), err)
		}
		tried := map[[6]float64]bool{}
		for step := range slices.Chunk(times[1:], 6) {
			if tried[[6]float64(step)] {
				t.Errorf("a hill at %v: a step is tried again, at %v", at, step)
			}
			tried[[6]float64(step)] = true
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
