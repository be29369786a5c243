package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gorgonia.org/gorgonia"

	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/optim"
	"lfm/internal/trace"
)

// Job is something to train.
type Job struct {
	Settings
	Seed    uint64         // of the parameters' first values
	Params  *nn.Params     // in the order of the plan's updates
	Machine engine.Machine // of a plan with updates, whose first output is the loss

	// Inputs are the graph's inputs, and Draw fills them, in that order, for a step. It must
	// be a pure function of the step. It is called ahead of the step from another goroutine,
	// which has ended when Run returns.
	Inputs []*gorgonia.Node
	Draw   func(step int, inputs [][]float32) error

	// Series keeps the checkpoints, all of one back end, device and instruction set: others
	// would go on to other bits.
	Series *checkpoint.Series

	// Evaluate, if set, is called every EvaluateEvery steps and after the last, with the
	// number of steps done. What it returns joins the metrics. It may give up with ctx's
	// error when ctx ends; the resumed run then calls it again.
	Evaluate      func(done int) (Figures, error)
	EvaluateEvery int

	Observe Observer
}

// Figures are named numbers, in the order in which they are written.
type Figures []Figure

// Figure is a named number.
type Figure struct {
	Name  string
	Value float64
}

// Observer is told how training goes. Nil functions are not called. Checkpoint is told of a
// checkpoint as soon as it is durable, by the goroutine that wrote it, beside the others.
type Observer struct {
	Resumed    func(step int)
	Progress   func(step, steps int, loss, itemsPerS float64)
	Checkpoint func(step int)
	Warn       func(format string, args ...any)
}

// observeEvery is the least time between two reports of progress.
const observeEvery = 200 * time.Millisecond

// saveAfter is the time that a kill may cost where no number of steps is set.
const saveAfter = 30 * time.Second

// inARow is how many updates in a row may be skipped; see Diverged.
const inARow = 5

// warnings is how many skipped updates are told of.
const warnings = 20

// Diverged is the error of training whose numbers are no longer finite.
type Diverged struct {
	Step       int    // the last of the steps that were skipped, counted from 0
	First      string // tensor that is not finite
	Checkpoint int    // steps done at the last checkpoint, whose weights are good; 0 for none
	Settings   Settings
}

func (d *Diverged) Error() string {
	last := "there is no checkpoint yet"
	if d.Checkpoint > 0 {
		last = fmt.Sprintf("the last good checkpoint is of step %d", d.Checkpoint)
	}
	advice := fmt.Sprintf("lower learning_rate (now %g)", d.Settings.LearningRate)
	if d.Settings.Clip == 0 {
		advice += " or set clip: 1"
	} else {
		advice += fmt.Sprintf(" or clip (now %g)", d.Settings.Clip)
	}
	return fmt.Sprintf("train: loss or gradient was not finite in %d steps in a row, the last of them step %d; first in %s; %s; %s, or raise warmup",
		inARow, d.Step, d.First, last, advice)
}

// Run trains to the last step and returns the metrics as JSON lines. When ctx ends, or
// inputs or figures cannot be had, it saves what is done and returns that error.
func Run(ctx context.Context, j Job) (metrics []byte, err error) {
	r := run{Job: j, adam: j.Settings.optimizer()}
	if err := r.restore(); err != nil {
		return nil, err
	}
	if err := r.steps(ctx); err != nil {
		return nil, err
	}
	return r.metrics.rows, nil
}

// optimizer is AdamW under the settings' schedule.
func (s Settings) optimizer() optim.AdamW {
	return optim.AdamW{
		Rate: s.LearningRate, WeightDecay: s.WeightDecay, Clip: s.Clip,
		EMA: s.EMA, WarmEMA: true,
		Schedule: optim.Cosine{Warm: int(math.Round(s.Warmup * float64(s.Steps))), Steps: s.Steps},
	}
}

// run is a Job at work.
type run struct {
	Job
	adam      optim.AdamW
	done      int // steps
	skipped   int // in a row
	warned    int // of skipped updates
	evaluated int // steps done at the last evaluation
	metrics   metrics

	saved     int                 // steps done at the last checkpoint
	savedAt   time.Time           // and when they were
	took      time.Duration       // writing it
	saving    *saving             // the one being written, if any
	copied    []checkpoint.Tensor // what is being written, or was
	seen      int                 // steps at the last report of progress
	seenAt    time.Time
	lastShown float64

	track, savingTrack *trace.Track // of the loop, and of checkpoints being written
}

