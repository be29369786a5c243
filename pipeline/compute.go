package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"lfm/artifacts"
	"lfm/internal/panics"
	"lfm/internal/trace"
)

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
	if !n.IsSource() {
		if err := x.checkData(ctx); err != nil {
			return nil, err
		}
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
		return x.doubt(ctx, n.inputs(), err)
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

// checkData asks the stages that the run is about whether they can work with their data sets, before the first of them is
// computed. Whoever comes first asks, and gets the answer; after a refusal others wait for the end that it brings.
func (x *execution) checkData(ctx context.Context) error {
	first, refusal := false, error(nil)
	x.checking.Do(func() {
		first = true
		refusal = x.askData(ctx)
		x.fit = refusal == nil
	})
	if !first && !x.fit {
		<-ctx.Done()
		return errNotBegun
	}
	return refusal
}

// errNotBegun is a node that was about to be computed when another ended the run.
var errNotBegun = errors.New("not begun")

func (x *execution) askData(ctx context.Context) error {
	n, err := x.unfit(x.selected, x.found)
	if err == nil {
		return nil
	}
	if n.IsSource() {
		err = x.doubt(ctx, []*Node{n}, err)
	}
	if ctx.Err() != nil { // the run ends before it is known who is to blame
		return ctx.Err()
	}
	return x.stageError(ctx, n, err)
}

// doubt asks, of what failed, whether its inputs are to blame: looking them up compared sizes alone. What turns out
// damaged is computed again by the next run, and the error says so.
func (x *execution) doubt(ctx context.Context, inputs []*Node, err error) error {
	for _, in := range inputs {
		if ctx.Err() != nil {
			break
		}
		if bad := x.Store.Verify(ctx, x.found[in.index].artifact.ID); bad != nil && ctx.Err() == nil {
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
