package kernels

// Add is dst = a + b. dst may be a or b, here and below.
func Add(dst, a, b []float32) { binary("add", now().add, dst, a, b) }

// Sub is dst = a - b.
func Sub(dst, a, b []float32) { binary("sub", now().sub, dst, a, b) }

// Mul is dst = a·b, element by element.
func Mul(dst, a, b []float32) { binary("mul", now().mul, dst, a, b) }

func binary(name string, f func(dst, a, b []float32), dst, a, b []float32) {
	need(name, "a", len(a), len(dst))
	need(name, "b", len(b), len(dst))
	pieces(len(dst), func(i, j int) { f(dst[i:j], a[i:j], b[i:j]) })
}

// Scale is dst = c·a.
func Scale(dst, a []float32, c float32) {
	need("scale", "a", len(a), len(dst))
	f := now().scale
	pieces(len(dst), func(i, j int) { f(dst[i:j], a[i:j], c) })
}

// Clamp is y = min(max(x, lo), hi); NaN stays NaN.
func Clamp(y, x []float32, lo, hi float32) {
	need("clamp", "x", len(x), len(y))
	f := now().clamp
	pieces(len(y), func(i, j int) { f(y[i:j], x[i:j], lo, hi) })
}

// ClampGrad is dx = dy where lo ≤ x ≤ hi, and 0 elsewhere.
func ClampGrad(dx, dy, x []float32, lo, hi float32) {
	need("clamp-grad", "dy", len(dy), len(dx))
	need("clamp-grad", "x", len(x), len(dx))
	f := now().clampGrad
	pieces(len(dx), func(i, j int) { f(dx[i:j], dy[i:j], x[i:j], lo, hi) })
}
