package metrics

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"lfm/internal/kernels"
)

// Frechet returns the squared Fréchet distance of the Gaussians with the means and covariances of two sets of
// vectors of d numbers (Dowson and Landau 1982; Heusel et al. 2017 take it on features of a network):
//
//	|m - m'|² + tr(C + C' - 2 (C C')^½)
//
// Covariances divide by n - 1. Each set needs two vectors. Between two samples of n and n' vectors of one isotropic
// Gaussian it is not nought but about (1/n + 1/n')(d + d(d+1)/4): compare it with its floor, taken at the same sizes.
func (c Crew) Frechet(x, y []float32, d int) float64 {
	m, a := c.moments(x, d)
	m2, b := c.moments(y, d)
	if c.left() {
		return 0
	}
	var sum float64
	for i := range m {
		sum += (m[i] - m2[i]) * (m[i] - m2[i])
	}
	// A distance is not negative; rounding can make it so by the last digits of the traces.
	return max(0, sum+mat.Trace(a)+mat.Trace(b)-2*traceOfRoots(a, b))
}

// moments returns the mean and the covariance of vectors of d numbers. The sum over vectors is taken in 16 stretches,
// added in order, whatever the number of threads.
func (c Crew) moments(x []float32, d int) ([]float64, *mat.SymDense) {
	const stretches, rows = 16, 64
	n := checkVectors("covariance", x, d, 2)
	m := mean(x, d)
	wide := (d + 15) / 16 * 16 // as AddGram wants it: columns of zeros behind
	var part [stretches][]float64
	c.parallel(stretches, func() func(int) {
		block := make([]float64, rows*wide)
		return func(p int) {
			sum := make([]float64, wide*wide)
			for from, to := p*n/stretches, (p+1)*n/stretches; from < to; from += rows {
				count := min(rows, to-from)
				for r := range count {
					line := block[r*wide : r*wide+d]
					for i, v := range x[(from+r)*d : (from+r+1)*d] {
						line[i] = float64(v) - m[i]
					}
				}
				kernels.AddGram(sum, block[:count*wide], wide)
			}
			part[p] = sum
		}
	})
	covariance := mat.NewSymDense(d, nil)
	if c.left() {
		return m, covariance
	}
	for i := range d {
		for j := i; j < d; j++ {
			var sum float64
			for _, p := range part {
				sum += p[i*wide+j]
			}
			covariance.SetSym(i, j, sum/float64(n-1))
		}
	}
	return m, covariance
}

// traceOfRoots returns tr((a·b)^½) of positive semidefinite matrices: the sum of the roots of the eigenvalues of a·b, which
// with a = uᵀ·u are those of the symmetric u·b·uᵀ. What rounding left below nought counts as nought.
func traceOfRoots(a, b *mat.SymDense) (sum float64) {
	if t := mat.Trace(a) + mat.Trace(b); math.IsNaN(t) || math.IsInf(t, 0) {
		panic("metrics: a covariance holds what is not a number")
	}
	var root mat.PivotedCholesky // of a with its rows and columns in another order, and so b's
	root.Factorize(a, -1)
	order := root.ColumnPivots(nil)
	reordered := mat.NewSymDense(len(order), nil)
	for i, p := range order {
		for j := i; j < len(order); j++ {
			reordered.SetSym(i, j, b.At(p, order[j]))
		}
	}
	u := root.RawU()
	var product, inner mat.Dense
	product.Mul(u, reordered)
	inner.Mul(&product, u.T())
	var e mat.EigenSym
	if !e.Factorize(symmetric(&inner), false) {
		panic("metrics: the eigenvalues of a covariance did not converge")
	}
	for _, v := range e.Values(nil) {
		sum += math.Sqrt(max(v, 0))
	}
	return sum
}

// symmetric takes away what rounding did to the symmetry of a matrix.
func symmetric(a *mat.Dense) *mat.SymDense {
	d, _ := a.Dims()
	s := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			s.SetSym(i, j, (a.At(i, j)+a.At(j, i))/2)
		}
	}
	return s
}
