package rng

import (
	"math"
	"testing"
)

// TestPhiloxKnownAnswers holds the cipher to the known-answer vectors that its authors publish with Random123
// (kat_vectors, philox4x32 with 10 rounds): all zeros, all ones, the digits of pi.
func TestPhiloxKnownAnswers(t *testing.T) {
	const f = 0xffffffff
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{f, f, f, f}, [2]uint32{f, f}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := philox(c.counter, c.key[0], c.key[1]); got != c.want {
			t.Errorf("philox(%08x, %08x) = %08x, want %08x", c.counter, c.key, got, c.want)
		}
	}
}

// TestStreamIsFixed pins the mapping from (seed, purpose, step, sample) to words: artifacts on disk depend on it.
// The words were checked against an implementation of Philox in Python (hashlib for the key).
func TestStreamIsFixed(t *testing.T) {
	got := make([]uint32, 6)
	New(7, Noise).Uint32s(got, 1<<32+5, 3)
	want := []uint32{0x9bf3f4c9, 0xa4b62a1d, 0x8fa3d6dd, 0xc26a9e0d, 0x2052b28c, 0x7c727cd0}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("words are %08x, want %08x", got, want)
		}
	}
}

// TestPrefix: a shorter draw is the beginning of a longer one, for every kind of draw.
func TestPrefix(t *testing.T) {
	s := New(1, Noise)
	long, short := make([]float32, 23), make([]float32, 23)
	for name, draw := range map[string]func([]float32, uint64, uint64){"normal": s.Normal, "uniform": s.Uniform} {
		draw(long, 9, 4)
		for n := range long {
			draw(short[:n], 9, 4)
			for i, v := range short[:n] {
				if v != long[i] {
					t.Fatalf("%s: value %d of a draw of %d is %v, of a longer one %v", name, i, n, v, long[i])
				}
			}
		}
	}
}

// TestNormalMoments: mean 0, variance 1, skewness 0, kurtosis 3, each within five standard errors.
func TestNormalMoments(t *testing.T) {
	const samples, each = 2000, 256
	const n = samples * each
	s, z := New(3, Noise), make([]float32, each)
	var m [5]float64
	for i := range uint64(samples) {
		s.Normal(z, 17, i)
		for _, v := range z {
			p := float64(v)
			for k := 1; k < 5; k++ {
				m[k] += p / n
				p *= float64(v)
			}
		}
	}
	// Var(z)=1, Var(z²)=2, Var(z³)=15, Var(z⁴)=96.
	for k, want := range map[int][2]float64{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
		if bound := 5 * math.Sqrt(want[1]/n); math.Abs(m[k]-want[0]) > bound {
			t.Errorf("moment %d is %.5f, want %.0f ± %.5f", k, m[k], want[0], bound)
		}
	}
}

// TestUniform: in [0, 1), with mean 1/2 and variance 1/12 within five standard errors; Float64 likewise.
func TestUniform(t *testing.T) {
	const n = 1 << 18
	s, u := New(4, Times), make([]float32, n)
	s.Uniform(u, 0, 0)
	check := func(name string, at func(int) float64) {
		var m, q float64
		for i := range n {
			v := at(i)
			if v < 0 || v >= 1 {
				t.Fatalf("%s: %v is outside [0, 1)", name, v)
			}
			m += v / n
			q += (v - 0.5) * (v - 0.5) / n
		}
		if math.Abs(m-0.5) > 5*math.Sqrt(1./12/n) || math.Abs(q-1./12) > 5*math.Sqrt(1./180/n) {
			t.Errorf("%s: mean %.5f, variance %.5f", name, m, q)
		}
	}
	check("Uniform", func(i int) float64 { return float64(u[i]) })
	check("Float64", func(i int) float64 { return s.Float64(uint64(i), 1) })
}

