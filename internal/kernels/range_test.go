package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"lfm/internal/kernels/ref"
)

// The tests in this file hold the bounds that the functions' comments state over all of float32.
// Bounds of sums come from counting roundings; those of exp and what is made of it were found by
// going over every float32 number (make sweep) and rounding the greatest error up.

// ulp is the u of the comments: half the distance from 1 to the next number.
const ulp = 0x1p-24

// tiny is half the distance of denormal numbers.
const tiny = 0x1p-150

// sweepStep is how many float32 bit patterns lie between two that are tried: a prime, so
// that every exponent gets all kinds of mantissas, denormal numbers and NaN among them.
func sweepStep() uint64 {
	if os.Getenv("LFM_SWEEP") != "" {
		return 1
	}
	return 1009
}

// A function of one number, with the greatest error it is allowed where y is right. Below
// vanishes a result may be 0 instead.
type function struct {
	name      string
	fast      func(y, x []float32)
	want      func(y, x []float64)
	allowance func(x, y float64) float64
	vanishes  float64
}

var functions = []function{
	{"Exp", Exp, ref.Exp[float64], func(_, y float64) float64 { return 1.3*ulp*y + tiny }, math.Inf(-1)},
	{"SiLU", SiLU, ref.SiLU[float64], func(_, y float64) float64 { return 3*ulp*math.Abs(y) + tiny }, -87},
	{"GELU", GELU, ref.GELU[float64], func(x, y float64) float64 {
		return 3*ulp*(1+max(0, -geluArgument(x)))*math.Abs(y) + tiny
	}, -9.98},
	{"SiLUGrad", gradientOf(SiLUGrad), gradientOf64(ref.SiLUGrad[float64]), func(x, _ float64) float64 {
		return 4.4*ulp*slopeSize(x, 1, x) + tiny
	}, -87},
	{"GELUGrad", gradientOf(GELUGrad), gradientOf64(ref.GELUGrad[float64]), func(x, _ float64) float64 {
		w, slope := geluArgument(x), 1.5957691216057308+3*0.07135481627159119*x*x
		return 3.4*ulp*(1+max(0, -w))*slopeSize(x, slope, w) + tiny
	}, -9.98},
	{"SELU", SELU, ref.SELU[float64], func(_, y float64) float64 { return 2.6*ulp*math.Abs(y) + tiny }, math.Inf(-1)},
	{"SELUGrad", gradientOf(SELUGrad), gradientOf64(ref.SELUGrad[float64]), func(_, y float64) float64 {
		return 2.4*ulp*y + tiny
	}, -87},
}

// slopeSize is σ + |x|·slope·σ·(1-σ) at σ(w), the sizes of what a gradient is the sum of.
func slopeSize(x, slope, w float64) float64 {
	if math.Abs(w) > 1e3 { // the second part's limit, where the product would be ∞·0
		return sigmoid(w)
	}
	return sigmoid(w) + math.Abs(x)*slope*sigmoid(w)*sigmoid(-w)
}

