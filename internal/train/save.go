package train

import (
	"strconv"
	"time"

	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/panics"
)

// saving is a checkpoint on its way to the disk. What it holds is a copy, so that training goes
// on meanwhile.
type saving struct {
	step  int
	at    time.Time // of the copy
	took  time.Duration
	ended chan struct{} // closed when the file is durable, or err or panic says why not
	err   error
	panic *panics.Panic
}

// save copies what is to be kept and begins to write it.
func (r *run) save() error {
	if err := r.settle(true); err != nil {
		return err
	}
	span := r.track.Begin("copy for a checkpoint")
	r.copyState()
	meta := r.meta()
	span.End()
	s := &saving{step: r.done, at: time.Now(), ended: make(chan struct{})}
	r.saving = s
	go func() {
		defer close(s.ended)
		span := r.savingTrack.Begin("write a checkpoint")
		defer span.End()
		s.panic = panics.Catch(func() {
			if s.err = r.Series.Save(s.step, r.copied, meta); s.err == nil && r.Observe.Checkpoint != nil {
				r.Observe.Checkpoint(s.step)
			}
		})
		s.took = time.Since(s.at)
	}()
	return nil
}

// settle takes note of a checkpoint that is written. With wait it waits for one that is being
// written; else that is let alone.
func (r *run) settle(wait bool) error {
	s := r.saving
	if s == nil {
		return nil
	}
	select {
	case <-s.ended:
	default:
		if !wait {
			return nil
		}
		span := r.track.Wait("a checkpoint")
		<-s.ended
		span.End()
	}
	r.saving = nil
	s.panic.Rethrow()
	if s.err == nil {
		r.saved, r.savedAt, r.took = s.step, s.at, s.took
	}
	return s.err
}

// overdue says whether a step may only count as done once the checkpoint before it is written,
// so that a kill never costs more steps than checkpoint_every, or more time than saveAfter.
func (r *run) overdue() bool { return r.CheckpointEvery > 0 || time.Since(r.savedAt) >= saveAfter }

// due says whether it is time for a checkpoint. The last step always has one: what follows
// it may be interrupted too. Where time decides, it begins as early as the last one took.
func (r *run) due() bool {
	if r.done == r.Steps {
		return true
	}
	if r.CheckpointEvery > 0 {
		return r.done%r.CheckpointEvery == 0
	}
	return r.saving == nil && time.Since(r.savedAt) >= saveAfter-min(r.took, saveAfter/2)
}

// copies makes room for a copy of what the machine keeps of all parameters. It is there from
// the beginning, so that a checkpoint takes no memory that there was not before.
func (r *run) copies() (tensors []checkpoint.Tensor) {
	r.eachState(func(state engine.State, prefix string, p *nn.Param) {
		values := make([]float32, p.Size())
		if r.Machine.State(p.Node, state, values) {
			tensors = append(tensors, checkpoint.Tensor{Name: prefix + p.Name, Shape: p.Shape(), Data: values})
		}
	})
	return tensors
}

// copyState copies what the machine keeps now.
func (r *run) copyState() {
	i := 0
	r.eachState(func(state engine.State, prefix string, p *nn.Param) {
		if i < len(r.copied) && r.copied[i].Name == prefix+p.Name {
			r.Machine.State(p.Node, state, r.copied[i].Data)
			i++
		}
	})
}

// eachState calls f for all that a machine may keep, in a checkpoint's order.
func (r *run) eachState(f func(state engine.State, prefix string, p *nn.Param)) {
	for _, s := range states {
		for _, p := range r.Params.All() {
			f(s.state, s.prefix, p)
		}
	}
}

// meta is what a checkpoint holds beside tensors.
func (r *run) meta() map[string]string {
	return map[string]string{
		metaMetrics:   string(r.metrics.rows),
		metaWindow:    r.metrics.window.text(),
		metaSkipped:   strconv.Itoa(r.skipped),
		metaEvaluated: strconv.Itoa(r.evaluated),
	}
}
