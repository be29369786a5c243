package metrics

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"lfm/internal/rng"
)

// picture and disturbed are the pictures of testdata/golden.py.
func picture(n, s int) []uint8 {
	a := make([]uint8, n)
	for i := range a {
		a[i] = uint8((i*i*(2*s+3) + 17*i*s + s) >> 3)
	}
	return a
}

func disturbed(a []uint8, s, amount int) []uint8 {
	b := make([]uint8, len(a))
	for i := range a {
		b[i] = uint8(max(0, min(255, int(a[i])+(i*7+s)%(2*amount+1)-amount)))
	}
	return b
}

// TestGolden compares with values that testdata/golden.py worked out by the plain definition in numpy.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		H, W, C, Seed, Amount int
		PSNR, SSIM            float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	const tol = 1e-9 // float64 sums of a few thousand terms
	for _, c := range cases {
		a := picture(c.H*c.W*c.C, c.Seed)
		b := disturbed(a, c.Seed, c.Amount)
		if got := PSNR(a, b); math.Abs(got-c.PSNR) > tol {
			t.Errorf("case %d: PSNR %.12f, want %.12f", c.Seed, got, c.PSNR)
		}
		if got := SSIM(a, b, c.H, c.W, c.C); math.Abs(got-c.SSIM) > tol {
			t.Errorf("case %d: SSIM %.12f, want %.12f", c.Seed, got, c.SSIM)
		}
	}
}

// TestOneLevel: pictures that differ by one grey level everywhere have 20 log10(255) = 48.13 dB.
func TestOneLevel(t *testing.T) {
	a, b := make([]uint8, 300), make([]uint8, 300)
	for i := range a {
		a[i], b[i] = 100, 101
	}
	if got, want := PSNR(a, b), 20*math.Log10(255); math.Abs(got-want) > 1e-9 {
		t.Errorf("PSNR %v, want %v", got, want)
	}
}

// TestSimilarityLaws: equal pictures have similarity 1, the order of the two does not matter, and more noise is worse;
// also in pictures smaller than the window.
func TestSimilarityLaws(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {1, 9, 3}, {2, 2, 3}, {7, 10, 1}, {8, 8, 3}, {32, 32, 3}} {
		h, w, c := s[0], s[1], s[2]
		a := picture(h*w*c, 5)
		if got := SSIM(a, a, h, w, c); math.Abs(got-1) > 1e-12 {
			t.Errorf("%v: SSIM of a picture with itself is %v", s, got)
		}
		if got := PSNR(a, a); got != 100 {
			t.Errorf("%v: PSNR of a picture with itself is %v", s, got)
		}
		b, d := disturbed(a, 0, 10), disturbed(a, 0, 60)
		near, far := SSIM(a, b, h, w, c), SSIM(a, d, h, w, c)
		if back := SSIM(b, a, h, w, c); math.Abs(near-back) > 1e-12 {
			t.Errorf("%v: SSIM is %v one way and %v the other", s, near, back)
		}
		if h*w > 4 && !(near > far) || near > 1 {
			t.Errorf("%v: SSIM is %v under little noise and %v under much", s, near, far)
		}
	}
}

// TestNearest equals the search that computes every distance in full.
func TestNearest(t *testing.T) {
	const d, n = 150, 80
	set, x := make([]float32, n*d), make([]float32, d)
	s := rng.New(1, "test")
	s.Normal(set, 0, 0)
	for i := range uint64(20) {
		s.Normal(x, 1, i)
		want, best := 0, math.Inf(1)
		for j := range n {
			var sum float64
			for k := range d {
				e := float64(x[k]) - float64(set[j*d+k])
				sum += e * e
			}
			if sum < best {
				want, best = j, sum
			}
		}
		if got, r := Nearest(x, set); got != want || math.Abs(r-math.Sqrt(best)) > 1e-12 {
			t.Fatalf("nearest is %d at %v, want %d at %v", got, r, want, math.Sqrt(best))
		}
	}
}

// crew works on every core.
var crew Crew

// kernel is the kernel distance of two sets.
func kernel(x, y []float32, d int) (distance, standardError float64) {
	return crew.Kernel(crew.Reference(y, d, 1), x)
}

// cover is how two sets cover each other.
func cover(real, generated []float32, d, k int) Support {
	return crew.Cover(crew.Reference(real, d, k), generated)
}

// TestMemorised: samples from the distribution of the test set have ratio 1, copies have 0, half copies one half.
func TestMemorised(t *testing.T) {
	const d, n = 16, 400
	train, test, fresh := make([]float32, n*d), make([]float32, n*d), make([]float32, n*d)
	for i, set := range [][]float32{train, test, fresh} {
		rng.New(2, "test").Normal(set, uint64(i), 0)
	}
	ratio := func(samples []float32) float64 {
		return crew.MeanNearest(samples, train, d, nil) / crew.MeanNearest(test, train, d, nil)
	}
	if r := ratio(fresh); math.Abs(r-1) > 0.05 {
		t.Errorf("new samples have ratio %v", r)
	}
	if r := ratio(train); r != 0 {
		t.Errorf("copies have ratio %v", r)
	}
	half := append(append([]float32{}, train[:n*d/2]...), fresh[n*d/2:]...)
	if r := ratio(half); math.Abs(r-0.5) > 0.05 {
		t.Errorf("half copies have ratio %v", r)
	}
}
