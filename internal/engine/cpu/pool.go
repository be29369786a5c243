package cpu

import (
	"runtime"
	"sync/atomic"
	"time"

	"lfm/internal/panics"
)

// pool is a fixed set of workers that run parallel-for loops. Worker 0 is the caller; the
// others are goroutines that wait between loops, at first watching a counter (a loop often
// follows within microseconds) and then asleep.
//
// A loop's items are cut into one contiguous share a worker, at the same places in all loops with equal shares, so that
// a worker meets in its cache what it wrote before. It takes its share in pieces, each half of what is left. One that is
// done early takes from the ends of the others' shares: there are processors with slow cores beside fast ones, and
// cores that others use, too. Where pieces are too large for that to even things out, shares are cut by rates that are
// learned from run to run. Kernels give the same bits for any cut, so who did what, or how many there were, never
// shows in a result.
type pool struct {
	workers int
	rates   rates  // of this loop, or nil
	did     []work // in this loop, if it has rates
	run     func(worker, i0, i1 int)
	least   int // pieces end at multiples of it, and with their share
	shares  []share
	stopped bool

	round   atomic.Uint32                // counts loops; a change wakes the watchers
	pending atomic.Int32                 // workers that have not finished this loop
	panic   atomic.Pointer[panics.Panic] // of a worker in this loop
	asleep  []atomic.Bool                // by worker
	wake    []chan struct{}
}

// share is what is left of a worker's items: the first one, and the one behind the last, each below 2³², in a word. It
// fills two cache lines, which processors fetch in pairs, lest workers disturb each other.
type share struct {
	left atomic.Uint64
	_    [120]byte
}

func (s *share) set(i0, i1 int) { s.left.Store(uint64(i0)<<32 | uint64(i1)) }

// take takes half of what is left, up to a multiple of least: from the front for the owner, from the back for others.
// i0 = i1 says that nothing is.
func (s *share) take(least int, front bool) (i0, i1 int) {
	for {
		left := s.left.Load()
		from, to := int(left>>32), int(left&(1<<32-1))
		if from == to {
			return 0, 0
		}
		half := (to - from + 1) / 2
		if front {
			i0, i1 = from, min(to, (from+half+least-1)/least*least)
			from = i1
		} else {
			i0, i1 = max(from, (to-half)/least*least), to
			to = i0
		}
		if s.left.CompareAndSwap(left, uint64(from)<<32|uint64(to)) {
			return i0, i1
		}
	}
}

// rates are how much of a loop each worker does in the same time, of a sum near 1.
type rates []float64

// newRates are those of equal workers.
func newRates(workers int) rates {
	r := make(rates, workers)
	for k := range r {
		r[k] = 1 / float64(workers)
	}
	return r
}

// learnt is the weight of a loop beside those before it: a fifth, as a worker may have been held up this once.
const learnt = 0.2

// least is the smallest rate that is learned: one that has a share can show that it is fast again.
func (r rates) least() float64 { return 1 / float64(8*len(r)) }

// learn moves the rates towards what the workers did, and that of one that did nothing towards an equal one.
func (r rates) learn(did []work) {
	total, n := 0.0, 0
	for k := range did {
		if did[k].idle() {
			continue
		}
		total, n = total+did[k].rate(), n+1
	}
	equal := 1 / float64(len(r))
	for k := range did {
		to := equal
		if !did[k].idle() {
			to = max(r.least(), did[k].rate()/total*float64(n)*equal)
		}
		r[k] += learnt * (to - r[k])
	}
}

// end is where worker k's share of so many items ends. Everybody has one, if there are as many.
func (r rates) end(k, items int) int {
	until, total, end := 0.0, 0.0, 0
	for _, v := range r {
		total += v
	}
	for i, v := range r[:k+1] {
		until += v
		before := end
		end = min(items, int(until/total*float64(items)+0.5))
		if after := len(r) - 1 - i; items >= len(r) {
			end = min(max(end, before+1), items-after)
		}
	}
	return end
}

// work is what a worker did in a loop. It fills two cache lines, as a share does.
type work struct {
	items int
	took  time.Duration
	_     [112]byte
}

func (w *work) idle() bool { return w.items == 0 || w.took <= 0 }

func (w *work) rate() float64 { return float64(w.items) / float64(w.took) }

// watch is how often a waiting worker looks before it sleeps: about a quarter of a millisecond. Where work is not cut as finely
// as workers differ, one waits that long for another; if it fell asleep, it would be another 100 to 170 microseconds late for
// the next loop, which is what waking takes in a virtual machine. Four times as long is no faster alone, and costs a twentieth
// where other processes want the core; to go on watching and stand aside for them (sched_yield) costs more than half there.
const watch = 100000

// pieces is how many of the least pieces, or twice as many, make a share, where a loop does not say how great they are.
const pieces = 64

func newPool(workers int) *pool {
	p := &pool{workers: workers, did: make([]work, workers), shares: make([]share, workers), asleep: make([]atomic.Bool, workers), wake: make([]chan struct{}, workers)}
	for k := range workers {
		p.wake[k] = make(chan struct{}, 1)
	}
	for k := 1; k < workers; k++ {
		go p.serve(k)
	}
	return p
}

// do runs run over items, cut into ranges [i0, i1) at multiples of least, besides the ends of shares, or, if that is
// 0, as suits their number. It returns when all is done. A panic in any range is one of do, and that too comes
// when no worker is in the loop any more: the memory that it works on may go then.
func (p *pool) do(items, least int, run func(worker, i0, i1 int)) { p.doAt(nil, items, least, run) }

// doAt is do with shares by rates, which it learns from, or equal ones if there are none.
func (p *pool) doAt(r rates, items, least int, run func(worker, i0, i1 int)) {
	if items == 0 {
		return
	}
	if p.workers == 1 || items == 1 {
		run(0, 0, items)
		return
	}
	if least == 0 {
		least = max(1, items/(p.workers*pieces))
	}
	p.shareOut(r, items, least, run)
	if r != nil {
		r.learn(p.did)
	}
}

// shareOut does the loop, and returns when all workers have left it.
func (p *pool) shareOut(r rates, items, least int, run func(worker, i0, i1 int)) {
	p.start(r, items, least, run)
	defer p.join()
	p.work(0)
}

// work does a worker's share, and then what is left of others'.
func (p *pool) work(k int) {
	if p.rates == nil {
		p.pieces(k)
		return
	}
	began := time.Now()
	items := p.pieces(k)
	p.did[k].items, p.did[k].took = items, time.Since(began)
}

// pieces does what work does, and counts the items.
func (p *pool) pieces(k int) (items int) {
	for i := range p.workers {
		s := &p.shares[(k+i)%p.workers]
		for {
			i0, i1 := s.take(p.least, i == 0)
			if i0 == i1 {
				break
			}
			p.run(k, i0, i1)
			items += i1 - i0
		}
	}
	return items
}

// join waits until the other workers have finished the loop.
func (p *pool) join() {
	p.await(0, func() bool { return p.pending.Load() == 0 })
	p.panic.Swap(nil).Rethrow()
}

func (p *pool) start(r rates, items, least int, run func(worker, i0, i1 int)) {
	p.rates, p.least, p.run = r, least, run
	from := 0
	for k := range p.shares {
		to := (k + 1) * items / p.workers
		if r != nil {
			to = r.end(k, items)
		}
		p.shares[k].set(from, to)
		from = to
	}
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
		if caught := panics.Catch(func() { p.work(k) }); caught != nil {
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
		p.start(nil, 0, 1, nil)
	}
}
