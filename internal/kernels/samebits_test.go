package kernels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lfm/internal/kernels/ref"
)

// A layer is a convolution or a linear layer with all that it computes.
type layer struct {
	name         string
	samples      int
	x, y, w, out int // lengths of one sample's x and y, of w, and of b
	with         func(n int) layerCalls
}

// layerCalls computes whole results for n samples: each kernel over splitter of its work items.
type layerCalls struct {
	forward    func(in splitter, y, x, w, b []float32)
	gradInput  func(in splitter, dx, dy, w []float32)
	gradWeight func(in splitter, dw, db, dy, x []float32)
}

// splitter runs n work items, with so much scratch memory.
type splitter func(n, scratch int, run func(scratch []float32, i0, i1 int))

// atOnce runs all work items in one call.
func atOnce(n, scratch int, run func(scratch []float32, i0, i1 int)) {
	run(make([]float32, scratch), 0, n)
}

func linearLayer(s LinearShape) layer {
	return layer{s.String(), s.N, s.Rows * s.In, s.Rows * s.Out, s.In * s.Out, s.Out, func(n int) layerCalls {
		s := s
		s.N = n
		packed, turned := make([]float32, LinearPackSize(s)), make([]float32, LinearGradInputPackSize(s))
		return layerCalls{
			func(in splitter, y, x, w, b []float32) {
				LinearPack(packed, w, s, 0, LinearPackItems(s))
				in(LinearItems(s), LinearScratch(s), func(sc []float32, i0, i1 int) { Linear(y, x, packed, b, s, sc, i0, i1) })
			},
			func(in splitter, dx, dy, w []float32) {
				LinearGradInputPack(turned, w, s, 0, LinearGradInputPackItems(s))
				in(LinearGradInputItems(s), LinearGradInputScratch(s), func(sc []float32, i0, i1 int) { LinearGradInput(dx, dy, turned, s, sc, i0, i1) })
			},
			func(in splitter, dw, db, dy, x []float32) {
				in(LinearGradWeightItems(s), LinearGradWeightScratch(s), func(sc []float32, i0, i1 int) { LinearGradWeight(dw, db, dy, x, s, sc, i0, i1) })
			},
		}
	}}
}

func convLayer(s ConvShape) layer {
	return layer{s.String(), s.N, s.sizeX() / s.N, s.sizeY() / s.N, s.sizeW(), s.Cout, func(n int) layerCalls {
		s := s
		s.N = n
		packed, turned := make([]float32, Conv2dPackSize(s)), make([]float32, Conv2dGradInputPackSize(s))
		return layerCalls{
			func(in splitter, y, x, w, b []float32) {
				Conv2dPack(packed, w, s, 0, Conv2dPackItems(s))
				in(Conv2dItems(s), Conv2dScratch(s), func(sc []float32, i0, i1 int) { Conv2d(y, x, packed, b, s, sc, i0, i1) })
			},
			func(in splitter, dx, dy, w []float32) {
				Conv2dGradInputPack(turned, w, s, 0, Conv2dGradInputPackItems(s))
				in(Conv2dGradInputItems(s), Conv2dGradInputScratch(s), func(sc []float32, i0, i1 int) { Conv2dGradInput(dx, dy, turned, s, sc, i0, i1) })
			},
			func(in splitter, dw, db, dy, x []float32) {
				in(Conv2dGradWeightItems(s), Conv2dGradWeightScratch(s), func(sc []float32, i0, i1 int) { Conv2dGradWeight(dw, db, dy, x, s, sc, i0, i1) })
			},
		}
	}}
}

func upsampleConvLayer(s UpsampleConvShape) layer {
	return layer{"upsample " + s.String(), s.N, s.sizeX() / s.N, s.sizeY() / s.N, s.sizeW(), s.Cout, func(n int) layerCalls {
		s := s
		s.N = n
		packed, turned := make([]float32, UpsampleConvPackSize(s)), make([]float32, UpsampleConvGradInputPackSize(s))
		return layerCalls{
			func(in splitter, y, x, w, b []float32) {
				UpsampleConvPack(packed, w, s, 0, UpsampleConvPackItems(s))
				in(UpsampleConvItems(s), UpsampleConvScratch(s), func(sc []float32, i0, i1 int) { UpsampleConv(y, x, packed, b, s, sc, i0, i1) })
			},
			func(in splitter, dx, dy, w []float32) {
				UpsampleConvGradInputPack(turned, w, s, 0, UpsampleConvGradInputPackItems(s))
				in(UpsampleConvGradInputItems(s), UpsampleConvGradInputScratch(s), func(sc []float32, i0, i1 int) {
					UpsampleConvGradInput(dx, dy, turned, s, sc, i0, i1)
				})
			},
			func(in splitter, dw, db, dy, x []float32) {
				in(UpsampleConvGradWeightItems(s), UpsampleConvGradWeightScratch(s), func(sc []float32, i0, i1 int) {
					UpsampleConvGradWeight(dw, db, dy, x, s, sc, i0, i1)
				})
			},
		}
	}}
}