// geluArgument is the w of GELU(x) = x·σ(w).
func geluArgument(x float64) float64 { return x * (1.5957691216057308 + 0.07135481627159119*x*x) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// errorOf is that of y, where want is right, as a part of what is allowed.
func (f *function) errorOf(y, x float32, want float64) float64 {
	right := false
	switch {
	case math.IsNaN(want):
		right = y != y
	case float32(want) > math.MaxFloat32:
		right = y > math.MaxFloat32
	case y == 0 && float64(x) < f.vanishes:
		right = true
	default:
		return math.Abs(float64(y)-want) / f.allowance(float64(x), want)
	}
	if right {
		return 0
	}
	return math.Inf(1)
}

// TestWholeRange walks all of float32: every function keeps to its bound at every level, makes
// NaN of NaN and of nothing else, overflows where float32 does, and the two levels of assembly
// agree in every bit.
func TestWholeRange(t *testing.T) {
	for _, f := range functions {
		t.Run(f.name, func(t *testing.T) { f.sweep(t, sweepStep()) })
	}
}

// sweep tries every step-th bit pattern.
func (f *function) sweep(t *testing.T, step uint64) {
	defer SetLevel(Level())
	const block = 1 << 12
	x, x64, want := make([]float32, block), make([]float64, block), make([]float64, block)
	var got [AVX512 + 1][block]float32
	var worst [AVX512 + 1]float64
	var at [AVX512 + 1]float32
	for first := uint64(0); first < 1<<32; first += block * step {
		for i := range x {
			x[i] = math.Float32frombits(uint32(first + uint64(i)*step))
			x64[i] = float64(x[i])
		}
		f.want(want, x64)
		for _, l := range Levels() {
			SetLevel(l)
			f.fast(got[l][:], x)
			for i, y := range got[l] {
				if e := f.errorOf(y, x[i], want[i]); !(e <= worst[l]) {
					worst[l], at[l] = e, x[i]
				}
			}
		}
		if slices.Contains(Levels(), AVX512) {
			sameBits(t, fmt.Sprintf("from %#x: AVX2 against AVX-512", first), got[AVX2][:], got[AVX512][:])
		}
	}
	for _, l := range Levels() {
		t.Logf("%v: %.3f of the bound, at %v", l, worst[l], at[l])
		if !(worst[l] <= 1) {
			t.Errorf("%v: %s(%v): error is %.3f of its bound", l, f.name, at[l], worst[l])
		}
	}
}

// TestSpecialValues: zeros keep their sign, limits are met exactly, and results begin to be
// infinite, denormal and zero where they have to.
func TestSpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	negativeZero := float32(math.Copysign(0, -1))
	const denormal = 0x1p-149
	const seluScale, seluDepth = 1.0507009873554805, 1.7580993408473766 // λ, λ·α
	exact := []struct {
		name string
		f    func(y, x []float32)
		x, y float32
	}{
		{"Exp", Exp, 0, 1}, {"Exp", Exp, negativeZero, 1}, {"Exp", Exp, denormal, 1}, {"Exp", Exp, -denormal, 1},
		{"Exp", Exp, inf, inf}, {"Exp", Exp, -inf, 0}, {"Exp", Exp, nan, nan},
		{"Exp", Exp, math.MaxFloat32, inf}, {"Exp", Exp, -math.MaxFloat32, 0},
		{"Exp", Exp, math.Float32frombits(0x42b17218), inf}, // 88.72284: the first whose exp overflows
		{"Exp", Exp, -104, 0},
		{"SiLU", SiLU, 0, 0}, {"SiLU", SiLU, negativeZero, negativeZero}, {"SiLU", SiLU, 2 * denormal, denormal}, {"SiLU", SiLU, -2 * denormal, -denormal},
		{"SiLU", SiLU, inf, inf}, {"SiLU", SiLU, nan, nan}, {"SiLU", SiLU, math.MaxFloat32, math.MaxFloat32},
		{"GELU", GELU, 0, 0}, {"GELU", GELU, negativeZero, negativeZero}, {"GELU", GELU, 2 * denormal, denormal}, {"GELU", GELU, -2 * denormal, -denormal},
		{"GELU", GELU, inf, inf}, {"GELU", GELU, nan, nan}, {"GELU", GELU, math.MaxFloat32, math.MaxFloat32},
		{"SiLUGrad", gradientOf(SiLUGrad), 0, 0.5}, {"SiLUGrad", gradientOf(SiLUGrad), denormal, 0.5},
		{"SiLUGrad", gradientOf(SiLUGrad), inf, 1}, {"SiLUGrad", gradientOf(SiLUGrad), -inf, 0}, {"SiLUGrad", gradientOf(SiLUGrad), nan, nan},
		{"GELUGrad", gradientOf(GELUGrad), 0, 0.5}, {"GELUGrad", gradientOf(GELUGrad), denormal, 0.5},
		{"GELUGrad", gradientOf(GELUGrad), inf, 1}, {"GELUGrad", gradientOf(GELUGrad), -inf, 0}, {"GELUGrad", gradientOf(GELUGrad), nan, nan},
		{"SELU", SELU, 0, 0}, {"SELU", SELU, negativeZero, negativeZero}, {"SELU", SELU, denormal, denormal}, {"SELU", SELU, -denormal, -2 * denormal},
		{"SELU", SELU, inf, inf}, {"SELU", SELU, nan, nan}, {"SELU", SELU, -inf, -seluDepth}, {"SELU", SELU, -math.MaxFloat32, -seluDepth},
		{"SELU", SELU, math.MaxFloat32, inf}, {"SELU", SELU, math.Float32frombits(0x7f73a599), inf}, // 3.2386e38: the first whose SELU overflows
		{"SELUGrad", gradientOf(SELUGrad), 0, seluDepth}, {"SELUGrad", gradientOf(SELUGrad), negativeZero, seluDepth}, {"SELUGrad", gradientOf(SELUGrad), denormal, seluScale},
		{"SELUGrad", gradientOf(SELUGrad), inf, seluScale}, {"SELUGrad", gradientOf(SELUGrad), -inf, 0}, {"SELUGrad", gradientOf(SELUGrad), nan, nan},
	}
	atLevels(t, func(t *testing.T) {
		for _, c := range exact {
			var y [1]float32
			c.f(y[:], []float32{c.x})
			if c.y != c.y && y[0] != y[0] {
				continue
			}
			if math.Float32bits(y[0]) != math.Float32bits(c.y) {
				t.Errorf("%s(%v) = %v, want %v", c.name, c.x, y[0], c.y)
			}
		}
		// Limits whose sign of zero is left open.
		var y [2]float32
		SiLU(y[:], []float32{-inf, -math.MaxFloat32})
		if y != [2]float32{} {
			t.Errorf("SiLU of -Inf and the least number is %v, want 0", y)
		}
		GELU(y[:], []float32{-inf, -math.MaxFloat32})
		if y != [2]float32{} {
			t.Errorf("GELU of -Inf and the least number is %v, want 0", y)
		}
		// The last finite value of exp, and its first and last denormal ones.
		Exp(y[:], []float32{math.Float32frombits(0x42b17217), math.Float32frombits(0xc2aeac50)})
		if !(y[0] > 3.4027e38 && y[0] <= math.MaxFloat32) || !(y[1] > 0 && y[1] < 0x1p-126) {
			t.Errorf("Exp is %v at 88.72283 and %v at -87.33655, want the last numbers of the normal range", y[0], y[1])
		}
		Exp(y[:1], []float32{-103.9})
		if y[0] != denormal {
			t.Errorf("Exp(-103.9) is %v, want the least denormal number", y[0])
		}
	})
}

