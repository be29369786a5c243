package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lfm/internal/kernels/ref"
)

func (s UpsampleConvShape) String() string {
	return fmt.Sprintf("%dx%dx%d,%d-%d", s.N, s.H, s.W, s.Cin, s.Cout)
}

func (s UpsampleConvShape) ref() ref.UpsampleConvShape { return ref.UpsampleConvShape(s) }

func (s UpsampleConvShape) sizeX() int { return s.N * s.H * s.W * s.Cin }
func (s UpsampleConvShape) sizeY() int { return s.N * 4 * s.H * s.W * s.Cout }
func (s UpsampleConvShape) sizeW() int { return s.Cout * s.Cin * 9 }

// upsampleConvCases are sizes that are odd, tiny, in several blocks of rows, and wider than a tile.
var upsampleConvCases = []UpsampleConvShape{
	{N: 1, H: 1, W: 1, Cin: 1, Cout: 1},
	{N: 2, H: 2, W: 1, Cin: 3, Cout: 2},
	{N: 1, H: 1, W: 4, Cin: 2, Cout: 3},
	{N: 3, H: 5, W: 7, Cin: 3, Cout: 16},
	{N: 2, H: 8, W: 8, Cin: 17, Cout: 40},
	{N: 17, H: 4, W: 6, Cin: 8, Cout: 3},
	{N: 2, H: 4, W: 4, Cin: 80, Cout: 72},
	{N: 1, H: 29, W: 18, Cin: 33, Cout: 9},
	{N: 1, H: 3, W: 300, Cin: 2, Cout: 33},
}

func TestUpsampleConv(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(14, 14))
		for i, s := range upsampleConvCases {
			x, w, b, y := randomGuarded(rng, s.sizeX()), randomGuarded(rng, s.sizeW()), randomGuarded(rng, s.Cout), blankGuarded(s.sizeY())
			packed := blankGuarded(UpsampleConvPackSize(s))
			inPieces(rng, UpsampleConvPackItems(s), 0, func(_ []float32, i0, i1 int) { UpsampleConvPack(packed.v, w.v, s, i0, i1) })
			packed.check(t, "packed")
			bias, bias64 := b.v, float64s(b.v)
			if i%2 == 0 {
				bias, bias64 = nil, nil
			}
			want := make([]float64, s.sizeY())
			ref.UpsampleConv(want, float64s(x.v), float64s(w.v), bias64, s.ref())
			inPieces(rng, UpsampleConvItems(s), UpsampleConvScratch(s), func(scratch []float32, i0, i1 int) {
				UpsampleConv(y.v, x.v, packed.v, bias, s, scratch, i0, i1)
			})
			y.check(t, "y")
			near(t, s.String(), y.v, want)
		}
	})
}

func TestUpsampleConvGradInput(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(15, 15))
		for _, s := range upsampleConvCases {
			dx, w, dy := blankGuarded(s.sizeX()), randomGuarded(rng, s.sizeW()), randomGuarded(rng, s.sizeY())
			packed := blankGuarded(UpsampleConvGradInputPackSize(s))
			inPieces(rng, UpsampleConvGradInputPackItems(s), 0, func(_ []float32, i0, i1 int) { UpsampleConvGradInputPack(packed.v, w.v, s, i0, i1) })
			packed.check(t, "packed")
			want := make([]float64, s.sizeX())
			ref.UpsampleConvGradInput(want, float64s(dy.v), float64s(w.v), s.ref())
			inPieces(rng, UpsampleConvGradInputItems(s), UpsampleConvGradInputScratch(s), func(scratch []float32, i0, i1 int) {
				UpsampleConvGradInput(dx.v, dy.v, packed.v, s, scratch, i0, i1)
			})
			dx.check(t, "dx")
			near(t, s.String(), dx.v, want)
		}
	})
}

func TestUpsampleConvGradWeight(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(16, 16))
		for i, s := range upsampleConvCases {
			x, dy := randomGuarded(rng, s.sizeX()), randomGuarded(rng, s.sizeY())
			dw, db := blankGuarded(s.sizeW()), blankGuarded(s.Cout)
			wantW, wantB := make([]float64, s.sizeW()), make([]float64, s.Cout)
			ref.UpsampleConvGradWeight(wantW, wantB, float64s(dy.v), float64s(x.v), s.ref())
			bias := db.v
			if i%3 == 0 {
				bias, wantB = nil, nil
			}
			inPieces(rng, UpsampleConvGradWeightItems(s), UpsampleConvGradWeightScratch(s), func(scratch []float32, i0, i1 int) {
				UpsampleConvGradWeight(dw.v, bias, dy.v, x.v, s, scratch, i0, i1)
			})
			dw.check(t, "dw")
			db.check(t, "db")
			near(t, s.String()+" dw", dw.v, wantW)
			near(t, s.String()+" db", bias, wantB)
		}
	})
}

// realUpsampleConvs are those of the reference model's decoder, a quarter of its batch.
var realUpsampleConvs = []UpsampleConvShape{
	{N: 16, H: 8, W: 8, Cin: 128, Cout: 128},
	{N: 16, H: 16, W: 16, Cin: 64, Cout: 64},
}

func BenchmarkUpsampleConv(b *testing.B) {
	for _, s := range realUpsampleConvs {
		x, w, bias, y := ramp(s.sizeX()), ramp(s.sizeW()), ramp(s.Cout), ramp(s.sizeY())
		packed, scratch := make([]float32, UpsampleConvPackSize(s)), make([]float32, UpsampleConvScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				UpsampleConvPack(packed, w, s, 0, UpsampleConvPackItems(s))
				UpsampleConv(y, x, packed, bias, s, scratch, 0, UpsampleConvItems(s))
			})
		})
	}
}

func BenchmarkUpsampleConvGradInput(b *testing.B) {
	for _, s := range realUpsampleConvs {
		dx, w, dy := ramp(s.sizeX()), ramp(s.sizeW()), ramp(s.sizeY())
		packed, scratch := make([]float32, UpsampleConvGradInputPackSize(s)), make([]float32, UpsampleConvGradInputScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				UpsampleConvGradInputPack(packed, w, s, 0, UpsampleConvGradInputPackItems(s))
				UpsampleConvGradInput(dx, dy, packed, s, scratch, 0, UpsampleConvGradInputItems(s))
			})
		})
	}
}

func BenchmarkUpsampleConvGradWeight(b *testing.B) {
	for _, s := range realUpsampleConvs {
		dw, db, x, dy := ramp(s.sizeW()), ramp(s.Cout), ramp(s.sizeX()), ramp(s.sizeY())
		scratch := make([]float32, UpsampleConvGradWeightScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				UpsampleConvGradWeight(dw, db, dy, x, s, scratch, 0, UpsampleConvGradWeightItems(s))
			})
		})
	}
}
