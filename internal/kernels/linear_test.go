package kernels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"lfm/internal/kernels/ref"
)

var linearCases = []LinearShape{
	{N: 1, Rows: 1, In: 1, Out: 1}, {N: 1, Rows: 1, In: 256, Out: 33}, {N: 3, Rows: 2, In: 5, Out: 7}, {N: 2, Rows: 64, In: 4, Out: 256},
	{N: 2, Rows: 64, In: 256, Out: 4}, {N: 5, Rows: 20, In: 300, Out: 70}, {N: 17, Rows: 3, In: 16, Out: 48}, {N: 20, Rows: 1, In: 31, Out: 64},
	{N: 33, Rows: 5, In: 40, Out: 24}, {N: 40, Rows: 300, In: 9, Out: 80},
}

func TestLinear(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 5))
		for _, s := range linearCases {
			rows := s.N * s.Rows
			x, w, b, y := randomGuarded(rng, rows*s.In), randomGuarded(rng, s.Out*s.In), randomGuarded(rng, s.Out), blankGuarded(rows*s.Out)
			packed := blankGuarded(LinearPackSize(s))
			inPieces(rng, LinearPackItems(s), 0, func(_ []float32, i0, i1 int) { LinearPack(packed.v, w.v, s, i0, i1) })
			packed.check(t, "packed")
			for _, bias := range [][]float32{b.v, nil} {
				inPieces(rng, LinearItems(s), LinearScratch(s), func(scratch []float32, i0, i1 int) {
					Linear(y.v, x.v, packed.v, bias, s, scratch, i0, i1)
				})
				y.check(t, "y")
				var bias64 []float64
				if bias != nil {
					bias64 = float64s(bias)
				}
				want := make([]float64, rows*s.Out)
				ref.Linear(want, float64s(x.v), float64s(w.v), bias64, rows, s.In, s.Out)
				near(t, fmt.Sprintf("%+v", s), y.v, want)
			}
		}
	})
}

func TestLinearGradInput(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(8, 8))
		for i, s := range linearCases {
			s.Accumulate = i%2 == 0
			rows := s.N * s.Rows
			dx, w, dy := randomGuarded(rng, rows*s.In), randomGuarded(rng, s.Out*s.In), randomGuarded(rng, rows*s.Out)
			packed := blankGuarded(LinearGradInputPackSize(s))
			inPieces(rng, LinearGradInputPackItems(s), 0, func(_ []float32, i0, i1 int) { LinearGradInputPack(packed.v, w.v, s, i0, i1) })
			packed.check(t, "packed")
			want := make([]float64, rows*s.In)
			ref.LinearGradInput(want, float64s(dy.v), float64s(w.v), rows, s.In, s.Out)
			if s.Accumulate {
				for i, v := range dx.v {
					want[i] += float64(v)
				}
			}
			inPieces(rng, LinearGradInputItems(s), LinearGradInputScratch(s), func(scratch []float32, i0, i1 int) {
				LinearGradInput(dx.v, dy.v, packed.v, s, scratch, i0, i1)
			})
			dx.check(t, "dx")
			near(t, s.String(), dx.v, want)
		}
	})
}

// TestLinearFew: layers whose weight is packed on the way have the bits of those whose weight is packed before, on any number
// of rows, of which there need not be few.
func TestLinearFew(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(11, 11))
		more := []LinearShape{{N: 130, Rows: 3, In: 70, Out: 300}, {N: 2, Rows: 1, In: 600, Out: 40, Accumulate: true}, {N: 3, Rows: 1, In: 40, Out: 600, Accumulate: true}}
		for _, s := range append(more, linearCases...) {
			rows := s.N * s.Rows
			x, w, b, dy := randomGuarded(rng, rows*s.In), randomGuarded(rng, s.In*s.Out), randomGuarded(rng, s.Out), randomGuarded(rng, rows*s.Out)
			y, dx := randomGuarded(rng, rows*s.Out), randomGuarded(rng, rows*s.In)
			wantY, wantX := slices.Clone(y.v), slices.Clone(dx.v)

			packed := make([]float32, LinearPackSize(s))
			LinearPack(packed, w.v, s, 0, LinearPackItems(s))
			Linear(wantY, x.v, packed, b.v, s, make([]float32, LinearScratch(s)), 0, LinearItems(s))
			inPieces(rng, LinearFewItems(s), LinearFewScratch(s), func(scratch []float32, i0, i1 int) {
				LinearFew(y.v, x.v, w.v, b.v, s, scratch, i0, i1)
			})
			y.check(t, "y")
			sameBits(t, s.String()+" y", y.v, wantY)

			packed = make([]float32, LinearGradInputPackSize(s))
			LinearGradInputPack(packed, w.v, s, 0, LinearGradInputPackItems(s))
			LinearGradInput(wantX, dy.v, packed, s, make([]float32, LinearGradInputScratch(s)), 0, LinearGradInputItems(s))
			inPieces(rng, LinearGradInputFewItems(s), LinearGradInputFewScratch(s), func(scratch []float32, i0, i1 int) {
				LinearGradInputFew(dx.v, dy.v, w.v, s, scratch, i0, i1)
			})
			dx.check(t, "dx")
			sameBits(t, s.String()+" dx", dx.v, wantX)
		}
	})
}