// gradientOf is the derivative itself: the gradient for dy = 1.
func gradientOf(f func(dx, dy, x []float32)) func(y, x []float32) {
	return func(y, x []float32) { f(y, slices.Repeat([]float32{1}, len(x)), x) }
}

func gradientOf64(f func(dx, dy, x []float64)) func(y, x []float64) {
	return func(y, x []float64) { f(y, slices.Repeat([]float64{1}, len(x)), x) }
}

// scaled draws n numbers of a normal distribution about offset deviations, times 2^exponent.
func scaled(rng *rand.Rand, n, exponent int, offset float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Ldexp(rng.NormFloat64()+offset, exponent))
	}
	return x
}

// withinBound reports the worst element of got, measured by its allowance.
func withinBound(t *testing.T, name string, got []float32, want []float64, allowance func(i int) float64) {
	t.Helper()
	worst, at := 0.0, 0
	for i, w := range want {
		if e := math.Abs(float64(got[i])-w) / allowance(i); !(e <= worst) {
			worst, at = e, i
		}
	}
	if !(worst <= 1) {
		t.Errorf("%s: element %d is %v, want %v: error is %.3g of its bound", name, at, got[at], want[at], worst)
	}
}

func averageSize(x []float64) (a float64) {
	for _, v := range x {
		a += math.Abs(v) / float64(len(x))
	}
	return a
}

