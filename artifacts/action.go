package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Reasons of a Miss; a third begins with "damaged: " and names the file.
const (
	NeverComputed = "never computed"
	Withdrawn     = "withdrawn"
)

// A Miss is the error of a Lookup or Get that found nothing usable. It is the
// ordinary case of a computation still to be done.
type Miss struct {
	ID     ID     // the action or output asked for
	Reason string // NeverComputed, Withdrawn, or "damaged: FILE: …"
}

func (m *Miss) Error() string { return "artifacts: " + m.ID.Short() + ": " + m.Reason }

// An Entry is what the store remembers of an action.
type Entry struct {
	Action   ID        `json:"action"`
	Output   ID        `json:"output,omitzero"`   // zero once withdrawn
	Previous ID        `json:"previous,omitzero"` // the output before this one, if there was one
	Inputs   []ID      `json:"inputs"`            // output IDs
	Made     time.Time `json:"made"`
	Key      string    `json:"key"`
}

// Changed reports whether the action, computed again, made other bytes than before.
func (e *Entry) Changed() bool {
	return !e.Output.IsZero() && !e.Previous.IsZero() && e.Output != e.Previous
}

// Entry is what is remembered of an action, withdrawn or not; a *Miss if nothing is.
func (s *Store) Entry(action ID) (*Entry, error) {
	e := &Entry{}
	err := readJSON(s.actionPath(action), e)
	if err == nil && (e.Action != action || HashText(e.Key) != action) {
		err = &damage{action.String() + ".json", "its key text belongs to another action"}
	}
	if err != nil {
		return nil, miss(action, NeverComputed, err)
	}
	return e, nil
}

// KeyText is the key text remembered with an action.
func (s *Store) KeyText(action ID) (string, bool) {
	e, err := s.Entry(action)
	if err != nil {
		return "", false
	}
	return e.Key, true
}

// Lookup is the artifact that an action led to. Sizes are checked always, digests
// where the artifact is suspect. The error is a *Miss that says why there is none;
// any other says that the store could not be read.
func (s *Store) Lookup(action ID) (*Artifact, error) {
	e, err := s.Entry(action)
	if err != nil {
		return nil, err
	}
	if e.Output.IsZero() {
		return nil, &Miss{action, Withdrawn}
	}
	a, err := s.get(e.Output)
	if err != nil {
		return nil, miss(action, "damaged: artifact "+e.Output.Short()+" is gone", err)
	}
	a.Action, a.Inputs = e.Action, e.Inputs
	return a, nil
}

// Get is the artifact of an output ID, checked as by Lookup.
func (s *Store) Get(output ID) (*Artifact, error) {
	a, err := s.get(output)
	if err != nil {
		return nil, miss(output, "not in the store", err)
	}
	return a, nil
}

// miss turns damage and absence into a *Miss and leaves other errors what they are.
func miss(id ID, absent string, err error) error {
	var d *damage
	switch {
	case errors.As(err, &d):
		return &Miss{id, "damaged: " + d.Error()}
	case errors.Is(err, fs.ErrNotExist):
		return &Miss{id, absent}
	}
	return fmt.Errorf("artifacts: %s: %w", id.Short(), err)
}

func (s *Store) get(output ID) (*Artifact, error) {
	a, err := s.load(output)
	if err != nil || !a.suspect() {
		return a, err
	}
	if err := a.checkDigests(context.Background()); err != nil {
		return nil, err
	}
	return a, s.trust(a)
}

// Withdraw makes the store forget where an action led, so that it is computed
// again. The artifact stays until gc; its ID is remembered as Entry.Previous, so
// that a rerun with other bytes can be told. Withdrawing what was never computed
// is nothing.
func (s *Store) Withdraw(action ID) error {
	unlock, err := s.publishing()
	if err != nil {
		return err
	}
	defer unlock()
	e, err := s.Entry(action)
	var m *Miss
	if errors.As(err, &m) || err == nil && e.Output.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	e.Previous, e.Output = e.Output, ID{}
	if err := s.writeJSON(s.actionPath(action), e); err != nil {
		return fmt.Errorf("artifacts: withdraw %s: %w", action.Short(), err)
	}
	return nil
}

// record remembers that an action led to an output. An entry that cannot be read is
// written over.
func (s *Store) record(action ID, key string, inputs []ID, output ID) error {
	e := &Entry{Action: action, Output: output, Inputs: append([]ID{}, inputs...), Made: s.stamp(), Key: key}
	if old, err := s.Entry(action); err == nil {
		e.Previous = old.Output
		if old.Output.IsZero() {
			e.Previous = old.Previous
		}
	}
	return s.writeJSON(s.actionPath(action), e)
}

func (s *Store) actionPath(action ID) string { return s.path("actions", action.String()+".json") }

// stamp is the time as records carry it: UTC, whole seconds.
func (s *Store) stamp() time.Time { return s.now().UTC().Truncate(time.Second) }
