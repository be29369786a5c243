package ot

import (
	"runtime"
	"slices"
	"testing"

	"lfm/internal/rng"
)

// some are n points on both sides, normal, those of Y moved by shift.
func some(n, d int, shift float32) Points {
	p := Points{X: make([]float32, n*d), Y: make([]float32, n*d), D: d}
	s := rng.New(7, "points")
	s.Normal(p.X, 0, 0)
	s.Normal(p.Y, 0, 1)
	for i := range p.Y {
		p.Y[i] += shift
	}
	return p
}

// TestPoints: the pairing is proven optimal by its prices, and moving all of Y changes no pair, as every pairing then
// costs as much more.
func TestPoints(t *testing.T) {
	for _, c := range []struct{ n, d int }{{1, 1}, {2, 3}, {40, 1}, {50, 7}, {130, 16}} {
		p := some(c.n, c.d, 0)
		pairs, err := p.Assign()
		if err != nil {
			t.Fatal(err)
		}
		costs := make([][]float64, c.n)
		var independent float64
		for i := range costs {
			costs[i] = make([]float64, c.n)
			p.Costs(i, costs[i])
			independent += costs[i][i]
		}
		prove(t, costs, pairs)
		if pairs.Cost > independent {
			t.Errorf("%d points: a cost of %v, and of %v as they stand", c.n, pairs.Cost, independent)
		}
		if moved, err := some(c.n, c.d, 5).Assign(); err != nil || !slices.Equal(moved.Of, pairs.Of) {
			t.Errorf("%d points, moved: other pairs (%v)", c.n, err)
		}
	}
}

// TestPointsMemory: 10,000 points, whose matrix of costs would be 800 MB, take no more than 400 bytes each, where all rows bid.
// Far apart from others lie two points of Y and, on a line with them and to one side, two of X, which pair up in order.
func TestPointsMemory(t *testing.T) {
	const n = 10000
	p := some(n, 2, 0)
	to := func(i int) int { return i * 37 % n }
	for i := 0; i < n; i += 2 {
		for k := range 2 {
			x := p.X[2*i+k]
			p.X[2*(i+1)+k] = x + 1e-5
			p.Y[2*to(i)+k] = x - 2e-5
			p.Y[2*to(i+1)+k] = x - 1e-5
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pairs, err := p.Assign()
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 400*n || bytes < 300*n { // lists alone take 300
		t.Errorf("%d points took %d bytes", n, bytes)
	}
	for i, j := range pairs.Of {
		if j != to(i) {
			t.Fatalf("point %d is paired with %d, want %d", i, j, to(i))
		}
	}
}

// TestWithin: points are paired within their class, each class as well as can be, and one class is Assign.
func TestWithin(t *testing.T) {
	p := some(60, 3, 1)
	class := make([]int, 60)
	for i := range class {
		class[i] = i * i % 7
	}
	of, err := p.AssignWithin(class)
	if err != nil {
		t.Fatal(err)
	}
	for c := range 7 {
		var members []int
		var got float64
		row := make([]float64, 60)
		for i, j := range of {
			if class[i] == c {
				if class[j] != c {
					t.Errorf("point %d of class %d is paired with one of class %d", i, c, class[j])
				}
				p.Costs(i, row)
				members, got = append(members, i), got+row[j]
			}
		}
		want, err := p.among(members).Assign()
		if err != nil || !within(got, want.Cost, 1e-9) {
			t.Errorf("class %d costs %v, want %v (%v)", c, got, want.Cost, err)
		}
	}
	if sorted := slices.Sorted(slices.Values(of)); sorted[0] != 0 || sorted[59] != 59 || len(slices.Compact(sorted)) != 60 {
		t.Errorf("not a permutation: %v", of)
	}
	all, err := p.AssignWithin(make([]int, 60))
	if whole, err2 := p.Assign(); err != nil || err2 != nil || !slices.Equal(all, whole.Of) {
		t.Errorf("one class is paired otherwise than all points: %v, %v", err, err2)
	}
}

func within(a, b, tol float64) bool { return a-b <= tol && b-a <= tol }

// BenchmarkPoints pairs as many points of the plane as the tests of the published benchmark have.
func BenchmarkPoints(b *testing.B) {
	p := some(10000, 2, 1)
	for b.Loop() {
		if _, err := p.Assign(); err != nil {
			b.Fatal(err)
		}
	}
}
