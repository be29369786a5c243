package kernels

import (
	"math"

	"lfm/internal/kernels/ref"
)

// plain are the primitives in plain Go: the definitions of package ref, and the loops that
// stand for what has no name there.
var plain = primitives{
	exp: ref.Exp[float32], silu: ref.SiLU[float32], gelu: ref.GELU[float32], selu: ref.SELU[float32],
	siluGrad: ref.SiLUGrad[float32], geluGrad: ref.GELUGrad[float32], seluGrad: ref.SELUGrad[float32],
	add: ref.Add[float32], sub: ref.Sub[float32], mul: ref.Mul[float32],
	scale: ref.Scale[float32],
	clamp: ref.Clamp[float32], clampGrad: ref.ClampGrad[float32],
	reparameterize: ref.Reparameterize[float32],
	reparameterizeGrad: func(dlogvar, dz, logvar, noise []float32) {
		for i, v := range dz {
			dlogvar[i] = v * noise[i] * (exp(logvar[i]/2) / 2)
		}
	},
	difference: func(da, a, b []float32, c float32) {
		for i := range da {
			da[i] = c * (a[i] - b[i])
		}
	},
	signOfDifference: func(da, a, b []float32, c float32) {
		for i := range da {
			switch d := a[i] - b[i]; {
			case d > 0:
				da[i] = c
			case d < 0:
				da[i] = -c
			default:
				da[i] = d // 0 or NaN
			}
		}
	},
	klGrad: func(dmean, dlogvar, mean, logvar []float32, c float32) {
		for i, l := range logvar {
			dmean[i], dlogvar[i] = c*mean[i], c*((exp(l)-1)/2)
		}
	},
	sumSquaredDifference: func(a, b []float32) float32 {
		return sum(len(a), func(i int) float64 { return sqr(float64(a[i] - b[i])) })
	},
	sumAbsoluteDifference: func(a, b []float32) float32 {
		return sum(len(a), func(i int) float64 { return math.Abs(float64(a[i] - b[i])) })
	},
	sumKL: func(mean, logvar []float32) float32 {
		return sum(len(mean), func(i int) float64 {
			l := float64(logvar[i])
			return sqr(float64(mean[i])) + (math.Exp(l) - 1 - l)
		})
	},
	sumSquares: ref.SumSquares[float32],
	adamw:      func(w, m, v, g []float32, p adamwStep) { plainAdamW(w, m, v, g, nil, p) },
	adamwEMA:   plainAdamW,
	layerNorm: func(y, mean, rstd, x []float32, d int, eps float32) {
		ref.LayerNorm(y, mean, rstd, x, len(mean), d, eps)
	},
	layerNormGrad: func(dx, dy, x, mean, rstd []float32, d int) {
		ref.LayerNormGrad(dx, dy, x, mean, rstd, len(mean), d)
	},
	layerNormScaleShift: func(y, h, mean, rstd, x, scale, shift []float32, d int, eps float32) {
		if len(h) == 0 {
			h = y
		}
		ref.LayerNorm(h, mean, rstd, x, len(mean), d, eps)
		ref.ScaleShift(y, h, scale, shift, 1, len(mean), d)
	},
	softmaxColumns: plainSoftmaxColumns,
	softmaxBlock:   plainSoftmaxBlock,
	probabilities: func(s, lse []float32, c float32, count int) {
		for i := range count * len(lse) {
			s[i] = flush(exp(float32(c*s[i]) - lse[i%len(lse)]))
		}
	},
	scoreGrad: func(ds, p, delta []float32, c float32, count int) {
		for i := range count * len(delta) {
			ds[i] = p[i] * (ds[i] - delta[i%len(delta)]) * c
		}
	},
	dotRows: func(dst, a, b []float32, d, ld int) {
		for r := range dst {
			dst[r] = sum(d, func(i int) float64 { return float64(a[r*ld+i]) * float64(b[r*ld+i]) })
		}
	},
	normalise: func(y, x, mean, scale, shift []float32, count int) {
		for i := range count * len(mean) {
			c := i % len(mean)
			y[i] = float32((x[i]-mean[c])*scale[c]) + shift[c]
		}
	},
	normaliseSiLU: func(y, x, mean, scale, shift []float32, count int) {
		for i := range count * len(mean) {
			c := i % len(mean)
			y[i] = float32((x[i]-mean[c])*scale[c]) + shift[c]
		}
		ref.SiLU(y[:count*len(mean)], y[:count*len(mean)])
	},
	normaliseGrad: func(dx, dy, x, mean, a, b, c []float32, count int) {
		for i := range count * len(mean) {
			j := i % len(mean)
			dx[i] = float32(a[j]*dy[i]) + (float32(b[j]*(x[i]-mean[j])) + c[j])
		}
	},
	scaleShift: func(y, x, scale, shift []float32, count int) {
		ref.ScaleShift(y, x, scale, shift, 1, count, len(scale))
	},
	gate: func(y, x, h, gate []float32, count int) {
		ref.Gate(y, x, h, gate, 1, count, len(gate))
	},
	winogradInput: func(v, d []float32, tiles, channels, line, plane int) {
		for i := range tiles * channels {
			d, v := d[i/channels*2*channels+i%channels:], v[i:]
			at := func(r, c int) float32 { return d[r*line+c*channels] }
			var t [4][4]float32
			for c := range 4 {
				t[0][c], t[1][c] = at(0, c)-at(2, c), at(1, c)+at(2, c)
				t[2][c], t[3][c] = at(2, c)-at(1, c), at(1, c)-at(3, c)
			}
			for r, t := range t {
				v := v[4*r*plane:]
				v[0], v[plane], v[2*plane], v[3*plane] = t[0]-t[2], t[1]+t[2], t[2]-t[1], t[1]-t[3]
			}
		}
	},
	winogradWeights: func(u []float32, n int) {
		for i := range n {
			var g [4][3]float32
			for c := range 3 {
				g[0][c], g[3][c] = u[c*n+i], u[(6+c)*n+i]
				g[1][c], g[2][c] = winogradMiddle(g[0][c], u[(3+c)*n+i], g[3][c])
			}
			for r, g := range g {
				first, second := winogradMiddle(g[0], g[1], g[2])
				for c, v := range [4]float32{g[0], first, second, g[2]} {
					u[(4*r+c)*n+i] = v
				}
			}
		}
	},
	winogradOutput: func(y, m, bias []float32, tiles, plane, step, line int, add bool) {
		for j := range tiles {
			for c, b := range bias {
				m := m[j*panelCols+c:]
				var upper, lower [4]float32
				for k := range upper {
					upper[k] = (m[k*plane] + m[(4+k)*plane]) + m[(8+k)*plane]
					lower[k] = (m[(4+k)*plane] - m[(8+k)*plane]) - m[(12+k)*plane]
				}
				for i, s := range [2][4]float32{upper, lower} {
					y := y[2*j*step+i*line+c:]
					left, right := ((s[0]+s[1])+s[2])+b, ((s[1]-s[2])-s[3])+b
					if add {
						left, right = left+y[0], right+y[step]
					}
					y[0], y[step] = left, right
				}
			}
		}
	},
	squares: func(y, a, b, bias []float32, pixels, ld, step int) {
		for j := range pixels {
			for c, v := range bias {
				left, right := j*ld+c, (j+1)*ld+c
				y[j*step+c] = ((a[left] + b[left]) + (a[right] + b[right])) + v
			}
		}
	},
	momentSums: func(sums, squares, x, shift []float32, count, ld int) {
		for c := range sums {
			sums[c] = sum(count, func(r int) float64 { return float64(x[r*ld+c] - shift[c]) })
			squares[c] = sum(count, func(r int) float64 { return sqr(float64(x[r*ld+c] - shift[c])) })
		}
	},
	gradientSums: plainGradientSums,
	gradientSumsSiLU: func(a, b, du, dy, x, mean, scale, shift []float32, count, ld int) {
		for r := range count {
			for c := range a {
				i := r*ld + c
				u := [1]float32{float32((x[i]-mean[c])*scale[c]) + shift[c]}
				ref.SiLUGrad(du[i:i+1], dy[i:i+1], u[:])
			}
		}
		plainGradientSums(a, b, du, x, mean, count, ld)
	},
	scaleShiftGrad: func(dscale, dshift, dx, dy, x, scale []float32, count, ld int) {
		for c := range dscale {
			dscale[c] = sum(count, func(r int) float64 { return float64(dy[r*ld+c]) * float64(x[r*ld+c]) })
			dshift[c] = sum(count, func(r int) float64 { return float64(dy[r*ld+c]) })
			for r := range count {
				dx[r*ld+c] = dy[r*ld+c] * (1 + scale[c])
			}
		}
	},
	gateGrad: func(dgate, dh, dy, h, gate []float32, count, ld int) {
		for c := range dgate {
			dgate[c] = sum(count, func(r int) float64 { return float64(dy[r*ld+c]) * float64(h[r*ld+c]) })
			for r := range count {
				dh[r*ld+c] = gate[c] * dy[r*ld+c]
			}
		}
	},
}

