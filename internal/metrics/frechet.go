package metrics

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Frechet returns the squared Fréchet distance of the Gaussians with the means and covariances of two sets of
// vectors of d numbers (Dowson and Landau 1982; Heusel et al. 2017 take it on features of a network):
//
//	|m - m'|² + tr(C + C' - 2 (C^½ C' C^½)^½)
//
// Covariances divide by n - 1. Each set needs two vectors. Between two samples of n and n' vectors of one isotropic
// Gaussian it is not nought but about (1/n + 1/n')(d + d(d+1)/4): compare it with its floor, taken at the same sizes.
func Frechet(x, y []float32, d int) float64 {
	m, c := moments(x, d)
	m2, c2 := moments(y, d)
	var sum float64
	for i := range m {
		sum += (m[i] - m2[i]) * (m[i] - m2[i])
	}
	root := rootOf(c)
	var product, inner mat.Dense
	product.Mul(root, c2)
	inner.Mul(&product, root)
	// A distance is not negative; rounding can make it so by the last digits of the traces.
	return max(0, sum+mat.Trace(c)+mat.Trace(c2)-2*traceOfRoot(symmetric(&inner)))
}

// moments returns the mean and the covariance of vectors of d numbers. The sum over vectors is taken in 16 stretches,
// added in order, whatever the number of cores.
func moments(x []float32, d int) ([]float64, *mat.SymDense) {
	const stretches = 16
	n := checkVectors("covariance", x, d, 2)
	m := mean(x, d)
	var part [stretches]blas64.Symmetric
	parallel(stretches, func() func(int) {
		block := blas64.General{Cols: d, Stride: d, Data: make([]float64, 64*d)}
		return func(p int) {
			sum := blas64.Symmetric{N: d, Stride: d, Data: make([]float64, d*d), Uplo: blas.Upper}
			for from, to := p*n/stretches, (p+1)*n/stretches; from < to; from += block.Rows {
				block.Rows = min(64, to-from)
				for i, v := range x[from*d : (from+block.Rows)*d] {
					block.Data[i] = float64(v) - m[i%d]
				}
				blas64.Syrk(blas.Trans, 1, block, 1, sum)
			}
			part[p] = sum
		}
	})
	c := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			var sum float64
			for _, p := range part {
				sum += p.Data[i*d+j]
			}
			c.SetSym(i, j, sum/float64(n-1))
		}
	}
	return m, c
}

// rootOf returns the square root of a positive semidefinite matrix; what rounding left below nought counts as nought.
func rootOf(c *mat.SymDense) *mat.Dense {
	var e mat.EigenSym
	factorize(&e, c, true)
	values := e.Values(nil)
	for i, v := range values {
		values[i] = math.Sqrt(math.Sqrt(max(v, 0)))
	}
	var vectors, half, root mat.Dense
	e.VectorsTo(&vectors)
	half.Mul(&vectors, mat.NewDiagDense(len(values), values))
	root.Mul(&half, half.T())
	return &root
}

// traceOfRoot returns the trace of the square root of a positive semidefinite matrix.
func traceOfRoot(c *mat.SymDense) (sum float64) {
	var e mat.EigenSym
	factorize(&e, c, false)
	for _, v := range e.Values(nil) {
		sum += math.Sqrt(max(v, 0))
	}
	return sum
}

func factorize(e *mat.EigenSym, c *mat.SymDense, vectors bool) {
	if !e.Factorize(c, vectors) {
		panic("metrics: the eigenvalues of a covariance did not converge: it holds what is not a number")
	}
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
