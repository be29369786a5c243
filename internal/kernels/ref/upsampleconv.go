package ref

// UpsampleConvShape is the shape of a 3x3 convolution over images (N, H, W, Cin) that are
// doubled by [Upsample2] first: weights (Cout, Cin, 3, 3), result (N, 2H, 2W, Cout).
type UpsampleConvShape struct{ N, H, W, Cin, Cout int }

// Conv is the shape of the convolution over the doubled images.
func (s UpsampleConvShape) Conv() ConvShape {
	return ConvShape{N: s.N, H: 2 * s.H, W: 2 * s.W, Cin: s.Cin, Cout: s.Cout, Kernel: 3, Stride: 1}
}

// up is x doubled.
func up[F Float](x []F, s UpsampleConvShape) []F {
	double := make([]F, s.N*4*s.H*s.W*s.Cin)
	Upsample2(double, x, s.N, s.H, s.W, s.Cin)
	return double
}

// UpsampleConv is [Conv2d] of [Upsample2] of x: with u[n,i,j,c] = x[n,i/2,j/2,c],
//
//	y[n,i,j,o] = b[o] + Σ_{kh,kw,c} w[o,c,kh,kw] u[n, i+kh-1, j+kw-1, c]
//
// where u is zero outside of the image. b may be nil.
func UpsampleConv[F Float](y, x, w, b []F, s UpsampleConvShape) {
	Conv2d(y, up(x, s), w, b, s.Conv())
}

// UpsampleConvGradInput is the gradient of [UpsampleConv] by x.
func UpsampleConvGradInput[F Float](dx, dy, w []F, s UpsampleConvShape) {
	double := make([]F, s.N*4*s.H*s.W*s.Cin)
	Conv2dGradInput(double, dy, w, s.Conv())
	Upsample2Grad(dx, double, s.N, s.H, s.W, s.Cin)
}

// UpsampleConvGradWeight is the gradients of [UpsampleConv] by w and b, summed over samples by
// the rule of 16. db may be nil.
func UpsampleConvGradWeight[F Float](dw, db, dy, x []F, s UpsampleConvShape) {
	Conv2dGradWeight(dw, db, dy, up(x, s), s.Conv())
}
