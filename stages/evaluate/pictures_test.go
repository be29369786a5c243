package evaluate

import (
	"os"
	"slices"
	"testing"

	"lfm/internal/disk"
)

// TestShelf: pictures come back as they were put, mirrored if asked; what is there is told file by file,
// and a file that is cut is not there.
func TestShelf(t *testing.T) {
	const n, size = perFile + 3, 4
	s := &shelf{fs: disk.OS, dir: t.TempDir(), size: size, labels: make([]int, n)}
	pixels := make([]byte, n*s.bytes())
	for i := range pixels {
		pixels[i] = byte(i * 7 / 3)
	}
	for i := range s.labels {
		s.labels[i] = i % 5
	}
	for _, want := range []int{0, perFile, n} {
		if got := s.kept(); got != want {
			t.Fatalf("%d pictures are there, want %d", got, want)
		}
		if to := min(n, want+perFile); want < n {
			if err := s.put(want, pixels[want*s.bytes():to*s.bytes()]); err != nil {
				t.Fatal(err)
			}
		}
	}
	o, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	x, turned := make([]float32, s.bytes()), make([]float32, s.bytes())
	for _, i := range []int{0, 1, perFile - 1, perFile, n - 1} {
		if err := o.Read(x, i, false); err != nil {
			t.Fatal(err)
		}
		for j, v := range x {
			if want := float32(pixels[i*s.bytes()+j])/127.5 - 1; v != want {
				t.Fatalf("picture %d has %v at %d, want %v", i, v, j, want)
			}
		}
		if o.Read(turned, i, true); slices.Equal(x, turned) {
			t.Errorf("picture %d is not mirrored", i)
		}
		for p := range size * size {
			q := p/size*size + size - 1 - p%size
			if !slices.Equal(x[3*p:3*p+3], turned[3*q:3*q+3]) {
				t.Fatalf("picture %d is not mirrored at pixel %d", i, p)
			}
		}
		if o.Label(i) != i%5 || o.Len() != n {
			t.Errorf("picture %d of %d has the label %d", i, o.Len(), o.Label(i))
		}
	}
	if err := os.Truncate(s.path(perFile), 5); err != nil {
		t.Fatal(err)
	}
	if got := s.kept(); got != perFile {
		t.Errorf("with the last file cut %d pictures are there, want %d", got, perFile)
	}
	if err := o.Read(x, n-1, false); err == nil {
		t.Error("a picture of a file that is cut can be read")
	}
}
