package artifacts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lfm/internal/disk"
	"lfm/internal/disk/disktest"
)

// TestCollectFaults: wherever the disk, the process or the power fails while garbage is
// deleted, what a pipeline file wants stays, nothing damaged is shown, and the next gc
// takes the rest.
func TestCollectFaults(t *testing.T) {
	project := t.TempDir()
	s := open(t, filepath.Join(project, ".lfm"))
	inner := publish(t, s, "inner", "inner text")
	publish(t, s, "kept", "kept text", inner.ID)
	publish(t, s, "gone", "gone text")
	work, err := s.Work(HashText("unwanted"))
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(work.Path("step"), []byte("1"), 0o666),
		os.WriteFile(s.path("aside", "left"), []byte("left"), 0o666),
		os.WriteFile(filepath.Join(project, "pipeline.yaml"), nil, 0o666),
		s.SetRoot(filepath.Join(project, "pipeline.yaml"), []ID{HashText("kept")}))
	if err != nil {
		t.Fatal(err)
	}
	prepare := func(dir string) error { return os.CopyFS(dir, os.DirFS(project)) }
	collect := func(fsys disk.FS, dir string) error {
		s, err := OpenOn(fsys, filepath.Join(dir, ".lfm"))
		if err != nil {
			return err
		}
		garbage, err := s.Garbage(Keep{})
		if err != nil {
			return err
		}
		_, err = s.Collect(context.Background(), garbage)
		return err
	}
	disktest.Everywhere(t, prepare, collect, func(t *testing.T, o disktest.Outcome) {
		s := open(t, filepath.Join(o.Dir, ".lfm"))
		list, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if err := s.Verify(context.Background(), a.ID); err != nil {
				t.Error(err)
			}
		}
		for _, key := range []string{"kept", "inner"} {
			if _, err := s.Lookup(HashText(key)); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		if err := collect(disk.OS, o.Dir); err != nil {
			t.Fatal(err)
		}
		if list, err = s.List(); err != nil || len(list) != 2 {
			t.Errorf("%d artifacts are left, %v; want 2", len(list), err)
		}
		for _, folder := range []string{"aside", "work", "locks"} {
			if left, err := os.ReadDir(s.path(folder)); err != nil || len(left) > 0 {
				t.Errorf("%s/ has %v, %v", folder, left, err)
			}
		}
	})
}
