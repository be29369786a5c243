package ref

// Upsample2 repeats every pixel of x (n, h, w, c) twice in each direction:
//
//	y[n,i,j,c] = x[n,i/2,j/2,c]        y is (n, 2h, 2w, c)
func Upsample2[F Float](y, x []F, n, h, w, c int) {
	for i := range y[:n*4*h*w*c] {
		y[i] = x[small(i, w, h, c)]
	}
}

// Upsample2Grad is the gradient of Upsample2: dx is the sum of the four copies' gradients,
// (dy[2i,2j] + dy[2i,2j+1]) + (dy[2i+1,2j] + dy[2i+1,2j+1]).
func Upsample2Grad[F Float](dx, dy []F, n, h, w, c int) {
	sum := make([]float64, n*h*w*c)
	for i, v := range dy[:n*4*h*w*c] {
		sum[small(i, w, h, c)] += float64(v)
	}
	round(dx, sum)
}

// small is the index in (n, h, w, c) of what element i of (n, 2h, 2w, c) copies.
func small(i, w, h, c int) int {
	channel, column, row := i%c, i/c%(2*w), i/(c*2*w)%(2*h)
	sample := i / (c * 4 * w * h)
	return ((sample*h+row/2)*w+column/2)*c + channel
}

// BroadcastAdd is y[n,m] = x[n,m] + b[m]: one b for all samples.
func BroadcastAdd[F Float](y, x, b []F, n, m int) {
	for i := range n * m {
		y[i] = x[i] + b[i%m]
	}
}

// BroadcastAddGrad is the gradient by b: db[m] = Σ_n dy[n,m] (rule of 16); dx is dy itself.
func BroadcastAddGrad[F Float](db, dy []F, n, m int) {
	for j := range m {
		db[j] = F(total(n, func(i int) float64 { return float64(dy[i*m+j]) }))
	}
}

// Slice is y[r,j] = x[r,from+j]: the columns [from, to) of x (rows, width).
func Slice[F Float](y, x []F, rows, width, from, to int) {
	for r := range rows {
		copy(y[r*(to-from):(r+1)*(to-from)], x[r*width+from:r*width+to])
	}
}

// SliceGrad is the gradient of Slice: dy in the columns [from, to) of dx (rows, width), and
// 0 outside of them.
func SliceGrad[F Float](dx, dy []F, rows, width, from, to int) {
	clear(dx[:rows*width])
	for r := range rows {
		copy(dx[r*width+from:r*width+to], dy[r*(to-from):(r+1)*(to-from)])
	}
}

// Concat is y[r] = (a[r], b[r]): rows of a (rows, m) and b (rows, n), end to end in y (rows, m+n).
func Concat[F Float](y, a, b []F, rows, m, n int) {
	for r := range rows {
		copy(y[r*(m+n):], a[r*m:(r+1)*m])
		copy(y[r*(m+n)+m:], b[r*n:(r+1)*n])
	}
}
