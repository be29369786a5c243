package metrics

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"lfm/internal/rng"
)

// numbers are those of testdata/sets.py.
func numbers(n int, s uint64) []float32 {
	x := make([]float32, n)
	for i := range x {
		v := (uint64(i) + 1) * (2*uint64(i) + 2*s + 3) * 2654435761
		x[i] = float32(v>>20&0xFFFFFF) / (1 << 24)
	}
	return x
}

func normals(n, d int, sample uint64) []float32 {
	x := make([]float32, n*d)
	rng.New(7, "test").Normal(x, uint64(d), sample)
	return x
}

func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s is %.9g, want %.9g ± %.2g", what, got, want, tol)
	}
}

// TestGoldenSets compares with what scipy and scikit-learn say (testdata/sets.py).
func TestGoldenSets(t *testing.T) {
	text, err := os.ReadFile("testdata/sets.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		N, M, D, K                    int
		Seed                          uint64
		Scale, Shift                  float32
		Frechet, Kernel, Error, Exact float64
		Cover                         [4]float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		x, y := numbers(c.N*c.D, c.Seed), numbers(c.M*c.D, c.Seed+100)
		for i := range y {
			y[i] = y[i]*c.Scale + c.Shift
		}
		closeTo(t, "Fréchet distance", Frechet(x, y, c.D), c.Frechet, 1e-7*(1+c.Frechet)) // scipy's root of a product
		distance, e := Kernel(x, y, c.D)
		closeTo(t, "kernel distance", distance, c.Kernel, 1e-5*(1+c.Kernel)) // products in float32
		closeTo(t, "its standard error", e, c.Error, 1e-5*(1+c.Error))
		s := Cover(x, y, c.D, c.K)
		for i, got := range []float64{s.Precision, s.Recall, s.Density, s.Coverage} {
			closeTo(t, []string{"precision", "recall", "density", "coverage"}[i], got, c.Cover[i], 1e-12)
		}
		n := min(c.N, c.M) * c.D
		closeTo(t, "exact distance", Wasserstein(x[:n], y[:n], c.D), c.Exact, 1e-9)
	}
}

// TestFrechetDiagonal: between Gaussians whose covariances commute it is |m-m'|² + Σ (s-s')². The sets have these
// moments exactly: ± a standard deviation along each axis.
func TestFrechetDiagonal(t *testing.T) {
	set := func(mean, deviation []float64) (x []float32) {
		d := len(mean)
		scale := math.Sqrt(float64(2*d-1) / 2) // 2d vectors, two of which leave the mean along an axis
		for axis := range d {
			for _, sign := range []float64{-1, 1} {
				for j := range d {
					v := mean[j]
					if j == axis {
						v += sign * scale * deviation[j]
					}
					x = append(x, float32(v))
				}
			}
		}
		return x
	}
	x, y := set([]float64{0, 1, -2}, []float64{1, 0.5, 2}), set([]float64{1, 1, 0}, []float64{3, 0.5, 0})
	closeTo(t, "distance", Frechet(x, y, 3), 1+4+(4+0+4), 1e-5)
	closeTo(t, "distance to itself", Frechet(x, x, 3), 0, 1e-9)
	closeTo(t, "distance the other way", Frechet(y, x, 3), Frechet(x, y, 3), 1e-9)
}

// TestFrechetFloor: two samples of one Gaussian are (1/n + 1/m)(d + d(d+1)/4) apart in the mean, to first order.
func TestFrechetFloor(t *testing.T) {
	const n, d, runs = 1000, 8, 40
	var sum float64
	for r := range uint64(runs) {
		sum += Frechet(normals(n, d, 2*r), normals(n, d, 2*r+1), d) / runs
	}
	closeTo(t, "mean distance", sum, 2./n*(d+d*(d+1)/4.), 0.006) // ORACLES: .0520 by the formula, .0546 drawn
}