// TestNormsAtEveryScale normalises rows and groups of numbers of every magnitude, near zero and
// far from it, in comparison with their deviation, from denormal ones up to where squares
// overflow.
func TestNormsAtEveryScale(t *testing.T) {
	const eps = 1e-5
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(11, 12))
		for exponent := -149; exponent <= 50; exponent += 3 {
			for _, offset := range []float64{0, 3, -100} {
				for _, d := range []int{1, 37, 256, 1000} {
					layerNormBound(t, rng, d, exponent, offset, eps)
				}
				for _, s := range []NormShape{{1, 300, 8, 4, false}, {1, 1024, 32, 16, false}} {
					groupNormBound(t, rng, s, exponent, offset, eps)
				}
			}
		}
	})
}

func layerNormBound(t *testing.T, rng *rand.Rand, d, exponent int, offset float64, eps float32) {
	t.Helper()
	s := RowShape{Rows: 1, D: d}
	name := fmt.Sprintf("2^%d about %v, %d numbers", exponent, offset, d)
	x := scaled(rng, d, exponent, offset)
	y, mean, rstd := make([]float32, d), []float32{0}, []float32{0}
	LayerNorm(y, mean, rstd, x, s, eps, 0, 1)
	wantY, wantMean, wantRstd := make([]float64, d), []float64{0}, []float64{0}
	ref.LayerNorm(wantY, wantMean, wantRstd, float64s(x), 1, d, float64(eps))
	e, size := float64(d/8+8)*ulp, averageSize(float64s(x))
	k := size * wantRstd[0]
	withinBound(t, name+": mean", mean, wantMean, func(int) float64 { return e*size + tiny })
	withinBound(t, name+": rstd", rstd, wantRstd, func(int) float64 { return e * (1 + k) * wantRstd[0] })
	withinBound(t, name+": y", y, wantY, func(i int) float64 { return e*(math.Abs(wantY[i])+k) + wantRstd[0]*tiny + tiny })

	// The gradient takes mean and rstd as they are.
	dy := scaled(rng, d, 0, 1)
	dx, want := make([]float32, d), make([]float64, d)
	LayerNormGrad(dx, dy, x, mean, rstd, s, 0, 1)
	ref.LayerNormGrad(want, float64s(dy), float64s(x), float64s(mean), float64s(rstd), 1, d)
	h := func(i int) float64 { return math.Abs(float64(x[i])-float64(mean[0])) * float64(rstd[0]) }
	var along float64 // average of |dy·h|
	for i, v := range dy {
		along += math.Abs(float64(v)) * h(i) / float64(d)
	}
	about := averageSize(float64s(dy))
	withinBound(t, name+": dx", dx, want, func(i int) float64 {
		return e * float64(rstd[0]) * (math.Abs(float64(dy[i])) + about + h(i)*along)
	})
}