func TestLinearGradWeight(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(9, 9))
		for i, s := range linearCases {
			rows := s.N * s.Rows
			x, dy := randomGuarded(rng, rows*s.In), randomGuarded(rng, rows*s.Out)
			dw, db := blankGuarded(s.Out*s.In), blankGuarded(s.Out)
			wantW, wantB := make([]float64, s.Out*s.In), make([]float64, s.Out)
			ref.LinearGradWeight(wantW, wantB, float64s(dy.v), float64s(x.v), s.N, s.Rows, s.In, s.Out)
			bias := db.v
			if i == 0 {
				bias, wantB = nil, nil
			}
			inPieces(rng, LinearGradWeightItems(s), LinearGradWeightScratch(s), func(scratch []float32, i0, i1 int) {
				LinearGradWeight(dw.v, bias, dy.v, x.v, s, scratch, i0, i1)
			})
			dw.check(t, "dw")
			db.check(t, "db")
			near(t, s.String()+" dw", dw.v, wantW)
			near(t, s.String()+" db", bias, wantB)
		}
	})
}

// realLinears are the layers of the reference model's flow at its batch of 64.
var realLinears = []LinearShape{
	{N: 64, Rows: 64, In: 256, Out: 256}, {N: 64, Rows: 64, In: 256, Out: 512}, {N: 64, Rows: 64, In: 256, Out: 1024}, {N: 64, Rows: 64, In: 1024, Out: 256},
	{N: 64, Rows: 8, In: 256, Out: 512}, {N: 64, Rows: 1, In: 256, Out: 1536}, {N: 64, Rows: 64, In: 4, Out: 256}, {N: 64, Rows: 64, In: 256, Out: 4},
}

func (s LinearShape) String() string { return fmt.Sprintf("%dx%d,%d-%d", s.N, s.Rows, s.In, s.Out) }

func BenchmarkLinear(b *testing.B) {
	for _, s := range realLinears {
		x, w, bias, y := ramp(s.N*s.Rows*s.In), ramp(s.In*s.Out), ramp(s.Out), ramp(s.N*s.Rows*s.Out)
		packed, scratch := make([]float32, LinearPackSize(s)), make([]float32, LinearScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				LinearPack(packed, w, s, 0, LinearPackItems(s))
				Linear(y, x, packed, bias, s, scratch, 0, LinearItems(s))
			})
		})
	}
}

func BenchmarkLinearGradInput(b *testing.B) {
	for _, s := range realLinears {
		dx, w, dy := ramp(s.N*s.Rows*s.In), ramp(s.In*s.Out), ramp(s.N*s.Rows*s.Out)
		packed, scratch := make([]float32, LinearGradInputPackSize(s)), make([]float32, LinearGradInputScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				LinearGradInputPack(packed, w, s, 0, LinearGradInputPackItems(s))
				LinearGradInput(dx, dy, packed, s, scratch, 0, LinearGradInputItems(s))
			})
		})
	}
}

func BenchmarkLinearGradWeight(b *testing.B) {
	for _, s := range realLinears {
		dw, db, x, dy := ramp(s.In*s.Out), ramp(s.Out), ramp(s.N*s.Rows*s.In), ramp(s.N*s.Rows*s.Out)
		scratch := make([]float32, LinearGradWeightScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				LinearGradWeight(dw, db, dy, x, s, scratch, 0, LinearGradWeightItems(s))
			})
		})
	}
}