// TestViews: the sliced distance of sets equals that of their views, and what is nearest in a set can be told from views,
// as far off as it is up to the factor √(k/d).
func TestViews(t *testing.T) {
	const n, d, k = 60, 300, 256
	x, y := normals(n, d, 1), normals(n+7, d, 2)
	along := Directions(d, k, 5)
	vx, vy := Views(x, along, d), Views(y, along, d)
	closeTo(t, "sliced distance", SlicedViews(vx, vy, k), SlicedWasserstein(x, y, d, k, 5), 1e-12)
	closeTo(t, "mean distance seen", MeanNearest(vx, vy, k, nil)*math.Sqrt(float64(d)/k), MeanNearest(x, y, d, nil), 1)
	closeTo(t, "length of a direction", dot(along[:d], along[:d]), 1, 1e-6)
}

// TestMeanNearest equals the search one by one; a set's distance to itself is nought, unless each passes itself over.
func TestMeanNearest(t *testing.T) {
	const n, d = 150, 20
	x, set := normals(n, d, 1), normals(n, d, 2)
	var want, others float64
	self := make([]int, n)
	for i := range n {
		self[i] = i
		_, r := Nearest(x[i*d:(i+1)*d], set)
		want += r / n
		_, r = Nearest(set[i*d:(i+1)*d], append(append([]float32{}, set[:i*d]...), set[(i+1)*d:]...))
		others += r / n
	}
	closeTo(t, "mean distance", MeanNearest(x, set, d, nil), want, 1e-12)
	closeTo(t, "distance to itself", MeanNearest(set, set, d, nil), 0, 0)
	closeTo(t, "distance to others", MeanNearest(set, set, d, self), others, 1e-12)
}

// TestKernelGaussians: the closed form between N(0, I) and N(m, I), with M = |m|²; nought if m is nought. The standard
// error is what the estimate scatters by.
func TestKernelGaussians(t *testing.T) {
	const n, d, runs = 1000, 8, 30
	for _, shift := range []float32{0, 0.5} {
		M := float64(shift) * float64(shift) * d
		want := (1 + 3./d) + (1 + 3*M/d + 3*(M*M+2*M+d)/(d*d) + (M*M*M+6*M*M+3*M*d+6*M)/(d*d*d)) - 2*(1+3*(d+M)/(d*d))
		var sum, squares, variance float64
		for r := range uint64(runs) {
			x, y := normals(n, d, 2*r), normals(n, d, 2*r+1)
			for i := range y {
				y[i] += shift
			}
			v, e := Kernel(x, y, d)
			sum, squares, variance = sum+v, squares+v*v, variance+e*e
		}
		mean := sum / runs
		scatter, said := math.Sqrt(squares/runs-mean*mean), math.Sqrt(variance/runs)
		closeTo(t, "mean distance", mean, want, 4*scatter/math.Sqrt(runs))
		if said < scatter/1.6 || said > scatter*1.6 { // 30 runs know the scatter to 13 %
			t.Errorf("shift %v: standard error %v, scatter %v", shift, said, scatter)
		}
	}
}

// TestCoverOfOne: where both sets are of one distribution, density is 1 and coverage as exchangeability has it.
func TestCoverOfOne(t *testing.T) {
	const d, runs = 6, 12
	for _, c := range []struct {
		n, m, k  int
		coverage float64
	}{{1000, 1000, 5, 0.968984}, {1000, 1000, 3, 0.875375}, {500, 1000, 5, 0.995967}} {
		closeTo(t, "expected coverage", ExpectedCoverage(c.n, c.m, c.k), c.coverage, 1e-6)
		var density, coverage float64
		for r := range uint64(runs) {
			s := Cover(normals(c.n, d, 2*r), normals(c.m, d, 2*r+1), d, c.k)
			density, coverage = density+s.Density/runs, coverage+s.Coverage/runs
		}
		closeTo(t, "density", density, 1, 0.03)
		closeTo(t, "coverage", coverage, c.coverage, 0.004)
	}
}

// TestCoverOfCopies: a copied set is covered wholly and at least as dense as one; one far away not at all.
func TestCoverOfCopies(t *testing.T) {
	const n, d = 300, 40
	x := normals(n, d, 0)
	if s := Cover(x, x, d, 5); s.Precision != 1 || s.Recall != 1 || s.Density < 1 || s.Coverage != 1 {
		t.Errorf("of copies: %+v", s)
	}
	far := normals(n, d, 1)
	for i := range far {
		far[i] += 100
	}
	if s := Cover(x, far, d, 5); s != (Support{}) {
		t.Errorf("of a set far away: %+v", s)
	}
}

