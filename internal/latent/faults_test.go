package latent

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lfm/internal/disk"
	"lfm/internal/disk/disktest"
)

// TestFaults: wherever the disk, the process or the power fails while a set is written, a
// shard under its name is whole, and writing goes on from there to the same bytes.
func TestFaults(t *testing.T) {
	h, rows := header(1, 1, 1), ShardRows+2
	straight := t.TempDir()
	want := mustWrite(t, straight, h, rows)
	var closed []int // shards whose Close said that they are there
	work := func(fsys disk.FS, dir string) error {
		closed = nil
		w, err := NewWriter(fsys, dir, h, rows)
		if err != nil {
			return err
		}
		for s := range w.Shards() {
			out, err := w.Create(s)
			if err != nil {
				return err
			}
			for i, to := w.Rows(s); i < to; i++ {
				if err := out.Append(row(h, i)); err != nil {
					out.Abort()
					return err
				}
			}
			if err := out.Close(); err != nil {
				return err
			}
			closed = append(closed, s)
		}
		_, err = w.Finish()
		return err
	}
	disktest.Everywhere(t, func(string) error { return nil }, work, func(t *testing.T, o disktest.Outcome) {
		w, err := NewWriter(disk.OS, o.Dir, h, rows)
		if err != nil {
			t.Fatal(err)
		}
		for s := range w.Shards() {
			done, why := w.Finished(background, s)
			if why != nil || !done && slices.Contains(closed, s) {
				t.Errorf("shard %d is there: %v, %v; it was closed: %v", s, done, why, slices.Contains(closed, s))
			}
		}
		if got := mustWrite(t, o.Dir, h, rows); got.Shards[0].SHA256 != want.Shards[0].SHA256 || got.Shards[1].SHA256 != want.Shards[1].SHA256 {
			t.Errorf("went on to %v, want %v", got.Shards, want.Shards)
		}
	})
}

// TestSpillFaults: wherever the disk, the process or the power fails while a large set is
// opened, the next opening reads the right rows.
func TestSpillFaults(t *testing.T) {
	const rows = 5
	h, set := header(2, 2, 1), t.TempDir()
	mustWrite(t, set, h, rows)
	work := func(fsys disk.FS, dir string) error {
		s, err := Open(background, In(set), Options{FS: fsys, Memory: 1, Work: dir})
		if err != nil {
			return err
		}
		return s.Close()
	}
	disktest.Everywhere(t, func(string) error { return nil }, work, func(t *testing.T, o disktest.Outcome) {
		left, _ := filepath.Glob(filepath.Join(o.Dir, "*"+aside))
		if len(left) > 0 && !o.Fault.Ends() {
			t.Errorf("left over are %v", left)
		}
		s := mustOpen(t, set, Options{Memory: 1, Work: o.Dir})
		defer s.Close()
		for i := range rows {
			if got := latentOf(t, s, i); !slices.Equal(got, row(h, i).Latent) {
				t.Errorf("row %d is %v, want %v", i, got, row(h, i).Latent)
			}
		}
		if entries, err := os.ReadDir(o.Dir); err != nil || len(entries) == 0 {
			t.Errorf("nothing was spilled: %v", err)
		}
	})
}
