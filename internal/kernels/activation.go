package kernels

// Exp is y = exp(x), within 1.3u relatively. It is +Inf above 88.7228, where the value passes the
// greatest float32, and 0 below -103.98. y may be x.
func Exp(y, x []float32) {
	need("exp", "x", len(x), len(y))
	f := now().exp
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j]) })
}

// SiLU is y = x·σ(x), σ(x) = 1/(1 + exp(-x)), within 3u relatively. Below x = -87, where the value
// is less than 1.5e-36, it may be 0 instead. y may be x.
func SiLU(y, x []float32) {
	need("silu", "x", len(x), len(y))
	f := now().silu
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j]) })
}

// SiLUGrad is dx = dy·silu'(x), with silu'(x) = σ + x·σ·(1-σ) within 4.4u·(σ + |x|·σ·(1-σ)): relative
// to its two parts, which cancel near x = -1.28. It may be 0 below x = -87. dx may be dy or x.
func SiLUGrad(dx, dy, x []float32) {
	need("silu-grad", "dy", len(dy), len(dx))
	need("silu-grad", "x", len(x), len(dx))
	f := now().siluGrad
	pieces(len(dx), func(i, j int) { f(dx[i:j], dy[i:j], x[i:j]) })
}

// GELU is the tanh form of GELU, y = x·σ(w), w = 2√(2/π)·(x + 0.044715 x³), within 3u·(1 + max(0, -w))
// relatively: what w is rounded by counts for more the less is left of σ(w). Below x = -9.98,
// where w passes -87 and the value is less than 2e-37, it may be 0 instead. y may be x.
func GELU(y, x []float32) {
	need("gelu", "x", len(x), len(y))
	f := now().gelu
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j]) })
}

// GELUGrad is dx = dy·gelu'(x), with gelu'(x) = σ + x·w'·σ·(1-σ), σ = σ(w), within
// 3.4u·(1 + max(0, -w))·(σ + |x|·w'·σ·(1-σ)). It may be 0 below x = -9.98. dx may be dy or x.
func GELUGrad(dx, dy, x []float32) {
	need("gelu-grad", "dy", len(dy), len(dx))
	need("gelu-grad", "x", len(x), len(dx))
	f := now().geluGrad
	pieces(len(dx), func(i, j int) { f(dx[i:j], dy[i:j], x[i:j]) })
}

// SELU is y = λ·x where x > 0, and λ·α·(exp(x) - 1) elsewhere, within 2.6u relatively, near 0 too, where the
// difference would cancel. It is +Inf above 3.2386e38, where the value passes the greatest float32.
// y may be x.
func SELU(y, x []float32) {
	need("selu", "x", len(x), len(y))
	f := now().selu
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j]) })
}

// SELUGrad is dx = dy·selu'(x), with selu'(x) = λ where x > 0, and λ·α·exp(x) elsewhere, within 2.4u relatively.
// It may be 0 below x = -87. dx may be dy or x.
func SELUGrad(dx, dy, x []float32) {
	need("selu-grad", "dy", len(dy), len(dx))
	need("selu-grad", "x", len(x), len(dx))
	f := now().seluGrad
	pieces(len(dx), func(i, j int) { f(dx[i:j], dy[i:j], x[i:j]) })
}
