package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"lfm/artifacts"
	"lfm/internal/panics"
	"lfm/internal/trace"
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
	x.emit(Event{Event: RunStarted, RunID: x.record.ID})
	x.save()
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

// ---- scheduling ----------------------------------------------------------------------

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
	ready := func(n *Node) bool {
		return !slices.ContainsFunc(n.inputs(), func(in *Node) bool { return x.found[in.index] == nil })
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
		case ctx.Err() != nil && errors.Is(o.err, ctx.Err()):
			stopped = append(stopped, o.node.Name)
			x.interrupted(o.node)
		default:
			x.failed(o.node, o.err)
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

// ---- one node ------------------------------------------------------------------------

// bringUp makes sure that a node's output is in the store. Whoever holds the action's lock
// computes; another run that wants the same waits for it and then finds it made.
func (x *execution) bringUp(ctx context.Context, n *Node, threads int) (f *finding, err error) {
	defer x.rescue(n, &err)
	track, free := trace.From(ctx).Lane("stages")
	defer free()
	defer track.Begin(n.Name).End()
	f, err = x.look(ctx, n, x.found, x.listener(n))
	if err == nil {
		err = f.err
	}
	if err != nil {
		return nil, x.stageError(ctx, n, err)
	}
	if f.artifact != nil && !x.forced[n] {
		x.cached(n, f, "")
		return f, nil
	}
	f.state, f.reason = x.judge(n, f, x.found, x.memories[n.Name])
	if x.forced[n] {
		f.reason = forcedReason
	}
	if err := x.unasked(n, f); err != nil {
		return nil, err
	}
	if err := x.writable(); err != nil {
		return nil, x.stageError(ctx, n, fmt.Errorf("has to be computed (%s), but %w", f.reason, err))
	}
	unlock, err := x.Store.Lock(ctx, "action-"+f.action.String(), func(holder string) {
		x.emit(Event{Event: StageWaiting, Stage: n.Name, Message: holder + " is computing the same; waiting for it"})
	})
	if err != nil {
		return nil, x.stageError(ctx, n, err)
	}
	defer unlock()
	if !x.forced[n] {
		if err := x.lookup(n, f); err != nil {
			return nil, x.stageError(ctx, n, err)
		}
		if f.artifact != nil {
			x.cached(n, f, "made by another run meanwhile")
			return f, nil
		}
	}
	if err := x.compute(ctx, n, f, threads, track); err != nil {
		if lost := x.Store.Check(); lost != nil {
			err = lost // the rest follows from it
		}
		return nil, x.stageError(ctx, n, err)
	}
	return f, nil
}

// compute runs a node and publishes what it made. Its action's lock is held.
func (x *execution) compute(ctx context.Context, n *Node, f *finding, threads int, track *trace.Track) error {
	work, err := x.Store.Work(f.action)
	if err == nil && x.forced[n] {
		if err = work.Remove(); err == nil {
			if err = x.Store.Withdraw(f.action); err == nil {
				work, err = x.Store.Work(f.action)
			}
		}
	}
	if err != nil {
		return err
	}
	started := time.Now()
	x.begun(n, f)
	output := datasetKind
	if !n.IsSource() {
		output = n.Kind.Output
	}
	out, err := x.Store.Build(output)
	if err != nil {
		return err
	}
	defer out.Discard()
	out.Provenance("go", runtime.Version())
	out.Provenance("platform", runtime.GOOS+"/"+runtime.GOARCH)
	span := track.Begin("compute")
	err = x.payload(trace.With(ctx, trace.From(ctx).Process(n.Name)), n, f, threads, work, out)
	span.End()
	if err != nil {
		return x.doubt(ctx, n, err)
	}
	span = track.Begin("publish")
	a, err := out.Publish(f.action, f.key, x.inputIDs(n))
	if err != nil {
		return err
	}
	span.End()
	f.artifact, f.state = a, Cached
	if err := work.Remove(); err != nil {
		x.listener(n).Warn("the work area could not be removed: %v", err)
	}
	if e, err := x.Store.Entry(f.action); err == nil && e.Changed() {
		x.listener(n).Warn("%s made other bytes than before from the same key (was %s, is %s): what depends on it runs again",
			n.Name, e.Previous.Short(), e.Output.Short())
	}
	x.finished(n, f, time.Since(started))
	return nil
}

// rescue, deferred, makes an error of a node's panic. Its stack goes into the run's record.
func (x *execution) rescue(n *Node, err *error) {
	r := recover()
	if r == nil {
		return
	}
	where := "a mistake in lfm"
	if x.run != nil {
		where += "; the stack is in " + filepath.Join(x.run.Dir(), recordName)
	}
	p := panics.Of(r)
	*err = &StageError{n.Name, fmt.Errorf("panicked: %v (%s)", p.Value, where), p.Stack}
}

// payload lets a data set or a stage write its payload. An error about a setting shows its
// line of pipeline.yaml.
func (x *execution) payload(ctx context.Context, n *Node, f *finding, threads int, work artifacts.Workspace, out *artifacts.Builder) (err error) {
	defer x.rescue(n, &err)
	ctx, l, stop := x.whileHeld(ctx, x.listener(n))
	defer stop()
	if n.IsSource() {
		return x.Graph.locate(n, f.source.Index(ctx, out, func(msg string) { l.Warn("%s", msg) }, l.sourceProgress))
	}
	stage, err := n.Kind.Open(n.Config, Env{
		Seed: n.Seed, Threads: threads, Device: x.device(),
		BaseDir: x.Graph.Dir, OutDir: filepath.Join(x.Graph.Dir, "out", n.Name),
		AcceptInexact: x.AcceptInexact,
	})
	if err != nil {
		return x.Graph.locate(n, err)
	}
	in := Inputs{Artifacts: map[string]*artifacts.Artifact{}}
	for port, m := range n.Needs {
		in.Artifacts[port] = x.found[m.index].artifact
	}
	if n.Data != nil {
		in.Data, in.Source = x.found[n.Data.index].artifact, x.found[n.Data.index].source
	}
	return x.Graph.locate(n, stage.Run(ctx, in, work, out, l))
}

// doubt asks of a node that failed whether its inputs are to blame: looking them up compared sizes alone. What turns out
// damaged is computed again by the next run, and the error says so.
func (x *execution) doubt(ctx context.Context, n *Node, err error) error {
	for _, in := range n.inputs() {
		if ctx.Err() != nil {
			break
		}
		if bad := x.Store.Verify(ctx, x.found[in.index].artifact.ID); bad != nil {
			return fmt.Errorf("%w; %s, which it reads, is damaged: %w", err, in.Name, bad)
		}
	}
	return err
}

// whileHeld ends a stage's work at the first checkpoint at which the store says that the stage's
// lock was lost, or the store itself: what goes on from there is another's, or nobody's.
func (x *execution) whileHeld(ctx context.Context, l Listener) (context.Context, Listener, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	return ctx, func(e Event) {
		l(e)
		if e.Event == StageCheckpoint && x.Store.Check() != nil {
			stop()
		}
	}, stop
}

func (x *execution) inputIDs(n *Node) []artifacts.ID {
	var ids []artifacts.ID
	for _, in := range n.inputs() {
		ids = append(ids, x.found[in.index].artifact.ID)
	}
	return ids
}

// stageError names the stage, unless the error does. The end of the run's context stays
// what it is.
func (x *execution) stageError(ctx context.Context, n *Node, err error) error {
	var named *StageError
	if errors.As(err, &named) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	return &StageError{Stage: n.Name, Err: err}
}

// ---- telling and recording -----------------------------------------------------------

// listener is what a node reports through.
func (x *execution) listener(n *Node) Listener {
	return func(e Event) {
		e.Stage = n.Name
		x.update(n, func(s *StageRecord) {
			switch e.Event {
			case StageResumed:
				s.Resumed = append(s.Resumed, e.Step)
			case StageProgress, SourceProgress:
				s.ItemsPerS = e.ItemsPerS
			}
		})
		x.emit(e)
	}
}

// emit tells the listener and, if the event passes the sieve, the run's events file.
func (x *execution) emit(e Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	if x.run != nil && x.sieve.passes(e, time.Since(x.started)) {
		x.keep(x.run.Append(e))
	}
	x.Listen.send(e)
}

// update changes a node's part of the record.
func (x *execution) update(n *Node, change func(*StageRecord)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(x.record.Stage(n.Name))
}

// save writes the record as it stands.
func (x *execution) save() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.record.Seconds = time.Since(x.started).Seconds()
	if x.run == nil {
		return
	}
	x.keep(x.run.WriteJSON(recordName, x.record))
}

