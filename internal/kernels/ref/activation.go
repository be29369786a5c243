package ref

import "math"

// Exp is y = exp(x).
func Exp[F Float](y, x []F) {
	for i, v := range x {
		y[i] = exp(v)
	}
}

// SiLU is y = x·σ(x), where σ(x) = 1/(1 + exp(-x)); SiLU(-Inf) is its limit, -0.
func SiLU[F Float](y, x []F) {
	for i, v := range x {
		if math.IsInf(float64(v), -1) {
			y[i] = F(math.Copysign(0, -1))
			continue
		}
		y[i] = F(float64(v) * sigmoid(float64(v)))
	}
}

// SiLUGrad is dx = dy·(σ + x·σ·(1-σ)) with σ = σ(x); 0 and dy in the limits ∓Inf of x.
func SiLUGrad[F Float](dx, dy, x []F) {
	for i, v := range x {
		u := min(max(float64(v), -1e3), 1e3)
		s := sigmoid(u)
		dx[i] = F(float64(dy[i]) * (s + u*s*(1-s)))
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// SELU's constants: Klambauer et al. (2017), equation 14. They keep activations of mean 0 and variance 1 so.
const (
	seluScale = 1.0507009873554805             // λ
	seluDepth = seluScale * 1.6732632423543772 // λ·α
)

// SELU is y = λ·x where x > 0, and λ·α·(exp(x) - 1) elsewhere.
func SELU[F Float](y, x []F) {
	for i, v := range x {
		if v > 0 {
			y[i] = F(seluScale * float64(v))
		} else {
			y[i] = F(seluDepth * math.Expm1(float64(v)))
		}
	}
}

// SELUGrad is dx = dy·λ where x > 0, and dy·λ·α·exp(x) elsewhere, at 0 too, as PyTorch's.
func SELUGrad[F Float](dx, dy, x []F) {
	for i, v := range x {
		slope := seluScale
		if !(v > 0) {
			slope = seluDepth * math.Exp(float64(v))
		}
		dx[i] = F(float64(dy[i]) * slope)
	}
}

// The tanh form of GELU: Hendrycks and Gimpel (2016), section 2.
const (
	geluScale = 0.7978845608028654 // √(2/π)
	geluCubic = 0.044715
)

// GELU is y = x/2·(1 + tanh(√(2/π)·(x + 0.044715 x³))); GELU(-Inf) is its limit, -0.
func GELU[F Float](y, x []F) {
	for i, v := range x {
		if math.IsInf(float64(v), -1) {
			y[i] = F(math.Copysign(0, -1))
			continue
		}
		// (1 + tanh u)/2 = σ(2u), which keeps its digits where tanh u is near -1.
		u := float64(v)
		y[i] = F(u * sigmoid(2*geluScale*(u+geluCubic*u*u*u)))
	}
}

// GELUGrad is dx = dy·(s + x·s·(1-s)·2u'), where s = σ(2u), u = √(2/π)·(x + 0.044715 x³) and
// u' = √(2/π)·(1 + 3·0.044715 x²); 0 and dy in the limits ∓Inf of x.
func GELUGrad[F Float](dx, dy, x []F) {
	for i, v := range x {
		w := min(max(float64(v), -1e3), 1e3)
		s := sigmoid(2 * geluScale * (w + geluCubic*w*w*w))
		slope := 2 * geluScale * (1 + 3*geluCubic*w*w)
		dx[i] = F(float64(dy[i]) * (s + w*slope*s*(1-s)))
	}
}
