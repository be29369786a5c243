package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lfm/internal/disk"
	"lfm/internal/disk/disktest"
)

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
	disktest.Everywhere(t, prepare, replace, func(t *testing.T, o disktest.Outcome) {
		text, err := os.ReadFile(filepath.Join(o.Dir, "file"))
		done := o.Err == nil
		if err != nil || string(text) != after && (done || string(text) != before) {
			t.Errorf("the file says %q, %v; without an error is %v", text, err, done)
		}
		left, err := os.ReadDir(filepath.Join(o.Dir, "aside"))
		if err != nil || len(left) > 0 && !o.Fault.Ends() {
			t.Errorf("%v is left aside, %v", left, err)
		}
	})
}

// TestPlace: as Replace, as long as the machine lives; and it makes the folder.
func TestPlace(t *testing.T) {
	place := func(fsys disk.FS, dir string) error {
		return disk.Place(fsys, filepath.Join(dir, "a", "b", "file"), []byte("text"))
	}
	disktest.Everywhere(t, func(string) error { return nil }, place, func(t *testing.T, o disktest.Outcome) {
		text, err := os.ReadFile(filepath.Join(o.Dir, "a", "b", "file"))
		if o.Fault != disktest.PowerLoss && err == nil && string(text) != "text" {
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
