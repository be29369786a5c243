package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lfm/internal/kernels/ref"
)

func (s ConvShape) String() string {
	return fmt.Sprintf("%dx%dx%d,%d-%d,k%ds%d", s.N, s.H, s.W, s.Cin, s.Cout, s.Kernel, s.Stride)
}

func (s ConvShape) ref() ref.ConvShape {
	return ref.ConvShape{N: s.N, H: s.H, W: s.W, Cin: s.Cin, Cout: s.Cout, Kernel: s.Kernel, Stride: s.Stride}
}

func (s ConvShape) sizeX() int { return s.N * s.H * s.W * s.Cin }
func (s ConvShape) sizeY() int { return s.N * s.OutH() * s.OutW() * s.Cout }
func (s ConvShape) sizeW() int { return s.Cout * s.Cin * s.Kernel * s.Kernel }

// convCases are every kernel and stride over sizes that are odd, tiny, and wider than a tile, and
// some that are computed by Winograd's way.
func convCases() []ConvShape {
	var all []ConvShape
	for _, kernel := range []int{1, 3} {
		for _, stride := range []int{1, 2} {
			for _, s := range []ConvShape{
				{N: 1, H: 1, W: 1, Cin: 1, Cout: 1},
				{N: 2, H: 2, W: 1, Cin: 3, Cout: 2},
				{N: 3, H: 5, W: 7, Cin: 3, Cout: 16},
				{N: 2, H: 8, W: 8, Cin: 17, Cout: 40},
				{N: 17, H: 4, W: 6, Cin: 8, Cout: 3},
				{N: 1, H: 13, W: 18, Cin: 33, Cout: 9},
				{N: 1, H: 3, W: 150, Cin: 2, Cout: 33},
				{N: 2, H: 26, W: 30, Cin: 32, Cout: 36}, // a part of an image in a work item
				{N: 26, H: 4, W: 6, Cin: 40, Cout: 32},  // several images
				{N: 1, H: 2, W: 400, Cin: 33, Cout: 65},
			} {
				s.Kernel, s.Stride = kernel, stride
				all = append(all, s)
			}
		}
	}
	return all
}

func TestConv2d(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(6, 6))
		for i, s := range convCases() {
			s.Accumulate = i%3 == 0
			x, w, b, y := randomGuarded(rng, s.sizeX()), randomGuarded(rng, s.sizeW()), randomGuarded(rng, s.Cout), randomGuarded(rng, s.sizeY())
			packed := blankGuarded(Conv2dPackSize(s))
			inPieces(rng, Conv2dPackItems(s), 0, func(_ []float32, i0, i1 int) { Conv2dPack(packed.v, w.v, s, i0, i1) })
			packed.check(t, "packed")
			bias, bias64 := b.v, float64s(b.v)
			if i%2 == 0 {
				bias, bias64 = nil, nil
			}
			want := make([]float64, s.sizeY())
			ref.Conv2d(want, float64s(x.v), float64s(w.v), bias64, s.ref())
			if s.Accumulate {
				for i, v := range y.v {
					want[i] += float64(v)
				}
			}
			inPieces(rng, Conv2dItems(s), Conv2dScratch(s), func(scratch []float32, i0, i1 int) {
				Conv2d(y.v, x.v, packed.v, bias, s, scratch, i0, i1)
			})
			y.check(t, "y")
			near(t, s.String(), y.v, want)
		}
	})
}

func TestConv2dGradInput(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 7))
		for i, s := range convCases() {
			s.Accumulate = i%3 == 0
			dx, w, dy := randomGuarded(rng, s.sizeX()), randomGuarded(rng, s.sizeW()), randomGuarded(rng, s.sizeY())
			packed := blankGuarded(Conv2dGradInputPackSize(s))
			inPieces(rng, Conv2dGradInputPackItems(s), 0, func(_ []float32, i0, i1 int) { Conv2dGradInputPack(packed.v, w.v, s, i0, i1) })
			packed.check(t, "packed")
			want := make([]float64, s.sizeX())
			ref.Conv2dGradInput(want, float64s(dy.v), float64s(w.v), s.ref())
			if s.Accumulate {
				for i, v := range dx.v {
					want[i] += float64(v)
				}
			}
			inPieces(rng, Conv2dGradInputItems(s), Conv2dGradInputScratch(s), func(scratch []float32, i0, i1 int) {
				Conv2dGradInput(dx.v, dy.v, packed.v, s, scratch, i0, i1)
			})
			dx.check(t, "dx")
			near(t, s.String(), dx.v, want)
		}
	})
}

