package kernels

// Exp is y = exp(x), within 1.1e-7 of the value, relatively, and half the spacing of denormal
// numbers where the value is one. It is +Inf above 88.7229, 0 below -103.98, and NaN for
// NaN. y may be x.
func Exp(y, x []float32) {
	need("exp", "x", len(x), len(y))
	f := now().exp
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j]) })
}

// SiLU is y = x·σ(x), σ(x) = 1/(1 + exp(-x)), within 2.5e-7 relatively for x ≥ -87 and 0 below,
// where the value is less than 1.5e-36. y may be x.
func SiLU(y, x []float32) {
	need("silu", "x", len(x), len(y))
	f := now().silu
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j]) })
}

// SiLUGrad is dx = dy·silu'(x), with silu'(x) = σ + x·σ·(1-σ) within 2e-7 absolutely. dx may
// be dy or x.
func SiLUGrad(dx, dy, x []float32) {
	need("silu-grad", "dy", len(dy), len(dx))
	need("silu-grad", "x", len(x), len(dx))
	f := now().siluGrad
	pieces(len(dx), func(i, j int) { f(dx[i:j], dy[i:j], x[i:j]) })
}

// GELU is the tanh form of GELU, y = x·σ(2√(2/π)·(x + 0.044715 x³)), within 2e-7·max(|y|, 1)
// and exactly 0 below x = -9.6, where the value is less than 1e-36. y may be x.
func GELU(y, x []float32) {
	need("gelu", "x", len(x), len(y))
	f := now().gelu
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j]) })
}

// GELUGrad is dx = dy·gelu'(x), with gelu'(x) within 2.5e-7 absolutely. dx may be dy or x.
func GELUGrad(dx, dy, x []float32) {
	need("gelu-grad", "dy", len(dy), len(dx))
	need("gelu-grad", "x", len(x), len(dx))
	f := now().geluGrad
	pieces(len(dx), func(i, j int) { f(dx[i:j], dy[i:j], x[i:j]) })
}
