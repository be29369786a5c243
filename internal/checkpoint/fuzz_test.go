package checkpoint

import (
	"crypto/sha256"
	"os"
	"slices"
	"testing"

	"lfm/internal/disk"
	"lfm/internal/fuzztest"
)

// FuzzSeries puts any bytes in the place of the newest checkpoint, as they are and with the trailer that they should
// have: they are taken in whole, or the checkpoint before serves.
func FuzzSeries(f *testing.F) {
	tensors, meta := sample()
	whole := encode(f, tensors, meta)
	f.Add(whole, true)
	f.Add(whole, false)
	f.Add(whole[:len(whole)-1], true)
	f.Add([]byte{}, true)
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f{}"), true)
	s := OpenSeries(disk.OS, f.TempDir())
	if err := s.Save(100, tensors, meta); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			sum := sha256.Sum256(data)
			data = slices.Concat(data, []byte(magic), sum[:])
		}
		if err := os.WriteFile(s.path(200), data, 0o666); err != nil {
			t.Fatal(err)
		}
		var got *File
		var step int
		var err error
		fuzztest.Bounded(t, len(data), perByte, func() { got, step, err = s.Latest() })
		if err != nil || got == nil {
			t.Fatalf("no checkpoint: %v", err)
		}
		if step == 200 {
			if want, err := decode(data[:max(0, len(data)-trailerSize)]); err != nil || !same(got.Tensors, want.Tensors) {
				t.Fatalf("read %v, want %v (%v)", got.Tensors, want, err)
			}
		} else if step != 100 || !same(got.Tensors, tensors) {
			t.Fatalf("fell back to step %d, %v", step, got.Tensors)
		}
	})
}
