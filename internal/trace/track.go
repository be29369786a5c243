package trace

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// long is from when on standing still is written, however many spans there were before.
const long = 5 * time.Millisecond

const (
	maxLong   = 1000 // long waits and gaps of a track that are written beyond its first spans
	maxNested = 1 << 14
)

// Track is the time of one goroutine.
type Track struct {
	tracer   *Tracer
	pid, tid int

	// The span at the top that is open, and what lies in it, in the order of their beginnings.
	pending []event
	whole   bool // it is written with what lies in it

	last    time.Time // end of the span at the top before
	shown   bool      // and whether it was written
	longs   int       // written beyond the first
	dropped int       // nested spans that there was no room for; guarded by tracer.mu, as are totals
	totals  map[string]*total
}

// total sums up spans of one name at the top of a track.
type total struct {
	count, written int
	took           time.Duration
	unwritten      time.Duration
}

type event struct {
	name        string
	begin       time.Time
	took        time.Duration // -1 while it is open
	flop, bytes float64
	wait        bool
}

// Span is something that goes on. The zero Span is nothing.
type Span struct {
	track *Track
	at    int // in pending
}

// Begin begins a span: within the one that is open, if any.
func (k *Track) Begin(name string) Span {
	if k == nil || len(k.pending) > 0 && !k.whole {
		return Span{}
	}
	return k.begin(name, time.Now(), false)
}

// Wait begins a span that is standing still: waiting for another.
func (k *Track) Wait(name string) Span {
	if k == nil || len(k.pending) > 0 && !k.whole {
		return Span{}
	}
	return k.begin(name, time.Now(), true)
}

// BeginAt begins a span in the past, but not before the last one ended.
func (k *Track) BeginAt(name string, at time.Time) Span {
	if k == nil || len(k.pending) > 0 && !k.whole {
		return Span{}
	}
	return k.begin(name, at, false)
}

func (k *Track) begin(name string, at time.Time, wait bool) Span {
	if len(k.pending) == 0 {
		k.whole = k.first(name)
		k.gap(at, wait)
	} else if len(k.pending) == maxNested {
		k.drop()
		return Span{}
	}
	k.pending = append(k.pending, event{name: name, begin: at, took: -1, wait: wait})
	return Span{k, len(k.pending) - 1}
}

// End ends a span, and those in it that are still open.
func (s Span) End() {
	if s.track != nil {
		s.end(time.Now(), 0, 0)
	}
}

// EndAt ends a span at a time, having done so much work on so many bytes; 0 bytes say that
// neither is known.
func (s Span) EndAt(at time.Time, flop, bytes float64) {
	if s.track != nil {
		s.end(at, flop, bytes)
	}
}

func (s Span) end(at time.Time, flop, bytes float64) {
	k := s.track
	if s.at >= len(k.pending) {
		return // the span around it has ended
	}
	k.pending[s.at].flop, k.pending[s.at].bytes = flop, bytes
	for i := s.at; i < len(k.pending); i++ {
		if e := &k.pending[i]; e.took < 0 {
			e.took = max(0, at.Sub(e.begin))
		}
	}
	if s.at == 0 {
		k.write()
	}
}

// first says whether a span is among the first of its name.
func (k *Track) first(name string) bool {
	k.tracer.mu.Lock()
	defer k.tracer.mu.Unlock()
	t := k.totals[name]
	if t == nil {
		t = &total{}
		k.totals[name] = t
	}
	return t.count < k.tracer.steps
}

func (k *Track) drop() {
	k.tracer.mu.Lock()
	defer k.tracer.mu.Unlock()
	k.dropped++
}

// gap writes a long time before a span, unless spans on both of its sides show it.
func (k *Track) gap(begin time.Time, wait bool) {
	if k.last.IsZero() || k.shown && k.whole || begin.Sub(k.last) < long || k.longs >= maxLong {
		return
	}
	k.longs++
	k.tracer.mu.Lock()
	defer k.tracer.mu.Unlock()
	k.tracer.span(k, &event{name: "nothing", begin: k.last, took: begin.Sub(k.last)})
}

// write ends the span at the top: it is written with all in it, or alone, or counted.
func (k *Track) write() {
	top := &k.pending[0]
	k.shown = k.whole
	if !k.whole && top.wait && top.took >= long && k.longs < maxLong {
		k.longs++
		k.shown = true
	}
	k.last = top.begin.Add(top.took)

	k.tracer.mu.Lock()
	defer k.tracer.mu.Unlock()
	t := k.totals[top.name]
	t.count++
	t.took += top.took
	if k.shown {
		t.written++
		for i := range k.pending {
			k.tracer.span(k, &k.pending[i])
		}
	} else {
		t.unwritten += top.took
	}
	k.pending = k.pending[:0]
}

// close ends what is open and says what was left out.
func (k *Track) close() {
	if len(k.pending) > 0 {
		k.pending[0].took = -1
		Span{k, 0}.End()
	}
	t := k.tracer
	t.mu.Lock()
	defer t.mu.Unlock()
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(k.totals)) {
		if n := k.totals[name]; n.count > n.written {
			texts = append(texts, fmt.Sprintf("%d of %d of %q, %.3f s of %.3f s", n.count-n.written, n.count, name, n.unwritten.Seconds(), n.took.Seconds()))
		}
	}
	if k.dropped > 0 {
		texts = append(texts, fmt.Sprintf("%d in other spans", k.dropped))
	}
	if len(texts) == 0 {
		return
	}
	t.begin("left out", "i", k.pid, k.tid)
	t.micros("ts", max(0, k.last.Sub(t.began)))
	t.line = append(t.line, `,"s":"t","args":{`...)
	for i, text := range texts {
		if i > 0 {
			t.line = append(t.line, ',')
		}
		t.line = append(t.line, fmt.Sprintf(`"%d":`, i+1)...)
		t.line = appendString(t.line, text)
	}
	t.line = append(t.line, '}')
	t.end()
}
