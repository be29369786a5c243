package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lfm/internal/kernels/ref"
)

var linearCases = []LinearShape{
	{1, 1, 1, 1}, {1, 1, 256, 33}, {3, 2, 5, 7}, {2, 64, 4, 256}, {2, 64, 256, 4}, {5, 20, 300, 70}, {17, 3, 16, 48}, {20, 1, 31, 64}, {33, 5, 40, 24},
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

// realLinears are the layers of the reference model's flow at its batch of 64.
var realLinears = []LinearShape{
	{64, 64, 256, 256}, {64, 64, 256, 512}, {64, 64, 256, 1024}, {64, 64, 1024, 256}, {64, 8, 256, 512}, {64, 1, 256, 1536}, {64, 64, 4, 256}, {64, 64, 256, 4},
}

func (s LinearShape) String() string { return fmt.Sprintf("%dx%d,%d-%d", s.N, s.Rows, s.In, s.Out) }

func BenchmarkLinear(b *testing.B) {
	for _, s := range realLinears {
		x, w, bias, y := ramp(s.N*s.Rows*s.In), ramp(s.In*s.Out), ramp(s.Out), ramp(s.N*s.Rows*s.Out)
		packed, scratch := make([]float32, LinearPackSize(s)), make([]float32, LinearScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			for b.Loop() {
				LinearPack(packed, w, s, 0, LinearPackItems(s))
				Linear(y, x, packed, bias, s, scratch, 0, LinearItems(s))
			}
			reportSpeed(b, s.GFLOP())
		})
	}
}
