package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"lfm/artifacts"
)

// Runner brings a graph up to date. Set Store and Graph; the rest has defaults. One value
// serves any number of calls, one at a time; any number of runners, in any number of
// processes, may work on one store, and what two of them want is computed once.
type Runner struct {
	Store   *artifacts.Store
	Graph   *Graph
	Listen  Listener // told of everything; nil: nobody
	Jobs    int      // stages side by side; 0: one
	Threads int      // for all stages together; 0: all that the machine has
	Device  string   // for stages whose pipeline.yaml pins none; "": auto

	AcceptInexact bool // handed on to stages (Env)
}

// Options choose what a run does. Names are of stages or data sets.
type Options struct {
	Until string   // this one and what it is made from; "": all
	Only  string   // this one alone; the stages that it is made from must be cached
	Force []string // these run again, from their beginning, though they are cached
}

// Summary is what a run came to.
type Summary struct {
	RunID    string
	Executed int // stages, data sets not counted
	Cached   int
	Seconds  float64
	Stages   []StageRecord // data sets too, in topological order
}

// StageError is the failure of one stage or data set. Err may be an *Error with a line of
// pipeline.yaml.
type StageError struct {
	Stage string
	Err   error
	Stack string // of a panic; it is in the run record, and not in the message
}

func (e *StageError) Error() string { return "stage " + e.Stage + ": " + e.Err.Error() }

func (e *StageError) Unwrap() error { return e.Err }

// InterruptedError is a run whose context ended. It wraps context.Canceled (or
// DeadlineExceeded) and the context's cause.
type InterruptedError struct {
	Stages []string // that were at work
	errs   []error
}

func (e *InterruptedError) Error() string {
	if len(e.Stages) == 0 {
		return "interrupted between stages; the next run goes on from here"
	}
	return "interrupted in " + list(e.Stages, "and") + "; what was saved is kept, and the next run goes on from there"
}

func (e *InterruptedError) Unwrap() []error { return e.errs }

// Run brings stages up to date: what is cached stays, the rest is computed, in topological
// order and up to Jobs side by side. The first failure stops the others, as the end of ctx
// does; both wait until every stage has saved and returned. The error is an *Error for a
// name that does not exist, a *StageError, or an *InterruptedError.
func (r *Runner) Run(ctx context.Context, opt Options) (Summary, error) {
	x, err := r.begin(opt)
	if err != nil {
		return Summary{}, err
	}
	done, err := r.Store.Use(ctx, r.waiting)
	var readOnly *artifacts.ReadOnlyError
	switch {
	case errors.As(err, &readOnly): // what is cached serves all the same, and leaves no record
	case err != nil && ctx.Err() != nil:
		return Summary{}, interrupted(ctx, nil)
	case err != nil:
		return Summary{}, err
	default:
		defer done()
		if x.run, err = r.Store.NewRun(); err != nil {
			return Summary{}, err
		}
		defer x.run.Close()
		x.record.ID = x.run.ID
	}
	x.save() // first: who hears of the run may look it up
	x.emit(Event{Event: RunStarted, RunID: x.record.ID})
	if r.Device != "" && r.Device != "auto" && r.Graph.Device != "auto" && r.Device != r.Graph.Device {
		x.emit(Event{Event: StageWarning, Message: fmt.Sprintf("%s pins device: %s, so %s is not used; --set device=%s changes that",
			r.Graph.File, r.Graph.Device, r.Device, r.Device)})
	}
	return x.finish(x.schedule(ctx))
}

// waiting tells who keeps the store to itself.
func (r *Runner) waiting(holder string) {
	r.Listen.send(Event{Time: time.Now().UTC(), Event: StageWaiting, Message: "for " + holder + ", which cleans up the store"})
}

// execution is one run under way.
type execution struct {
	*Runner
	choice
	opt      Options
	run      *artifacts.Run // nil where the store can only be read
	writable func() error   // asked before the first stage is computed
	memories map[string]memory
	found    []*finding // by node; written once, before a node that needs it starts
	started  time.Time
	checking sync.Once // by checkData
	fit      bool      // the data sets are, by what it found

	mu      sync.Mutex // guards what follows, the record's files, and calls of Listen
	record  *Record
	sieve   sieve // of what goes to events.jsonl
	unsaved error // the first failure to write the record
}

// choice is the options read: which nodes a run is about.
type choice struct {
	selected []*Node // in topological order
	wanted   map[*Node]bool
	forced   map[*Node]bool
	only     *Node // or nil
}

// choose reads the options; its errors are *Error.
func (g *Graph) choose(opt Options) (choice, error) {
	c := choice{forced: map[*Node]bool{}}
	target, err := (*Node)(nil), error(nil)
	switch {
	case opt.Only != "" && opt.Until != "":
		return c, &Error{File: g.File, Msg: "--only and --until exclude each other"}
	case opt.Only != "":
		c.only, err = g.Node(opt.Only)
		target = c.only
	case opt.Until != "":
		target, err = g.Node(opt.Until)
	}
	if err != nil {
		return c, err
	}
	c.wanted = g.wanted(target)
	for _, name := range opt.Force {
		n, err := g.Node(name)
		if err != nil {
			return c, err
		}
		if !c.wanted[n] || c.only != nil && n != c.only {
			return c, &Error{File: g.File, Msg: fmt.Sprintf("%s is forced, but not part of what --until or --only asks for", name)}
		}
		c.forced[n] = true
	}
	for _, n := range g.Nodes {
		if c.wanted[n] {
			c.selected = append(c.selected, n)
		}
	}
	return c, nil
}