func layers(n int) []layer {
	return []layer{
		linearLayer(LinearShape{N: n, Rows: 7, In: 300, Out: 70}),
		linearLayer(LinearShape{N: n, Rows: 64, In: 64, Out: 160}),
		linearLayer(LinearShape{N: n, Rows: 9, In: 160, Out: 80}),
		linearLayer(LinearShape{N: n, Rows: 1, In: 96, Out: 33}),
		convLayer(ConvShape{N: n, H: 8, W: 8, Cin: 48, Cout: 40, Kernel: 3, Stride: 1}),
		convLayer(ConvShape{N: n, H: 16, W: 16, Cin: 32, Cout: 3, Kernel: 3, Stride: 1}),
		convLayer(ConvShape{N: n, H: 7, W: 9, Cin: 5, Cout: 20, Kernel: 3, Stride: 2}),
		convLayer(ConvShape{N: n, H: 4, W: 6, Cin: 33, Cout: 36, Kernel: 3, Stride: 1}),
		convLayer(ConvShape{N: n, H: 8, W: 8, Cin: 20, Cout: 36, Kernel: 1, Stride: 1}),
		upsampleConvLayer(UpsampleConvShape{N: n, H: 5, W: 7, Cin: 20, Cout: 40}),
		upsampleConvLayer(UpsampleConvShape{N: n, H: 4, W: 4, Cin: 35, Cout: 16}),
	}
}

func normals(rng *rand.Rand, n int) []float32 { return randomGuarded(rng, n).v }

// TestSameBitsOfABatch: what a sample gives does not depend on the samples beside it, nor on how
// the work is split.
func TestSameBitsOfABatch(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(11, 11))
		for _, l := range layers(5) {
			x, w, b, dy := normals(rng, 5*l.x), normals(rng, l.w), normals(rng, l.out), normals(rng, 5*l.y)
			y, dx := make([]float32, 5*l.y), make([]float32, 5*l.x)
			all, single := l.with(5), l.with(1)
			split := func(n, scratch int, run func([]float32, int, int)) { inPieces(rng, n, scratch, run) }
			all.forward(split, y, x, w, b)
			all.gradInput(split, dx, dy, w)
			y1, dx1 := make([]float32, l.y), make([]float32, l.x)
			for i := range 5 {
				single.forward(atOnce, y1, x[i*l.x:(i+1)*l.x], w, b)
				sameBits(t, l.name+" y", y[i*l.y:(i+1)*l.y], y1)
				single.gradInput(atOnce, dx1, dy[i*l.y:(i+1)*l.y], w)
				sameBits(t, l.name+" dx", dx[i*l.x:(i+1)*l.x], dx1)
			}
		}
	})
}

// TestSameBitsOfGradients: the gradient of 16 samples is the tree of the gradients of each, and
// however the work is split its bits are the same, for any number of samples.
func TestSameBitsOfGradients(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(12, 12))
		split := func(n, scratch int, run func([]float32, int, int)) { inPieces(rng, n, scratch, run) }
		for _, n := range []int{16, 19} {
			for _, l := range layers(n) {
				x, dy := normals(rng, n*l.x), normals(rng, n*l.y)
				dw, db := make([]float32, l.w), make([]float32, l.out)
				l.with(n).gradWeight(atOnce, dw, db, dy, x)
				again, againB := make([]float32, l.w), make([]float32, l.out)
				l.with(n).gradWeight(split, again, againB, dy, x)
				sameBits(t, l.name+" dw, split", again, dw)
				sameBits(t, l.name+" db, split", againB, db)
				if n != 16 {
					continue
				}
				var dws, dbs [16][]float32
				single := l.with(1)
				for i := range dws {
					dws[i], dbs[i] = make([]float32, l.w), make([]float32, l.out)
					single.gradWeight(atOnce, dws[i], dbs[i], dy[i*l.y:(i+1)*l.y], x[i*l.x:(i+1)*l.x])
				}
				sameBits(t, l.name+" dw", dw, tree(dws))
				sameBits(t, l.name+" db", db, tree(dbs))
			}
		}
	})
}

