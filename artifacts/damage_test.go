package artifacts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func edit(t *testing.T, path, old, new string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s has no %q:\n%s", path, old, data)
	}
	write(t, path, strings.Replace(string(data), old, new, 1))
}

// TestDamage breaks an artifact in many ways: each is a miss with its reason, shown
// by List and Verify, and the action, computed again, mends it.
func TestDamage(t *testing.T) {
	manifest := func(old, new string) func(*testing.T, *Store, *Artifact) {
		return func(t *testing.T, s *Store, a *Artifact) { edit(t, a.Path(manifestName), old, new) }
	}
	for _, tt := range []struct {
		name, reason string
		harm         func(*testing.T, *Store, *Artifact)
	}{
		{"truncated", "damaged: weights.bin: has 2 bytes, want 5", func(t *testing.T, s *Store, a *Artifact) { write(t, a.Path("weights.bin"), "by") }},
		{"file gone", "damaged: grids/step-10.txt: missing", func(t *testing.T, s *Store, a *Artifact) { os.Remove(a.Path("grids/step-10.txt")) }},
		{"folder for a file", "not a regular file", func(t *testing.T, s *Store, a *Artifact) {
			os.Remove(a.Path("weights.bin"))
			os.Mkdir(a.Path("weights.bin"), 0o777)
		}},
		{"file for a folder", "damaged: grids/step-10.txt", func(t *testing.T, s *Store, a *Artifact) {
			os.RemoveAll(a.Path("grids"))
			write(t, a.Path("grids"), "file")
		}},
		{"file for the artifact", "damaged: manifest.json", func(t *testing.T, s *Store, a *Artifact) {
			os.RemoveAll(a.Dir())
			write(t, a.Dir(), "file")
		}},
		{"folder for the manifest", "damaged: manifest.json", func(t *testing.T, s *Store, a *Artifact) {
			os.Remove(a.Path(manifestName))
			os.Mkdir(a.Path(manifestName), 0o777)
		}},
		{"manifest gone", "damaged: manifest.json: missing", func(t *testing.T, s *Store, a *Artifact) { os.Remove(a.Path(manifestName)) }},
		{"manifest torn", "damaged: manifest.json: no valid JSON", func(t *testing.T, s *Store, a *Artifact) { write(t, a.Path(manifestName), `{"format": 1, "id`) }},
		{"manifest null", "damaged: manifest.json", func(t *testing.T, s *Store, a *Artifact) { write(t, a.Path(manifestName), "null") }},
		{"newer manifest", "format 2", manifest(`"format": 1`, `"format": 2`)},
		{"climbing name", "no name for a payload's file", manifest(`"weights.bin"`, `"../weights.bin"`)},
		{"absolute name", "no name for a payload's file", manifest(`"weights.bin"`, `"/etc/passwd"`)},
		{"duplicate name", "listed twice", manifest(`"weights.bin"`, `"grids/step-10.txt"`)},
		{"negative size", "has size -5", manifest(`"size": 5`, `"size": -5`)},
		{"lying size", "does not describe output", manifest(`"size": 5`, `"size": 6`)},
		{"lying kind", "does not describe output", manifest(`"flow"`, `"decoder"`)},
		{"bad digest", "no valid JSON", manifest(`"sha256": "`, `"sha256": "x`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			a := publish(t, s, "key", "bytes")
			tt.harm(t, s, a)

			wantMiss(t, s, "key", "damaged: ")
			wantMiss(t, s, "key", tt.reason)
			list, err := s.List()
			if err != nil || len(list) != 1 || list[0].ID != a.ID || !strings.Contains(list[0].Damage, tt.reason) {
				t.Errorf("list: %+v, %v", list, err)
			}
			if err := s.Verify(context.Background(), a.ID); err == nil || !strings.Contains(err.Error(), "lfm run") {
				t.Errorf("verify: %v", err)
			}
			if again := publish(t, s, "key", "bytes"); again.ID != a.ID {
				t.Error("the same bytes became another output")
			}
			wantHit(t, s, "key")
			if err := s.Verify(context.Background(), a.ID); err != nil {
				t.Error(err)
			}
			if aside, _ := os.ReadDir(s.path("aside")); len(aside) != 0 {
				t.Errorf("left aside: %v", aside)
			}
		})
	}
}

// TestDamagedEntry breaks the entry of an action, or takes away what it names.
func TestDamagedEntry(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		harm         func(*testing.T, *Store, *Artifact)
	}{
		{"torn", "damaged: ", func(t *testing.T, s *Store, a *Artifact) { write(t, s.actionPath(HashText("key")), `{"action"`) }},
		{"empty", "damaged: ", func(t *testing.T, s *Store, a *Artifact) { write(t, s.actionPath(HashText("key")), "") }},
		{"other key", "another action", func(t *testing.T, s *Store, a *Artifact) {
			edit(t, s.actionPath(HashText("key")), `"key": "key"`, `"key": "kez"`)
		}},
		{"artifact gone", "is gone", func(t *testing.T, s *Store, a *Artifact) { os.RemoveAll(a.Dir()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			tt.harm(t, s, publish(t, s, "key", "bytes"))
			wantMiss(t, s, "key", tt.reason)
			publish(t, s, "key", "bytes")
			wantHit(t, s, "key")
		})
	}
}

// TestBitFlip: a flipped bit escapes Lookup, which looks at sizes; Verify finds it,
// and from then on Lookup knows.
func TestBitFlip(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "key", "bytes")
	write(t, a.Path("weights.bin"), "bytez")
	wantHit(t, s, "key")
	if err := s.Verify(context.Background(), a.ID); err == nil || !strings.Contains(err.Error(), "weights.bin") {
		t.Fatalf("verify: %v", err)
	}
	wantMiss(t, s, "key", "damaged: weights.bin: its bytes have SHA-256")
	if list, err := s.List(); err != nil || !strings.Contains(list[0].Damage, "suspect: weights.bin") {
		t.Errorf("list: %+v, %v", list, err)
	}
	publish(t, s, "key", "bytes")
	wantHit(t, s, "key")
}

