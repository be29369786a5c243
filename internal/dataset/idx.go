package dataset

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxArray bounds the bytes of one file of numbers, unpacked.
const maxArray = 4 << 30

// idxName takes the name of an IDX file apart: what comes before, images or labels.
var idxName = regexp.MustCompile(`^(.*?)[-_.]?(images|labels)[-_.]idx[1-4][-_.]ubyte(\.gz)?$`)

type idxFile struct {
	prefix string // "train", "t10k"
	labels bool
	packed bool
}

func parseIDXName(name string) (idxFile, bool) {
	m := idxName.FindStringSubmatch(name)
	if m == nil {
		return idxFile{}, false
	}
	return idxFile{m[1], m[2] == "labels", m[3] != ""}, true
}

// split says which side a file is: MNIST's 10,000 (t10k) are for testing.
func (f idxFile) split() string {
	for _, word := range []string{"t10k", "test", "val"} {
		if strings.Contains(strings.ToLower(f.prefix), word) {
			return Test
		}
	}
	return Train
}

// newIDX takes pairs of an image file and a label file from a folder, one pair a split. Where a file lies there packed
// and unpacked, the unpacked one is taken.
func newIDX(s settings, entries []os.DirEntry) (origin, error) {
	type pair struct{ images, labels string }
	pairs := map[string]*pair{}
	prefix := map[string]string{}
	for _, name := range namesOf(entries, func(n string) bool { _, ok := parseIDXName(n); return ok }) {
		f, _ := parseIDXName(name)
		side := f.split()
		if pairs[side] == nil {
			pairs[side], prefix[side] = &pair{}, f.prefix
		}
		if prefix[side] != f.prefix {
			return nil, fieldError{"source", fmt.Sprintf("names %s, which holds IDX files of several sets (%s…, %s…): give each a folder of its own", s.path, prefix[side], f.prefix)}
		}
		at := &pairs[side].images
		if f.labels {
			at = &pairs[side].labels
		}
		if *at == "" { // the unpacked name sorts first
			*at = name
		}
	}
	o := &arrayOrigin{settings: s, kind: "idx"}
	for _, side := range []string{Train, Test} {
		p := pairs[side]
		if p == nil {
			continue
		}
		if p.images == "" || p.labels == "" {
			return nil, fieldError{"source", fmt.Sprintf("names %s, where %s%s has no partner: IDX images and labels come in pairs", s.path, p.images, p.labels)}
		}
		o.files = append(o.files, p.images, p.labels)
	}
	o.read = func() ([]array, error) {
		var arrays []array
		for i := 0; i < len(o.files); i += 2 {
			a, err := readIDXPair(filepath.Join(s.path, o.files[i]), filepath.Join(s.path, o.files[i+1]))
			if err != nil {
				return nil, err
			}
			f, _ := parseIDXName(o.files[i])
			a.split = f.split()
			arrays = append(arrays, a)
		}
		return arrays, nil
	}
	return o, nil
}

func readIDXPair(images, labels string) (a array, err error) {
	dims, pix, err := readIDXFile(images)
	if err != nil {
		return a, err
	}
	if len(dims) != 3 && !(len(dims) == 4 && (dims[3] == 1 || dims[3] == 3)) {
		return a, fmt.Errorf("%s: has %d dimensions %v: want (N, H, W) or (N, H, W, 3)", images, len(dims), dims)
	}
	if dims[1] < 1 || dims[2] < 1 || dims[1]*dims[2] > maxPixels {
		return a, fmt.Errorf("%s: images of %d x %d pixels", images, dims[1], dims[2])
	}
	n, marks, err := readIDXFile(labels)
	if err != nil {
		return a, err
	}
	if len(n) != 1 || n[0] != dims[0] {
		return a, fmt.Errorf("%s: labels of dimensions %v for %d images", labels, n, dims[0])
	}
	a = array{h: dims[1], w: dims[2], c: 1, pix: pix, labels: marks}
	if len(dims) == 4 {
		a.c = dims[3]
	}
	return a, nil
}

// readIDXFile reads a file, packed by gzip or not.
func readIDXFile(path string) (dims []int, data []byte, err error) {
	defer recovered(&err, "get "+path+" anew")
	f, _, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var r io.Reader = bufio.NewReaderSize(f, 1<<20)
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		r = z
	}
	dims, data, err = readIDX(r)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return dims, data, err
}

// readIDX reads the format of MNIST's files (LeCun), with elements of one unsigned byte:
//
//	0 | 0 | 8 | number of dimensions (1 byte each) | dimensions (4 bytes each, big-endian) | elements, last dimension fastest
//
// Memory is taken as data come, never on the word of the header.
func readIDX(r io.Reader) (dims []int, data []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, nil, fmt.Errorf("no IDX header: %w", err)
	}
	if head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] < 1 || head[3] > 4 {
		return nil, nil, fmt.Errorf("not an IDX file of bytes (begins with % x)", head)
	}
	size := int64(1)
	for range head[3] {
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, nil, fmt.Errorf("header ends early: %w", err)
		}
		d := int64(binary.BigEndian.Uint32(b[:]))
		if d > 0 && size > maxArray/d {
			return nil, nil, fmt.Errorf("claims more than %d bytes", int64(maxArray))
		}
		size *= d
		dims = append(dims, int(d))
	}
	data, err = io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) != size {
		return nil, nil, errors.New("the elements are more or fewer than the dimensions " + fmt.Sprint(dims))
	}
	return dims, data, nil
}
