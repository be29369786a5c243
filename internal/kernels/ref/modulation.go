package ref

// ScaleShift modulates every token of a sample by the sample's own scale and shift:
//
//	y[n,l,j] = x[n,l,j]·(1 + scale[n,j]) + shift[n,j]
//
// x, y are (N, L, D); scale, shift (N, D). Peebles and Xie (2023), adaLN.
func ScaleShift[F Float](y, x, scale, shift []F, n, l, d int) {
	tokens(n, l, d, func(i, j int) {
		y[i] = F(x[i]*(1+scale[j])) + shift[j]
	})
}

// ScaleShiftGrad is the gradient of ScaleShift:
//
//	dx = dy·(1 + scale),  dscale[n,j] = Σ_l dy·x,  dshift[n,j] = Σ_l dy
func ScaleShiftGrad[F Float](dx, dscale, dshift, dy, x, scale []F, n, l, d int) {
	a, b := make([]float64, n*d), make([]float64, n*d)
	tokens(n, l, d, func(i, j int) {
		dx[i] = dy[i] * (1 + scale[j])
		a[j] += float64(dy[i]) * float64(x[i])
		b[j] += float64(dy[i])
	})
	round(dscale, a)
	round(dshift, b)
}

// Gate adds a branch to the residual stream, weighted by the sample's own gate:
//
//	y[n,l,j] = x[n,l,j] + gate[n,j]·h[n,l,j]
//
// x, h, y are (N, L, D); gate (N, D).
func Gate[F Float](y, x, h, gate []F, n, l, d int) {
	tokens(n, l, d, func(i, j int) {
		y[i] = x[i] + F(gate[j]*h[i])
	})
}

// GateGrad is the gradient of Gate: dh = gate·dy, dgate[n,j] = Σ_l dy·h; dx is dy itself.
func GateGrad[F Float](dh, dgate, dy, h, gate []F, n, l, d int) {
	a := make([]float64, n*d)
	tokens(n, l, d, func(i, j int) {
		dh[i] = gate[j] * dy[i]
		a[j] += float64(dy[i]) * float64(h[i])
	})
	round(dgate, a)
}

// tokens walks the elements i of an (N, L, D) tensor with the index j of their (N, D) entry.
func tokens(n, l, d int, f func(i, j int)) {
	for i := range n * l * d {
		f(i, i/(l*d)*d+i%d)
	}
}
