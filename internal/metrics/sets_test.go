package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

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
		closeTo(t, "Fréchet distance", crew.Frechet(x, y, c.D), c.Frechet, 1e-7*(1+c.Frechet)) // scipy's root of a product
		distance, e := kernel(x, y, c.D)
		closeTo(t, "kernel distance", distance, c.Kernel, 1e-5*(1+c.Kernel)) // products in float32
		closeTo(t, "its standard error", e, c.Error, 1e-5*(1+c.Error))
		s := cover(x, y, c.D, c.K)
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
	closeTo(t, "distance", crew.Frechet(x, y, 3), 1+4+(4+0+4), 1e-5)
	closeTo(t, "distance to itself", crew.Frechet(x, x, 3), 0, 1e-9)
	closeTo(t, "distance the other way", crew.Frechet(y, x, 3), crew.Frechet(x, y, 3), 1e-9)
}

// TestFrechetMapped: the best way from a Gaussian to its image under a symmetric positive semidefinite matrix A is A itself
// (Brenier 1991; Gelbrich 1990), so that a set x and its image Ax + b are |m - Am - b|² + Σ |(I - A)(x - m)|²/(n - 1) apart,
// though the covariances C and ACA do not commute. Sizes are of those that torchmetrics tests its roots at; where vectors are
// fewer than their numbers, C is singular.
func TestFrechetMapped(t *testing.T) {
	dense := func(x []float32, n, d int) *mat.Dense {
		m := mat.NewDense(n, d, nil)
		for i, v := range x {
			m.Set(i/d, i%d, float64(v))
		}
		return m
	}
	for _, c := range []struct {
		n, d int
		tol  float64
	}{{4, 2, 1e-10}, {20, 10, 1e-10}, {200, 100, 1e-10}, {50, 100, 1e-6}} { // roots of what rounding left of nought: 1e-8
		x, b := normals(c.n, c.d, 0), dense(normals(c.d, c.d, 1), c.d, c.d)
		var a, image mat.Dense
		a.Mul(b, b.T())
		image.Mul(dense(x, c.n, c.d), &a)
		y := make([]float32, len(x))
		for i := range y {
			y[i] = float32(image.At(i/c.d, i%c.d)/float64(c.d) + 0.5)
		}
		var want float64
		mx, my := mean(x, c.d), mean(y, c.d)
		for i := range x {
			e := float64(x[i]) - mx[i%c.d] - float64(y[i]) + my[i%c.d]
			want += e * e / float64(c.n-1)
		}
		for i := range mx {
			want += (mx[i] - my[i]) * (mx[i] - my[i])
		}
		closeTo(t, fmt.Sprintf("distance of %d vectors of %d", c.n, c.d), crew.Frechet(x, y, c.d), want, c.tol*want)

		_, cov := crew.moments(x, c.d)
		closeTo(t, fmt.Sprintf("trace of the root of a square of size %d", c.d), traceOfRoots(cov, cov), mat.Trace(cov), c.tol*mat.Trace(cov))
	}
}

// TestFrechetFloor: two samples of one Gaussian are (1/n + 1/m)(d + d(d+1)/4) apart in the mean, to first order.
func TestFrechetFloor(t *testing.T) {
	for _, c := range []struct{ n, d, runs int }{{200, 8, 200}, {1000, 8, 40}, {1000, 16, 40}} {
		distances, d := make([]float64, c.runs), float64(c.d)
		for r := range distances {
			distances[r] = crew.Frechet(normals(c.n, c.d, uint64(2*r)), normals(c.n, c.d, uint64(2*r+1)), c.d)
		}
		meanOf(t, fmt.Sprintf("distance of %d vectors of %d", c.n, c.d), distances, 2/float64(c.n)*(d+d*(d+1)/4))
	}
}

// meanOf holds the mean of draws to what is wanted, within four standard errors.
func meanOf(t *testing.T, what string, draws []float64, want float64) {
	t.Helper()
	n := float64(len(draws))
	m, squares := total(draws)/n, 0.
	for _, v := range draws {
		squares += (v - m) * (v - m)
	}
	closeTo(t, "mean "+what, m, want, 4*math.Sqrt(squares/(n-1)/n))
}

