package metrics

import (
	"runtime"
	"sync/atomic"

	"lfm/internal/kernels"
	"lfm/internal/panics"
)

// A Crew measures sets of vectors: on so many threads, until it is told to leave off.
type Crew struct {
	Threads int             // 0: as many as there are cores
	Done    <-chan struct{} // once it is closed, every measurement returns at once, and what it returns means nothing; may be nil
}

// left says whether the crew was told to leave off.
func (c Crew) left() bool {
	select {
	case <-c.Done:
		return true
	default:
		return false
	}
}

// parallel calls worker once on each thread, and what it returns with every number below n, once each.
func (c Crew) parallel(n int, worker func() func(i int)) {
	threads := c.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var all panics.Group
	for range min(n, threads) {
		all.Go(func() {
			f := worker()
			for i := int(next.Add(1)) - 1; i < n && !c.left(); i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// rowsAtOnce is how many rows of products are in memory for each thread.
const rowsAtOnce = 96

// products calls worker once on each thread, and what it returns with blocks of rows of x·yᵀ, the inner products of every
// vector of x with every one of y: rows i, i+1, … of it, len(y)/d numbers each. Blocks are made side by side, so
// each call may touch only what belongs to its rows or its worker; a sum over rows is taken afterwards, in their order. Memory
// grows with the rows of x and of y, not with their product.
func (c Crew) products(x, y []float32, d int, worker func() func(i int, rows []float32)) {
	n, m := len(x)/d, len(y)/d
	shape := kernels.LinearShape{N: 1, In: d, Out: m}
	packed := make([]float32, kernels.LinearPackSize(shape))
	kernels.LinearPack(packed, y, shape, 0, kernels.LinearPackItems(shape))
	c.parallel((n+rowsAtOnce-1)/rowsAtOnce, func() func(int) {
		scratch := make([]float32, kernels.LinearScratch(shape))
		dots := make([]float32, rowsAtOnce*m)
		each := worker()
		return func(block int) {
			from, to := block*rowsAtOnce, min((block+1)*rowsAtOnce, n)
			s := shape
			s.Rows = to - from
			kernels.Linear(dots, x[from*d:to*d], packed, nil, s, scratch, 0, kernels.LinearItems(s))
			each(from, dots[:s.Rows*m])
		}
	})
}
