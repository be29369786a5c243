package ref

import "math"

// Reparameterize is z = mean + noise·exp(logvar/2): a draw from N(mean, exp(logvar)) for
// standard normal noise. Kingma and Welling (2014), section 2.4.
func Reparameterize[F Float](z, mean, logvar, noise []F) {
	for i := range z {
		z[i] = mean[i] + F(noise[i]*exp(logvar[i]/2))
	}
}

// ReparameterizeGrad is the gradient of Reparameterize:
//
//	dmean = dz,  dlogvar = dz·noise·exp(logvar/2)/2
func ReparameterizeGrad[F Float](dmean, dlogvar, dz, logvar, noise []F) {
	for i, v := range dz {
		dlogvar[i] = v * noise[i] * (exp(logvar[i]/2) / 2)
		dmean[i] = v
	}
}

// SquaredError is e[n] = average over m of (a[n,m] - b[n,m])².
func SquaredError[F Float](e, a, b []F, n, m int) {
	samples(e, n, m, func(i int) float64 { return sqr(float64(a[i]) - float64(b[i])) })
}

// SquaredErrorGrad is the gradient by a: da = de[n]·2(a - b)/m; that by b is -da.
func SquaredErrorGrad[F Float](da, de, a, b []F, n, m int) {
	for i := range n * m {
		da[i] = 2 * de[i/m] / F(m) * (a[i] - b[i])
	}
}

// AbsoluteError is e[n] = average over m of |a[n,m] - b[n,m]|.
func AbsoluteError[F Float](e, a, b []F, n, m int) {
	samples(e, n, m, func(i int) float64 { return max(float64(a[i])-float64(b[i]), float64(b[i])-float64(a[i])) })
}

// AbsoluteErrorGrad is the gradient by a: da = de[n]·sign(a - b)/m, with sign(0) = 0 as in
// PyTorch; that by b is -da.
func AbsoluteErrorGrad[F Float](da, de, a, b []F, n, m int) {
	for i := range n * m {
		switch c := de[i/m] / F(m); {
		case a[i] > b[i]:
			da[i] = c
		case a[i] < b[i]:
			da[i] = -c
		default:
			da[i] = 0 * (a[i] - b[i]) // NaN stays NaN
		}
	}
}

// KL is the divergence of N(mean, exp(logvar)) from N(0, 1), averaged over a sample:
//
//	e[n] = average over m of (mean² + exp(logvar) - 1 - logvar)/2
//
// Kingma and Welling (2014), appendix B.
func KL[F Float](e, mean, logvar []F, n, m int) {
	samples(e, n, m, func(i int) float64 {
		return (sqr(float64(mean[i])) + float64(exp(logvar[i])) - 1 - float64(logvar[i])) / 2
	})
}

// KLGrad is the gradient of KL: dmean = de[n]·mean/m, dlogvar = de[n]·(exp(logvar) - 1)/(2m).
func KLGrad[F Float](dmean, dlogvar, de, mean, logvar []F, n, m int) {
	for i := range n * m {
		c := de[i/m] / F(m)
		dmean[i], dlogvar[i] = c*mean[i], c/2*(exp(logvar[i])-1)
	}
}

// CrossEntropy is e[n] = log Σ_k exp(x[n,k]) - x[n,labels[n]], minus the logarithm of the
// probability that a softmax of x gives to the label. labels are whole numbers below k.
func CrossEntropy[F Float](e, x, labels []F, n, k int) {
	for i := range n {
		row := x[i*k : (i+1)*k]
		top, sum := softmaxSum(row)
		e[i] = F(top + math.Log(sum) - float64(row[int(labels[i])]))
	}
}

// CrossEntropyGrad is the gradient of CrossEntropy: dx[n,j] = de[n]·(softmax(x[n])[j] - [j = labels[n]]).
// dx may be x.
func CrossEntropyGrad[F Float](dx, de, x, labels []F, n, k int) {
	for i := range n {
		row := x[i*k : (i+1)*k]
		top, sum := softmaxSum(row)
		for j, v := range row {
			p := math.Exp(float64(v)-top) / sum
			if j == int(labels[i]) {
				p--
			}
			dx[i*k+j] = F(float64(de[i]) * p)
		}
	}
}

// softmaxSum is the largest number of a row, and Σ exp(x - top), which cannot overflow.
func softmaxSum[F Float](row []F) (top, sum float64) {
	top = math.Inf(-1)
	for _, v := range row {
		top = max(top, float64(v)) // NaN stays NaN
	}
	for _, v := range row {
		sum += math.Exp(float64(v) - top)
	}
	return top, sum
}

// Mean is y[0] = (x[0] + … + x[n-1])/n (rule of 16).
func Mean[F Float](y, x []F, n int) {
	y[0] = F(total(n, func(i int) float64 { return float64(x[i]) }) / float64(n))
}

// MeanGrad is the gradient of Mean: dx[i] = dy[0]/n.
func MeanGrad[F Float](dx, dy []F, n int) {
	for i := range n {
		dx[i] = dy[0] / F(n)
	}
}

// samples is e[n] = average of term over the m elements of sample n.
func samples[F Float](e []F, n, m int, term func(i int) float64) {
	for i := range n {
		var sum float64
		for j := i * m; j < (i+1)*m; j++ {
			sum += term(j)
		}
		e[i] = F(sum / float64(m))
	}
}