// winogradMiddle is the second and third number of G times (a, b, c).
func winogradMiddle(a, b, c float32) (first, second float32) {
	sum := a + c
	return (sum + b) * 0.5, (sum - b) * 0.5
}

// plainSoftmaxColumns is, for each column of s (m rows), s = exp(c·s - lse) with lse = log Σ exp(c·s).
// At every level a probability is within (2a + m + 8)u of the value relatively, where it is exp(-a)
// of the column's greatest, and 0 where it is less than 2⁻¹²⁶ of that; lse is within
// (m + 8 + 2|c·greatest|)u. A score of -Inf has probability 0. A column with NaN or +Inf in it,
// or with -Inf alone, is all NaN.
func plainSoftmaxColumns(s, lse []float32, m int, c float32) {
	n := len(lse)
	for l := range n {
		top := float32(math.Inf(-1))
		for i := l; i < m*n; i += n {
			top = max(top, s[i])
		}
		for i := l; i < m*n; i += n {
			s[i] = flush(exp(c * (s[i] - top)))
		}
		total := sum(m, func(i int) float64 { return float64(s[i*n+l]) })
		for i := l; i < m*n; i += n {
			s[i] *= 1 / total
		}
		lse[l] = float32(c*top) + float32(math.Log(float64(total)))
	}
}

