package checkpoint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lfm/internal/disk"
)

func save(t *testing.T, s *Series, step int) {
	t.Helper()
	tensors := []Tensor{{Name: "w", Shape: []int{2}, Data: []float32{float32(step), 1}}}
	if err := s.Save(step, tensors, map[string]string{"step": fmt.Sprint(step)}); err != nil {
		t.Fatal(err)
	}
}

// wantLatest requires that the newest whole checkpoint is that of step; 0 means none.
func wantLatest(t *testing.T, s *Series, step int) {
	t.Helper()
	f, got, err := s.Latest()
	if err != nil || got != step || (f == nil) != (step == 0) {
		t.Fatalf("latest is step %d (%v), %v; want %d", got, f, err, step)
	}
	if f != nil && (f.Tensors[0].Data[0] != float32(step) || f.Meta["step"] != fmt.Sprint(step)) {
		t.Fatalf("step %d holds %v %v", step, f.Tensors, f.Meta)
	}
}

func names(t *testing.T, s *Series) []string {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func newSeries(t *testing.T) *Series {
	return OpenSeries(disk.OS, filepath.Join(t.TempDir(), "checkpoints"))
}

// TestRotation keeps the newest two, by step and not by name.
func TestRotation(t *testing.T) {
	s := newSeries(t)
	wantLatest(t, s, 0)
	for _, step := range []int{100, 200, 300, 1_000_000_000, 2_000_000_000} {
		save(t, s, step)
		wantLatest(t, s, step)
	}
	want := []string{"step-1000000000.checkpoint", "step-2000000000.checkpoint"}
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	save(t, s, 2_000_000_000)
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("saved again: kept %v, want %v", got, want)
	}
}

// TestTorn tears the newest checkpoint at every byte, and flips a bit in every byte:
// the one before serves.
func TestTorn(t *testing.T) {
	s := newSeries(t)
	save(t, s, 100)
	save(t, s, 200)
	whole, err := os.ReadFile(s.path(200))
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		flipped := slices.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		for _, bad := range [][]byte{whole[:n], flipped} {
			if err := os.WriteFile(s.path(200), bad, 0o666); err != nil {
				t.Fatal(err)
			}
			wantLatest(t, s, 100)
		}
	}
	// Going on from 100, the torn one must not push out a good one.
	save(t, s, 150)
	want := []string{"step-000000100.checkpoint", "step-000000150.checkpoint"}
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	for _, step := range []int{100, 150} {
		if err := os.Truncate(s.path(step), 50); err != nil {
			t.Fatal(err)
		}
	}
	wantLatest(t, s, 0)
}

// TestSaveKilled leaves a half-written file and files of others: nobody minds.
func TestSaveKilled(t *testing.T) {
	s := newSeries(t)
	save(t, s, 100)
	for _, name := range []string{unready, "notes.txt", "step-1.checkpoint", "step-000000900", "step--00000900.checkpoint"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	wantLatest(t, s, 100)
	save(t, s, 200)
	wantLatest(t, s, 200)
	if _, err := os.Stat(filepath.Join(s.dir, unready)); err == nil {
		t.Error("the half-written file is still there")
	}
}

// TestLatestUnreadable: a checkpoint that cannot be opened is no torn one; to go on
// from an older one would hide it.
func TestLatestUnreadable(t *testing.T) {
	s := newSeries(t)
	save(t, s, 100)
	if err := os.Mkdir(s.path(200), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Latest(); err == nil {
		t.Error("a folder in a checkpoint's place goes unnoticed")
	}
}

// TestSaveFails: a series that cannot be written is an error, and keeps what it had.
func TestSaveFails(t *testing.T) {
	s := newSeries(t)
	save(t, s, 100)
	if err := s.Save(200, []Tensor{{Name: "w", Shape: []int{3}, Data: []float32{1}}}, nil); err == nil {
		t.Error("a wrong shape is saved")
	}
	wantLatest(t, s, 100)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, fs.FileMode(0o666)); err != nil {
		t.Fatal(err)
	}
	if err := OpenSeries(disk.OS, filepath.Join(file, "x")).Save(1, nil, nil); err == nil {
		t.Error("saved under a file")
	}
}
