package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Keep says what Garbage spares beside what roots reach. The zero value is the default.
type Keep struct {
	Runs int // the newest run records; 0 means 20

	NotGone bool // spare nothing for pipeline files that are gone, as if DropRoot had been called for each
}

// Garbage is what no root reaches: nobody's pipeline would miss it.
type Garbage struct {
	Items []Item
	Gone  []Root // pipeline files that are no longer there; what they want is spared until DropRoot

	keep Keep
}

// Size is what Collect would free, in bytes.
func (g *Garbage) Size() int64 {
	var sum int64
	for _, it := range g.Items {
		sum += it.Size
	}
	return sum
}

// An Item is one file or folder that may go.
type Item struct {
	Kind   string `json:"kind"` // "action", "artifact", "work", "run", "aside", "cache"
	Name   string `json:"name"` // the ID, the run, the name in aside/ or cache/
	Size   int64  `json:"size"` // bytes
	Reason string `json:"reason"`
}

// InUse is the error of Collect while another process uses the store.
type InUse struct{ Holder string }

func (e *InUse) Error() string {
	return "artifacts: the store is in use by " + e.Holder + ": try again when it has ended"
}

// reached is what the roots reach.
type reached struct{ actions, outputs map[ID]bool }

// reach follows the roots: an action reaches its output and its inputs, an output
// every action that led to it. A withdrawn action does not reach its previous output.
func (s *Store) reach(roots []Root, entries map[ID]*Entry) reached {
	r := reached{map[ID]bool{}, map[ID]bool{}}
	makers := map[ID][]ID{}
	for id, e := range entries {
		makers[e.Output] = append(makers[e.Output], id)
	}
	var todo []ID
	for _, root := range roots {
		todo = append(todo, root.Actions...)
	}
	for len(todo) > 0 {
		action := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if r.actions[action] {
			continue
		}
		r.actions[action] = true
		e := entries[action]
		if e == nil {
			continue
		}
		for _, output := range append([]ID{e.Output}, e.Inputs...) {
			if !output.IsZero() {
				r.outputs[output] = true
				todo = append(todo, makers[output]...)
			}
		}
	}
	return r
}

// Garbage lists what no root reaches, and deletes nothing.
func (s *Store) Garbage(keep Keep) (*Garbage, error) {
	if keep.Runs == 0 {
		keep.Runs = 20
	}
	g := &Garbage{keep: keep}
	roots, err := s.Roots()
	if err != nil {
		return nil, err
	}
	if keep.NotGone {
		roots = slices.DeleteFunc(roots, func(r Root) bool { return r.Gone })
	}
	for _, r := range roots {
		if r.Gone {
			g.Gone = append(g.Gone, r)
		}
	}
	actions, err := s.ids("actions", ".json")
	if err != nil {
		return nil, err
	}
	entries := map[ID]*Entry{}
	for _, id := range actions {
		e, err := s.Entry(id)
		var m *Miss
		if err != nil && !errors.As(err, &m) {
			return nil, err
		}
		if err == nil {
			entries[id] = e
		}
	}
	live := s.reach(roots, entries)

	for _, id := range actions {
		if !live.actions[id] {
			g.add(s, "action", id.String(), "no pipeline file wants it")
		}
	}
	outputs, err := s.ids("artifacts", "")
	if err != nil {
		return nil, err
	}
	for _, id := range outputs {
		if !live.outputs[id] {
			g.add(s, "artifact", id.String(), "no action that a pipeline file wants leads to it")
		}
	}
	works, err := s.ids("work", "")
	if err != nil {
		return nil, err
	}
	for _, id := range works {
		switch {
		case !live.actions[id]:
			g.add(s, "work", id.String(), "unfinished, and no pipeline file wants its action")
		case s.made(entries[id]):
			g.add(s, "work", id.String(), "left by a process that ended when its stage was done")
		}
	}
	runs, err := s.Runs()
	if err != nil {
		return nil, err
	}
	for _, r := range runs[min(keep.Runs, len(runs)):] {
		g.add(s, "run", r.ID, fmt.Sprintf("older than the newest %d", keep.Runs))
	}
	asides, err := os.ReadDir(s.path("aside"))
	if err != nil {
		return nil, fmt.Errorf("artifacts: list aside: %w", err)
	}
	for _, e := range asides {
		g.add(s, "aside", e.Name(), "left by a process that ended before it was done")
	}
	return g, s.addUnused(g)
}

// unusedFor is for how long nobody touched a file of the cache that may go.
const unusedFor = 30 * 24 * time.Hour

// addUnused adds what nobody uses of the cache, what a killed process left half written there included.
func (s *Store) addUnused(g *Garbage) error {
	entries, err := os.ReadDir(s.Cache())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("artifacts: list cache: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && s.now().Sub(info.ModTime()) > unusedFor {
			g.add(s, "cache", e.Name(), "not used for 30 days")
		}
	}
	return nil
}

// made reports whether an entry leads to an artifact that serves.
func (s *Store) made(e *Entry) bool {
	if e == nil || e.Output.IsZero() {
		return false
	}
	a, err := s.load(e.Output)
	return err == nil && !a.suspect()
}

func (g *Garbage) add(s *Store, kind, name, reason string) {
	g.Items = append(g.Items, Item{kind, name, diskSize(s.itemPath(kind, name)), reason})
}

func (s *Store) itemPath(kind, name string) string {
	switch kind {
	case "action":
		return s.path("actions", name+".json")
	case "artifact":
		return s.path("artifacts", name)
	case "run":
		return s.path("runs", name)
	case "work", "aside", "cache":
		return s.path(kind, name)
	}
	panic("artifacts: garbage of unknown kind " + kind)
}

// diskSize adds up the files under path; what vanishes meanwhile counts nothing.
func diskSize(path string) int64 {
	var sum int64
	filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// Collect deletes the items of g that still are garbage, and returns the bytes freed.
// It takes the store for itself: while any process holds Use or a Lock, Collect
// deletes nothing and returns *InUse.
func (s *Store) Collect(ctx context.Context, g *Garbage) (freed int64, err error) {
	unlock, err := s.Lock(ctx, gateName, nil)
	if err != nil {
		return 0, err
	}
	defer unlock()
	holder, err := s.locks.anyHeld(ctx, gateName)
	if err != nil {
		return 0, fmt.Errorf("artifacts: collect: %w", err)
	}
	if holder != "" {
		return 0, &InUse{holder}
	}
	now, err := s.Garbage(g.keep)
	if err != nil {
		return 0, err
	}
	still := map[[2]string]bool{}
	for _, it := range now.Items {
		still[[2]string{it.Kind, it.Name}] = true
	}
	// Items stand in the order actions, artifacts, …: an entry goes before what it names.
	for _, it := range g.Items {
		if err := ctx.Err(); err != nil {
			return freed, err
		}
		if !still[[2]string{it.Kind, it.Name}] {
			continue
		}
		if err := s.remove(it); err != nil {
			return freed, fmt.Errorf("artifacts: collect %s %s: %w", it.Kind, it.Name, err)
		}
		freed += it.Size
	}
	return freed, nil
}

func (s *Store) remove(it Item) error {
	path := s.itemPath(it.Kind, it.Name)
	if it.Kind == "aside" || it.Kind == "cache" || strings.HasSuffix(path, ".json") {
		return s.fs.RemoveAll(path)
	}
	return s.discard(path)
}
