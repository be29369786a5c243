package artifacts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// garbage lists what gc would take, as "kind name" with the first 6 digits of IDs
// replaced by what they are called.
func garbage(t *testing.T, s *Store, names map[string]string) []string {
	t.Helper()
	g, err := s.Garbage(Keep{Runs: 1})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range g.Items {
		name := it.Name
		if n, ok := names[name]; ok {
			name = n
		}
		if it.Reason == "" || it.Kind != "work" && it.Kind != "run" && it.Size == 0 {
			t.Errorf("%+v has no reason or no size", it)
		}
		got = append(got, it.Kind+" "+name)
	}
	slices.Sort(got)
	return got
}

// TestGarbage: what a pipeline file wants stays, with what that was made from, even
// where the file does not name it; the rest is garbage, until nothing is left.
func TestGarbage(t *testing.T) {
	project := t.TempDir()
	s := open(t, filepath.Join(project, ".lfm"))
	index := publish(t, s, "index", "images")
	ae := publish(t, s, "ae", "autoencoder", index.ID)
	flow := publish(t, s, "flow", "flow", ae.ID)
	oldAE := publish(t, s, "old ae", "old autoencoder", index.ID)
	oldFlow := publish(t, s, "old flow", "old flow", oldAE.ID)
	names := map[string]string{}
	for name, id := range map[string]ID{
		"index": index.ID, "ae": ae.ID, "flow": flow.ID, "old ae": oldAE.ID, "old flow": oldFlow.ID,
		"key index": HashText("index"), "key ae": HashText("ae"), "key flow": HashText("flow"),
		"key old ae": HashText("old ae"), "key old flow": HashText("old flow"),
		"key wanted": HashText("wanted"), "key unwanted": HashText("unwanted"),
	} {
		names[id.String()] = name
	}
	for _, key := range []string{"wanted", "unwanted"} {
		if _, err := s.Work(HashText(key)); err != nil {
			t.Fatal(err)
		}
	}
	var runs []*Run
	for i := range 3 {
		s.now = func() time.Time { return time.Date(2024, 5, 6, 7, 8, i, 0, time.UTC) }
		r, err := s.NewRun()
		if err != nil {
			t.Fatal(err)
		}
		names[r.ID] = fmt.Sprint(i)
		runs = append(runs, r)
	}
	write(t, s.path("aside", "build-x", "weights.bin"), "half")
	write(t, s.path("artifacts", ".DS_Store"), "not ours")

	file := filepath.Join(project, "pipeline.yaml")
	write(t, file, "name: x")
	if err := s.SetRoot(file, []ID{HashText("flow"), HashText("wanted")}); err != nil {
		t.Fatal(err)
	}
	want := []string{"action key old ae", "action key old flow", "artifact old ae", "artifact old flow",
		"aside build-x", "run 0", "run 1", "work key unwanted"}
	if got := garbage(t, s, names); !slices.Equal(got, want) {
		t.Errorf("garbage is\n%q, want\n%q", got, want)
	}

	// A second pipeline wants the old flow, and its file is then deleted: reported, and
	// spared until dropped.
	other := filepath.Join(t.TempDir(), "old.yaml")
	write(t, other, "name: old")
	if err := s.SetRoot(other, []ID{HashText("old flow")}); err != nil {
		t.Fatal(err)
	}
	os.Remove(other)
	if got := garbage(t, s, names); slices.Contains(got, "artifact old ae") {
		t.Errorf("a root whose file is gone no longer protects: %q", got)
	}
	g, err := s.Garbage(Keep{Runs: 1})
	if err != nil || len(g.Gone) != 1 || g.Gone[0].File != other {
		t.Fatalf("gone: %+v, %v", g, err)
	}
	if err := s.DropRoot(other); err != nil {
		t.Fatal(err)
	}
	if got := garbage(t, s, names); !slices.Equal(got, want) {
		t.Errorf("garbage is\n%q, want\n%q", got, want)
	}

	// Nothing goes while anybody uses the store, nor what was wanted since the listing.
	g, err = s.Garbage(Keep{Runs: 1})
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Use(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var inUse *InUse
	if freed, err := s.Collect(context.Background(), g); !errors.As(err, &inUse) || freed != 0 || !strings.Contains(inUse.Holder, "process") {
		t.Errorf("collected %d from under a user: %v", freed, err)
	}
	done()
	if err := s.SetRoot(file, []ID{HashText("flow"), HashText("wanted"), HashText("old ae")}); err != nil {
		t.Fatal(err)
	}
	freed, err := s.Collect(context.Background(), g)
	if err != nil || freed <= 0 || freed >= g.Size() {
		t.Errorf("freed %d of %d, %v", freed, g.Size(), err)
	}
	for _, key := range []string{"index", "ae", "flow", "old ae"} {
		if err := s.Verify(context.Background(), wantHit(t, s, key).ID); err != nil {
			t.Error(err)
		}
	}
	wantMiss(t, s, "old flow", NeverComputed)
	if got := garbage(t, s, names); len(got) != 0 {
		t.Errorf("left after gc: %q", got)
	}
	if left, _ := os.ReadDir(s.path("work")); len(left) != 1 {
		t.Errorf("work areas left: %v", left)
	}
	if _, err := os.Stat(runs[2].Dir()); err != nil {
		t.Error(err)
	}
}

// TestGarbageWithdrawn: the output that a withdrawn action led to is garbage, its
// entry is not.
func TestGarbageWithdrawn(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "key", "bytes")
	if err := errors.Join(s.SetRoot(s.path("README"), []ID{HashText("key")}), s.Withdraw(HashText("key"))); err != nil {
		t.Fatal(err)
	}
	want := []string{"artifact " + a.ID.String()}
	if got := garbage(t, s, nil); !slices.Equal(got, want) {
		t.Errorf("garbage is %q, want %q", got, want)
	}
}

