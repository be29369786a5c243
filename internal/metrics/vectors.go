package metrics

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"lfm/internal/kernels"
	"lfm/internal/panics"
)

// checkVectors panics unless x holds at least least vectors of d numbers; it returns how many.
func checkVectors(what string, x []float32, d, least int) int {
	if d < 1 || len(x)%d != 0 || len(x)/d < least {
		panic(fmt.Sprintf("metrics: %s: %d numbers are not %d or more vectors of %d", what, len(x), least, d))
	}
	return len(x) / d
}

// rowsAtOnce is how many rows of products are in memory for each core.
const rowsAtOnce = 96

// products calls each with blocks of rows of x·yᵀ, the inner products of every vector of x with every one of y:
// rows i, i+1, … of it, len(y)/d numbers each. Blocks are made side by side on all cores, so each may touch only
// what belongs to its rows; a sum over rows is taken afterwards, in their order. Memory grows with the rows of x and
// of y, not with their product.
func products(x, y []float32, d int, each func(i int, rows []float32)) {
	n, m := len(x)/d, len(y)/d
	shape := kernels.LinearShape{N: 1, In: d, Out: m}
	packed := make([]float32, kernels.LinearPackSize(shape))
	kernels.LinearPack(packed, y, shape, 0, kernels.LinearPackItems(shape))
	parallel((n+rowsAtOnce-1)/rowsAtOnce, func() func(int) {
		scratch := make([]float32, kernels.LinearScratch(shape))
		dots := make([]float32, rowsAtOnce*m)
		return func(block int) {
			from, to := block*rowsAtOnce, min((block+1)*rowsAtOnce, n)
			s := shape
			s.Rows = to - from
			kernels.Linear(dots, x[from*d:to*d], packed, nil, s, scratch, 0, kernels.LinearItems(s))
			each(from, dots[:s.Rows*m])
		}
	})
}

// parallel calls worker once on each core, and what it returns with every number below n, once each.
func parallel(n int, worker func() func(i int)) {
	var next atomic.Int64
	var all panics.Group
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			f := worker()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// dot is the inner product in float64.
func dot(x, y []float32) (sum float64) {
	y = y[:len(x)]
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

// mean is the mean vector of n vectors of d numbers.
func mean(x []float32, d int) []float64 {
	m := make([]float64, d)
	for i := 0; i < len(x); i += d {
		for j, v := range x[i : i+d] {
			m[j] += float64(v)
		}
	}
	for j := range m {
		m[j] /= float64(len(x) / d)
	}
	return m
}

func total(v []float64) (sum float64) {
	for _, a := range v {
		sum += a
	}
	return sum
}
