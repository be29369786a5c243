package ot

import (
	"math"
	"slices"
	"testing"

	"lfm/internal/rng"
)

// plan is that of random points, at an epsilon in units of their mean cost.
func plan(t *testing.T, n int, epsilon float64) (Points, *Plan) {
	t.Helper()
	p := some(n, 2, 0.5)
	soft, err := p.Sinkhorn(epsilon)
	if err != nil {
		t.Fatal(err)
	}
	return p, soft
}

// TestMarginals: every row and every column sums to one and no part is negative, whether or not the iterations came to
// an end.
func TestMarginals(t *testing.T) {
	for _, n := range []int{1, 2, 9, 64} {
		for _, epsilon := range []float64{1e-5, 1e-3, 0.05, 1, 100} {
			_, p := plan(t, n, epsilon)
			for i := range n {
				var row, column float64
				for j := range n {
					row, column = row+p.P[i*n+j], column+p.P[j*n+i]
					if p.P[i*n+j] < 0 {
						t.Fatalf("n = %d, epsilon %v: a part of %v", n, epsilon, p.P[i*n+j])
					}
				}
				if !within(row, 1, 1e-12) || !within(column, 1, 1e-12) {
					t.Fatalf("n = %d, epsilon %v: row %d sums to %v, column %d to %v", n, epsilon, i, row, i, column)
				}
			}
			if p.Error > tolerance && p.Iterations < iterations-1 {
				t.Errorf("n = %d, epsilon %v: stopped after %d iterations at an error of %v", n, epsilon, p.Iterations, p.Error)
			}
		}
	}
}

// TestSmallEpsilon: as epsilon falls the plan's cost comes down to that of the exact pairing, which none is below, by
// no more than epsilon n log n, what entropy is worth at most; and then the plan is that pairing.
func TestSmallEpsilon(t *testing.T) {
	const n = 24
	last := math.Inf(1)
	for _, epsilon := range []float64{1, 0.1, 0.01, 1e-4} {
		p, soft := plan(t, n, epsilon)
		exact, err := p.Assign()
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float64, n)
		var cost, mean, hit float64
		for i := range n {
			p.Costs(i, row)
			for j, c := range row {
				cost += soft.P[i*n+j] * c
				mean += c / (n * n)
			}
			hit += soft.P[i*n+exact.Of[i]]
		}
		if cost < exact.Cost-1e-9 || cost > exact.Cost+epsilon*mean*n*math.Log(n) || cost > last {
			t.Errorf("epsilon %v: a cost of %v, at the epsilon before %v; the exact pairing has %v", epsilon, cost, last, exact.Cost)
		}
		if last = cost; epsilon == 1e-4 && hit < n-1e-3 {
			t.Errorf("epsilon %v: %v of %d rows go where the exact pairing has them", epsilon, hit, n)
		}
	}
}

// TestTinyEpsilon: whatever the costs are and however small epsilon is, sums are one and a draw is a permutation. Without
// a bound some of these plans are no numbers.
func TestTinyEpsilon(t *testing.T) {
	const n = 8
	for _, d := range []int{1, 4} {
		for seed := range uint64(30) {
			p := Points{X: make([]float32, n*d), Y: make([]float32, n*d), D: d}
			s := rng.New(seed, "points")
			s.Normal(p.X, 0, 0)
			s.Normal(p.Y, 0, 1)
			for _, above := range []float64{0, 1e9} {
				for _, epsilon := range []float64{1e-6, 1e-12, 1e-20, 1e-300} {
					plan, err := Sinkhorn(n, func(i int, row []float64) {
						p.Costs(i, row)
						for j := range row {
							row[j] += above
						}
					}, epsilon)
					if err != nil {
						t.Fatal(err)
					}
					for i := range n {
						if row, column := total(plan.P[i*n:(i+1)*n], 1), total(plan.P[i:], n); !within(row, 1, 1e-12) || !within(column, 1, 1e-12) {
							t.Fatalf("seed %d, epsilon %v, costs from %v: row %d sums to %v, column to %v", seed, epsilon, above, i, row, column)
						}
					}
					of := slices.Sorted(slices.Values(plan.Draw(func(k int) float64 { return s.Float64(1, uint64(k)) })))
					if len(slices.Compact(of)) != n || of[0] != 0 || of[n-1] != n-1 {
						t.Fatalf("seed %d, epsilon %v: not a permutation: %v", seed, epsilon, of)
					}
				}
			}
		}
	}
}

// TestLargeEpsilon: where entropy is all that counts, everything goes everywhere.
func TestLargeEpsilon(t *testing.T) {
	_, p := plan(t, 10, 1e6)
	for _, v := range p.P {
		if !within(v, 0.1, 1e-5) {
			t.Fatalf("a part of %v, want 0.1", v)
		}
	}
}

