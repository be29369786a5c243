package checkpoint

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// What Read accepts at most.
const (
	maxTensors = 1_000_000
	maxHeader  = 100_000_000 // bytes
)

// A Tensor is a named array, row-major, of float32 (Data) or int32 (Ints). A shape
// without dimensions is a scalar.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
	Ints  []int32
}

// A File is what Read found.
type File struct {
	Tensors []Tensor // in the order of the header
	Meta    map[string]string

	index map[string]int
}

// Get finds a tensor by name.
func (f *File) Get(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Floats is the data of the float32 tensor of that name, which must have that shape.
func (f *File) Floats(name string, shape ...int) ([]float32, error) {
	t, ok := f.Get(name)
	switch {
	case !ok:
		return nil, fmt.Errorf("checkpoint: no tensor %q", name)
	case t.Data == nil:
		return nil, fmt.Errorf("checkpoint: tensor %q is %s, want F32", name, t.dtype())
	case !slices.Equal(t.Shape, shape):
		return nil, fmt.Errorf("checkpoint: tensor %q has shape %v, want %v", name, t.Shape, shape)
	}
	return t.Data, nil
}

// entry is a tensor as the header tells it.
type entry struct {
	DType   string  `json:"dtype"`
	Shape   []int64 `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

const metaKey = "__metadata__"

func (t *Tensor) dtype() string {
	if t.Ints != nil {
		return "I32"
	}
	return "F32"
}

// check returns the tensor's size in bytes.
func (t *Tensor) check() (int64, error) {
	switch {
	case t.Name == "" || t.Name == metaKey || !utf8.ValidString(t.Name):
		return 0, fmt.Errorf("%q is no name for a tensor", t.Name)
	case t.Data != nil && t.Ints != nil:
		return 0, fmt.Errorf("tensor %q has both floats and integers", t.Name)
	}
	want := int64(1)
	for _, d := range t.Shape {
		want *= int64(d)
	}
	if have := int64(len(t.Data) + len(t.Ints)); have != want || want < 0 {
		return 0, fmt.Errorf("tensor %q has shape %v but %d elements", t.Name, t.Shape, have)
	}
	return 4 * want, nil
}

// Write writes tensors, in the given order, and meta as safetensors. Equal arguments
// give equal bytes.
func Write(w io.Writer, tensors []Tensor, meta map[string]string) error {
	header, err := encodeHeader(tensors, meta)
	if err != nil {
		return fmt.Errorf("checkpoint: write: %w", err)
	}
	out := bufio.NewWriterSize(w, chunk)
	out.Write(header)
	buf := make([]byte, 0, chunk)
	for _, t := range tensors {
		for part := range slices.Chunk(t.Data, chunk/4) {
			buf = buf[:0]
			for _, v := range part {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
			out.Write(buf)
		}
		for part := range slices.Chunk(t.Ints, chunk/4) {
			buf = buf[:0]
			for _, v := range part {
				buf = binary.LittleEndian.AppendUint32(buf, uint32(v))
			}
			out.Write(buf)
		}
	}
	if err := out.Flush(); err != nil { // the first error of all the writes
		return fmt.Errorf("checkpoint: write: %w", err)
	}
	return nil
}

// encodeHeader is the length and the padded header.
func encodeHeader(tensors []Tensor, meta map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	field := func(name string, v any) {
		if b.Len() > 9 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(name)
		value, _ := json.Marshal(v) // strings and integers; maps come out sorted
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	if len(meta) > 0 {
		for _, k := range slices.Sorted(maps.Keys(meta)) {
			if !utf8.ValidString(k) || !utf8.ValidString(meta[k]) {
				return nil, fmt.Errorf("metadata %q is not UTF-8", k)
			}
		}
		field(metaKey, meta)
	}
	seen := make(map[string]bool, len(tensors))
	var end int64
	for i := range tensors {
		t := &tensors[i]
		size, err := t.check()
		if err != nil {
			return nil, err
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("two tensors have the name %q", t.Name)
		}
		seen[t.Name] = true
		shape := make([]int64, len(t.Shape)) // not nil, which JSON calls null
		for i, d := range t.Shape {
			shape[i] = int64(d)
		}
		field(t.Name, entry{t.dtype(), shape, []int64{end, end + size}})
		end += size
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeader || len(tensors) > maxTensors {
		return nil, fmt.Errorf("%d tensors are too many for one file", len(tensors))
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

// chunk is what is converted at a time; tensors go straight to their slices.
const chunk = 1 << 16

// Read reads size bytes of safetensors from r. Whatever the header claims is held
// against size before anything is allocated for it: tensors must tile the data
// without overlap or gap, and have dtype F32 or I32.
func Read(r io.ReaderAt, size int64) (*File, error) {
	f, err := read(r, size)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: read: %w", err)
	}
	return f, nil
}

// ReadFile reads a safetensors file.
func ReadFile(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	f, err := read(r, info.Size())
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return f, nil
}

func read(r io.ReaderAt, size int64) (*File, error) {
	var length [8]byte
	if size < 8 {
		return nil, fmt.Errorf("%d bytes are too short for a safetensors file", size)
	}
	if err := readFull(r, length[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", n, size)
	}
	header := make([]byte, n)
	if err := readFull(r, header, 8); err != nil {
		return nil, err
	}
	data := 8 + int64(n)
	f, places, err := decodeHeader(header, size-data)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, chunk)
	for i := range f.Tensors {
		if err := f.Tensors[i].fill(r, data+places[i].begin, buf, places[i].dtype); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// A place is where a tensor's bytes lie.
type place struct {
	begin, end int64
	dtype      string
}

// decodeHeader reads the header of a file with size bytes of data. Its tensors have
// no elements yet.
func decodeHeader(header []byte, size int64) (*File, []place, error) {
	if !utf8.Valid(header) || !bytes.HasPrefix(header, []byte("{")) {
		return nil, nil, errors.New("header is not JSON")
	}
	f := &File{Meta: map[string]string{}, index: map[string]int{}}
	var places []place
	dec := json.NewDecoder(bytes.NewReader(header))
	dec.DisallowUnknownFields()
	if _, err := dec.Token(); err != nil { // {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	hasMeta := false
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("header: %w", err)
		}
		name := token.(string) // a key: the decoder accepts nothing else here
		if name == metaKey {
			if hasMeta {
				return nil, nil, errors.New("header: two " + metaKey)
			}
			hasMeta = true
			if err := dec.Decode(&f.Meta); err != nil {
				return nil, nil, fmt.Errorf("header: %s: %w", metaKey, err)
			}
			continue
		}
		var e entry
		if err := dec.Decode(&e); err != nil {
			return nil, nil, fmt.Errorf("header: tensor %q: %w", name, err)
		}
		shape, p, err := e.check(size)
		if err != nil {
			return nil, nil, fmt.Errorf("header: tensor %q: %w", name, err)
		}
		if _, dup := f.index[name]; dup || name == "" {
			return nil, nil, fmt.Errorf("header: two tensors named %q, or one without a name", name)
		}
		if len(f.Tensors) == maxTensors {
			return nil, nil, fmt.Errorf("header: more than %d tensors", maxTensors)
		}
		f.index[name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, Tensor{Name: name, Shape: shape})
		places = append(places, p)
	}
	if _, err := dec.Token(); err != nil { // }
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if rest := header[dec.InputOffset():]; len(bytes.Trim(rest, " ")) > 0 {
		return nil, nil, fmt.Errorf("header: %d bytes behind its end", len(rest))
	}
	return f, places, tile(places, size)
}

// check holds an entry against the size of the data.
func (e *entry) check(size int64) (shape []int, p place, err error) {
	if e.DType != "F32" && e.DType != "I32" {
		return nil, p, fmt.Errorf("dtype %q, want F32 or I32", e.DType)
	}
	if len(e.Offsets) != 2 || e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] || e.Offsets[1] > size {
		return nil, p, fmt.Errorf("data_offsets %v in %d bytes of data", e.Offsets, size)
	}
	if e.Shape == nil {
		return nil, p, errors.New("no shape")
	}
	p = place{e.Offsets[0], e.Offsets[1], e.DType}
	elements := int64(1)
	empty := slices.Contains(e.Shape, 0)
	for _, d := range e.Shape {
		if d < 0 || d > math.MaxInt || !empty && d > size/elements {
			return nil, p, fmt.Errorf("shape %v in %d bytes of data", e.Shape, size)
		}
		if !empty {
			elements *= d
		}
		shape = append(shape, int(d))
	}
	if empty {
		elements = 0
	}
	if p.end-p.begin != 4*elements {
		return nil, p, fmt.Errorf("shape %v in %d bytes", e.Shape, p.end-p.begin)
	}
	return shape, p, nil
}

// tile requires that places cover the data without overlap or gap.
func tile(places []place, size int64) error {
	sorted := slices.SortedFunc(slices.Values(places), func(a, b place) int {
		if a.begin != b.begin {
			return int(min(1, max(-1, a.begin-b.begin)))
		}
		return int(min(1, max(-1, a.end-b.end)))
	})
	var end int64
	for _, p := range sorted {
		if p.begin != end {
			return fmt.Errorf("header: tensors overlap or leave a gap at byte %d of the data", min(end, p.begin))
		}
		end = p.end
	}
	if end != size {
		return fmt.Errorf("header: tensors cover %d of %d bytes of data", end, size)
	}
	return nil
}

// fill reads the tensor's elements, a chunk at a time.
func (t *Tensor) fill(r io.ReaderAt, at int64, buf []byte, dtype string) error {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	if dtype == "I32" {
		t.Ints = make([]int32, n)
	} else {
		t.Data = make([]float32, n)
	}
	for i := 0; i < n; {
		part := buf[:min(len(buf), 4*(n-i))]
		if err := readFull(r, part, at+4*int64(i)); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		for ; len(part) > 0; part = part[4:] {
			if v := binary.LittleEndian.Uint32(part); dtype == "I32" {
				t.Ints[i] = int32(v)
			} else {
				t.Data[i] = math.Float32frombits(v)
			}
			i++
		}
	}
	return nil
}

// readFull fills p; a file that ends early is an error even where ReadAt says EOF.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// String is the tensor's name, dtype and shape.
func (t Tensor) String() string {
	return t.Name + " " + t.dtype() + strings.ReplaceAll(fmt.Sprint(t.Shape), " ", ",")
}
