package pipeline

import (
	"iter"
	"path/filepath"
	"strings"
	"time"

	"lfm/artifacts"
)

// Record is what a run leaves in the store as runs/ID/run.json: what was asked for, what
// happened to each stage, when, and on what machine. It is written anew at every change, so
// that a killed run's record says how far it came. events.jsonl beside it has the Events, of
// progress and checkpoints those that a sieve lets through.
type Record struct {
	ID       string        `json:"id"`
	State    string        `json:"state"` // Running, Finished, WasFailed or WasInterrupted; a killed run stays Running
	Pipeline string        `json:"pipeline"`
	File     string        `json:"file"`   // pipeline.yaml, absolute; on disk relative to the store if it lies beside or below
	Folder   string        `json:"folder"` // where the run was started
	Sets     []string      `json:"set"`
	Until    string        `json:"until,omitempty"`
	Only     string        `json:"only,omitempty"`
	Force    []string      `json:"force,omitempty"`
	Host     string        `json:"host"`
	Platform string        `json:"platform"`
	Threads  int           `json:"threads"`
	Jobs     int           `json:"jobs"`
	Device   string        `json:"device"` // as asked for
	Started  time.Time     `json:"started"`
	Seconds  float64       `json:"seconds"`
	Executed int           `json:"executed"` // stages, data sets not counted
	Cached   int           `json:"cached"`
	Error    string        `json:"error,omitempty"`
	Stages   []StageRecord `json:"stages"` // data sets too, in topological order
}

// What became of a run, or of a stage in it.
const (
	Finished       = "finished" // a run, all of it
	Waiting        = "waiting"  // not reached
	Running        = "running"
	Executed       = "executed"
	WasCached      = "cached"
	WasFailed      = "failed"
	WasInterrupted = "interrupted"
)

// StageRecord is what a run did with one stage or data set.
type StageRecord struct {
	Name      string       `json:"name"`
	Kind      string       `json:"kind"` // "dataset" for a data set
	State     string       `json:"state"`
	Reason    string       `json:"reason,omitempty"` // why it ran
	Action    artifacts.ID `json:"action,omitzero"`
	Output    artifacts.ID `json:"output,omitzero"`
	Key       string       `json:"key,omitempty"` // key text
	Started   time.Time    `json:"started,omitzero"`
	Seconds   float64      `json:"seconds"`
	Resumed   []int        `json:"resumed,omitempty"`     // steps it went on from
	ItemsPerS float64      `json:"items_per_s,omitempty"` // last reported
	Error     string       `json:"error,omitempty"`
	Stack     string       `json:"stack,omitempty"` // of a panic
}

// IsSource reports whether it is a data set's record.
func (s *StageRecord) IsSource() bool { return s.Kind == datasetKind }

// Stage finds a stage's part of the record, or nil.
func (r *Record) Stage(name string) *StageRecord {
	for i := range r.Stages {
		if r.Stages[i].Name == name {
			return &r.Stages[i]
		}
	}
	return nil
}

const recordName = "run.json"

// Records goes through the runs that the store remembers, newest first. Records that
// cannot be read are passed over: they are memories, and nothing depends on them.
func Records(store *artifacts.Store) iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		runs, _ := store.Runs()
		for _, run := range runs {
			record, err := ReadRecord(store, run)
			if err == nil && !yield(record) {
				return
			}
		}
	}
}

// ReadRecord reads the record of a run.
func ReadRecord(store *artifacts.Store, run *artifacts.Run) (*Record, error) {
	record := new(Record)
	if err := run.ReadJSON(recordName, record); err != nil {
		return nil, err
	}
	record.ID = run.ID
	record.File = absoluteFile(store, record.File)
	return record, nil
}

// LastRecord is the newest run of a pipeline file, or nil. Its Sets are what resume and
// the reading commands go on with.
func LastRecord(store *artifacts.Store, file string) *Record {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	for record := range Records(store) {
		if record.File == path {
			return record
		}
	}
	return nil
}

// portableFile writes a path relative to the store if it lies beside or below it, so that
// a project may be moved, store and all.
func portableFile(store *artifacts.Store, path string) string {
	rel, err := filepath.Rel(filepath.Dir(store.Dir()), path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return "../" + filepath.ToSlash(rel)
}

func absoluteFile(store *artifacts.Store, file string) string {
	if !strings.HasPrefix(file, "../") {
		return file
	}
	return filepath.Join(store.Dir(), filepath.FromSlash(file))
}

// memory is what earlier runs of a pipeline file knew of one stage.
type memory struct {
	made *StageRecord // the newest that has an output
	last *StageRecord // the newest that got as far as its key
}

// maxRemembered bounds how many runs are looked through for memories.
const maxRemembered = 200

// remember collects the memories of the graph's stages.
func (r *Runner) remember() map[string]memory {
	memories, missing, looked := map[string]memory{}, 2*len(r.Graph.Nodes), 0
	for record := range Records(r.Store) {
		if looked++; missing == 0 || looked > maxRemembered {
			break
		}
		if record.File != r.Graph.Path {
			continue
		}
		for _, n := range r.Graph.Nodes {
			s, m := record.Stage(n.Name), memories[n.Name]
			if s == nil || s.Key == "" {
				continue
			}
			if m.last == nil {
				m.last = s
				missing--
			}
			if m.made == nil && !s.Output.IsZero() {
				m.made = s
				missing--
			}
			memories[n.Name] = m
		}
	}
	return memories
}