// TestScalingForm: P_ij P_kl = P_il P_kj exp(-(c_ij + c_kl - c_il - c_kj)/epsilon), which with the right sums is what
// only the plan of least cost and entropy has.
func TestScalingForm(t *testing.T) {
	const n, epsilon = 12, 4.0
	q := some(n, 2, 0)
	p, err := Sinkhorn(n, q.Costs, epsilon)
	if err != nil {
		t.Fatal(err)
	}
	c := make([]float64, n*n)
	for i := range n {
		q.Costs(i, c[i*n:(i+1)*n])
	}
	for i := range n - 1 {
		for j := range n - 1 {
			got := math.Log(p.P[i*n+j] * p.P[(i+1)*n+j+1] / p.P[i*n+j+1] / p.P[(i+1)*n+j])
			want := -(c[i*n+j] + c[(i+1)*n+j+1] - c[i*n+j+1] - c[(i+1)*n+j]) / epsilon
			if !within(got, want, 0.02) { // what mending the sums disturbs
				t.Errorf("rows %d and columns %d: %v, want %v", i, j, got, want)
			}
		}
	}
}

// TestMeanCost: epsilon is in units of the mean over all pairs, so that points moved and drawn out have the same plan.
func TestMeanCost(t *testing.T) {
	p := some(30, 3, 2)
	row := make([]float64, 30)
	var mean float64
	for i := range row {
		p.Costs(i, row)
		mean += total(row, 1) / 900
	}
	if got := p.meanCost(); !within(got, mean, 1e-9) {
		t.Errorf("mean cost %v, want %v", got, mean)
	}
	want, err := p.Sinkhorn(0.1)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range [][]float32{p.X, p.Y} {
		for i := range v {
			v[i] *= 1024
		}
	}
	if got, err := p.Sinkhorn(0.1); err != nil || !slices.Equal(got.P, want.P) {
		t.Errorf("points drawn out have another plan (%v)", err)
	}
	same := Points{X: make([]float32, 4), Y: make([]float32, 4), D: 1}
	if got, err := same.Sinkhorn(0.1); err != nil || got.P[0] != 0.25 {
		t.Errorf("points that are one: %v, %v", got, err)
	}
	same.X[1] = float32(math.NaN())
	if _, err := same.Sinkhorn(0.1); err == nil {
		t.Error("a point that is no number is paired")
	}
}

func TestSinkhornErrors(t *testing.T) {
	for _, bad := range []float64{math.NaN(), -inf, inf} {
		if _, err := Sinkhorn(2, matrix([][]float64{{1, 2}, {3, bad}}), 1); err == nil {
			t.Errorf("a cost of %v is taken", bad)
		}
	}
	if p, err := Sinkhorn(0, matrix(nil), 1); err != nil || len(p.Draw(nil)) != 0 {
		t.Errorf("no rows: %v", err)
	}
}

// TestDraw: every draw is a permutation, and their mean is the plan, to Monte-Carlo error, at any epsilon. A draw is
// repeated by the same numbers.
func TestDraw(t *testing.T) {
	const n, draws = 8, 20000
	s := rng.New(3, "draw")
	for _, epsilon := range []float64{1e-4, 0.02, 0.3, 50} {
		_, p := plan(t, n, epsilon)
		mean := make([]float64, n*n)
		for d := range draws {
			u := func(k int) float64 { return s.Float64(uint64(d), uint64(k)) }
			of := p.Draw(u)
			var taken [n]bool
			for i, j := range of {
				if taken[j] {
					t.Fatalf("epsilon %v: not a permutation: %v", epsilon, of)
				}
				taken[j] = true
				mean[i*n+j] += 1. / draws
			}
			if d%1000 == 0 && !slices.Equal(p.Draw(u), of) {
				t.Fatal("the same numbers draw another permutation")
			}
		}
		for k, want := range p.P {
			if e := math.Sqrt(want*(1-want)/draws) + 1e-6; math.Abs(mean[k]-want) > 5*e {
				t.Errorf("epsilon %v: pair %d, %d is drawn in %.4f of all, want %.4f ± %.4f", epsilon, k/n, k%n, mean[k], want, e)
			}
		}
	}
}

// TestDrawLarge: a plan of many rows, at an epsilon that leaves much open, becomes a permutation too.
func TestDrawLarge(t *testing.T) {
	const n = 200
	_, p := plan(t, n, 0.02)
	s := rng.New(5, "draw")
	of := p.Draw(func(k int) float64 { return s.Float64(0, uint64(k)) })
	sorted := slices.Sorted(slices.Values(of))
	if len(slices.Compact(sorted)) != n || sorted[0] != 0 || sorted[n-1] != n-1 {
		t.Errorf("not a permutation: %v", of)
	}
}

func BenchmarkSinkhorn(b *testing.B) {
	p := some(256, 64, 0)
	for b.Loop() {
		if _, err := Sinkhorn(256, p.Costs, 2.5); err != nil { // 2 % of the mean cost
			b.Fatal(err)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	p := some(256, 64, 0)
	plan, err := Sinkhorn(256, p.Costs, 2.5)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		plan.Draw(func(k int) float64 { return float64(k*7919%10007) / 10007 })
	}
}
