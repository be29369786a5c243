package ref

// ConvShape is the shape of a convolution over images (N, H, W, Cin) with weights
// (Cout, Cin, Kernel, Kernel). Kernel is 1 or 3 with Kernel/2 zeros of padding round the
// image; Stride is 1 or 2.
type ConvShape struct {
	N, H, W   int // batch and size of the input
	Cin, Cout int
	Kernel    int
	Stride    int
}

// OutH is the height of the output.
func (s ConvShape) OutH() int { return (s.H-1)/s.Stride + 1 }

// OutW is the width of the output.
func (s ConvShape) OutW() int { return (s.W-1)/s.Stride + 1 }

// GFLOP is the work of the convolution, its multiply-adds counted as two and those with
// padding counted too, as PyTorch's programs count it; each gradient costs as much.
func (s ConvShape) GFLOP() float64 {
	return 2e-9 * float64(s.N*s.OutH()*s.OutW()) * float64(s.Cout*s.Cin*s.Kernel*s.Kernel)
}

// tap calls f for each pair of an output position and the input position that lies
// under weight (kh, kw): indices of the first channel of output and input pixel.
// Padding is skipped.
func (s ConvShape) tap(n, kh, kw int, f func(out, in int)) {
	oh, ow, pad := s.OutH(), s.OutW(), s.Kernel/2
	for i := range oh {
		h := i*s.Stride + kh - pad
		if h < 0 || h >= s.H {
			continue
		}
		for j := range ow {
			w := j*s.Stride + kw - pad
			if w < 0 || w >= s.W {
				continue
			}
			f(((n*oh+i)*ow+j)*s.Cout, ((n*s.H+h)*s.W+w)*s.Cin)
		}
	}
}

// Conv2d is the convolution of images x (N, H, W, Cin) with w (Cout, Cin, K, K):
//
//	y[n,i,j,o] = b[o] + Σ_{kh,kw,c} w[o,c,kh,kw] x[n, i·stride+kh-pad, j·stride+kw-pad, c]
//
// where x is zero outside of the image, y is (N, OutH, OutW, Cout) and b (Cout) may be nil.
func Conv2d[F Float](y, x, w, b []F, s ConvShape) {
	y = y[:s.N*s.OutH()*s.OutW()*s.Cout]
	clear(y)
	for n := range s.N {
		for kh := range s.Kernel {
			for kw := range s.Kernel {
				s.tap(n, kh, kw, func(out, in int) {
					for o := range s.Cout {
						sum := y[out+o]
						for c := range s.Cin {
							sum += F(w[((o*s.Cin+c)*s.Kernel+kh)*s.Kernel+kw] * x[in+c])
						}
						y[out+o] = sum
					}
				})
			}
		}
	}
	if b != nil {
		for i := range y {
			y[i] += b[i%s.Cout]
		}
	}
}

// Conv2dGradInput is the gradient of [Conv2d] by x:
//
//	dx[n,h,w,c] = Σ w[o,c,kh,kw] dy[n,i,j,o] over all (i, j, kh, kw, o) that read x[n,h,w,c]
func Conv2dGradInput[F Float](dx, dy, w []F, s ConvShape) {
	dx = dx[:s.N*s.H*s.W*s.Cin]
	clear(dx)
	for n := range s.N {
		for kh := range s.Kernel {
			for kw := range s.Kernel {
				s.tap(n, kh, kw, func(out, in int) {
					for c := range s.Cin {
						sum := dx[in+c]
						for o := range s.Cout {
							sum += F(w[((o*s.Cin+c)*s.Kernel+kh)*s.Kernel+kw] * dy[out+o])
						}
						dx[in+c] = sum
					}
				})
			}
		}
	}
}

// Conv2dGradWeight is the gradients of [Conv2d] by w and b, summed over samples by the
// rule of 16. db may be nil.
//
//	dw[o,c,kh,kw] = Σ_{n,i,j} dy[n,i,j,o] x[n, i·stride+kh-pad, j·stride+kw-pad, c]
//	db[o]         = Σ_{n,i,j} dy[n,i,j,o]
func Conv2dGradWeight[F Float](dw, db, dy, x []F, s ConvShape) {
	for o := range s.Cout {
		for c := range s.Cin {
			for kh := range s.Kernel {
				for kw := range s.Kernel {
					dw[((o*s.Cin+c)*s.Kernel+kh)*s.Kernel+kw] = sumSamples(s.N, func(sum F, n int) F {
						s.tap(n, kh, kw, func(out, in int) { sum += F(dy[out+o] * x[in+c]) })
						return sum
					})
				}
			}
		}
		if db != nil {
			size := s.OutH() * s.OutW()
			db[o] = sumSamples(s.N, func(sum F, n int) F {
				for p := n * size; p < (n+1)*size; p++ {
					sum += dy[p*s.Cout+o]
				}
				return sum
			})
		}
	}
}
