package dataset

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// cifarBatch is the name of a file of CIFAR-10's binary version.
var cifarBatch = regexp.MustCompile(`^(data_batch_\d+|test_batch)\.bin$`)

// cifarRecord is one image: a label, then 32x32 bytes each of red, green and blue.
const cifarRecord = 1 + 3*32*32

// newCIFAR reads the binary version of CIFAR-10 (Krizhevsky, 2009): data_batch_1.bin … for training, test_batch.bin, and
// the names of the classes in batches.meta.txt, a line each.
func newCIFAR(s settings, entries []os.DirEntry) (origin, error) {
	o := &arrayOrigin{settings: s, kind: "cifar"}
	o.files = namesOf(entries, cifarBatch.MatchString)
	batches := o.files
	if meta, err := os.ReadFile(filepath.Join(s.path, "batches.meta.txt")); err == nil {
		o.names = strings.Fields(string(meta))
		o.files = append(o.files[:len(o.files):len(o.files)], "batches.meta.txt")
	}
	o.read = func() ([]array, error) {
		sides := map[string]*array{Train: {split: Train, h: 32, w: 32, c: 3}, Test: {split: Test, h: 32, w: 32, c: 3}}
		for _, name := range batches {
			side := Train
			if strings.HasPrefix(name, "test") {
				side = Test
			}
			if err := readCIFAR(filepath.Join(s.path, name), sides[side]); err != nil {
				return nil, err
			}
		}
		var arrays []array
		for _, side := range []string{Train, Test} {
			if len(sides[side].labels) > 0 {
				arrays = append(arrays, *sides[side])
			}
		}
		return arrays, nil
	}
	return o, nil
}

// readCIFAR appends the records of a file to a.
func readCIFAR(path string, a *array) error {
	f, _, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxArray+1))
	if err != nil {
		return err
	}
	if len(data) > maxArray || len(data)%cifarRecord != 0 {
		return fmt.Errorf("%s: %d bytes are not a number of records of %d", path, len(data), cifarRecord)
	}
	const plane = 32 * 32
	for ; len(data) > 0; data = data[cifarRecord:] {
		a.labels = append(a.labels, data[0])
		for p := 1; p <= plane; p++ {
			a.pix = append(a.pix, data[p], data[p+plane], data[p+2*plane])
		}
	}
	return nil
}
