package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"lfm/internal/kernels/ref"
)

// TestVarianceDoesNotCancel normalises numbers far from zero, and samples that begin
// with a flat part, where sums of squares would lose every digit.
func TestVarianceDoesNotCancel(t *testing.T) {
	s := NormShape{N: 1, P: 1024, C: 8, G: 4}
	rng := rand.New(rand.NewPCG(5, 6))
	samples := map[string]func(p int) float32{
		"far from zero": func(int) float32 { return 1000 + float32(rng.NormFloat64()) },
		"flat at first": func(p int) float32 {
			if p < s.P/shiftFraction {
				return -1000
			}
			return float32(rng.NormFloat64())
		},
		"one outlier": func(p int) float32 {
			if p == 0 {
				return 1e4
			}
			return float32(rng.NormFloat64())
		},
	}
	gamma, beta := []float32{1, 1, 1, 1, 1, 1, 1, 1}, make([]float32, 8)
	atLevels(t, func(t *testing.T) {
		for name, draw := range samples {
			x := make([]float32, s.P*s.C)
			for i := range x {
				x[i] = draw(i / s.C)
			}
			y, mean, rstd := make([]float32, len(x)), make([]float32, s.G), make([]float32, s.G)
			GroupNorm(y, mean, rstd, x, gamma, beta, s, 1e-5, make([]float32, GroupNormScratch(s)), 0, 1)
			wantY, wantMean, wantRstd := make([]float64, len(x)), make([]float64, s.G), make([]float64, s.G)
			ref.GroupNorm(wantY, wantMean, wantRstd, float64s(x), float64s(gamma), float64s(beta), ref.NormShape{N: 1, P: s.P, C: s.C, G: s.G}, 1e-5)
			const rstdTol = 16 * 1e-7 // the factor that a mean over a sixteenth may cost
			compare(t, name+": rstd", rstd, wantRstd, rstdTol)
			compare(t, name+": mean", mean, wantMean, 1e-6)
			compare(t, name+": y", y, wantY, 1e-4) // the mean's own rounding, 3e-5 at 1000
		}
	})
}

// TestSharpAttention makes scores of some thousands: the softmax is that of the greatest,
// in whichever block of keys it is, and nothing overflows.
func TestSharpAttention(t *testing.T) {
	for _, m := range []int{33, 2*blockKeys + 5} {
		t.Run(fmt.Sprint(m, " keys"), func(t *testing.T) { testSharpAttention(t, m) })
	}
}

func testSharpAttention(t *testing.T, m int) {
	s := AttentionShape{N: 1, L: 20, M: m, D: 32, Heads: 2}
	rng := rand.New(rand.NewPCG(7, 8))
	q, kv := make([]float32, s.L*s.D), make([]float32, s.M*2*s.D)
	for i := range q {
		q[i] = 40 * float32(rng.NormFloat64())
	}
	for i := range kv {
		kv[i] = 40 * float32(rng.NormFloat64())
	}
	want, lse := make([]float64, len(q)), make([]float64, s.Heads*s.L)
	ref.Attention(want, lse, float64s(q), float64s(kv), ref.AttentionShape(s))
	atLevels(t, func(t *testing.T) {
		o := make([]float32, len(q))
		Attention(o, nil, q, kv, s, make([]float32, AttentionScratch(s)), 0, AttentionItems(s))
		compare(t, "o", o, want, 1e-3) // scores of 5000 are rounded to 5e-4
	})
}

// TestAttentionScratch: work memory is that of a block, however many queries and keys there are.
func TestAttentionScratch(t *testing.T) {
	shape := func(l, m int) AttentionShape { return AttentionShape{N: 2, L: l, M: m, D: 64, Heads: 2} }
	for name, scratch := range map[string]func(AttentionShape) int{"forward": AttentionScratch, "gradient": AttentionGradScratch} {
		block := scratch(shape(blockQueries, blockKeys))
		for _, n := range []int{300, 1024, 4096, 1 << 20} {
			if got := scratch(shape(n, n)); got != block {
				t.Errorf("%s: %d floats for %d tokens, %d for a block", name, got, n, block)
			}
		}
	}
}

