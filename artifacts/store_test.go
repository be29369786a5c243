package artifacts

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// open opens a store at dir with a clock that stands still.
func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.Date(2024, 5, 6, 7, 8, 9, 123e6, time.UTC) }
	return s
}

// build begins a payload of two files.
func build(t *testing.T, s *Store, text string) *Builder {
	t.Helper()
	b, err := s.Build("flow")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.WriteFile("weights.bin", []byte(text)), b.WriteFile("grids/step-10.txt", []byte("a picture"))); err != nil {
		t.Fatal(err)
	}
	return b
}

// publish makes an artifact whose bytes are text.
func publish(t *testing.T, s *Store, key, text string, inputs ...ID) *Artifact {
	t.Helper()
	a, err := build(t, s, text).Publish(HashText(key), key, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantMiss requires that an action is a miss and gives the reason.
func wantMiss(t *testing.T, s *Store, key, reason string) {
	t.Helper()
	a, err := s.Lookup(HashText(key))
	var m *Miss
	if !errors.As(err, &m) || !strings.Contains(m.Reason, reason) {
		t.Fatalf("lookup of %q gives %v, %v; want a miss with %q", key, a, err, reason)
	}
}

func wantHit(t *testing.T, s *Store, key string) *Artifact {
	t.Helper()
	a, err := s.Lookup(HashText(key))
	if err != nil {
		t.Fatalf("lookup of %q: %v", key, err)
	}
	return a
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// TestTwoHandles publishes through one handle and finds it through another.
func TestTwoHandles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", ".lfm")
	s1, s2 := open(t, dir), open(t, dir)
	wantMiss(t, s2, "key", NeverComputed)
	in := HashText("an input")
	a := publish(t, s1, "key", "bytes", in)

	b := wantHit(t, s2, "key")
	if b.ID != a.ID || b.Kind != "flow" || b.Action != HashText("key") || len(b.Inputs) != 1 || b.Inputs[0] != in {
		t.Errorf("found %+v, published %+v", b, a)
	}
	text, err := b.ReadFile("grids/step-10.txt")
	if err != nil || string(text) != "a picture" {
		t.Errorf("read %q, %v", text, err)
	}
	if b.Size() != int64(len("bytes")+len("a picture")) {
		t.Errorf("size %d", b.Size())
	}
	if _, err := b.Open("manifest.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the payload has a manifest.json: %v", err)
	}
	if key, ok := s2.KeyText(HashText("key")); !ok || key != "key" {
		t.Errorf("key text %q, %v", key, ok)
	}
	if got, err := s2.Get(a.ID); err != nil || got.ID != a.ID {
		t.Errorf("get: %v, %v", got, err)
	}
	list, err := s2.List()
	if err != nil || len(list) != 1 || list[0].ID != a.ID || list[0].Damage != "" {
		t.Errorf("list: %v, %v", list, err)
	}
	aside, err := os.ReadDir(s1.path("aside"))
	if err != nil || len(aside) != 0 {
		t.Errorf("left aside: %v, %v", aside, err)
	}
}

// TestManifestGolden holds the manifest, the entry and the output ID to what was once
// written: stores on disk outlive the program. A change here needs a new Format.
func TestManifestGolden(t *testing.T) {
	s := open(t, t.TempDir())
	b := build(t, s, "bytes")
	b.Provenance("device", "cpu avx512")
	key := "flow 1\nwidth: 128\n"
	a, err := b.Publish(HashText(key), key, []ID{HashText("an input")})
	if err != nil {
		t.Fatal(err)
	}
	for golden, path := range map[string]string{
		"manifest.golden.json": a.Path(manifestName),
		"entry.golden.json":    s.actionPath(HashText(key)),
	} {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		golden = filepath.Join("testdata", golden)
		if *update {
			write(t, golden, string(got))
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", golden, got, want)
		}
	}
}

// TestOutputID states what the ID of a payload depends on: kind, names and bytes.
func TestOutputID(t *testing.T) {
	s := open(t, t.TempDir())
	make := func(kind, provenance string, files ...string) ID {
		b, err := s.Build(kind)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(files); i += 2 {
			if err := b.WriteFile(files[i], []byte(files[i+1])); err != nil {
				t.Fatal(err)
			}
		}
		b.Provenance("device", provenance)
		key := kind + provenance + strings.Join(files, " ")
		a, err := b.Publish(HashText(key), key, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	id := make("flow", "cpu", "a", "1", "b", "2")
	if make("flow", "cuda", "b", "2", "a", "1") != id {
		t.Error("provenance, action or the order of writing entered the output ID")
	}
	seen := map[ID]string{id: "the first"}
	for name, other := range map[string]ID{
		"kind":            make("latents", "cpu", "a", "1", "b", "2"),
		"name":            make("flow", "cpu", "a", "1", "c", "2"),
		"bytes":           make("flow", "cpu", "a", "1", "b", "3"),
		"one file less":   make("flow", "cpu", "a", "1"),
		"no file":         make("flow", "cpu"),
		"bytes exchanged": make("flow", "cpu", "a", "2", "b", "1"),
	} {
		if same, ok := seen[other]; ok {
			t.Errorf("%s gives the same output ID as %s", name, same)
		}
		seen[other] = name
	}
}

// TestSameOutput lets two actions lead to one output: one payload serves both, and
// each lookup tells its own action's inputs.
func TestSameOutput(t *testing.T) {
	s := open(t, t.TempDir())
	in1, in2 := HashText("input 1"), HashText("input 2")
	a, b := publish(t, s, "key 1", "bytes", in1), publish(t, s, "key 2", "bytes", in2)
	if a.ID != b.ID {
		t.Fatal("same bytes, two outputs")
	}
	if list, _ := s.List(); len(list) != 1 {
		t.Errorf("%d artifacts, want 1", len(list))
	}
	if a := wantHit(t, s, "key 1"); a.Inputs[0] != in1 || a.Action != HashText("key 1") {
		t.Errorf("key 1 finds %+v", a)
	}
	if b := wantHit(t, s, "key 2"); b.Inputs[0] != in2 || b.Action != HashText("key 2") {
		t.Errorf("key 2 finds %+v", b)
	}
}

// TestConcurrentPublish publishes the same and other outputs at once.
func TestConcurrentPublish(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key := string(rune('a' + i))
			b, err := open(t, s.Dir()).Build("flow")
			if err == nil {
				err = b.WriteFile("weights.bin", []byte{byte(i % 2)})
			}
			if err == nil {
				_, err = b.Publish(HashText(key), key, nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		wantHit(t, s, string(rune('a'+i)))
	}
	if list, err := s.List(); err != nil || len(list) != 2 {
		t.Errorf("%d artifacts, %v; want 2", len(list), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{"FORMAT", "lfm store 2\n", "newer lfm"},
		{"FORMAT", "lfm store x\n", "none of lfm's"},
		{"FORMAT", "", "none of lfm's"},
		{"thesis.tex", "text", "no store of lfm"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, tt.file), tt.text)
		_, err := Open(dir)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--store") {
			t.Errorf("%s %q: %v, want %q and what to do", tt.file, tt.text, err, tt.want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s %q: Open left %v", tt.file, tt.text, entries)
		}
	}
}

// TestOpenGoesOn opens a store whose creation was killed, and an empty folder.
func TestOpenGoesOn(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "aside", ".file-x"), "half a READ")
	write(t, filepath.Join(dir, "README"), readme)
	open(t, dir)
	open(t, dir)
}

func TestIDText(t *testing.T) {
	id := HashText("key")
	data, err := json.Marshal(map[string]ID{"id": id})
	var back map[string]ID
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || back["id"] != id {
		t.Errorf("%s gives %v, %v", data, back, err)
	}
	for _, bad := range []string{"", "12", id.String() + "0", strings.ToUpper(id.String()), "../" + id.String()[3:]} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("ParseID takes %q", bad)
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	b := build(t, s, "bytes")
	for _, name := range []string{"", ".", "..", "../a", "a/../../b", "/etc/passwd", "a//b", "a/", `a\b`, "C:x", "a\nb", "\xff", "manifest.json", "Suspect.TXT", "manifest.json/0.png", "suspect.txt/a", "backend/a", "weights.bin"} {
		if err := b.WriteFile(name, nil); err == nil {
			t.Errorf("a payload takes a file named %q", name)
		}
	}
	if err := b.AddFile("x", filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("adding a missing file: %v", err)
	}
	if _, err := b.Create("open.bin"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(HashText("key"), "key", nil); err == nil || !strings.Contains(err.Error(), "open.bin") {
		t.Errorf("publish with an open file: %v", err)
	}
	wantMiss(t, s, "key", NeverComputed)
	b.Discard()
	if entries, _ := os.ReadDir(s.path("aside")); len(entries) != 0 {
		t.Errorf("left aside: %v", entries)
	}
}

// TestAddFile adds a shard, which stays in the work area.
func TestAddFile(t *testing.T) {
	s := open(t, t.TempDir())
	work, err := s.Work(HashText("key"))
	if err != nil {
		t.Fatal(err)
	}
	shard := work.Path("part-00000.arrow")
	write(t, shard, "rows")
	b, err := s.Build("latents")
	if err == nil {
		err = b.AddFile("part-00000.arrow", shard)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(shard); err != nil {
		t.Error(err)
	}
	a, err := b.Publish(HashText("key"), "key", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := work.Remove(); err != nil {
		t.Fatal(err)
	}
	if text, err := a.ReadFile("part-00000.arrow"); err != nil || string(text) != "rows" {
		t.Errorf("read %q, %v", text, err)
	}
	if err := s.Verify(context.Background(), a.ID); err != nil {
		t.Error(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := s.copyFile(copied, a.Path("part-00000.arrow")); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(copied); string(text) != "rows" {
		t.Errorf("copied %q", text)
	}
}

func TestWorkspace(t *testing.T) {
	s := open(t, t.TempDir())
	action := HashText("key")
	if s.Unfinished(action) {
		t.Error("an action without a work area is unfinished")
	}
	w, err := s.Work(action)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(backend string, inexact, want bool) {
		t.Helper()
		if err := w.Claim(backend, inexact); (err == nil) != want || err != nil && !strings.Contains(err.Error(), "--accept-inexact") {
			t.Errorf("%s, inexact %v: %v", backend, inexact, err)
		}
	}
	claim("cpu avx512", false, true)
	claim("cpu avx2", false, true) // nothing was computed yet
	if !w.Empty() || s.Unfinished(action) {
		t.Error("the name of a back end is not work")
	}
	write(t, w.Path("checkpoints/step-1"), "")
	if w.Empty() || !s.Unfinished(action) {
		t.Error("a checkpoint is work")
	}
	claim("cpu avx2", false, true)
	claim("cuda", false, false)
	claim("cpu avx2", false, true)
	claim("cuda", true, true)
	claim("cuda", false, true)
	if err := w.Remove(); err != nil || s.Unfinished(action) {
		t.Errorf("removed: %v", err)
	}
}

func TestRun(t *testing.T) {
	s := open(t, t.TempDir())
	r, err := s.NewRun()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.ID, "20240506T070809.123-") {
		t.Errorf("run %s", r.ID)
	}
	s.now = func() time.Time { return time.Date(2024, 5, 6, 7, 8, 10, 0, time.UTC) }
	later, err := s.NewRun()
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.Date(2024, 5, 5, 0, 0, 0, 0, time.UTC) }
	if back, err := s.NewRun(); err != nil || back.ID <= later.ID || !strings.HasPrefix(back.ID, "20240506T070810.001-") {
		t.Errorf("after the clock was set back by a day: run %+v, %v", back, err)
	} else if err := os.Remove(back.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON("run.json", map[string]int{"threads": 2}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := r.Append(map[string]any{"step": i, "text": strings.Repeat("x", 1000)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	torn, err := os.OpenFile(filepath.Join(r.Dir(), eventsName), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	torn.WriteString(`{"step": 2`)
	torn.Close()

	runs, err := s.Runs()
	if err != nil || len(runs) != 2 || runs[0].ID != later.ID || runs[1].ID != r.ID {
		t.Fatalf("runs %v, %v", runs, err)
	}
	var got map[string]int
	if err := runs[1].ReadJSON("run.json", &got); err != nil || got["threads"] != 2 {
		t.Errorf("run.json %v, %v", got, err)
	}
	lines := 0
	if err := runs[1].Events(func([]byte) error { lines++; return nil }); err != nil || lines != 20 {
		t.Errorf("%d events, %v", lines, err)
	}
	if err := runs[0].Events(func([]byte) error { return errors.New("none") }); err != nil {
		t.Error(err)
	}
}