// steps does what is left to do. An evaluation comes first in the loop, so that one that
// was given up is made up for before the next step changes the weights.
func (r *run) steps(ctx context.Context) (err error) {
	traced := trace.From(ctx)
	r.track, r.savingTrack = traced.Track("training"), traced.Track("checkpoints")
	feed := newFeed(r.Inputs, r.Draw, r.done, r.Steps, traced.Track("drawing ahead"))
	defer feed.stop()
	defer func() { // nothing is written any more when Run returns
		if failed := r.settle(true); failed != nil {
			err = errors.Join(err, failed)
		}
	}()
	r.copied = r.copies()
	r.savedAt, r.seenAt, r.seen = time.Now(), time.Now(), r.done
	for {
		if err := r.evaluate(); err != nil {
			return r.leave(ctx, err)
		}
		if r.done == r.Steps {
			return nil
		}
		if ctx.Err() != nil {
			return r.leave(ctx, ctx.Err())
		}
		span := r.track.Wait("a drawn batch")
		inputs, err := feed.next(ctx)
		span.End()
		if err != nil {
			return r.leave(ctx, fmt.Errorf("train: step %d: %w", r.done, err))
		}
		span = r.track.Begin("step")
		for i, n := range r.Inputs {
			r.Machine.Set(n, inputs[i])
		}
		feed.release()
		err = r.step()
		span.End()
		if err != nil {
			return err
		}
		r.report()
		if r.due() {
			if err := r.save(); err != nil {
				return err
			}
		}
	}
}

// step is one update.
func (r *run) step() error {
	scalars := r.adam.Scalars(r.done)
	r.Machine.SetScalars(scalars)
	if err := r.Machine.RunAll(); err != nil {
		return fmt.Errorf("train: step %d: %w", r.done, err)
	}
	if err := r.settle(r.overdue()); err != nil {
		return err
	}
	report := r.Machine.Report()
	r.lastShown = report.Loss
	r.metrics.add(report, scalars.Rate)
	if !report.Skipped {
		r.skipped = 0
	} else if r.skipped++; r.skipped >= inARow {
		return &Diverged{Step: r.done, First: r.Machine.Blame(), Checkpoint: r.saved, Settings: r.Settings}
	}
	if report.Skipped {
		r.warn()
	}
	r.done++
	if r.done%rowEvery(r.Steps) == 0 || r.done == r.Steps {
		r.metrics.row(r.done)
	}
	return nil
}

// warn tells of a skipped step, and stops telling where there are many.
func (r *run) warn() {
	if r.warned++; r.Observe.Warn == nil || r.warned > warnings {
		return
	}
	more := ""
	if r.warned == warnings {
		more = "; further such steps are counted in the metrics alone"
	}
	r.Observe.Warn("train: step %d: loss or gradient is not finite, nothing is moved%s", r.done, more)
}

// evaluate asks for figures where they are due and not there yet.
func (r *run) evaluate() error {
	due := r.done == r.Steps || r.EvaluateEvery > 0 && r.done%r.EvaluateEvery == 0
	if r.Evaluate == nil || r.done == r.evaluated || !due {
		return nil
	}
	defer r.track.Begin("evaluate").End()
	begin := time.Now()
	figures, err := r.Evaluate(r.done)
	if err != nil {
		return fmt.Errorf("train: evaluation after %d steps: %w", r.done, err)
	}
	r.metrics.figures(r.done, figures)
	r.evaluated = r.done
	r.seenAt = r.seenAt.Add(time.Since(begin)) // evaluating is no training
	return nil
}

// report tells how far it is, not too often.
func (r *run) report() {
	spent := time.Since(r.seenAt)
	if r.Observe.Progress == nil || spent < observeEvery && r.done != r.Steps {
		return
	}
	r.Observe.Progress(r.done, r.Steps, r.lastShown, float64((r.done-r.seen)*r.Batch)/spent.Seconds())
	r.seen, r.seenAt = r.done, time.Now()
}

// leave saves what is done and returns why training ends before its last step.
func (r *run) leave(ctx context.Context, why error) error {
	err := r.settle(true)
	if err == nil && r.done > r.saved {
		if err = r.save(); err == nil {
			err = r.settle(true)
		}
	}
	if err != nil {
		if ctx.Err() != nil && r.Observe.Warn != nil { // who ends a run is shown no error of it
			r.Observe.Warn("train: the steps from %d to %d could not be saved, and will be done again: %v", r.saved, r.done, err)
		}
		return errors.Join(why, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("train: saved after %d of %d steps: %w", r.done, r.Steps, ctx.Err())
	}
	return why
}
