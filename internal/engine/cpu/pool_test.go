package cpu

import (
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"lfm/internal/panics"
)

// TestPool: every item is done exactly once, by whichever number of workers, whether they are awake or have gone to sleep,
// and fewer items than workers are no trouble. Calls begin and end at multiples of the least size or at the ends of
// shares, a worker has one at a time, and there are few of them.
func TestPool(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 7} {
		p := newPool(workers)
		for _, items := range []int{0, 1, 2, 3, 7, 8, 100, 1000} {
			ends := map[int]bool{}
			for k := range workers + 1 {
				ends[k*items/workers] = true
			}
			for _, least := range []int{0, 1, 3, 8} {
				for round := range 10 {
					done, busy := make([]atomic.Int32, items), make([]atomic.Bool, workers)
					var calls, bad atomic.Int32
					p.do(items, least, func(worker, i0, i1 int) {
						if !busy[worker].CompareAndSwap(false, true) {
							bad.Add(1)
						}
						defer busy[worker].Store(false)
						calls.Add(1)
						for _, i := range []int{i0, i1} {
							if least > 0 && i%least != 0 && !ends[i] {
								bad.Add(1)
							}
						}
						for i := i0; i < i1; i++ {
							done[i].Add(1)
						}
					})
					for i := range done {
						if n := done[i].Load(); n != 1 {
							t.Fatalf("%d workers did item %d of %d %d times, in pieces of %d", workers, i, items, n, least)
						}
					}
					if n := bad.Load(); n > 0 {
						t.Errorf("%d workers, %d items in pieces of %d: %d bad calls", workers, items, least, n)
					}
					if n := calls.Load(); least == 0 && n > int32(8*workers) {
						t.Errorf("%d workers did %d items in %d calls", workers, items, n)
					}
					if round == 5 && least == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			}
		}
		p.stop()
	}
}

// TestPoolSlow: while a worker is held up in its first piece, the others do the rest of its share.
func TestPoolSlow(t *testing.T) {
	const workers, items = 3, 300
	p := newPool(workers)
	defer p.stop()
	for slow := range workers {
		first := slow * items / workers // of its share, which its owner takes first
		var done atomic.Int32
		held := 0
		p.do(items, 1, func(_, i0, i1 int) {
			if i0 != first {
				done.Add(int32(i1 - i0))
				return
			}
			held = i1 - i0
			for deadline := time.Now().Add(10 * time.Second); done.Load() < int32(items-held); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Errorf("%d of %d items were done while share %d was held up", done.Load(), items-held, slow)
					return
				}
			}
		})
		if held == 0 || held > items/workers/2 {
			t.Errorf("the first piece of share %d had %d items", slow, held)
		}
	}
}

// TestPoolRates: whatever the rates, shares follow each other up to the last item, everybody has one if there are as many
// items, and each item is done exactly once.
func TestPoolRates(t *testing.T) {
	for _, workers := range []int{2, 3, 7} {
		p := newPool(workers)
		for _, items := range []int{2, 3, 7, 8, 100} {
			r := newRates(workers)
			for round := range 30 {
				if round == 10 {
					r[0], r[1] = r[0]+0.99*r[1], 0.01*r[1]
				}
				if round == 20 && workers == 3 {
					copy(r, rates{0.6, r.least(), 0.4 - r.least()})
				}
				done := make([]atomic.Int32, items)
				p.doAt(r, items, 4, func(_, i0, i1 int) {
					for i := i0; i < i1; i++ {
						done[i].Add(1)
					}
				})
				for i := range done {
					if n := done[i].Load(); n != 1 {
						t.Fatalf("%d workers did item %d of %d %d times", workers, i, items, n)
					}
				}
				for k, from := 0, 0; k < workers; k++ {
					if to := r.end(k, items); to < from || items >= workers && to == from || k == workers-1 && to != items {
						t.Fatalf("the share of worker %d of %d is %d to %d of %d by rates of %v", k, workers, from, to, items, r)
					} else {
						from = to
					}
				}
			}
		}
		p.stop()
	}
}

// TestRatesLearn: of workers that are two, three and five times as fast as each other, shares come to be cut so; one that is
// held up once loses no more than a fifth of its share; and one that did nothing has a share again.
func TestRatesLearn(t *testing.T) {
	speeds := []float64{1, 2, 3, 5}
	loop := func(r rates, held int) {
		did, from := make([]work, len(speeds)), 0
		for k, v := range speeds {
			to := r.end(k, 1000)
			did[k] = work{items: to - from, took: time.Duration(float64(to-from) / v * 1e6)}
			from = to
		}
		if held >= 0 {
			did[held].took *= 1000
		}
		r.learn(did)
	}
	r := newRates(len(speeds))
	for range 40 {
		loop(r, -1)
	}
	for k, v := range speeds {
		if want := v / 11; math.Abs(r[k]-want) > 0.001 {
			t.Errorf("worker %d has a rate of %.4f, want %.4f", k, r[k], want)
		}
	}
	before := r[3]
	loop(r, 3)
	if r[3] < before*(1-learnt) || r[3] > 0.95*before {
		t.Errorf("held up once, a rate of %.4f became %.4f", before, r[3])
	}
	for range 100 {
		loop(r, 0)
	}
	if r.end(0, 1000) < 20 {
		t.Errorf("held up for long, a worker has a share of %d of 1000", r.end(0, 1000))
	}
	// Who did nothing has no rate, but has a share again soon, however few items there are.
	few := rates{0.99, 0.01}
	if end := few.end(0, 2); end != 1 {
		t.Errorf("of 2 items, the share of the first of two workers ends at %d", end)
	}
	for range 20 {
		few.learn([]work{{items: 3, took: 3}, {}})
	}
	if few.end(0, 100) > 60 {
		t.Errorf("a worker that came to do nothing has rates of %v", few)
	}
}

// TestPoolPanics: a panic in any worker is a panic of the loop's caller, when nobody is in the loop any more, and the
// next loop is done as ever.
func TestPoolPanics(t *testing.T) {
	const workers, items = 3, 30
	p := newPool(workers)
	defer p.stop()
	for bad := range items {
		var began, ended atomic.Int32
		caught := panics.Catch(func() {
			p.do(items, 1, func(_, i0, i1 int) {
				began.Add(1)
				defer ended.Add(1)
				if i0 <= bad && bad < i1 {
					panic("kernels: gemm: b too short")
				}
				time.Sleep(time.Millisecond)
			})
		})
		if caught == nil || caught.Value != "kernels: gemm: b too short" || ended.Load() != began.Load() {
			t.Errorf("item %d: caught %v when %d of %d calls had ended", bad, caught, ended.Load(), began.Load())
		}
		var done atomic.Int32
		p.do(items, 0, func(_, i0, i1 int) { done.Add(int32(i1 - i0)) })
		if done.Load() != items {
			t.Errorf("item %d: %d of %d items in the next loop", bad, done.Load(), items)
		}
	}
}

// BenchmarkFork is what a loop over nothing costs.
func BenchmarkFork(b *testing.B) {
	p := newPool(2)
	defer p.stop()
	for b.Loop() {
		p.do(2, 0, func(int, int, int) {})
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
				p.do(workers, 0, nothing)
			}
		})
	}
}
