package disktest

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lfm/internal/disk"
)

// script does steps in a folder: "write NAME TEXT", "create NAME TEXT" (which is write and
// sync), "sync NAME", "syncdir NAME", "mkdir NAME", "rename OLD NEW", "link OLD NEW",
// "remove NAME", "removeall NAME". It stops at the first error.
func script(fsys disk.FS, dir string, steps ...string) error {
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	edit := func(name string, do func(disk.File) error) error {
		f, err := fsys.OpenFile(at(name), os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		err = do(f)
		return errors.Join(err, f.Close())
	}
	for _, step := range steps {
		w := append(strings.Fields(step), "", "")
		write := func(f disk.File) error { _, err := f.Write([]byte(w[2])); return err }
		err := map[string]func() error{
			"write": func() error { return edit(w[1], write) },
			"create": func() error {
				return edit(w[1], func(f disk.File) error { return errors.Join(write(f), f.Sync()) })
			},
			"sync":      func() error { return edit(w[1], disk.File.Sync) },
			"syncdir":   func() error { return fsys.SyncDir(at(w[1])) },
			"mkdir":     func() error { return fsys.Mkdir(at(w[1]), 0o777) },
			"rename":    func() error { return fsys.Rename(at(w[1]), at(w[2])) },
			"link":      func() error { return fsys.Link(at(w[1]), at(w[2])) },
			"remove":    func() error { return fsys.Remove(at(w[1])) },
			"removeall": func() error { return fsys.RemoveAll(at(w[1])) },
		}[w[0]]()
		if err != nil {
			return err
		}
	}
	return nil
}

// before is what each test finds: a/old and b/, durable.
var before = []string{"mkdir a", "mkdir b", "create a/old OLD"}

// begin makes a folder with before in it, and a file system for it.
func begin(t *testing.T, at int, fault Fault) (f *Faulty, dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := script(disk.OS, dir, before...); err != nil {
		t.Fatal(err)
	}
	f = New(t.TempDir(), at, fault)
	t.Cleanup(f.Free)
	return f, dir
}

// tree is Tree as one text, "a/ a/old=OLD b/".
func tree(t *testing.T, dir string) string {
	t.Helper()
	all, err := Tree(dir)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, name := range sorted(all) {
		word := name
		if !strings.HasSuffix(name, "/") {
			word += "=" + all[name]
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// TestPowerLoss: what was not synced is undone, bytes and names each for themselves; what was
// synced stays, wherever its folder was moved to since.
func TestPowerLoss(t *testing.T) {
	const nothing = "a/ a/old=OLD b/"
	for steps, want := range map[string]string{
		"":                                       nothing,
		"create a/n N":                           nothing,
		"create a/n N, syncdir b":                nothing,
		"create a/n N, syncdir a":                "a/ a/n=N a/old=OLD b/",
		"write a/n N, syncdir a":                 "a/ a/n= a/old=OLD b/",
		"write a/n N, sync a/n":                  nothing,
		"write a/old X":                          nothing,
		"write a/old XXXX":                       nothing,
		"create a/old X":                         "a/ a/old=XLD b/",
		"create a/old X, write a/old YY":         "a/ a/old=XLD b/",
		"remove a/old":                           nothing,
		"remove a/old, syncdir a":                "a/ b/",
		"remove b":                               nothing,
		"remove b, syncdir .":                    "a/ a/old=OLD",
		"removeall a":                            nothing,
		"removeall a, syncdir .":                 "b/",
		"mkdir a/c, create a/c/n N, syncdir a/c": nothing,
		"mkdir a/c, create a/c/n N, syncdir a":   "a/ a/c/ a/old=OLD b/",
		"mkdir a/c, create a/c/n N, syncdir a/c, syncdir a": "a/ a/c/ a/c/n=N a/old=OLD b/",
		"link a/old b/two":                           nothing,
		"link a/old b/two, syncdir b":                "a/ a/old=OLD b/ b/two=OLD",
		"link a/old b/two, syncdir b, write b/two X": "a/ a/old=OLD b/ b/two=OLD",
		// a rename is one step, durable with the folder of the new name
		"rename a/old b/new":                               nothing,
		"rename a/old b/new, syncdir a":                    nothing,
		"rename a/old b/new, syncdir b":                    "a/ b/ b/new=OLD",
		"create b/n N, rename b/n a/old":                   nothing,
		"create b/n N, rename b/n a/old, syncdir a":        "a/ a/old=N b/",
		"write b/n N, rename b/n a/old, syncdir a":         "a/ a/old= b/",
		"rename a/old b/x, rename b/x b/y, rename b/y a/z": nothing,
		// what was not durable in a folder is not, after it was moved
		"rename a c, syncdir .":                                           "b/ c/ c/old=OLD",
		"create a/n N, rename a c, syncdir .":                             "b/ c/ c/old=OLD",
		"create a/n N, syncdir a, rename a c, syncdir .":                  "b/ c/ c/n=N c/old=OLD",
		"create a/n N, rename a c, syncdir c, syncdir .":                  "b/ c/ c/n=N c/old=OLD",
		"create a/n N, rename a c, syncdir c":                             "a/ a/n=N a/old=OLD b/",
		"create a/n N, rename a c, create c/m M":                          nothing,
		"mkdir a/d, create a/d/n N, syncdir a/d, rename a b/c, syncdir b": "b/ b/c/ b/c/old=OLD",
	} {
		f, dir := begin(t, 0, NoSpace)
		if steps != "" {
			if err := script(f, dir, strings.Split(steps, ", ")...); err != nil {
				t.Errorf("%s: %v", steps, err)
			}
		}
		f.PowerLoss()
		if got := tree(t, dir); got != want {
			t.Errorf("%s:\n\tleft %s\n\twant %s", steps, got, want)
		}
		if err := script(f, dir, "mkdir z"); !errors.Is(err, ErrDead) {
			t.Errorf("%s: after a power loss: %v", steps, err)
		}
	}
}

// all has every call there is.
var all = []string{"mkdir c", "create c/n NN", "syncdir c", "link c/n b/two", "rename a/old c/n", "write b/two M",
	"remove b/two", "removeall c", "create b/last L"}

// TestFaults: up to the chosen call everything is done as the real disk does it. That call
// fails with the fault's error and the name of a file, and is not done, or half; after Kill
// and PowerLoss no other is.
func TestFaults(t *testing.T) {
	errs := map[Fault]error{NoSpace: syscall.ENOSPC, BadDisk: syscall.EIO, Torn: syscall.ENOSPC, Kill: ErrDead, PowerLoss: ErrDead}
	count, dir := begin(t, 0, NoSpace)
	if err := script(count, dir, all...); err != nil {
		t.Fatal(err)
	}
	real := t.TempDir()
	if err := errors.Join(script(disk.OS, real, before...), script(disk.OS, real, all...)); err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, dir), tree(t, real); got != want {
		t.Errorf("without a fault: %s, want %s", got, want)
	}
	hits := map[string]bool{}
	for _, fault := range Faults {
		for n := 1; n <= count.Calls(); n++ {
			f, dir := begin(t, n, fault)
			err := script(f, dir, all...)
			if f.Hit() == "" {
				if fault != Torn || err != nil {
					t.Fatalf("%v at call %d hit nothing: %v", fault, n, err)
				}
				continue
			}
			hits[strings.SplitAfter(f.Hit(), " ")[0]] = true
			var path *fs.PathError
			if !errors.Is(err, errs[fault]) || !errors.As(err, &path) {
				t.Errorf("%v at %s: %v", fault, f.Hit(), err)
			}
			after := tree(t, dir)
			switch err := script(f, dir, "create b/later LATER"); {
			case fault == Kill || fault == PowerLoss:
				if !errors.Is(err, ErrDead) || tree(t, dir) != after {
					t.Errorf("%v at %s: a dead process goes on: %v", fault, f.Hit(), err)
				}
			case err != nil:
				t.Errorf("%v at %s: the next call fails too: %v", fault, f.Hit(), err)
			}
		}
	}
	if len(hits) != 8 {
		t.Errorf("only %v met a fault", hits)
	}
}

// TestLost: a Sync or Close that fails has lost the bytes; a torn write has written half.
func TestLost(t *testing.T) {
	steps := []string{"write a/old NEW"} // open, write, close
	for _, c := range []struct {
		at    int
		fault Fault
		steps []string
		want  string
	}{
		{3, BadDisk, steps, "OLD"},
		{3, Kill, steps, "NEW"},
		{2, BadDisk, steps, "OLD"},
		{1, Torn, []string{"write a/old NEWNEW"}, "NEW"},
		{3, BadDisk, []string{"create a/old NEW"}, "OLD"}, // open, write, sync, close
		{4, BadDisk, []string{"create a/old NEW"}, "OLD"},
		{4, NoSpace, []string{"create a/old NEW"}, "OLD"},
	} {
		f, dir := begin(t, c.at, c.fault)
		if err := script(f, dir, c.steps...); err == nil {
			t.Errorf("%v at %s: no error", c.fault, f.Hit())
		}
		if got, _ := os.ReadFile(filepath.Join(dir, "a", "old")); string(got) != c.want {
			t.Errorf("%v at %s: %q is left, want %q", c.fault, f.Hit(), got, c.want)
		}
	}
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