// TestSameBitsOfFew: a gradient with few pixels is multiplied in registers, to what tiles make of it.
func TestSameBitsOfFew(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(14, 14))
		for _, s := range []LinearShape{
			{N: 1, Rows: 1, In: 33, Out: 40}, {N: 3, Rows: 2, In: 300, Out: 70}, {N: 16, Rows: 1, In: 72, Out: 96},
			{N: 19, Rows: 5, In: 7, Out: 65}, {N: 16, Rows: 8, In: 256, Out: 129}, {N: 128, Rows: 1, In: 145, Out: 320},
		} {
			x, dy := normals(rng, s.N*s.Rows*s.In), normals(rng, s.N*s.Rows*s.Out)
			var got [2][]float32
			for i, few := range []bool{true, false} {
				got[i] = make([]float32, s.In*s.Out)
				g := newGradWeight(got[i], dy, x, s.conv())
				if !g.few {
					t.Fatalf("%v is not few", s)
				}
				g.few = few
				g.run(make([]float32, g.scratch()), 0, g.items())
			}
			sameBits(t, s.String(), got[0], got[1])
		}
	})
}

// tree adds 16 vectors as ref.Tree does numbers.
func tree(v [16][]float32) []float32 {
	sum := make([]float32, len(v[0]))
	for i := range sum {
		var s [16]float32
		for p := range s {
			s[p] = v[p][i]
		}
		sum[i] = ref.Tree(&s)
	}
	return sum
}

// TestSameBitsOfLevels: the two levels of assembly agree to the bit.
func TestSameBitsOfLevels(t *testing.T) {
	if len(Levels()) < 3 {
		t.Skip("this machine has no AVX-512")
	}
	rng := rand.New(rand.NewPCG(13, 13))
	for _, l := range layers(3) {
		x, w, b, dy := normals(rng, 3*l.x), normals(rng, l.w), normals(rng, l.out), normals(rng, 3*l.y)
		var results [2][][]float32
		for i, level := range []ISA{AVX2, AVX512} {
			before := SetLevel(level)
			y, dx, dw, db := make([]float32, 3*l.y), make([]float32, 3*l.x), make([]float32, l.w), make([]float32, l.out)
			calls := l.with(3)
			calls.forward(atOnce, y, x, w, b)
			calls.gradInput(atOnce, dx, dy, w)
			calls.gradWeight(atOnce, dw, db, dy, x)
			results[i] = [][]float32{y, dx, dw, db}
			SetLevel(before)
		}
		for i, name := range []string{"y", "dx", "dw", "db"} {
			sameBits(t, l.name+" "+name, results[1][i], results[0][i])
		}
	}
}

// TestGroupNormParts: parts of samples, shared in any way, give to the bit what whole samples do.
func TestGroupNormParts(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(21, 22))
		for _, s := range []NormShape{{1, 1, 2, 1, false}, {3, 256, 8, 4, true}, {2, 257, 6, 3, false}, {1, 5000, 20, 10, true}, {5, 1024, 32, 16, true}} {
			x, gamma, beta := randomGuarded(rng, s.N*s.P*s.C), randomGuarded(rng, s.C), randomGuarded(rng, s.C)
			results := func() (all [3]guarded) {
				return [3]guarded{blankGuarded(s.N * s.P * s.C), blankGuarded(s.N * s.G), blankGuarded(s.N * s.G)}
			}
			whole, parts := results(), results()
			GroupNorm(whole[0].v, whole[1].v, whole[2].v, x.v, gamma.v, beta.v, s, 1e-5, make([]float32, GroupNormScratch(s)), 0, s.N)
			sums := blankGuarded(GroupNormSumsSize(s))
			inPieces(rng, GroupNormPartItems(s), GroupNormScratch(s), func(scratch []float32, i0, i1 int) {
				GroupNormSums(sums.v, x.v, s, scratch, i0, i1)
			})
			inPieces(rng, GroupNormPartItems(s), GroupNormApplyScratch(s), func(scratch []float32, i0, i1 int) {
				GroupNormApply(parts[0].v, parts[1].v, parts[2].v, x.v, gamma.v, beta.v, sums.v, s, 1e-5, scratch, i0, i1)
			})
			for i, name := range []string{"y", "mean", "rstd"} {
				parts[i].check(t, name)
				sameBits(t, fmt.Sprintf("%+v: %s", s, name), parts[i].v, whole[i].v)
			}
		}
	})
}