// TestBitFlipRepublished: a payload made again is held against the one that is there
// byte by byte, or a flipped bit would outlive its cure.
func TestBitFlipRepublished(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "key", "bytes")
	write(t, a.Path("weights.bin"), "bytez")
	publish(t, s, "another key", "bytes")
	if err := s.Verify(context.Background(), a.ID); err != nil {
		t.Error(err)
	}
}

// TestSuspect: a false suspicion is looked into once and forgotten.
func TestSuspect(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "key", "bytes")
	if err := s.Suspect(a.ID, "arrow: panic"); err != nil {
		t.Fatal(err)
	}
	wantHit(t, s, "key")
	if a.suspect() {
		t.Error("still suspect after its digests held")
	}
	if err := s.Suspect(HashText("no output"), "why"); err != nil {
		t.Error(err)
	}
	if err := s.Suspect(a.ID, "again"); err != nil {
		t.Fatal(err)
	}
	write(t, a.Path("weights.bin"), "bytez")
	wantMiss(t, s, "key", "damaged: weights.bin")
	if _, err := s.Get(a.ID); err == nil {
		t.Error("Get gives out suspect bytes")
	}
}

func TestVerifyStops(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "key", "bytes")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Verify(ctx, a.ID); !errors.Is(err, context.Canceled) || a.suspect() {
		t.Errorf("verify, cancelled: %v, suspect %v", err, a.suspect())
	}
}

// TestWithdraw: a withdrawn action is a miss whose rerun tells whether it made the
// same bytes.
func TestWithdraw(t *testing.T) {
	s := open(t, t.TempDir())
	action := HashText("key")
	if err := s.Withdraw(action); err != nil {
		t.Fatalf("withdraw of nothing: %v", err)
	}
	a := publish(t, s, "key", "bytes")
	for range 2 {
		if err := s.Withdraw(action); err != nil {
			t.Fatal(err)
		}
		wantMiss(t, s, "key", Withdrawn)
	}
	if key, ok := s.KeyText(action); !ok || key != "key" {
		t.Error("the key text is forgotten")
	}
	if _, err := s.Get(a.ID); err != nil {
		t.Errorf("the artifact went with its entry: %v", err)
	}
	publish(t, s, "key", "bytes")
	if e, err := s.Entry(action); err != nil || e.Changed() || e.Previous != a.ID {
		t.Errorf("same bytes: %+v, %v", e, err)
	}
	if err := s.Withdraw(action); err != nil {
		t.Fatal(err)
	}
	b := publish(t, s, "key", "other bytes")
	if e, err := s.Entry(action); err != nil || !e.Changed() || e.Previous != a.ID || e.Output != b.ID {
		t.Errorf("other bytes: %+v, %v", e, err)
	}
}

// TestPublishKilled stops a publication after each of its steps. The store opens, the
// action is a miss until the last step, and can be computed again; gc finds the rest.
func TestPublishKilled(t *testing.T) {
	key, action := "key", HashText("key")
	for steps := range 6 {
		for _, before := range []string{"nothing", "withdrawn", "damaged"} {
			dir := t.TempDir()
			s := open(t, dir)
			switch before {
			case "withdrawn":
				publish(t, s, key, "bytes")
				s.Withdraw(action)
			case "damaged":
				write(t, publish(t, s, key, "bytes").Path("weights.bin"), "by")
			}

			b, err := s.Build("flow")
			step := func(n int, f func()) {
				if err == nil && n <= steps {
					f()
				}
			}
			var a *Artifact
			step(1, func() { err = b.WriteFile("grids/step-10.txt", []byte("a picture")) })
			step(2, func() { err = b.WriteFile("weights.bin", []byte("bytes")) })
			step(3, func() { a, err = b.seal(action, nil) })
			step(4, func() { a, err = s.install(a, b.dir) })
			step(5, func() { err = s.record(action, key, nil, a.ID) })
			if err != nil {
				t.Fatalf("%d steps over %s: %v", steps, before, err)
			}

			s = open(t, dir)
			switch {
			case steps == 5, steps == 4 && before == "damaged":
				wantHit(t, s, key)
			default:
				wantMiss(t, s, key, "")
			}
			if a := publish(t, s, key, "bytes"); s.Verify(context.Background(), a.ID) != nil {
				t.Errorf("%d steps over %s: published again, does not verify", steps, before)
			}
			wantHit(t, s, key)
			if err := s.SetRoot(filepath.Join(dir, "README"), []ID{action}); err != nil {
				t.Fatal(err)
			}
			g, err := s.Garbage(Keep{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Collect(context.Background(), g); err != nil {
				t.Fatal(err)
			}
			if aside, _ := os.ReadDir(s.path("aside")); len(aside) != 0 {
				t.Errorf("%d steps over %s: gc leaves %v aside", steps, before, aside)
			}
			wantHit(t, s, key)
		}
	}
}

// TestReplaceKilled dies between moving the damaged folder away and bringing the new
// one: a miss, never a crash.
func TestReplaceKilled(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "key", "bytes")
	if err := os.Rename(a.Dir(), s.path("aside", "gone-x")); err != nil {
		t.Fatal(err)
	}
	wantMiss(t, s, "key", "is gone")
	if _, err := s.List(); err != nil {
		t.Error(err)
	}
	publish(t, s, "key", "bytes")
	wantHit(t, s, "key")
}