func TestConv2dGradWeight(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(10, 10))
		for i, s := range convCases() {
			x, dy := randomGuarded(rng, s.sizeX()), randomGuarded(rng, s.sizeY())
			dw, db := blankGuarded(s.sizeW()), blankGuarded(s.Cout)
			wantW, wantB := make([]float64, s.sizeW()), make([]float64, s.Cout)
			ref.Conv2dGradWeight(wantW, wantB, float64s(dy.v), float64s(x.v), s.ref())
			bias := db.v
			if i%3 == 0 {
				bias, wantB = nil, nil
			}
			inPieces(rng, Conv2dGradWeightItems(s), Conv2dGradWeightScratch(s), func(scratch []float32, i0, i1 int) {
				Conv2dGradWeight(dw.v, bias, dy.v, x.v, s, scratch, i0, i1)
			})
			dw.check(t, "dw")
			db.check(t, "db")
			near(t, s.String()+" dw", dw.v, wantW)
			near(t, s.String()+" db", bias, wantB)
		}
	})
}

// TestFewChannels: a convolution to few channels, whose places are several pixels, gives to the bit
// what one to many channels gives in these.
func TestFewChannels(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(19, 20))
		for _, few := range []int{1, 2, 3, 4, 7, 8} {
			for _, width := range []int{1, 2, 6, 7, 32, 150} {
				narrow := ConvShape{N: 2, H: 5, W: width, Cin: 11, Cout: few, Kernel: 3, Stride: 1}
				wide := narrow
				wide.Cout = 20
				x, w, b := randomGuarded(rng, wide.sizeX()).v, randomGuarded(rng, wide.sizeW()).v, randomGuarded(rng, wide.Cout).v
				conv := func(s ConvShape) []float32 {
					packed, y := make([]float32, Conv2dPackSize(s)), make([]float32, s.sizeY())
					Conv2dPack(packed, w[:s.sizeW()], s, 0, Conv2dPackItems(s))
					Conv2d(y, x, packed, b[:s.Cout], s, make([]float32, Conv2dScratch(s)), 0, Conv2dItems(s))
					return y
				}
				got, all := conv(narrow), conv(wide)
				for i := range len(got) / few {
					sameBits(t, fmt.Sprintf("%v: pixel %d", narrow, i), got[i*few:(i+1)*few], all[i*wide.Cout:][:few])
				}
			}
		}
	})
}

// realConvs are the convolutions of the reference model's autoencoder, a quarter of its batch.
var realConvs = []ConvShape{
	{N: 16, H: 32, W: 32, Cin: 3, Cout: 32, Kernel: 3, Stride: 1},
	{N: 16, H: 32, W: 32, Cin: 32, Cout: 32, Kernel: 3, Stride: 1},
	{N: 16, H: 32, W: 32, Cin: 32, Cout: 32, Kernel: 3, Stride: 2},
	{N: 16, H: 32, W: 32, Cin: 64, Cout: 32, Kernel: 1, Stride: 1},
	{N: 16, H: 32, W: 32, Cin: 32, Cout: 3, Kernel: 3, Stride: 1},
	{N: 16, H: 16, W: 16, Cin: 64, Cout: 64, Kernel: 3, Stride: 1},
	{N: 16, H: 16, W: 16, Cin: 64, Cout: 64, Kernel: 3, Stride: 2},
	{N: 16, H: 8, W: 8, Cin: 128, Cout: 128, Kernel: 3, Stride: 1},
	{N: 16, H: 8, W: 8, Cin: 128, Cout: 8, Kernel: 3, Stride: 1},
}

func BenchmarkConv2d(b *testing.B) {
	for _, s := range realConvs {
		x, w, bias, y := ramp(s.sizeX()), ramp(s.sizeW()), ramp(s.Cout), ramp(s.sizeY())
		packed, scratch := make([]float32, Conv2dPackSize(s)), make([]float32, Conv2dScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				Conv2dPack(packed, w, s, 0, Conv2dPackItems(s))
				Conv2d(y, x, packed, bias, s, scratch, 0, Conv2dItems(s))
			})
		})
	}
}

func BenchmarkConv2dGradInput(b *testing.B) {
	for _, s := range realConvs {
		dx, w, dy := ramp(s.sizeX()), ramp(s.sizeW()), ramp(s.sizeY())
		packed, scratch := make([]float32, Conv2dGradInputPackSize(s)), make([]float32, Conv2dGradInputScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				Conv2dGradInputPack(packed, w, s, 0, Conv2dGradInputPackItems(s))
				Conv2dGradInput(dx, dy, packed, s, scratch, 0, Conv2dGradInputItems(s))
			})
		})
	}
}

func BenchmarkConv2dGradWeight(b *testing.B) {
	for _, s := range realConvs {
		dw, db, x, dy := ramp(s.sizeW()), ramp(s.Cout), ramp(s.sizeX()), ramp(s.sizeY())
		scratch := make([]float32, Conv2dGradWeightScratch(s))
		b.Run(s.String(), func(b *testing.B) {
			measure(b, s.GFLOP(), func() {
				Conv2dGradWeight(dw, db, dy, x, s, scratch, 0, Conv2dGradWeightItems(s))
			})
		})
	}
}
