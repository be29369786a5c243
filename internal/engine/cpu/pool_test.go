package cpu

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestPool: every item is done exactly once, by whichever number of workers, whether they
// are awake or have gone to sleep, and fewer items than workers are no trouble.
func TestPool(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 7} {
		p := newPool(workers)
		for _, items := range []int{0, 1, 2, 3, 7, 8, 100} {
			for round := range 20 {
				done := make([]atomic.Int32, items)
				p.do(items, func(_, i0, i1 int) {
					for i := i0; i < i1; i++ {
						done[i].Add(1)
					}
				})
				for i := range done {
					if n := done[i].Load(); n != 1 {
						t.Fatalf("%d workers did item %d of %d %d times", workers, i, items, n)
					}
				}
				if round == 10 {
					time.Sleep(time.Millisecond)
				}
			}
		}
		p.stop()
	}
}

// BenchmarkFork is what a loop over nothing costs.
func BenchmarkFork(b *testing.B) {
	p := newPool(2)
	defer p.stop()
	for b.Loop() {
		p.do(2, func(int, int, int) {})
	}
}
