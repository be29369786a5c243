package trace

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// DefaultSteps is how many spans of a name are written of each track.
const DefaultSteps = 20

// The head of the file while it is written, and once it is whole: as long as each other.
const (
	arrayHead  = "               [\n"
	objectHead = `{"traceEvents":[` + "\n"
)

// flushEvery is how long an event waits for its way to the file.
const flushEvery = time.Second

// Tracer writes a file. It may be used from any number of goroutines.
type Tracer struct {
	steps int
	began time.Time

	mu        sync.Mutex // guards what follows
	file      *os.File
	out       *bufio.Writer
	line      []byte
	written   bool // an event
	flushed   time.Time
	processes int
	tracks    []*Track
}

// Create begins a file in which of each track and name so many spans are written whole.
func Create(path string, steps int) (*Tracer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	t := &Tracer{steps: steps, began: time.Now(), flushed: time.Now(), file: f, out: bufio.NewWriterSize(f, 1<<16)}
	t.out.WriteString(arrayHead)
	return t, nil
}

// Close ends every track and the file. Its error is the first of all that writing had.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	tracks := t.tracks
	t.mu.Unlock()
	for _, k := range tracks {
		k.close()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.WriteString("\n],\"displayTimeUnit\":\"ms\"}\n")
	err := t.out.Flush()
	if err == nil {
		_, err = t.file.WriteAt([]byte(objectHead), 0)
	}
	if err = errors.Join(err, t.file.Close()); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// LeftOut is how many spans were not written so far.
func (t *Tracer) LeftOut() (n int) {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.tracks {
		for _, total := range k.totals {
			n += total.count - total.written
		}
		n += k.dropped
	}
	return n
}

// A Process is a group of tracks.
type Process struct {
	tracer *Tracer
	id     int
	lanes  []*Track // guarded by tracer.mu
	busy   []bool   // of the lanes
	tracks int
}

// Process begins a group of tracks.
func (t *Tracer) Process(name string) *Process {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.processes++
	p := &Process{tracer: t, id: t.processes}
	t.meta("process_name", p.id, 0, name)
	return p
}

// Process begins another group in the same file.
func (p *Process) Process(name string) *Process {
	if p == nil {
		return nil
	}
	return p.tracer.Process(name)
}

// Track begins a track, which serves one goroutine at a time.
func (p *Process) Track(name string) *Track {
	if p == nil {
		return nil
	}
	t := p.tracer
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.track(name)
}

func (p *Process) track(name string) *Track {
	t := p.tracer
	p.tracks++
	k := &Track{tracer: t, pid: p.id, tid: p.tracks, totals: map[string]*total{}}
	t.tracks = append(t.tracks, k)
	t.meta("thread_name", p.id, k.tid, name)
	return k
}

// Lane is a track for spans that may be side by side: the first of those with this purpose on
// which nothing goes on. It is the caller's until free is called.
func (p *Process) Lane(name string) (k *Track, free func()) {
	if p == nil {
		return nil, func() {}
	}
	t := p.tracer
	t.mu.Lock()
	defer t.mu.Unlock()
	i := 0
	for i < len(p.lanes) && p.busy[i] {
		i++
	}
	if i == len(p.lanes) {
		if i > 0 {
			name += " " + strconv.Itoa(i+1)
		}
		p.lanes, p.busy = append(p.lanes, p.track(name)), append(p.busy, false)
	}
	p.busy[i] = true
	return p.lanes[i], func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		p.busy[i] = false
	}
}

type key struct{}

// With gives a context whose work belongs to a process.
func With(ctx context.Context, p *Process) context.Context {
	if p == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, p)
}

// From is the process that With gave the context, or nil.
func From(ctx context.Context) *Process {
	p, _ := ctx.Value(key{}).(*Process)
	return p
}

// ---- writing -------------------------------------------------------------------------

// begin starts an event's line; mu is held. end ends it.
func (t *Tracer) begin(name, phase string, pid, tid int) {
	t.line = t.line[:0]
	if t.written {
		t.line = append(t.line, ",\n"...)
	}
	t.written = true
	t.line = append(t.line, `{"name":`...)
	t.line = appendString(t.line, name)
	t.line = append(t.line, `,"ph":"`...)
	t.line = append(t.line, phase...)
	t.line = append(t.line, `","pid":`...)
	t.line = strconv.AppendInt(t.line, int64(pid), 10)
	t.line = append(t.line, `,"tid":`...)
	t.line = strconv.AppendInt(t.line, int64(tid), 10)
}

func (t *Tracer) end() {
	t.line = append(t.line, '}')
	t.out.Write(t.line) // Close returns the first error
	if time.Since(t.flushed) > flushEvery {
		t.out.Flush()
		t.flushed = time.Now()
	}
}

func (t *Tracer) meta(what string, pid, tid int, name string) {
	t.begin(what, "M", pid, tid)
	t.line = append(t.line, `,"args":{"name":`...)
	t.line = appendString(t.line, name)
	t.line = append(t.line, '}')
	t.end()
}

// micros appends a member that is a time in µs.
func (t *Tracer) micros(name string, d time.Duration) {
	t.line = append(t.line, `,"`...)
	t.line = append(t.line, name...)
	t.line = append(t.line, `":`...)
	t.line = strconv.AppendFloat(t.line, float64(d)/1e3, 'f', 3, 64)
}

// span writes what a track did.
func (t *Tracer) span(k *Track, e *event) {
	t.begin(e.name, "X", k.pid, k.tid)
	t.micros("ts", e.begin.Sub(t.began))
	t.micros("dur", e.took)
	if e.bytes > 0 {
		t.line = append(t.line, `,"args":{"gflop_per_s":`...)
		t.line = appendRate(t.line, e.flop, e.took)
		t.line = append(t.line, `,"gb_per_s":`...)
		t.line = appendRate(t.line, e.bytes, e.took)
		t.line = append(t.line, '}')
	}
	t.end()
}

// appendRate appends billions a second.
func appendRate(line []byte, work float64, took time.Duration) []byte {
	return strconv.AppendFloat(line, work/float64(max(took, 1)), 'f', 2, 64) // a billion a second is one a nanosecond
}

func appendString(line []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic("trace: " + err.Error()) // a string always has a form
	}
	return append(line, text...)
}
