package metrics

import "math"

// Kernel returns the unbiased estimate of the squared maximum mean discrepancy of two sets of vectors of d numbers,
// under the kernel (x·y/d + 1)³ (Bińkowski et al. 2018, who take it on features of a network and call it KID), over
// all pairs, and its standard error by the jackknife: each vector left out in turn. Two samples of one distribution
// have nought in the mean, at any size, and may have less than nought. Each set needs three vectors.
func (c Crew) Kernel(real *Reference, generated []float32) (distance, standardError float64) {
	x, y, d := generated, real.x, real.d
	n, m := float64(checkVectors("kernel", x, d, 3)), float64(len(y)/d)
	xx, yy := c.kernelSums(x, x, d, true), real.sums
	xy, yx := c.kernelSums(x, y, d, false), c.kernelSums(y, x, d, false)
	a, b, across := total(xx), total(yy), total(xy)
	distance = a/(n*(n-1)) + b/(m*(m-1)) - 2*across/(n*m)
	without := make([]float64, int(n))
	for i := range without {
		without[i] = (a-2*xx[i])/((n-1)*(n-2)) + b/(m*(m-1)) - 2*(across-xy[i])/((n-1)*m)
	}
	variance := jackknife(without)
	without = make([]float64, int(m))
	for i := range without {
		without[i] = a/(n*(n-1)) + (b-2*yy[i])/((m-1)*(m-2)) - 2*(across-yx[i])/(n*(m-1))
	}
	return distance, math.Sqrt(variance + jackknife(without))
}

// kernelSums returns, for each vector of x, the sum of the kernel with every one of y; with those of other numbers
// only, if self.
func (c Crew) kernelSums(x, y []float32, d int, self bool) []float64 {
	sums, m := make([]float64, len(x)/d), len(y)/d
	each := func(i int, rows []float32) {
		for ; len(rows) > 0; i, rows = i+1, rows[m:] {
			var sum float64
			for j, v := range rows[:m] {
				if self && i == j {
					continue
				}
				k := float64(v)/float64(d) + 1
				sum += k * k * k
			}
			sums[i] = sum
		}
	}
	c.products(x, y, d, func() func(int, []float32) { return each })
	return sums
}

// jackknife returns the variance of an estimate from its values with one observation left out.
func jackknife(without []float64) (variance float64) {
	n := float64(len(without))
	m := total(without) / n
	for _, v := range without {
		variance += (v - m) * (v - m)
	}
	return variance * (n - 1) / n
}
