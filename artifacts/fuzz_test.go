package artifacts

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lfm/internal/disk"
	"lfm/internal/fuzztest"
)

// openFuzz opens a store that all inputs of a fuzz test share.
func openFuzz(f *testing.F) *Store {
	f.Helper()
	s, err := Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// put writes a file of the store that an earlier input may have written too.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, data, 0o666)); err != nil {
		t.Fatal(err)
	}
}

func addGolden(f *testing.F, name string) {
	f.Helper()
	golden, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add(golden[:len(golden)/2])
	f.Add([]byte("null"))
	f.Add([]byte(strings.Repeat("[", 20_000)))
}

// text is v as JSON.
func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// FuzzManifest: a manifest is damage, or describes the very output that it was asked for, names no file outside of
// the artifact's folder, and is the same when it is written and read again. Each input is tried as it is and once
// more with the ID that it should have, so that the hash keeps nothing from being looked at.
func FuzzManifest(f *testing.F) {
	addGolden(f, "manifest.golden.json")
	f.Add([]byte(`{"format":1,"kind":"flow","files":[{"name":"../../etc/passwd","size":-1}],"inputs":["x"]}`))
	f.Add([]byte(`{"format":1e400,"kind":"flow","files":[{"name":"/a","size":9223372036854775808}]}`))
	s := openFuzz(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		readManifest(t, s, HashText("asked for"), data)
		var a Artifact
		if json.Unmarshal(data, &manifest{Artifact: &a}) == nil {
			a.ID = outputID(a.Kind, a.Files)
			readManifest(t, s, a.ID, []byte(text(t, manifest{Format, &a})))
		}
	})
}

func readManifest(t *testing.T, s *Store, id ID, data []byte) {
	t.Helper()
	dir := s.path("artifacts", id.String())
	defer os.RemoveAll(dir)
	put(t, filepath.Join(dir, manifestName), data)
	var a *Artifact
	var err error
	fuzztest.Bounded(t, len(data), 64, func() { a, err = s.readManifest(id) })
	var d *damage
	if err != nil {
		if !errors.As(err, &d) || d.file != manifestName || d.what == "" {
			t.Fatalf("no damage to the manifest: %v", err)
		}
		return
	}
	if a.ID != id || outputID(a.Kind, a.Files) != id {
		t.Fatalf("%s is taken for %s", a.ID, id)
	}
	for _, file := range a.Files {
		if rel, err := filepath.Rel(dir, a.Path(file.Name)); err != nil || !filepath.IsLocal(rel) || rel == "." || file.Size < 0 {
			t.Fatalf("file %q of %d bytes lies at %q", file.Name, file.Size, rel)
		}
	}
	put(t, filepath.Join(dir, manifestName), []byte(text(t, manifest{Format, a})))
	again, err := s.readManifest(id)
	if err != nil || text(t, again) != text(t, a) {
		t.Fatalf("read %s, then %s (%v)", text(t, a), text(t, again), err)
	}
}

// FuzzEntry: what an action led to is a miss with a reason, or an entry of that very action that is the same when it
// is written and read again. As with manifests, each input is tried with its right hash too.
func FuzzEntry(f *testing.F) {
	addGolden(f, "entry.golden.json")
	f.Add([]byte(`{"action":"../../x","output":7,"inputs":[null],"made":"never","key":"k"}`))
	f.Add([]byte(`{"output":"` + HashText("nothing").String() + `","key":"k"}`))
	s := openFuzz(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		lookupEntry(t, s, HashText("asked for"), data)
		var e Entry
		if json.Unmarshal(data, &e) == nil {
			e.Action = HashText(e.Key)
			lookupEntry(t, s, e.Action, []byte(text(t, e)))
		}
	})
}

func lookupEntry(t *testing.T, s *Store, action ID, data []byte) {
	t.Helper()
	path := s.actionPath(action)
	defer os.Remove(path)
	put(t, path, data)
	var m *Miss
	if _, err := s.Lookup(action); !errors.As(err, &m) || m.Reason == "" { // the store has no artifact
		t.Fatalf("lookup: %v", err)
	}
	var e *Entry
	var err error
	fuzztest.Bounded(t, len(data), 64, func() { e, err = s.Entry(action) })
	if err != nil {
		return
	}
	if e.Action != action || HashText(e.Key) != action {
		t.Fatalf("the entry of %s is taken for that of %s", e.Action, action)
	}
	put(t, path, []byte(text(t, e)))
	if again, err := s.Entry(action); err != nil || text(t, again) != text(t, e) {
		t.Fatalf("read %s, then %s (%v)", text(t, e), text(t, again), err)
	}
}

