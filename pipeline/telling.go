package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"lfm/artifacts"
)

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

// failed tells of a failure of the node that the error names: a stage may be refused while another is about to begin.
func (x *execution) failed(err error) {
	var stage *StageError
	errors.As(err, &stage)
	n, _ := x.Graph.Node(stage.Stage)
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

// A sieve lets an event of progress, or of a checkpoint, through if the last of its stage or
// data set lies a second and a thousandth of the run's time back; all other events, and a
// stage's last progress, it lets through always. However many steps a run has, its events.jsonl grows by a
// line a second at first and by the logarithm of time later: a stage leaves 2 x 1000 lines in
// the first quarter of an hour and 2 x 6400 more in a week.
type sieve map[string]time.Duration // when the last came through, by event and stage

// passes says whether an event, at some time into the run, is written down.
func (s sieve) passes(e Event, at time.Duration) bool {
	if e.Event != StageProgress && e.Event != SourceProgress && e.Event != StageCheckpoint {
		return true
	}
	key := e.Event + " " + e.Stage
	last, any := s[key]
	ended := e.Event == StageProgress && e.Done() >= 1
	if any && !ended && at-last < max(time.Second, at/1000) {
		return false
	}
	s[key] = at
	return true
}
