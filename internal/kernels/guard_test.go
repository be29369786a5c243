package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// margin is the length of the guards round every slice that a kernel is given in tests.
const margin = 37

// guarded is n floats between two margins of NaN. A kernel that reads a margin makes NaN, one
// that writes a margin is found by check.
type guarded struct {
	all, v []float32
}

// newGuarded starts v at an odd offset of its own, and ends it where it ends: appending
// or reslicing beyond n is impossible.
func newGuarded(n int, fill func(i int) float32) guarded {
	all := make([]float32, n+2*margin)
	for i := range all {
		all[i] = float32(math.NaN())
	}
	v := all[margin : margin+n : margin+n]
	for i := range v {
		v[i] = fill(i)
	}
	return guarded{all, v}
}

func randomGuarded(rng *rand.Rand, n int) guarded {
	return newGuarded(n, func(int) float32 { return float32(rng.NormFloat64()) })
}

// blankGuarded holds a value that every kernel has to write over.
func blankGuarded(n int) guarded {
	return newGuarded(n, func(int) float32 { return -12345 })
}

func (g guarded) check(t testing.TB, name string) {
	t.Helper()
	for i, v := range g.all {
		if (i < margin || i >= len(g.all)-margin) && v == v {
			t.Errorf("%s: written outside, at %d of %d", name, i-margin, len(g.v))
			return
		}
	}
}

func float64s(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x)
	}
	return w
}

// relTol bounds the error of a sum of up to 4096 products of float32 normal numbers,
// relative to the root mean square of the whole result.
const relTol = 2e-5

// near reports the worst element of got if it is off by more than relTol.
func near(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", name, len(got), len(want))
	}
	norm := 0.0
	for _, w := range want {
		norm += w * w
	}
	norm = math.Sqrt(norm/float64(max(1, len(want)))) + 1e-30
	worst, at := 0.0, -1
	for i, w := range want {
		if e := math.Abs(float64(got[i])-w) / norm; !(e <= worst) {
			worst, at = e, i
		}
	}
	if at >= 0 && !(worst <= relTol) {
		t.Errorf("%s: element %d is %v, want %v: off by %.2g of the norm, at most %.2g", name, at, got[at], want[at], worst, relTol)
	}
}

// sameBits compares bit by bit.
func sameBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	for i, w := range want {
		if math.Float32bits(got[i]) != math.Float32bits(w) {
			t.Errorf("%s: element %d of %d is %v, want the very bits of %v", name, i, len(want), got[i], w)
			return
		}
	}
}

// inPieces runs work items [0, n) in pieces of random length and in random order, each with
// scratch memory full of NaN, as a pool of threads would.
func inPieces(rng *rand.Rand, n, scratch int, run func(scratch []float32, i0, i1 int)) {
	var pieces [][2]int
	for i := 0; i < n; {
		j := min(n, i+1+rng.IntN(1+n/3))
		pieces = append(pieces, [2]int{i, j})
		i = j
	}
	rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	for _, p := range pieces {
		g := newGuarded(scratch, func(int) float32 { return float32(math.NaN()) })
		run(g.v, p[0], p[1])
		for i, v := range g.all {
			if (i < margin || i >= len(g.all)-margin) && v == v {
				panic(fmt.Sprintf("scratch written outside, at %d of %d", i-margin, scratch))
			}
		}
	}
}