// TestCoverExact: nearness holds to the last bit where products in float32 cannot tell: near copies, far from the origin.
func TestCoverExact(t *testing.T) {
	const n, d, k = 120, 12, 5
	x := normals(n, d, 0)
	y := make([]float32, len(x))
	for i, v := range normals(n, d, 1) {
		x[i] = 50 + x[i]*0x1p-12
		y[i] = 50 + v*0x1p-12
	}
	squares := func(a, b []float32, i, j int) float64 {
		return squared(a[i*d:(i+1)*d], b[j*d:(j+1)*d], math.Inf(1))
	}
	balls := func(a []float32) []float64 {
		r := make([]float64, n)
		for i := range n {
			list := make([]float64, 0, k)
			for j := range n {
				if j != i {
					keepSmallest(&list, squares(a, a, i, j))
				}
			}
			r[i] = list[k-1]
		}
		return r
	}
	bx, by := balls(x), balls(y)
	var want Support
	for i := range n {
		inY, inX, dense := false, false, 0
		for j := range n {
			inY = inY || squares(x, y, i, j) < by[j]
			inX = inX || squares(y, x, i, j) < bx[j]
			if squares(x, y, i, j) < bx[i] {
				dense++
			}
		}
		want.Density += float64(dense) / (k * n)
		if dense > 0 {
			want.Coverage += 1. / n
		}
		if inY {
			want.Recall += 1. / n
		}
		if inX {
			want.Precision += 1. / n
		}
	}
	got := Cover(x, y, d, k)
	for _, c := range [][2]float64{{got.Precision, want.Precision}, {got.Recall, want.Recall}, {got.Density, want.Density}, {got.Coverage, want.Coverage}} {
		closeTo(t, "part", c[0], c[1], 1e-12)
	}
}

// TestSliced: between N(0, I) and N(m, s² I) the square is (1-s)² + |m|²/d.
func TestSliced(t *testing.T) {
	const n, d = 20000, 4
	x, y := normals(n, d, 0), normals(n/2, d, 1)
	for i := range y {
		y[i] = 0.5*y[i] + 0.25
	}
	w := SlicedWasserstein(x, y, d, 200, 1)
	closeTo(t, "square", w*w, 0.25+0.0625, 0.02) // 200 directions know |m·direction|² to some percent
	closeTo(t, "distance of a set to itself", SlicedWasserstein(x, x, d, 20, 1), 0, 0)
	if again := SlicedWasserstein(x, y, d, 200, 1); again != w {
		t.Errorf("%v, and once more %v", w, again)
	}
}

// TestOneDimension: in one dimension all directions are one, and exact and sliced distance agree; a set repeated is
// the same distribution.
func TestOneDimension(t *testing.T) {
	x, y := normals(60, 1, 0), normals(60, 1, 1)
	closeTo(t, "sliced", SlicedWasserstein(x, y, 1, 3, 1), Wasserstein(x, y, 1), 1e-6)
	twice := append(append([]float32{}, y...), y...)
	closeTo(t, "of a set repeated", SlicedWasserstein(x, twice, 1, 3, 1), SlicedWasserstein(x, y, 1, 3, 1), 1e-9)
}

// The sets of benchmarks: testdata/time.py times the same with numpy and scikit-learn.
func BenchmarkFrechet(b *testing.B) {
	x, y := normals(10000, 64, 0), normals(10000, 64, 1)
	for b.Loop() {
		Frechet(x, y, 64)
	}
}

func BenchmarkCover(b *testing.B) {
	x, y := normals(5000, 64, 0), normals(5000, 64, 1)
	for b.Loop() {
		Cover(x, y, 64, 5)
	}
}

func BenchmarkKernel(b *testing.B) {
	x, y := normals(5000, 64, 0), normals(5000, 64, 1)
	for b.Loop() {
		Kernel(x, y, 64)
	}
}

func BenchmarkSliced(b *testing.B) {
	x, y := normals(5000, 768, 0), normals(5000, 768, 1)
	for b.Loop() {
		SlicedWasserstein(x, y, 768, 256, 1)
	}
}
