package kernels

import (
	"math"

	"lfm/internal/kernels/ref"
)

// AdamW holds the numbers of one optimizer step: see ref.AdamW.
type AdamW = ref.AdamW[float32]

// adamwStep are the numbers of a step in the form that the loop wants them.
type adamwStep = [stepCount]float32

const (
	stepClip  = iota
	stepKeep1 // β₁
	stepNew1  // 1-β₁
	stepKeep2 // β₂
	stepNew2  // 1-β₂
	stepDecay // 1 - Rate·WeightDecay
	stepRoot  // 1/√Correct2
	stepEps
	stepRate // Rate/Correct1
	stepOld  // EMADecay
	stepNew  // 1-EMADecay
	stepCount
)

func newStep(p AdamW) adamwStep {
	return adamwStep{
		stepClip:  p.Clip,
		stepKeep1: p.Beta1, stepNew1: 1 - p.Beta1,
		stepKeep2: p.Beta2, stepNew2: 1 - p.Beta2,
		stepDecay: 1 - float32(p.Rate*p.WeightDecay),
		stepRoot:  float32(1 / math.Sqrt(float64(p.Correct2))),
		stepEps:   p.Eps,
		stepRate:  p.Rate / p.Correct1,
		stepOld:   p.EMADecay, stepNew: 1 - p.EMADecay,
	}
}

// UpdateAdamW is one step of AdamW and of the average of the weights, in one pass over w,
// m, v and ema, in place: see ref.UpdateAdamW. ema may be nil. Any cut of the slices gives the same bits.
func UpdateAdamW(w, m, v, ema, g []float32, p AdamW) {
	need("adamw", "m", len(m), len(w))
	need("adamw", "v", len(v), len(w))
	need("adamw", "g", len(g), len(w))
	f, step := now(), newStep(p)
	if ema == nil {
		pieces(len(w), func(i, j int) { f.adamw(w[i:j], m[i:j], v[i:j], g[i:j], step) })
		return
	}
	need("adamw", "ema", len(ema), len(w))
	pieces(len(w), func(i, j int) { f.adamwEMA(w[i:j], m[i:j], v[i:j], g[i:j], ema[i:j], step) })
}

// sumSquaresItems counts pieces of 16384 numbers of a slice of n.
func sumSquaresItems(n int) int { return divideUp(n, piece) }

// sumSquaresParts is part[i] = Σ g² over piece i, in float64, for the pieces [i0, i1).
func sumSquaresParts(part []float64, g []float32, i0, i1 int) {
	f := now().sumSquares
	pieces(min(i1*piece, len(g))-i0*piece, func(i, j int) {
		part[i0+i/piece] = f(g[i0*piece+i : i0*piece+j])
	})
}

// SumSquares is Σ g² in float64: the sum, in order, of what sumSquaresParts gives. It
// cannot overflow.
func SumSquares(g []float32) (sum float64) {
	f := now().sumSquares
	pieces(len(g), func(i, j int) { sum += f(g[i:j]) })
	return sum
}
