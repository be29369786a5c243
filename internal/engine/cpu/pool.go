package cpu

import (
	"runtime"
	"sync/atomic"

	"lfm/internal/panics"
)

// pool is a fixed set of workers that run parallel-for loops. Worker 0 is the caller; the
// others are goroutines that wait between loops, at first watching a counter (a loop often
// follows within microseconds) and then asleep.
//
// A loop's items are cut into one contiguous range a worker, always at the same places, so
// that a worker meets in its cache what it wrote before. Kernels give the same bits for
// any cut, so the number of workers never shows in a result.
type pool struct {
	workers int
	run     func(worker, i0, i1 int)
	items   int
	stopped bool

	round   atomic.Uint32                // counts loops; a change wakes the watchers
	pending atomic.Int32                 // workers that have not finished this loop
	panic   atomic.Pointer[panics.Panic] // of a worker in this loop
	asleep  []atomic.Bool                // by worker
	wake    []chan struct{}
}

// watch is how often a waiting worker looks before it sleeps: some 50 microseconds.
const watch = 20000

func newPool(workers int) *pool {
	p := &pool{workers: workers, asleep: make([]atomic.Bool, workers), wake: make([]chan struct{}, workers)}
	for k := range workers {
		p.wake[k] = make(chan struct{}, 1)
	}
	for k := 1; k < workers; k++ {
		go p.serve(k)
	}
	return p
}

// do runs run over items, cut into ranges [i0, i1), and returns when all is done. A panic in
// any range is one of do, and that too comes when no worker is in the loop any more: the memory
// that it works on may go then.
func (p *pool) do(items int, run func(worker, i0, i1 int)) {
	if items == 0 {
		return
	}
	if p.workers == 1 || items == 1 {
		run(0, 0, items)
		return
	}
	p.start(items, run)
	defer p.join()
	run(0, 0, items/p.workers)
}

// join waits until the other workers have finished the loop.
func (p *pool) join() {
	p.await(0, func() bool { return p.pending.Load() == 0 })
	p.panic.Swap(nil).Rethrow()
}

func (p *pool) start(items int, run func(worker, i0, i1 int)) {
	p.items, p.run = items, run
	p.pending.Store(int32(p.workers - 1))
	p.round.Add(1)
	for k := 1; k < p.workers; k++ {
		p.rouse(k)
	}
}

// serve is a worker's life.
func (p *pool) serve(k int) {
	for seen := uint32(0); ; {
		p.await(k, func() bool { return p.round.Load() != seen })
		seen++
		if p.stopped {
			return
		}
		if caught := panics.Catch(func() { p.run(k, k*p.items/p.workers, (k+1)*p.items/p.workers) }); caught != nil {
			p.panic.CompareAndSwap(nil, caught)
		}
		if p.pending.Add(-1) == 0 {
			p.rouse(0)
		}
	}
}

// await returns when done holds. Whoever makes it hold must rouse the worker afterwards.
func (p *pool) await(k int, done func() bool) {
	for {
		for i := range watch {
			if done() {
				return
			}
			if i%1024 == 1023 {
				runtime.Gosched()
			}
		}
		p.asleep[k].Store(true)
		if !done() || !p.asleep[k].CompareAndSwap(true, false) {
			<-p.wake[k]
		}
	}
}

// rouse wakes a worker if it sleeps, or is about to.
func (p *pool) rouse(k int) {
	if p.asleep[k].CompareAndSwap(true, false) {
		p.wake[k] <- struct{}{}
	}
}

// stop ends the workers.
func (p *pool) stop() {
	p.stopped = true
	if p.workers > 1 {
		p.start(0, nil)
	}
}
