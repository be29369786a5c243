package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lfm/internal/disk"
	"lfm/internal/disk/disktest"
)

// everywhere does work with every fault at every call, each time in a fresh folder, and after
// the last call with a power loss. check is told which fault it was, and whether work returned
// without an error.
func everywhere(t *testing.T, prepare func(dir string) error, work func(fsys disk.FS, dir string) error,
	check func(t *testing.T, fault disktest.Fault, dir string, done bool)) {
	t.Helper()
	for _, fault := range disktest.Faults {
		for n, hit := 1, true; hit; n++ {
			dir := t.TempDir()
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			f := disktest.New(t.TempDir(), n, fault)
			err := work(f, dir)
			hit = f.Hit() != ""
			ended := fault
			if !hit {
				ended = disktest.PowerLoss
				if err != nil {
					t.Fatalf("without a fault: %v", err)
				}
				f.PowerLoss()
			}
			f.Free()
			t.Run(fault.String()+" at "+strings.ReplaceAll(f.Hit(), dir, ""), func(t *testing.T) { check(t, ended, dir, err == nil) })
		}
	}
}

// TestReplace: whatever happens, the file is the old or the new one, whole; the new one
// if there was no error, even if the power fails right then. Only a process that ends leaves
// something aside.
func TestReplace(t *testing.T) {
	const before, after = "before", "after, and longer"
	prepare := func(dir string) error {
		return errors.Join(os.Mkdir(filepath.Join(dir, "aside"), 0o777), os.WriteFile(filepath.Join(dir, "file"), []byte(before), 0o666))
	}
	replace := func(fsys disk.FS, dir string) error {
		return disk.Replace(fsys, filepath.Join(dir, "aside"), filepath.Join(dir, "file"), []byte(after))
	}
	everywhere(t, prepare, replace, func(t *testing.T, fault disktest.Fault, dir string, done bool) {
		text, err := os.ReadFile(filepath.Join(dir, "file"))
		if err != nil || string(text) != after && (done || string(text) != before) {
			t.Errorf("the file says %q, %v; without an error is %v", text, err, done)
		}
		left, err := os.ReadDir(filepath.Join(dir, "aside"))
		if died := fault == disktest.Kill || fault == disktest.PowerLoss; err != nil || len(left) > 0 && !died {
			t.Errorf("%v is left aside, %v", left, err)
		}
	})
}

// TestPlace: as Replace, as long as the machine lives; and it makes the folder.
func TestPlace(t *testing.T) {
	place := func(fsys disk.FS, dir string) error {
		return disk.Place(fsys, filepath.Join(dir, "a", "b", "file"), []byte("text"))
	}
	everywhere(t, func(string) error { return nil }, place, func(t *testing.T, fault disktest.Fault, dir string, done bool) {
		text, err := os.ReadFile(filepath.Join(dir, "a", "b", "file"))
		if fault != disktest.PowerLoss && err == nil && string(text) != "text" {
			t.Errorf("the file says %q", text)
		}
	})
	dir := t.TempDir()
	for range 2 {
		if err := place(disk.OS, dir); err != nil {
			t.Fatal(err)
		}
	}
	if tree, err := disktest.Tree(dir); err != nil || len(tree) != 3 || tree["a/b/file"] != "text" {
		t.Errorf("left %v, %v", tree, err)
	}
}

// TestMkdirAll: the folders are there for good, whoever else makes them too; a file in the
// way is an error.
func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	f := disktest.New(t.TempDir(), 0, disktest.NoSpace)
	defer f.Free()
	for range 2 {
		if err := disk.MkdirAll(f, filepath.Join(dir, "a", "b", "c")); err != nil {
			t.Fatal(err)
		}
	}
	f.PowerLoss()
	if info, err := os.Stat(filepath.Join(dir, "a", "b", "c")); err != nil || !info.IsDir() {
		t.Errorf("after a power loss: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "file/below"} {
		if err := disk.MkdirAll(disk.OS, filepath.Join(dir, name)); err == nil {
			t.Errorf("made the folder %s, where a file is", name)
		}
	}
}

// TestAbort: a draft that is given up leaves nothing, one that is committed stays.
func TestAbort(t *testing.T) {
	dir := t.TempDir()
	aside, path := filepath.Join(dir, "aside"), filepath.Join(dir, "path")
	for _, commit := range []bool{false, true} {
		d, err := disk.Create(disk.OS, aside, path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write([]byte("text")); err != nil {
			t.Fatal(err)
		}
		if commit {
			if err := d.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		d.Abort()
		_, asideErr := os.Lstat(aside)
		_, pathErr := os.Lstat(path)
		if asideErr == nil || commit != (pathErr == nil) {
			t.Errorf("committed %v: aside %v, path %v", commit, asideErr, pathErr)
		}
	}
}
