package checkpoint

import (
	"path/filepath"
	"slices"
	"testing"

	"lfm/internal/disk"
	"lfm/internal/disk/disktest"
)

// TestFaults: wherever the disk, the process or the power fails, the newest checkpoint that
// Save said is there is there, or a newer one; and the next Save leaves nothing but the
// newest two.
func TestFaults(t *testing.T) {
	var saved int // what the last Save without an error was of
	work := func(fsys disk.FS, dir string) error {
		s := OpenSeries(fsys, filepath.Join(dir, "checkpoints"))
		saved = 0
		for step := 1; step <= 4; step++ {
			tensors := []Tensor{{Name: "w", Shape: []int{1}, Data: []float32{float32(step)}}}
			if err := s.Save(step, tensors, nil); err != nil {
				return err
			}
			saved = step
		}
		return nil
	}
	disktest.Everywhere(t, func(string) error { return nil }, work, func(t *testing.T, o disktest.Outcome) {
		s := OpenSeries(disk.OS, filepath.Join(o.Dir, "checkpoints"))
		f, step, err := s.Latest()
		if err != nil || step < saved || step > saved+1 {
			t.Fatalf("latest is of step %d, %v; step %d was saved", step, err, saved)
		}
		if step > 0 && f.Tensors[0].Data[0] != float32(step) {
			t.Errorf("the checkpoint of step %d holds that of %v", step, f.Tensors[0].Data)
		}
		save(t, s, 10)
		save(t, s, 11)
		if got := names(t, s); !slices.Equal(got, []string{"step-000000010.checkpoint", "step-000000011.checkpoint"}) {
			t.Errorf("left over are %v", got)
		}
	})
}
