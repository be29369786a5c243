package artifacts

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lfm/internal/disk"
)

// A Run is the record of one run: what it was asked, what it saw, when and where. It
// is never part of an artifact, so it may tell the time.
type Run struct {
	ID string // sorts by the order of beginning

	dir    string
	fs     disk.FS
	mu     sync.Mutex
	events disk.File
}

const eventsName = "events.jsonl"

// runTime is how an ID begins: the time in UTC, whole milliseconds.
const runTime = "20060102T150405.000"

// NewRun begins a record. It sorts behind all that are there: where the clock was set back,
// its ID tells a time just after the last one's.
func (s *Store) NewRun() (*Run, error) {
	runs, err := s.Runs()
	if err != nil {
		return nil, err
	}
	began := s.now().UTC()
	if len(runs) > 0 {
		text, _, _ := strings.Cut(runs[0].ID, "-")
		if last, err := time.Parse(runTime, text); err == nil && !began.After(last.Add(time.Millisecond)) {
			began = last.Add(time.Millisecond)
		}
	}
	var salt [3]byte
	rand.Read(salt[:])
	id := fmt.Sprintf("%s-%x", began.Format(runTime), salt)
	r := &Run{ID: id, dir: s.path("runs", id), fs: s.fs}
	if err := disk.Mkdir(s.fs, r.dir); err != nil {
		return nil, fmt.Errorf("artifacts: run record: %w", err)
	}
	return r, nil
}

// Runs lists the records, newest first.
func (s *Store) Runs() ([]*Run, error) {
	entries, err := os.ReadDir(s.path("runs"))
	if err != nil {
		return nil, fmt.Errorf("artifacts: run records: %w", err)
	}
	var runs []*Run
	for _, e := range slices.Backward(entries) {
		if e.IsDir() {
			runs = append(runs, &Run{ID: e.Name(), dir: s.path("runs", e.Name()), fs: s.fs})
		}
	}
	return runs, nil
}

// Dir is the record's folder.
func (r *Run) Dir() string { return r.dir }

// WriteJSON writes v to a file of the record, whole or not at all.
func (r *Run) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = disk.Replace(r.fs, r.dir, filepath.Join(r.dir, name), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("artifacts: run record: %w", err)
	}
	return nil
}

// ReadJSON reads what WriteJSON wrote.
func (r *Run) ReadJSON(name string, v any) error {
	if err := readJSON(filepath.Join(r.dir, name), v); err != nil {
		return fmt.Errorf("artifacts: run record %s: %w", r.ID, err)
	}
	return nil
}

// Append adds v as one line of JSON to events.jsonl. Lines of concurrent callers do
// not mix.
func (r *Run) Append(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("artifacts: run record: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events, err = r.fs.OpenFile(filepath.Join(r.dir, eventsName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	}
	if err == nil {
		_, err = r.events.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("artifacts: run record: %w", err)
	}
	return nil
}

// Events calls f with each line that was appended; a last line torn by a kill is left
// out. It stops at f's first error and returns it.
func (r *Run) Events(f func(line []byte) error) error {
	data, err := os.ReadFile(filepath.Join(r.dir, eventsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("artifacts: run record: %w", err)
	}
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\n")) || !json.Valid(line) {
			continue
		}
		if err := f(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the events file; Append opens it again.
func (r *Run) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		return nil
	}
	err := r.events.Close()
	r.events = nil
	return err
}