// TestViews: the sliced distance of sets equals that of their views, and what is nearest in a set can be told from views,
// as far off as it is up to the factor √(k/d).
func TestViews(t *testing.T) {
	const n, d, k = 60, 300, 256
	x, y := normals(n, d, 1), normals(n+7, d, 2)
	along := Directions(d, k, 5)
	vx, vy := crew.Views(x, along, d), crew.Views(y, along, d)
	closeTo(t, "sliced distance", crew.SlicedViews(vx, vy, k), crew.SlicedWasserstein(x, y, d, k, 5), 1e-12)
	closeTo(t, "mean distance seen", crew.MeanNearest(vx, vy, k, nil)*math.Sqrt(float64(d)/k), crew.MeanNearest(x, y, d, nil), 1)
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
	closeTo(t, "mean distance", crew.MeanNearest(x, set, d, nil), want, 1e-12)
	closeTo(t, "distance to itself", crew.MeanNearest(set, set, d, nil), 0, 0)
	closeTo(t, "distance to others", crew.MeanNearest(set, set, d, self), others, 1e-12)
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
			v, e := kernel(x, y, d)
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

// TestKernelOfItself: without bias a set is not nought from itself. A pair of a vector with itself counts between the sets
// and not within one, so the distance is 2/n (the mean of k over pairs of two vectors - that over vectors with
// themselves), below nought: -10/3 for 0, 1 and -1, where k is 1, 1 and 0 by twos, and 1, 8 and 8 of each with itself.
func TestKernelOfItself(t *testing.T) {
	distance, _ := kernel([]float32{0, 1, -1}, []float32{0, 1, -1}, 1)
	closeTo(t, "distance", distance, -10./3, 1e-12)
	const n, d = 50, 8
	x := normals(n, d, 0)
	var others, self float64
	for i := range n {
		for j := range n {
			k := math.Pow(dot(x[i*d:(i+1)*d], x[j*d:(j+1)*d])/d+1, 3)
			if i == j {
				self += k / n
			} else {
				others += k / (n * (n - 1))
			}
		}
	}
	distance, _ = kernel(x, x, d)
	closeTo(t, "distance", distance, 2./n*(others-self), 1e-6) // products in float32
}

// TestExpectedCoverage: whatever the distribution, coverage in the mean is as exchangeability has it, in large sets
// 1 - 2^-k, and density 1.
func TestExpectedCoverage(t *testing.T) {
	closeTo(t, "expected coverage", ExpectedCoverage(10000, 10000, 5), 0.968773, 1e-6)
	for k := 1; k <= 8; k++ {
		closeTo(t, "expected coverage of large sets", ExpectedCoverage(1e8, 1e8, k), 1-math.Ldexp(1, -k), 1e-7)
	}
	const runs = 40
	for name, of := range map[string]func(v float64) float64{
		"normal":     func(v float64) float64 { return v },
		"uniform":    func(v float64) float64 { return math.Erf(v / math.Sqrt2) },
		"log-normal": func(v float64) float64 { return math.Exp(2 * v) },
	} {
		for _, c := range []struct{ n, m, d, k int }{{200, 200, 1, 5}, {200, 200, 6, 5}, {200, 100, 2, 1}, {100, 200, 3, 3}} {
			coverage, density := make([]float64, runs), make([]float64, runs)
			for r := range runs {
				x := normals(c.n+c.m, c.d, uint64(r))
				for i, v := range x {
					x[i] = float32(of(float64(v)))
				}
				s := cover(x[:c.n*c.d], x[c.n*c.d:], c.d, c.k)
				coverage[r], density[r] = s.Coverage, s.Density
			}
			meanOf(t, fmt.Sprintf("coverage of %s %v", name, c), coverage, ExpectedCoverage(c.n, c.m, c.k))
			meanOf(t, fmt.Sprintf("density of %s %v", name, c), density, 1)
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
			s := cover(normals(c.n, d, 2*r), normals(c.m, d, 2*r+1), d, c.k)
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
	if s := cover(x, x, d, 5); s.Precision != 1 || s.Recall != 1 || s.Density < 1 || s.Coverage != 1 {
		t.Errorf("of copies: %+v", s)
	}
	far := normals(n, d, 1)
	for i := range far {
		far[i] += 100
	}
	if s := cover(x, far, d, 5); s != (Support{}) {
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
	got := cover(x, y, d, k)
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
	w := crew.SlicedWasserstein(x, y, d, 200, 1)
	closeTo(t, "square", w*w, 0.25+0.0625, 0.02) // 200 directions know |m·direction|² to some percent
	closeTo(t, "distance of a set to itself", crew.SlicedWasserstein(x, x, d, 20, 1), 0, 0)
	if again := crew.SlicedWasserstein(x, y, d, 200, 1); again != w {
		t.Errorf("%v, and once more %v", w, again)
	}
}

// TestOneDimension: in one dimension all directions are one, and exact and sliced distance agree; a set repeated is
// the same distribution.
func TestOneDimension(t *testing.T) {
	x, y := normals(60, 1, 0), normals(60, 1, 1)
	closeTo(t, "sliced", crew.SlicedWasserstein(x, y, 1, 3, 1), Wasserstein(x, y, 1), 1e-6)
	twice := append(append([]float32{}, y...), y...)
	closeTo(t, "of a set repeated", crew.SlicedWasserstein(x, twice, 1, 3, 1), crew.SlicedWasserstein(x, y, 1, 3, 1), 1e-9)
}

// TestCoverPublished: two draws of a Gaussian in a thousand dimensions, as in the README of Naeem et al.'s program (clovaai/
// generative-evaluation-prdc), whose draw has .4772, .4705, 1.0555 and .9735.
func TestCoverPublished(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 vectors of 1,000")
	}
	const n, d = 10000, 1000
	s := cover(normals(n, d, 1), normals(n, d, 2), d, 5)
	closeTo(t, "precision", s.Precision, .4772, .03)
	closeTo(t, "recall", s.Recall, .4705, .03)
	closeTo(t, "density", s.Density, 1.0555, .08)
	closeTo(t, "coverage", s.Coverage, .9735, .01)
}

// TestCrew: any number of threads gives the same bits, and a crew that was told to leave off has done nothing.
func TestCrew(t *testing.T) {
	const n, m, d, k = 700, 500, 24, 5
	x, y := normals(n, d, 1), normals(m, d, 2)
	figures := func(c Crew) (all []float64) {
		reference := c.Reference(x, d, k)
		kid, e := c.Kernel(reference, y)
		s := c.Cover(reference, y)
		return []float64{c.Frechet(x, y, d), kid, e, s.Precision, s.Recall, s.Density, s.Coverage,
			c.SlicedWasserstein(x, y, d, 50, 1), c.MeanNearest(x, y, d, nil)}
	}
	want := figures(Crew{Threads: 1})
	for _, threads := range []int{0, 2, 3, 7} {
		if got := figures(Crew{Threads: threads}); !slices.Equal(got, want) {
			t.Errorf("%d threads give %v, one gives %v", threads, got, want)
		}
	}

	gone := make(chan struct{})
	close(gone)
	if got := figures(Crew{Done: gone}); slices.ContainsFunc(got, func(v float64) bool { return v != 0 }) {
		t.Errorf("a crew that was told to leave off gives %v", got)
	}
}

// The sets of benchmarks: testdata/time.py times the same with numpy and scikit-learn.
func BenchmarkFrechet(b *testing.B) {
	x, y := normals(10000, 64, 0), normals(10000, 64, 1)
	for b.Loop() {
		crew.Frechet(x, y, 64)
	}
}

func BenchmarkCover(b *testing.B) {
	x, y := normals(5000, 64, 0), normals(5000, 64, 1)
	for b.Loop() {
		cover(x, y, 64, 5)
	}
}

func BenchmarkKernel(b *testing.B) {
	x, y := normals(5000, 64, 0), normals(5000, 64, 1)
	for b.Loop() {
		kernel(x, y, 64)
	}
}

func BenchmarkSliced(b *testing.B) {
	x, y := normals(5000, 768, 0), normals(5000, 768, 1)
	for b.Loop() {
		crew.SlicedWasserstein(x, y, 768, 256, 1)
	}
}