// keep remembers the first failure to write the record. A run goes on without its record,
// but says so at its end.
func (x *execution) keep(err error) {
	if x.unsaved == nil {
		x.unsaved = err
	}
}

func (x *execution) cached(n *Node, f *finding, reason string) {
	x.update(n, func(s *StageRecord) {
		s.State, s.Reason, s.Action, s.Output, s.Key = WasCached, reason, f.action, f.artifact.ID, f.key
		if !n.IsSource() {
			x.record.Cached++
		}
	})
	x.emit(Event{Event: nodeEvent(n, StageCached, SourceCached), Stage: n.Name, Kind: n.KindName(),
		ActionID: f.action.String(), OutputID: f.artifact.ID.String(), Reason: reason})
}

func (x *execution) begun(n *Node, f *finding) {
	x.update(n, func(s *StageRecord) {
		s.State, s.Reason, s.Action, s.Key, s.Started = Running, f.reason, f.action, f.key, time.Now().UTC()
	})
	x.save()
	x.keepRoots()
	x.emit(Event{Event: nodeEvent(n, StageStarted, SourceStarted), Stage: n.Name, Kind: n.KindName(),
		ActionID: f.action.String(), Reason: f.reason})
}

func (x *execution) finished(n *Node, f *finding, took time.Duration) {
	x.update(n, func(s *StageRecord) {
		s.State, s.Output, s.Seconds = Executed, f.artifact.ID, took.Seconds()
		if !n.IsSource() {
			x.record.Executed++
		}
	})
	x.save()
	x.emit(Event{Event: nodeEvent(n, StageFinished, SourceFinished), Stage: n.Name, Kind: n.KindName(),
		ActionID: f.action.String(), OutputID: f.artifact.ID.String(), Seconds: took.Seconds()})
}

