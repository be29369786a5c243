package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Event names: what can happen during a run. Data sets have names of their own, so that
// whoever counts stages counts stages.
const (
	RunStarted       = "run_started"       // RunID
	StageStarted     = "stage_started"     // ActionID, Kind, Reason
	StageResumed     = "resumed"           // Step
	StageProgress    = "progress"          // Step, Steps, Loss, ItemsPerS; Share where steps are unequal
	StageCheckpoint  = "checkpoint"        // Step
	StagePicture     = "picture"           // Message is its name, Path its file
	StageWarning     = "warning"           // Message
	StageNote        = "note"              // Message, of several lines perhaps
	StageWaiting     = "waiting"           // Message says on whom
	StageCached      = "stage_cached"      // ActionID, OutputID
	StageFinished    = "stage_finished"    // ActionID, OutputID, Seconds
	StageFailed      = "stage_failed"      // Error
	StageInterrupted = "stage_interrupted" // Message
	SourceStarted    = "source_started"    // a data set is being indexed
	SourceProgress   = "source_progress"   // Message says what is done with images; Step, Steps, ItemsPerS
	SourceCached     = "source_cached"     // ActionID, OutputID
	SourceFinished   = "source_finished"   // ActionID, OutputID, Seconds
	RunFinished      = "run_finished"      // Executed, Cached, Seconds; Error unless all went well
)

// Event is one thing that happened. Which fields are set depends on its name.
type Event struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event"`
	Stage     string    `json:"stage"`
	Kind      string    `json:"kind"`
	RunID     string    `json:"run_id"`
	ActionID  string    `json:"action_id"`
	OutputID  string    `json:"output_id"`
	Reason    string    `json:"reason"` // why a stage runs
	Step      int       `json:"step"`
	Steps     int       `json:"steps"`
	Share     float64   `json:"share"` // of the work, in (0, 1], that Step of Steps are; 0 if that is Step/Steps
	Loss      float64   `json:"loss"`
	ItemsPerS float64   `json:"items_per_s"`
	Seconds   float64   `json:"seconds"`
	Executed  int       `json:"executed"` // stages, data sets not counted
	Cached    int       `json:"cached"`
	Message   string    `json:"message"`
	Path      string    `json:"path"`
	Error     string    `json:"error"`
}

// Done is how much of the work is done, from 0 to 1, by an event of progress.
func (e Event) Done() float64 {
	if e.Share > 0 || e.Steps == 0 {
		return e.Share
	}
	return float64(e.Step) / float64(e.Steps)
}

// Left is how long what is left will take after such an event, if it goes on as from an earlier one; 0
// where that cannot be said.
func (e Event) Left(since Event) time.Duration {
	done, todo := e.Done()-since.Done(), 1-e.Done()
	if done <= 0 || todo <= 0 {
		return 0
	}
	return time.Duration(float64(e.Time.Sub(since.Time)) / done * todo)
}

// alwaysWritten lists the fields that stand in an event's JSON even when they are zero;
// the others are left out then.
var alwaysWritten = map[string][]string{
	StageStarted:    {"action_id"},
	StageResumed:    {"step"},
	StageProgress:   {"step", "steps", "loss", "items_per_s"},
	SourceProgress:  {"message", "step", "steps", "items_per_s"},
	StageCheckpoint: {"step"},
	StageWarning:    {"message"},
	StageNote:       {"message"},
	StageCached:     {"output_id"},
	StageFinished:   {"output_id", "seconds"},
	StageFailed:     {"error"},
	RunFinished:     {"executed", "cached"},
}

// MarshalJSON writes the fields that the event's name asks for, and those that are set. A
// number that JSON has no word for (a loss that became NaN) is written as null.
func (e Event) MarshalJSON() ([]byte, error) {
	always := alwaysWritten[e.Event]
	out := bytes.NewBufferString("{")
	put := func(name string, value any, set bool) {
		if !set && !slices.Contains(always, name) {
			return
		}
		if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			value = nil
		}
		text, err := json.Marshal(value)
		if err != nil { // a time beyond the year 9999
			text = []byte("null")
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "%q:%s", name, text)
	}
	put("time", e.Time, true)
	put("event", e.Event, true)
	put("stage", e.Stage, e.Stage != "")
	put("kind", e.Kind, e.Kind != "")
	put("run_id", e.RunID, e.RunID != "")
	put("action_id", e.ActionID, e.ActionID != "")
	put("output_id", e.OutputID, e.OutputID != "")
	put("reason", e.Reason, e.Reason != "")
	put("step", e.Step, e.Step != 0)
	put("steps", e.Steps, e.Steps != 0)
	put("share", e.Share, e.Share != 0)
	put("loss", e.Loss, e.Loss != 0)
	put("items_per_s", e.ItemsPerS, e.ItemsPerS != 0)
	put("seconds", e.Seconds, e.Seconds != 0)
	put("executed", e.Executed, e.Executed != 0)
	put("cached", e.Cached, e.Cached != 0)
	put("message", e.Message, e.Message != "")
	put("path", e.Path, e.Path != "")
	put("error", e.Error, e.Error != "")
	out.WriteByte('}')
	return out.Bytes(), nil
}

// Listener is told what happens. The runner calls it from one goroutine at a time and
// fills in Time and Stage. A nil Listener is fine: its methods do nothing. Stages report
// through the methods.
type Listener func(Event)

func (l Listener) send(e Event) {
	if l != nil {
		l(e)
	}
}

// Progress reports that step of steps is done. loss may be 0 where there is none;
// itemsPerS are images or samples a second, never part of an artifact.
func (l Listener) Progress(step, steps int, loss, itemsPerS float64) {
	l.send(Event{Event: StageProgress, Step: step, Steps: steps, Loss: loss, ItemsPerS: itemsPerS})
}

// UnequalProgress is Progress of steps that take unequal time: share of the work, in (0, 1], is done.
func (l Listener) UnequalProgress(step, steps int, share, itemsPerS float64) {
	l.send(Event{Event: StageProgress, Step: step, Steps: steps, Share: share, ItemsPerS: itemsPerS})
}

// sourceProgress reports how far a data set has been looked through.
func (l Listener) sourceProgress(doing string, done, total int, perSecond float64) {
	l.send(Event{Event: SourceProgress, Message: doing, Step: done, Steps: total, ItemsPerS: perSecond})
}

// Resumed reports that the stage goes on from the state after step.
func (l Listener) Resumed(step int) { l.send(Event{Event: StageResumed, Step: step}) }

// Checkpoint reports that the state after step is saved.
func (l Listener) Checkpoint(step int) { l.send(Event{Event: StageCheckpoint, Step: step}) }

// Picture reports a side product, such as a preview grid, and where it lies.
func (l Listener) Picture(name, path string) {
	l.send(Event{Event: StagePicture, Message: name, Path: path})
}

// Note tells the user what a stage found out, in lines of text.
func (l Listener) Note(text string) { l.send(Event{Event: StageNote, Message: text}) }

// Warn reports something that the user should know and that stops nothing.
func (l Listener) Warn(format string, args ...any) {
	l.send(Event{Event: StageWarning, Message: fmt.Sprintf(format, args...)})
}
