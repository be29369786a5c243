package ref_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lfm/internal/kernels/ref"
)

func random(rng *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	return v
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// near: sums of at most a few thousand float64 products in another order.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-10*(1+math.Abs(a)) }

// TestLinearAdjoint holds the gradients to the law that defines them: y is linear in each
// of x, w and b, so <dy, y> = <dx, x> + <db, b> = <dw, w> + <db, b>.
func TestLinearAdjoint(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct{ n, rows, in, out int }{{1, 1, 1, 1}, {3, 2, 5, 4}, {17, 1, 3, 7}, {40, 3, 2, 2}} {
		rows := s.n * s.rows
		x, w, b := random(rng, rows*s.in), random(rng, s.out*s.in), random(rng, s.out)
		dy := random(rng, rows*s.out)
		y, dx, dw, db := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w)), make([]float64, len(b))
		ref.Linear(y, x, w, b, rows, s.in, s.out)
		ref.LinearGradInput(dx, dy, w, rows, s.in, s.out)
		ref.LinearGradWeight(dw, db, dy, x, s.n, s.rows, s.in, s.out)
		want := dot(dy, y)
		if got := dot(dx, x) + dot(db, b); !near(want, got) {
			t.Errorf("%+v: <dy,y> = %v, <dx,x>+<db,b> = %v", s, want, got)
		}
		if got := dot(dw, w) + dot(db, b); !near(want, got) {
			t.Errorf("%+v: <dy,y> = %v, <dw,w>+<db,b> = %v", s, want, got)
		}
	}
}

func TestConv2dAdjoint(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range []ref.ConvShape{
		{N: 1, H: 1, W: 1, Cin: 1, Cout: 1, Kernel: 1, Stride: 1},
		{N: 3, H: 5, W: 4, Cin: 3, Cout: 2, Kernel: 3, Stride: 1},
		{N: 17, H: 4, W: 5, Cin: 2, Cout: 3, Kernel: 3, Stride: 2},
		{N: 2, H: 5, W: 6, Cin: 2, Cout: 3, Kernel: 1, Stride: 2},
	} {
		x, w, b := random(rng, s.N*s.H*s.W*s.Cin), random(rng, s.Cout*s.Cin*s.Kernel*s.Kernel), random(rng, s.Cout)
		dy := random(rng, s.N*s.OutH()*s.OutW()*s.Cout)
		y, dx, dw, db := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w)), make([]float64, len(b))
		ref.Conv2d(y, x, w, b, s)
		ref.Conv2dGradInput(dx, dy, w, s)
		ref.Conv2dGradWeight(dw, db, dy, x, s)
		want := dot(dy, y)
		if got := dot(dx, x) + dot(db, b); !near(want, got) {
			t.Errorf("%+v: <dy,y> = %v, <dx,x>+<db,b> = %v", s, want, got)
		}
		if got := dot(dw, w) + dot(db, b); !near(want, got) {
			t.Errorf("%+v: <dy,y> = %v, <dw,w>+<db,b> = %v", s, want, got)
		}
	}
}

// TestMatMulTranspose: storing an operand transposed does not change the product.
func TestMatMulTranspose(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const m, n, k = 3, 4, 5
	a, b := random(rng, m*k), random(rng, k*n)
	at, bt := make([]float64, m*k), make([]float64, k*n)
	for i := range m {
		for p := range k {
			at[p*m+i] = a[i*k+p]
		}
	}
	for p := range k {
		for j := range n {
			bt[j*k+p] = b[p*n+j]
		}
	}
	want, got := make([]float64, m*n), make([]float64, m*n)
	ref.MatMul(want, a, b, m, n, k, false, false)
	for bits := range 4 {
		l, r := a, b
		if bits&1 != 0 {
			l = at
		}
		if bits&2 != 0 {
			r = bt
		}
		ref.MatMul(got, l, r, m, n, k, bits&1 != 0, bits&2 != 0)
		if !slices.Equal(want, got) {
			t.Errorf("transA %v transB %v: another product", bits&1 != 0, bits&2 != 0)
		}
	}
}

// ExampleConv2d slides a cross over a 3x3 image of ones: each pixel counts its neighbours.
func ExampleConv2d() {
	x := []float32{1, 1, 1, 1, 1, 1, 1, 1, 1}
	w := []float32{0, 1, 0, 1, 1, 1, 0, 1, 0}
	y := make([]float32, 9)
	ref.Conv2d(y, x, w, nil, ref.ConvShape{N: 1, H: 3, W: 3, Cin: 1, Cout: 1, Kernel: 3, Stride: 1})
	fmt.Println(y)
	// Output: [3 4 3 4 5 4 3 4 3]
}

// TestTree: the ranges tile the samples and the tree adds all of them.
func TestTree(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 64, 100} {
		at := 0
		for p := range ref.Parts {
			i0, i1 := ref.Part(p, n)
			if i0 != at || i1 < i0 {
				t.Fatalf("n %d: part %d is [%d, %d) after %d", n, p, i0, i1, at)
			}
			at = i1
		}
		if at != n {
			t.Fatalf("n %d: parts end at %d", n, at)
		}
	}
	var s [ref.Parts]float32
	for i := range s {
		s[i] = float32(i)
	}
	if got := ref.Tree(&s); got != 120 {
		t.Errorf("tree of 0…15 is %v", got)
	}
}
