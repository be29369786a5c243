package cpu

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"lfm/internal/panics"
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

// TestPoolPanics: a panic in any worker's range is a panic of the loop's caller, when nobody is
// in the loop any more, and the next loop is done as ever.
func TestPoolPanics(t *testing.T) {
	const workers = 3
	p := newPool(workers)
	defer p.stop()
	for bad := range workers {
		var ended atomic.Int32
		caught := panics.Catch(func() {
			p.do(workers, func(worker, _, _ int) {
				if worker == bad {
					panic("kernels: gemm: b too short")
				}
				time.Sleep(5 * time.Millisecond)
				ended.Add(1)
			})
		})
		if caught == nil || caught.Value != "kernels: gemm: b too short" || ended.Load() != workers-1 {
			t.Errorf("worker %d: caught %v when %d others had ended", bad, caught, ended.Load())
		}
		var done atomic.Int32
		p.do(workers, func(_, i0, i1 int) { done.Add(int32(i1 - i0)) })
		if done.Load() != workers {
			t.Errorf("worker %d: %d of %d items in the next loop", bad, done.Load(), workers)
		}
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

// BenchmarkPool is what a loop costs beside its work: sharing out nothing, and waiting for it.
func BenchmarkPool(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		b.Run(strconv.Itoa(workers), func(b *testing.B) {
			p := newPool(workers)
			defer p.stop()
			nothing := func(_, _, _ int) {}
			b.ReportAllocs()
			for b.Loop() {
				p.do(workers, nothing)
			}
		})
	}
}
