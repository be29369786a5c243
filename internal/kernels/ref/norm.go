package ref

import "math"

// NormShape is that of a group normalisation: x is (N, P, C), and each of the G groups is
// C/G neighbouring channels over all positions of a sample.
type NormShape struct{ N, P, C, G int }

// GroupNorm is, for the channels c of group g of sample n,
//
//	mean[n,g] = average of x,  rstd[n,g] = 1/√(average of (x - mean)² + eps)
//	y = (x - mean)·rstd·gamma[c] + beta[c]
//
// x, y are (N, P, C); mean, rstd (N, G); gamma, beta (C). Wu and He (2018).
func GroupNorm[F Float](y, mean, rstd, x, gamma, beta []F, s NormShape, eps F) {
	s.groups(func(n, g, ng int, each func(f func(i, c int))) {
		var sum, squares float64
		count := float64(s.P * s.C / s.G)
		each(func(i, _ int) { sum += float64(x[i]) })
		mu := sum / count
		each(func(i, _ int) { squares += sqr(float64(x[i]) - mu) })
		r := 1 / math.Sqrt(squares/count+float64(eps))
		each(func(i, c int) { y[i] = F((float64(x[i])-mu)*r*float64(gamma[c]) + float64(beta[c])) })
		mean[ng], rstd[ng] = F(mu), F(r)
	})
}

// GroupNormGrad is the gradient of GroupNorm. With h = (x - mean)·rstd and dh = dy·gamma[c],
//
//	dx = rstd·(dh - average(dh) - h·average(dh·h))    averages over the group
//	dgamma[c] = Σ dy·h,  dbeta[c] = Σ dy              over positions, then samples (rule of 16)
func GroupNormGrad[F Float](dx, dgamma, dbeta, dy, x, mean, rstd, gamma []F, s NormShape) {
	s.groups(func(n, g, ng int, each func(f func(i, c int))) {
		mu, r := float64(mean[ng]), float64(rstd[ng])
		var a, b float64
		count := float64(s.P * s.C / s.G)
		each(func(i, c int) {
			dh := float64(dy[i]) * float64(gamma[c])
			a += dh / count
			b += dh * (float64(x[i]) - mu) * r / count
		})
		each(func(i, c int) {
			dh := float64(dy[i]) * float64(gamma[c])
			dx[i] = F(r * (dh - a - (float64(x[i])-mu)*r*b))
		})
	})
	for c := range s.C {
		overPositions := func(f func(i, ng int) float64) F {
			return F(total(s.N, func(n int) (sum float64) {
				for p := range s.P {
					sum += f((n*s.P+p)*s.C+c, n*s.G+c/(s.C/s.G))
				}
				return sum
			}))
		}
		dgamma[c] = overPositions(func(i, ng int) float64 {
			return float64(dy[i]) * (float64(x[i]) - float64(mean[ng])) * float64(rstd[ng])
		})
		dbeta[c] = overPositions(func(i, _ int) float64 { return float64(dy[i]) })
	}
}

// groups calls f for each group g of each sample n; each walks the group's elements i and
// their channels c.
func (s NormShape) groups(f func(n, g, ng int, each func(func(i, c int)))) {
	width := s.C / s.G
	for n := range s.N {
		for g := range s.G {
			f(n, g, n*s.G+g, func(visit func(i, c int)) {
				for p := range s.P {
					for c := g * width; c < (g+1)*width; c++ {
						visit((n*s.P+p)*s.C+c, c)
					}
				}
			})
		}
	}
}

// LayerNorm is, for each of the rows of length d,
//
//	mean = average of x,  rstd = 1/√(average of (x - mean)² + eps),  y = (x - mean)·rstd
//
// x, y are (rows, d); mean, rstd (rows). Ba, Kiros and Hinton (2016), without affine part.
func LayerNorm[F Float](y, mean, rstd, x []F, rows, d int, eps F) {
	for r := range rows {
		x, y := x[r*d:(r+1)*d], y[r*d:(r+1)*d]
		var sum, squares float64
		for _, v := range x {
			sum += float64(v)
		}
		mu := sum / float64(d)
		for _, v := range x {
			squares += sqr(float64(v) - mu)
		}
		s := 1 / math.Sqrt(squares/float64(d)+float64(eps))
		for i, v := range x {
			y[i] = F((float64(v) - mu) * s)
		}
		mean[r], rstd[r] = F(mu), F(s)
	}
}

// LayerNormGrad is the gradient of LayerNorm: with h = (x - mean)·rstd,
//
//	dx = rstd·(dy - average(dy) - h·average(dy·h))    averages over the row
func LayerNormGrad[F Float](dx, dy, x, mean, rstd []F, rows, d int) {
	for r := range rows {
		x, dy, dx := x[r*d:(r+1)*d], dy[r*d:(r+1)*d], dx[r*d:(r+1)*d]
		mu, s := float64(mean[r]), float64(rstd[r])
		var a, b float64
		for i, v := range x {
			a += float64(dy[i]) / float64(d)
			b += float64(dy[i]) * (float64(v) - mu) * s / float64(d)
		}
		for i, v := range x {
			dx[i] = F(s * (float64(dy[i]) - a - (float64(v)-mu)*s*b))
		}
	}
}