// TestIndependence: streams that differ in purpose, seed, step or sample alone are uncorrelated.
func TestIndependence(t *testing.T) {
	const n = 1 << 16
	a, b := make([]float32, n), make([]float32, n)
	New(5, Noise).Normal(a, 8, 2)
	for name, draw := range map[string]func(){
		"purpose": func() { New(5, Posterior).Normal(b, 8, 2) },
		"seed":    func() { New(6, Noise).Normal(b, 8, 2) },
		"step":    func() { New(5, Noise).Normal(b, 9, 2) },
		"sample":  func() { New(5, Noise).Normal(b, 8, 3) },
		"high":    func() { New(5, Noise).Normal(b, 8+1<<32, 2) },
	} {
		draw()
		var c float64
		for i := range a {
			c += float64(a[i]) * float64(b[i]) / n
		}
		if math.Abs(c) > 5/math.Sqrt(n) {
			t.Errorf("streams that differ in %s have correlation %.4f", name, c)
		}
	}
}

// TestSampleNumbers: a sample number that would share another's words is a mistake of the caller.
func TestSampleNumbers(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("sample 2^32 was drawn")
		}
	}()
	New(0, Noise).Normal(make([]float32, 1), 0, 1<<32)
}

// TestPermutationIsBijective goes through every n up to 2,000 and some large ones.
func TestPermutationIsBijective(t *testing.T) {
	sizes := []int{4095, 4096, 4097, 60000, 65537}
	for n := 1; n <= 2000; n++ {
		sizes = append(sizes, n)
	}
	s := New(11, Shuffle)
	seen := make([]int, 70000)
	for round, n := range sizes {
		p := s.Permutation(uint64(round%3), n)
		for i := range n {
			j := p.At(i)
			if j < 0 || j >= n || seen[j] == round+1 {
				t.Fatalf("n = %d: %d is sent to %d, outside or taken", n, i, j)
			}
			seen[j] = round + 1
		}
	}
}

// TestPermutationIsUniform: over epochs every item is at every place equally often, and neighbours are shuffled apart
// (χ² of the table of places with n(n-1) cells free to vary, six standard deviations).
func TestPermutationIsUniform(t *testing.T) {
	const epochs = 4000
	for _, n := range []int{5, 16, 23} {
		s, counts := New(12, Shuffle), make([]float64, n*n)
		for e := range uint64(epochs) {
			p := s.Permutation(e, n)
			for i := range n {
				counts[i*n+p.At(i)]++
			}
		}
		var chi float64
		want := epochs / float64(n)
		for _, c := range counts {
			chi += (c - want) * (c - want) / want
		}
		free := float64((n - 1) * (n - 1))
		if chi > free+6*math.Sqrt(2*free) {
			t.Errorf("n = %d: χ² is %.0f with %.0f degrees of freedom", n, chi, free)
		}
	}
}

// TestPermutationHasNoMemory: any place of a huge shuffle costs nothing.
func TestPermutationHasNoMemory(t *testing.T) {
	s := New(1, Shuffle)
	if a := testing.AllocsPerRun(100, func() { s.Permutation(3, 1<<40).At(1 << 39) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// TestOrder: every item is read once an epoch whatever the batch, epochs are shuffled differently, and the sequence of
// items does not depend on the batch.
func TestOrder(t *testing.T) {
	const n = 37
	o := NewOrder(9, n)
	var first []int
	for _, batch := range []int{1, 4, 37, 50} {
		var got []int
		for step := 0; len(got) < 4*n; step++ {
			for i := range batch {
				got = append(got, o.Index(step, batch, i))
			}
		}
		for e := range 4 {
			seen := map[int]bool{}
			for _, i := range got[e*n : (e+1)*n] {
				seen[i] = true
			}
			if len(seen) != n {
				t.Errorf("batch %d: epoch %d reads %d of %d items", batch, e, len(seen), n)
			}
		}
		if first == nil {
			first = got
		}
		same := 0
		for i := range 4 * n {
			if got[i] != first[i] {
				t.Fatalf("batch %d: position %d reads item %d, with batch 1 it was %d", batch, i, got[i], first[i])
			}
			if i >= n && got[i] == got[i-n] {
				same++
			}
		}
		if same > n/2 {
			t.Errorf("%d of %d places are the same in the epoch after", same, 3*n)
		}
	}
}

func BenchmarkNormal(b *testing.B) {
	s, dst := New(1, Noise), make([]float32, 64*256)
	b.SetBytes(int64(4 * len(dst)))
	for i := range b.N {
		s.Normal(dst, uint64(i), 0)
	}
}
