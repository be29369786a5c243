package ref

// MatMul is c = op(a)·op(b) with c (m, n), op(a) (m, k) and op(b) (k, n), where op
// transposes if transA (a is then stored (k, m)) or transB (b is then stored (n, k)).
//
//	c[i,j] = Σ_p op(a)[i,p] op(b)[p,j]
func MatMul[F Float](c, a, b []F, m, n, k int, transA, transB bool) {
	ai, ap := k, 1
	if transA {
		ai, ap = 1, m
	}
	bp, bj := n, 1
	if transB {
		bp, bj = 1, k
	}
	for i := range m {
		for j := range n {
			var sum F
			for p := range k {
				sum += F(a[i*ai+p*ap] * b[p*bp+j*bj])
			}
			c[i*n+j] = sum
		}
	}
}

// Linear is y = x·wᵀ + b with x (rows, in), w (out, in), b (out), y (rows, out).
// b may be nil.
func Linear[F Float](y, x, w, b []F, rows, in, out int) {
	for i := range rows {
		for o := range out {
			var sum F
			for k := range in {
				sum += F(x[i*in+k] * w[o*in+k])
			}
			if b != nil {
				sum += b[o]
			}
			y[i*out+o] = sum
		}
	}
}

// LinearGradInput is dx = dy·w, the gradient of [Linear] by x.
func LinearGradInput[F Float](dx, dy, w []F, rows, in, out int) {
	MatMul(dx, dy, w, rows, in, out, false, false)
}

// LinearGradWeight is dw = dyᵀ·x and db = Σ dy, the gradients of [Linear] by w and b
// for n samples of rows rows each, summed over samples by the rule of 16.
// db may be nil.
func LinearGradWeight[F Float](dw, db, dy, x []F, n, rows, in, out int) {
	for o := range out {
		for k := range in {
			dw[o*in+k] = sumSamples(n, func(sum F, i int) F {
				for r := i * rows; r < (i+1)*rows; r++ {
					sum += F(dy[r*out+o] * x[r*in+k])
				}
				return sum
			})
		}
		if db != nil {
			db[o] = sumSamples(n, func(sum F, i int) F {
				for r := i * rows; r < (i+1)*rows; r++ {
					sum += dy[r*out+o]
				}
				return sum
			})
		}
	}
}