func groupNormBound(t *testing.T, rng *rand.Rand, s NormShape, exponent int, offset float64, eps float32) {
	t.Helper()
	name := fmt.Sprintf("2^%d about %v, %+v", exponent, offset, s)
	x, gamma, beta := scaled(rng, s.P*s.C, exponent, offset), scaled(rng, s.C, 0, 0), scaled(rng, s.C, 0, 0)
	y, mean, rstd := make([]float32, len(x)), make([]float32, s.G), make([]float32, s.G)
	GroupNorm(y, mean, rstd, x, gamma, beta, s, eps, make([]float32, GroupNormScratch(s)), 0, 1)
	wantY, wantMean, wantRstd := make([]float64, len(x)), make([]float64, s.G), make([]float64, s.G)
	ref.GroupNorm(wantY, wantMean, wantRstd, float64s(x), float64s(gamma), float64s(beta), ref.NormShape{N: 1, P: s.P, C: s.C, G: s.G}, float64(eps))
	const e = groupNormError
	size := averageSize(float64s(x))
	withinBound(t, name+": mean", mean, wantMean, func(int) float64 { return e*size + tiny })
	withinBound(t, name+": rstd", rstd, wantRstd, func(g int) float64 { return e * (1 + size*wantRstd[g]) * wantRstd[g] })
	withinBound(t, name+": y", y, wantY, func(i int) float64 {
		c := i % s.C
		k, scale := size*wantRstd[c*s.G/s.C], math.Abs(float64(gamma[c]))
		return e*(math.Abs(wantY[i])+math.Abs(float64(beta[c]))+scale*k) + scale*wantRstd[c*s.G/s.C]*tiny + tiny
	})
}

// groupNormError is the bound in GroupNorm's comment.
const groupNormError = 32 * ulp

// TestNormsThatOverflow: where the sum of squares passes float32's range, rstd is 0 and results
// are 0 or NaN, never numbers that look right; and NaN or an infinity takes its row, and no other.
func TestNormsThatOverflow(t *testing.T) {
	inf := float32(math.Inf(1))
	atLevels(t, func(t *testing.T) {
		for _, bad := range []float32{inf, -inf, float32(math.NaN())} {
			const rows, d = 3, 37
			rng := rand.New(rand.NewPCG(13, 14))
			x := scaled(rng, rows*d, 0, 0)
			x[d+5] = bad
			y, mean, rstd := make([]float32, rows*d), make([]float32, rows), make([]float32, rows)
			LayerNorm(y, mean, rstd, x, RowShape{rows, d}, 1e-5, 0, rows)
			for i, v := range y {
				if nan := v != v; nan != (i/d == 1) {
					t.Fatalf("%v in row 1: element %d of row %d is %v", bad, i%d, i/d, v)
				}
			}
			s := NormShape{N: 3, P: 20, C: 4, G: 2}
			x = scaled(rng, s.N*s.P*s.C, 0, 0)
			x[s.P*s.C+2] = bad // sample 1, group 1
			y, mean, rstd = make([]float32, len(x)), make([]float32, s.N*s.G), make([]float32, s.N*s.G)
			GroupNorm(y, mean, rstd, x, []float32{1, 1, 1, 1}, make([]float32, s.C), s, 1e-5, make([]float32, GroupNormScratch(s)), 0, s.N)
			for i, v := range y {
				if nan := v != v; nan != (i/(s.P*s.C) == 1 && i%s.C >= 2) {
					t.Fatalf("%v in group 1 of sample 1: element %d is %v", bad, i, v)
				}
			}
		}
		if Level() == Generic { // sums in float64 hold all squares
			return
		}
		x := scaled(rand.New(rand.NewPCG(15, 16)), 64, 100, 0)
		y, mean, rstd := make([]float32, 64), []float32{1}, []float32{1}
		LayerNorm(y, mean, rstd, x, RowShape{1, 64}, 1e-5, 0, 1)
		if rstd[0] != 0 {
			t.Errorf("rstd of numbers about 2^100 is %v, want 0", rstd[0])
		}
		for i, v := range y {
			if v > 0 || v < 0 {
				t.Errorf("element %d of numbers about 2^100 is %v, want 0 or NaN", i, v)
			}
		}
	})
}