func (x *execution) failed(n *Node, err error) {
	var stage *StageError
	errors.As(err, &stage)
	x.update(n, func(s *StageRecord) {
		s.State, s.Error, s.Stack, s.Seconds = WasFailed, stage.Err.Error(), stage.Stack, since(s.Started)
	})
	x.save()
	x.emit(Event{Event: StageFailed, Stage: n.Name, Kind: n.KindName(), Error: stage.Err.Error()})
}

func (x *execution) interrupted(n *Node) {
	x.update(n, func(s *StageRecord) { s.State, s.Seconds = WasInterrupted, since(s.Started) })
	x.save()
	x.emit(Event{Event: StageInterrupted, Stage: n.Name, Kind: n.KindName(), Message: "interrupted; what was saved is kept"})
}

func nodeEvent(n *Node, stage, source string) string {
	if n.IsSource() {
		return source
	}
	return stage
}

func since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return time.Since(t).Seconds()
}

// keepRoots tells the store which actions this pipeline file wants, so that gc leaves
// them alone: those of this run, and of a stage that this run has not come to, those of the
// run before.
func (x *execution) keepRoots() {
	x.mu.Lock()
	defer x.mu.Unlock()
	var actions []artifacts.ID
	for _, n := range x.Graph.Nodes {
		s, m := x.record.Stage(n.Name), x.memories[n.Name]
		if s != nil && !s.Action.IsZero() {
			actions = append(actions, s.Action)
			continue
		}
		for _, old := range []*StageRecord{m.made, m.last} {
			if old != nil && !slices.Contains(actions, old.Action) {
				actions = append(actions, old.Action)
			}
		}
	}
	if x.run == nil {
		return
	}
	x.keep(x.Store.SetRoot(x.Graph.Path, actions))
}

// finish closes the record and sums up.
func (x *execution) finish(err error) (Summary, error) {
	x.keepRoots()
	var stopped *InterruptedError
	x.mu.Lock()
	x.record.State = Finished
	switch {
	case errors.As(err, &stopped):
		x.record.State, x.record.Error = WasInterrupted, err.Error()
	case err != nil:
		x.record.State, x.record.Error = WasFailed, err.Error()
	}
	e := Event{Event: RunFinished, RunID: x.record.ID, Executed: x.record.Executed, Cached: x.record.Cached,
		Seconds: time.Since(x.started).Seconds(), Error: x.record.Error}
	x.mu.Unlock()
	x.save()
	x.emit(e)
	summary := Summary{x.record.ID, e.Executed, e.Cached, e.Seconds, x.record.Stages}
	if err == nil && x.unsaved != nil {
		err = fmt.Errorf("pipeline: the run is done, but its record could not be written: %w", x.unsaved)
	}
	return summary, err
}
