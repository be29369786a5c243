package ref

// Add is dst = a + b.
func Add[F Float](dst, a, b []F) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

// Sub is dst = a - b.
func Sub[F Float](dst, a, b []F) {
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

// Mul is dst = a·b, element by element.
func Mul[F Float](dst, a, b []F) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

// Scale is dst = c·a.
func Scale[F Float](dst, a []F, c F) {
	for i := range dst {
		dst[i] = c * a[i]
	}
}

// Clamp is y = min(max(x, lo), hi); NaN stays NaN.
func Clamp[F Float](y, x []F, lo, hi F) {
	for i, v := range x {
		y[i] = min(max(v, lo), hi)
	}
}

// ClampGrad is dx = dy where lo ≤ x ≤ hi, and 0 elsewhere.
func ClampGrad[F Float](dx, dy, x []F, lo, hi F) {
	for i, v := range x {
		if lo <= v && v <= hi {
			dx[i] = dy[i]
		} else {
			dx[i] = 0
		}
	}
}