// TestSoftmaxAtEveryScale: probabilities keep to their bound for scores of any size, add up to
// 1, and their logarithm of the sum is right.
func TestSoftmaxAtEveryScale(t *testing.T) {
	const n = 17
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 18))
		for exponent := -149; exponent <= 100; exponent += 3 {
			for _, m := range []int{1, 2, 33, 256} {
				for _, c := range []float32{0.125, 1, 0.17677669} {
					s := scaled(rng, m*n, exponent, 0)
					name := fmt.Sprintf("%d scores about 2^%d, times %v", m, exponent, c)
					softmaxBound(t, name, s, n, m, c)
				}
			}
		}
	})
}

// softmaxBound checks softmaxColumns, and softmaxBlock over blocks of five rows, on the columns
// of s (m, n).
func softmaxBound(t *testing.T, name string, s []float32, n, m int, c float32) {
	t.Helper()
	p, lse := slices.Clone(s), make([]float32, n)
	now().softmaxColumns(p, lse, m, c)
	top, total, factor := slices.Repeat([]float32{float32(math.Inf(-1))}, n), make([]float32, n), make([]float32, n)
	for i := 0; i < m; i += 5 {
		now().softmaxBlock(slices.Clone(s[i*n:min(i+5, m)*n]), top, total, factor, min(5, m-i), c)
	}
	for l := range n {
		greatest, sum := math.Inf(-1), 0.0
		for i := l; i < m*n; i += n {
			greatest = max(greatest, float64(s[i]))
		}
		for i := l; i < m*n; i += n {
			sum += math.Exp(float64(c) * (float64(s[i]) - greatest))
		}
		want, got := make([]float64, m), make([]float32, m)
		for i := range want {
			want[i], got[i] = math.Exp(float64(c)*(float64(s[i*n+l])-greatest))/sum, p[i*n+l]
		}
		withinBound(t, name+": p", got, want, func(i int) float64 {
			a := float64(c) * (greatest - float64(s[i*n+l]))
			return (2*a+float64(m+8))*ulp*want[i] + 0x1p-125
		})
		logarithm := float64(c)*greatest + math.Log(sum)
		withinBound(t, name+": lse", lse[l:l+1], []float64{logarithm}, func(int) float64 {
			return float64(m+8)*ulp + 2*ulp*math.Abs(float64(c)*greatest)
		})
		if float64(top[l]) != greatest {
			t.Errorf("%s: greatest of column %d is %v, want %v", name, l, top[l], greatest)
		}
		withinBound(t, name+": total of blocks", total[l:l+1], []float64{sum}, func(int) float64 { return float64(3*m+8) * ulp * sum })
	}
}

// TestSoftmaxOfSpecialScores: -Inf is a key that nobody looks at; NaN, +Inf and a column of -Inf
// alone make their column NaN and no other.
func TestSoftmaxOfSpecialScores(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	const m = 3
	columns := [][m]float32{
		{0, -inf, 0}, {-inf, 5, -inf}, {math.MaxFloat32, -math.MaxFloat32, 0}, {1, 1, 1}, // numbers
		{nan, 0, 1}, {0, 1, nan}, {0, nan, -inf}, {inf, 0, 1}, {-inf, -inf, -inf}, // NaN
	}
	want := [][m]float32{{0.5, 0, 0.5}, {0, 1, 0}, {1, 0, 0}, {1. / 3, 1. / 3, 1. / 3}}
	n := len(columns)
	atLevels(t, func(t *testing.T) {
		p, lse := make([]float32, m*n), make([]float32, n)
		for l, column := range columns {
			for i, v := range column {
				p[i*n+l] = v
			}
		}
		now().softmaxColumns(p, lse, m, 1)
		for l := range columns {
			for i := range m {
				switch got := p[i*n+l]; {
				case l >= len(want):
					if got == got {
						t.Errorf("column %v: probability %d is %v, want NaN", columns[l], i, got)
					}
				case math.Abs(float64(got-want[l][i])) > 1e-7:
					t.Errorf("column %v: probability %d is %v, want %v", columns[l], i, got, want[l][i])
				}
			}
		}
	})
}