// unasked is the error of a run that needs n made, though only another stage was asked for;
// nil if n may be made.
func (c *choice) unasked(n *Node, f *finding) error {
	if c.only == nil || n == c.only || n.IsSource() {
		return nil
	}
	return &StageError{Stage: n.Name, Err: fmt.Errorf("is %s (%s), and only %s was asked for: lfm run --until %s makes both", f.state, f.reason, c.only.Name, c.only.Name)}
}

// begin reads the options.
func (r *Runner) begin(opt Options) (*execution, error) {
	c, err := r.Graph.choose(opt)
	if err != nil {
		return nil, err
	}
	x := &execution{Runner: r, choice: c, opt: opt, found: make([]*finding, len(r.Graph.Nodes)), started: time.Now(), sieve: sieve{}}
	x.writable = sync.OnceValue(r.Store.Writable)
	x.memories = r.remember()
	x.record = x.newRecord()
	return x, nil
}

// wanted is a node and its upstream, or all stages with theirs.
func (g *Graph) wanted(target *Node) map[*Node]bool {
	if target != nil {
		return g.upstream(target)
	}
	set := map[*Node]bool{}
	for _, n := range g.Nodes {
		if !n.IsSource() {
			for up := range g.upstream(n) {
				set[up] = true
			}
		}
	}
	return set
}

func (x *execution) newRecord() *Record {
	host, _ := os.Hostname()
	folder, _ := os.Getwd()
	record := &Record{
		State: Running, Pipeline: x.Graph.Name, File: portableFile(x.Store, x.Graph.Path), Folder: folder,
		Sets: append([]string{}, x.Graph.Sets...), Until: x.opt.Until, Only: x.opt.Only, Force: x.opt.Force,
		Host: host, Platform: runtime.GOOS + "/" + runtime.GOARCH, Threads: x.threads(), Jobs: x.jobs(),
		Device: x.device(), Started: x.started.UTC(),
	}
	for _, n := range x.selected {
		record.Stages = append(record.Stages, StageRecord{Name: n.Name, Kind: n.KindName(), State: Waiting})
	}
	return record
}

func (r *Runner) jobs() int { return max(1, r.Jobs) }

func (r *Runner) threads() int {
	if r.Threads > 0 {
		return r.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// device is where stages compute: what pipeline.yaml pins wins, because it is in the keys.
func (r *Runner) device() string {
	switch {
	case r.Graph.Device != "auto":
		return r.Graph.Device
	case r.Device != "":
		return r.Device
	}
	return "auto"
}

// outcome is how a node ended.
type outcome struct {
	node  *Node
	found *finding
	err   error
}

// schedule starts nodes as soon as what they are made from is done, the earliest in the
// graph first, and returns when none is at work any more.
func (x *execution) schedule(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	var (
		waiting = slices.Clone(x.selected)
		ended   = make(chan outcome)
		working int
		failure error
		stopped []string
	)
	// Stages begin when all data sets are indexed: checkData asks for all of them.
	ready := func(n *Node) bool {
		missing := func(in *Node) bool { return x.found[in.index] == nil }
		unread := func(in *Node) bool { return in.IsSource() && missing(in) }
		return n.IsSource() || !slices.ContainsFunc(n.inputs(), missing) && !slices.ContainsFunc(x.selected, unread)
	}
	for {
		for working < x.jobs() && ctx.Err() == nil {
			i := slices.IndexFunc(waiting, ready)
			if i < 0 {
				break
			}
			n := waiting[i]
			waiting = slices.Delete(waiting, i, i+1)
			working++
			threads := x.share(working, waiting, ready)
			go func() {
				f, err := x.bringUp(ctx, n, threads)
				ended <- outcome{n, f, err}
			}()
		}
		if working == 0 {
			break
		}
		o := <-ended
		working--
		switch {
		case o.err == nil:
			x.found[o.node.index] = o.found
		case errors.Is(o.err, errNotBegun): // it still waits
		case ctx.Err() != nil && errors.Is(o.err, ctx.Err()):
			stopped = append(stopped, o.node.Name)
			x.interrupted(o.node)
		default:
			x.failed(o.err)
			if failure == nil {
				failure = o.err
			}
			cancel()
		}
	}
	switch {
	case failure != nil:
		return failure
	case len(stopped) > 0 || len(waiting) > 0: // only the parent's end leaves nodes without a failure
		return interrupted(parent, stopped)
	}
	return nil
}

// share divides the threads among the nodes at work and those about to join them.
func (x *execution) share(working int, waiting []*Node, ready func(*Node) bool) int {
	for _, n := range waiting {
		if working < x.jobs() && ready(n) {
			working++
		}
	}
	return max(1, x.threads()/working)
}

func interrupted(ctx context.Context, stages []string) error {
	errs := []error{ctx.Err()}
	if cause := context.Cause(ctx); cause != ctx.Err() {
		errs = append(errs, cause)
	}
	return &InterruptedError{stages, errs}
}