// TestNaNSpreads puts one NaN into each input in turn: some output shows it, so that a step
// that went wrong is seen.
func TestNaNSpreads(t *testing.T) {
	unseen := func(kernel string, input int) bool {
		starts := func(prefix string) bool { return strings.HasPrefix(kernel, prefix) }
		switch {
		case starts("ClampGrad"): // outside of the limits nothing passes
			return true
		case starts("Slice{"), starts("Embedding{"): // columns outside, rows that nobody looks up
			return true
		case starts("EmbeddingGrad"): // ids
			return input == 1
		case starts("CrossEntropy{"): // labels
			return input == 1
		case starts("CrossEntropyGrad"): // labels
			return input == 2
		case starts("GroupNormGrad") && strings.Contains(kernel, "SiLU:false"): // beta
			return input == 3
		}
		return false
	}
	atLevels(t, func(t *testing.T) {
		for _, c := range testCases() {
			for i := range c.in {
				if c.in[i] == 0 || unseen(c.name, i) {
					continue
				}
				in, out := c.values()
				in[i][len(in[i])/2] = math.NaN()
				x, _ := narrow(in, 0)
				y, _ := narrow(out, 0)
				c.run(y, x, make([]float32, c.scratch), 0, c.items)
				seen := false
				for _, v := range y {
					for _, f := range v {
						seen = seen || f != f
					}
				}
				if !seen {
					t.Errorf("%s: NaN in input %d does not show", c.name, i)
				}
			}
		}
	})
}

// TestNoAllocation: a kernel in assembly allocates nothing.
func TestNoAllocation(t *testing.T) {
	if Level() == Generic {
		t.Skip("plain Go may")
	}
	for _, c := range testCases() {
		if c.items > 300 {
			continue
		}
		in, out := c.values()
		x, _ := narrow(in, 0)
		y, _ := narrow(out, 0)
		scratch := make([]float32, c.scratch)
		if n := testing.AllocsPerRun(2, func() { c.run(y, x, scratch, 0, c.items) }); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
}

// TestSumSquares: exact squares in float64, the same for the whole and for its parts, and
// no overflow.
func TestSumSquares(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	atLevels(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 8, 15, 17, 1000, 3*piece + 5} {
			x := randomGuarded(rng, n)
			got, want := SumSquares(x.v), ref.SumSquares(x.v)
			if math.Abs(got-want) > 1e-13*want {
				t.Errorf("n=%d: %v, want %v", n, got, want)
			}
			part, sum := make([]float64, sumSquaresItems(n)), 0.0
			for i := range part {
				sumSquaresParts(part, x.v, i, i+1)
			}
			for _, p := range part {
				sum += p
			}
			if sum != got {
				t.Errorf("n=%d: parts add to %v, the whole is %v", n, sum, got)
			}
		}
		if got := SumSquares([]float32{1e30, 1e30}); math.Abs(got-2e60) > 1e54 {
			t.Errorf("of 1e30 twice: %v", got)
		}
	})
}

// TestMean is the rule of 16 over a vector.
func TestMean(t *testing.T) {
	x, y := []float32{1, 2, 3, 6}, []float32{0}
	Mean(y, x, 4)
	if y[0] != 3 {
		t.Errorf("mean %v, want 3", y[0])
	}
	dx := make([]float32, 4)
	MeanGrad(dx, []float32{2}, 4)
	if dx[0] != 0.5 || dx[3] != 0.5 {
		t.Errorf("gradient %v, want 0.5 each", dx)
	}
}

// TestShortSlices: misuse is named.
func TestShortSlices(t *testing.T) {
	defer func() {
		if r := recover(); r != "kernels: silu-grad: x too short" {
			t.Errorf("panic %v", r)
		}
	}()
	SiLUGrad(make([]float32, 4), make([]float32, 4), make([]float32, 3))
}

// TestLevelsAgree: AVX2 and AVX-512 make the same bits of each element; only sums may differ.
func TestLevelsAgree(t *testing.T) {
	if len(Levels()) <= int(AVX512) {
		t.Skip("no AVX-512 here")
	}
	defer SetLevel(Level())
	for _, c := range pointwiseCases(1000) {
		c.items = 1000
		in, out := c.values()
		SetLevel(AVX2)
		want := c.compute(t, in, out, 0, nil)
		SetLevel(AVX512)
		got := c.compute(t, in, out, 0, nil)
		for i := range got {
			sameBits(t, c.name, got[i], want[i])
		}
	}
}