// FuzzRoot: gc goes by the record of a pipeline file, so one that cannot be read stops it, with the record's name;
// any other gives what it says.
func FuzzRoot(f *testing.F) {
	f.Add([]byte(`{"file":"../pipeline.yaml","actions":["` + HashText("a").String() + `"],"used":"2024-05-06T07:08:09Z"}`))
	f.Add([]byte(`{"file":"/../../x","actions":null}`))
	f.Add([]byte(`{"file":"\u0000","actions":{}}`))
	s := openFuzz(f)
	name := HashText("root").String() + ".json"
	f.Fuzz(func(t *testing.T, data []byte) {
		put(t, s.path("roots", name), data)
		roots, err := s.Roots()
		if err != nil {
			if !strings.Contains(err.Error(), "roots/"+name) || !strings.Contains(err.Error(), "delete it") {
				t.Fatalf("which record, and what to do? %v", err)
			}
			return
		}
		var rec rootRecord
		if err := json.Unmarshal(data, &rec); err != nil || len(roots) != 1 || text(t, roots[0].Actions) != text(t, rec.Actions) {
			t.Fatalf("%s is read as %+v (%v)", data, roots, err)
		}
	})
}

// FuzzLease: whatever a lease says, at first sight it is held unless its process is known to be dead here, and one that
// was silent for the bound and says nothing of a process here is broken by whoever watched it.
func FuzzLease(f *testing.F) {
	f.Add(self().text())
	f.Add([]byte(`{"host":"elsewhere","pid":1,"token":"x"}`))
	f.Add([]byte(`{"pid":"one"`))
	f.Add([]byte{})
	f.Add([]byte(strings.Repeat(" ", 5000)))
	s := openFuzz(f)
	path := s.path("locks", "fuzzed.lease")
	f.Fuzz(func(t *testing.T, data []byte) {
		defer os.Remove(path)
		put(t, path, data)
		var p process
		json.Unmarshal(data, &p)
		l, now := newLeases(disk.OS, time.Hour, leaseBound), time.Now()
		l.now = func() time.Time { return now }
		held, stale, err := l.read(path)
		if err != nil || !bytes.HasPrefix(data, held) {
			t.Fatalf("read %q of %q: %v", held, data, err)
		}
		if me := thisProcess(); stale && (p.Host != me.Host || p.Machine != me.Machine || p.PID == me.PID && p.Start == me.Start) {
			t.Fatalf("a fresh lease of %+v is stale", p)
		}
		if who := holderText(held); who == "" {
			t.Fatal("nobody holds it")
		}
		now = now.Add(leaseBound)
		h, _, err := l.try(path, self().text())
		if err != nil || h == nil && p.Host != thisProcess().Host {
			t.Fatalf("a silent lease of %+v was not broken: %v", p, err)
		}
		if h != nil {
			h.release()
		}
	})
}

// FuzzEvents: a run's events come back in their order, each a whole line of JSON, and those that Append wrote are
// among them whatever else stands in the file.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("{\"event\":\"run_started\"}\n{\"event\":\"torn"))
	f.Add([]byte("5\n\n[1,\n\"x\"\n"))
	f.Add([]byte("\xff\n{}\r\n"))
	r := &Run{fs: disk.OS, dir: f.TempDir()}
	path := filepath.Join(r.dir, eventsName)
	f.Fuzz(func(t *testing.T, data []byte) {
		put(t, path, append(data, '\n'))
		if err := errors.Join(r.Append(map[string]string{"event": "last"}), r.Close()); err != nil {
			t.Fatal(err)
		}
		var lines []string
		whole := string(data) + "\n{\"event\":\"last\"}\n"
		err := r.Events(func(line []byte) error {
			_, after, found := strings.Cut(whole, string(line)+"\n")
			if !found || !json.Valid(line) || bytes.ContainsRune(line, '\n') {
				t.Fatalf("%q is no line of %q", line, whole)
			}
			whole, lines = after, append(lines, string(line))
			return nil
		})
		if err != nil || len(lines) == 0 || lines[len(lines)-1] != `{"event":"last"}` {
			t.Fatalf("%q: %v", lines, err)
		}
	})
}

// FuzzParseID: an ID has one text.
func FuzzParseID(f *testing.F) {
	f.Add(HashText("x").String())
	f.Add(strings.ToUpper(HashText("x").String()))
	f.Add("../../etc/passwd")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Fatalf("%q is the ID %s", s, id)
		}
	})
}
