package evaluate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lfm/internal/disk"
)

// perFile is how many pictures lie in one file of the work area: what a kill loses at most.
const perFile = 256

// shelf is a set of 8-bit pictures of size x size in a folder that is there, perFile to a file, with the class that
// each was meant to be.
type shelf struct {
	fs     disk.FS
	dir    string
	size   int
	labels []int
}

func (s *shelf) bytes() int { return s.size * s.size * 3 }

// path is the file that begins with picture first.
func (s *shelf) path(first int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%07d.pixels", first))
}

// kept is how many pictures, from the first on, are there already.
func (s *shelf) kept() int {
	for first := 0; first < len(s.labels); first += perFile {
		want := min(perFile, len(s.labels)-first) * s.bytes()
		if info, err := os.Stat(s.path(first)); err != nil || info.Size() != int64(want) {
			return first
		}
	}
	return len(s.labels)
}

// put adds the file of the pictures from first on.
func (s *shelf) put(first int, pixels []byte) error {
	return disk.Replace(s.fs, s.dir, s.path(first), pixels)
}

// remove takes the folder away.
func (s *shelf) remove() error { return s.fs.RemoveAll(s.dir) }

// open opens the whole set for reading.
func (s *shelf) open() (*opened, error) {
	o := &opened{shelf: s, buffer: make([]byte, s.bytes())}
	for first := 0; first < len(s.labels); first += perFile {
		f, err := os.Open(s.path(first))
		if err != nil {
			return nil, errors.Join(err, o.Close())
		}
		o.files = append(o.files, f)
	}
	return o, nil
}

// opened is a shelf as classifier.Pictures. It serves one goroutine at a time.
type opened struct {
	*shelf
	files  []*os.File
	buffer []byte
}

func (o *opened) Len() int        { return len(o.labels) }
func (o *opened) Label(i int) int { return o.labels[i] }

// Read fills x (S, S, 3) with picture i, mirrored if flip is set.
func (o *opened) Read(x []float32, i int, flip bool) error {
	at := int64(i%perFile) * int64(len(o.buffer))
	if n, err := o.files[i/perFile].ReadAt(o.buffer, at); n < len(o.buffer) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("evaluate: %s: %w", o.path(i/perFile*perFile), err)
	}
	width := o.size
	for p := range width * width {
		from := p
		if flip {
			from = p/width*width + width - 1 - p%width
		}
		for c := range 3 {
			x[p*3+c] = float32(o.buffer[from*3+c])/127.5 - 1
		}
	}
	return nil
}

// Close closes the files.
func (o *opened) Close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