// plainSoftmaxBlock goes on with a softmax whose columns come in blocks of m rows: top is each
// column's greatest number so far, total the sum of exp(c·(s - top)). It leaves these in s, and
// in factor what earlier ones are to be multiplied with.
func plainSoftmaxBlock(s, top, total, factor []float32, m int, c float32) {
	n := len(top)
	for l := range n {
		old := top[l]
		for i := l; i < m*n; i += n {
			top[l] = max(top[l], s[i])
		}
		for i := l; i < m*n; i += n {
			s[i] = flush(exp(c * (s[i] - top[l])))
		}
		factor[l] = flush(exp(c * (old - top[l])))
		total[l] = float32(total[l]*factor[l]) + sum(m, func(i int) float64 { return float64(s[i*n+l]) })
	}
}

func plainGradientSums(a, b, dy, x, mean []float32, count, ld int) {
	for c := range a {
		a[c] = sum(count, func(r int) float64 { return float64(dy[r*ld+c]) })
		b[c] = sum(count, func(r int) float64 { return float64(dy[r*ld+c]) * float64(x[r*ld+c]-mean[c]) })
	}
}

func plainAdamW(w, m, v, g, ema []float32, p adamwStep) {
	for i := range w {
		g := p[stepClip] * g[i]
		m[i] = float32(p[stepKeep1]*m[i]) + float32(p[stepNew1]*g)
		v[i] = float32(p[stepKeep2]*v[i]) + float32(p[stepNew2]*float32(g*g))
		root := float32(math.Sqrt(float64(v[i])))
		w[i] = float32(p[stepDecay]*w[i]) - float32(p[stepRate]*(m[i]/(float32(root*p[stepRoot])+p[stepEps])))
		if ema != nil {
			ema[i] = float32(p[stepOld]*ema[i]) + float32(p[stepNew]*w[i])
		}
	}
}

// sum is term(0) + … + term(n-1), rounded once.
func sum(n int, term func(i int) float64) float32 {
	var s float64
	for i := range n {
		s += float64(term(i))
	}
	return float32(s)
}

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }
func sqr(x float64) float64 { return x * x }

// flush makes numbers below 2⁻¹²⁶ 0: denormal probabilities slow the products behind them.
func flush(p float32) float32 {
	if p < 0x1p-126 {
		return 0
	}
	return p
}