// TestLayerNormScaleShift: one pass gives to the bit what two give, with and without the norm's result,
// and in place.
func TestLayerNormScaleShift(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(23, 24))
		for _, s := range []TokenShape{{1, 1, 1}, {2, 3, 37}, {3, 17, 256}, {1, 100, 272}} {
			rows, n := s.N*s.L, s.N*s.L*s.D
			x, scale, shift := randomGuarded(rng, n).v, randomGuarded(rng, s.N*s.D).v, randomGuarded(rng, s.N*s.D).v
			h, y, mean, rstd := make([]float32, n), make([]float32, n), make([]float32, rows), make([]float32, rows)
			LayerNorm(h, mean, rstd, x, RowShape{rows, s.D}, 1e-5, 0, rows)
			ScaleShift(y, h, scale, shift, s, 0, rows)
			for _, way := range []string{"apart", "y over x", "h over x", "without h"} {
				gotX := append([]float32{}, x...)
				gotY, gotH, gotMean, gotRstd := make([]float32, n), make([]float32, n), make([]float32, rows), make([]float32, rows)
				switch way {
				case "y over x":
					gotY = gotX
				case "h over x":
					gotH = gotX
				case "without h":
					gotH = nil
				}
				LayerNormScaleShift(gotY, gotH, gotMean, gotRstd, gotX, scale, shift, s, 1e-5, 0, rows)
				name := fmt.Sprintf("%+v, %s: ", s, way)
				sameBits(t, name+"y", gotY, y)
				sameBits(t, name+"h", gotH, h[:len(gotH)])
				sameBits(t, name+"mean", gotMean, mean)
				sameBits(t, name+"rstd", gotRstd, rstd)
			}
		}
	})
}

// TestLayerNormScaleShiftGrad: one pass gives to the bit what two or three give, in any place.
func TestLayerNormScaleShiftGrad(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(25, 26))
		for _, s := range []TokenShape{{1, 1, 1}, {2, 3, 37}, {3, 17, 256}, {2, 100, 272}} {
			rows, n := s.N*s.L, s.N*s.L*s.D
			given := func(n int) []float32 { return randomGuarded(rng, n).v }
			dy, h, scale, x, mean, rstd, sum := given(n), given(n), given(s.N*s.D), given(n), given(rows), given(rows), given(n)
			dh, dx, dscale, dshift := make([]float32, n), make([]float32, n), make([]float32, s.N*s.D), make([]float32, s.N*s.D)
			ScaleShiftGrad(dh, dscale, dshift, dy, h, scale, s, 0, ScaleShiftGradItems(s))
			LayerNormGrad(dx, dh, x, mean, rstd, RowShape{rows, s.D}, 0, rows)
			total := make([]float32, n)
			Add(total, dx, sum)
			for _, way := range []string{"apart", "over dy", "over h", "over x", "sum apart", "sum over dy", "sum over x", "in place"} {
				in := [][]float32{slices.Clone(dy), slices.Clone(h), slices.Clone(x), slices.Clone(sum)}
				got, want := make([]float32, n), dx
				add := in[3]
				switch way {
				case "over dy", "sum over dy":
					got = in[0]
				case "over h":
					got = in[1]
				case "over x", "sum over x":
					got = in[2]
				case "in place":
					got = in[3]
				}
				if way == "in place" || strings.HasPrefix(way, "sum") {
					want = total
				} else {
					add = nil
				}
				gotScale, gotShift := make([]float32, s.N*s.D), make([]float32, s.N*s.D)
				inPieces(rng, LayerNormScaleShiftGradItems(s), LayerNormScaleShiftGradScratch(s), func(scratch []float32, i0, i1 int) {
					LayerNormScaleShiftGrad(got, gotScale, gotShift, in[0], in[1], scale, in[2], mean, rstd, add, s, scratch, i0, i1)
				})
				name := fmt.Sprintf("%+v, %s: ", s, way)
				sameBits(t, name+"dx", got, want)
				sameBits(t, name+"dscale", gotScale, dscale)
				sameBits(t, name+"dshift", gotShift, dshift)
			}
		}
	})
}