// TestGarbageCache: of the cache goes what nobody touched for long, and nothing else.
func TestGarbageCache(t *testing.T) {
	s := open(t, t.TempDir())
	for name, age := range map[string]time.Duration{"old": unusedFor + time.Hour, "new": unusedFor - time.Hour, ".draft": 2 * unusedFor} {
		path, when := filepath.Join(s.Cache(), name), s.now().Add(-age)
		write(t, path, "memory")
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"cache .draft", "cache old"}
	if got := garbage(t, s, nil); !slices.Equal(got, want) {
		t.Errorf("garbage is %q, want %q", got, want)
	}
	g, err := s.Garbage(Keep{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Collect(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.Cache()); err != nil || len(left) != 1 || left[0].Name() != "new" {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestRootsMove: a project that is moved with its store keeps its roots.
func TestRootsMove(t *testing.T) {
	parent := t.TempDir()
	s := open(t, filepath.Join(parent, "here", ".lfm"))
	file := filepath.Join(parent, "here", "sub", "pipeline.yaml")
	write(t, file, "")
	if err := s.SetRoot(file, []ID{HashText("key")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(parent, "here"), filepath.Join(parent, "there")); err != nil {
		t.Fatal(err)
	}
	roots, err := open(t, filepath.Join(parent, "there", ".lfm")).Roots()
	if err != nil || len(roots) != 1 || roots[0].Gone || roots[0].File != filepath.Join(parent, "there", "sub", "pipeline.yaml") {
		t.Errorf("roots %+v, %v", roots, err)
	}
}

// TestGarbageStops: gc does not guess what an unreadable root protects.
func TestGarbageStops(t *testing.T) {
	s := open(t, t.TempDir())
	publish(t, s, "key", "bytes")
	write(t, s.path("roots", HashText("x").String()+".json"), "{")
	if _, err := s.Garbage(Keep{}); err == nil {
		t.Error("gc goes on over a torn root")
	}
}
