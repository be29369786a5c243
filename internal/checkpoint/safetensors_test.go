package checkpoint

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lfm/internal/fuzztest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample has both types, a scalar, an empty tensor, and numbers that do not survive
// a detour through text or arithmetic.
func sample() ([]Tensor, map[string]string) {
	return []Tensor{
		{Name: "blocks.1.weight", Shape: []int{2, 3}, Data: []float32{1, -2.5, float32(math.Inf(1)), math.Float32frombits(0x7fc0dead), float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32}},
		{Name: "blocks.0.weight", Shape: []int{1}, Data: []float32{7}},
		{Name: "labels", Shape: []int{3}, Ints: []int32{math.MinInt32, 0, math.MaxInt32}},
		{Name: "empty", Shape: []int{4, 0}, Data: []float32{}},
		{Name: "größe \"1\"", Shape: []int{}, Data: []float32{0.1}},
	}, map[string]string{"kind": "flow", "classes": "cat\ndog", "a": "<&>"}
}

func encode(t testing.TB, tensors []Tensor, meta map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, tensors, meta); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(data []byte) (*File, error) { return Read(bytes.NewReader(data), int64(len(data))) }

// file is a safetensors file with that header, not padded, and that much data.
func file(header string, size int) []byte {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(data, header...), make([]byte, size)...)
}

// same compares bits, so that NaN equals itself.
func same(a, b []Tensor) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Name != y.Name || fmt.Sprint(x.Shape) != fmt.Sprint(y.Shape) || fmt.Sprint(x.Ints) != fmt.Sprint(y.Ints) || len(x.Data) != len(y.Data) {
			return false
		}
		for j := range x.Data {
			if math.Float32bits(x.Data[j]) != math.Float32bits(y.Data[j]) {
				return false
			}
		}
	}
	return true
}

// TestRoundTrip: what was written is read, bit by bit and in order; and written again
// it gives the same bytes.
func TestRoundTrip(t *testing.T) {
	tensors, meta := sample()
	data := encode(t, tensors, meta)
	f, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !same(f.Tensors, tensors) || !reflect.DeepEqual(f.Meta, meta) {
		t.Errorf("wrote %v %v\nread  %v %v", tensors, meta, f.Tensors, f.Meta)
	}
	if again := encode(t, f.Tensors, f.Meta); !bytes.Equal(again, data) {
		t.Errorf("second writing gives other bytes:\n%q\n%q", again, data)
	}
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if f, err := ReadFile(path); err != nil || !same(f.Tensors, tensors) {
		t.Errorf("from a file: %v, %v", f, err)
	}
}

// TestChunks reads and writes tensors of sizes round about a chunk's.
func TestChunks(t *testing.T) {
	const n = chunk / 4
	var tensors []Tensor
	for _, n := range []int{1, n - 1, n, n + 1, 3*n + 5} {
		floats, ints := make([]float32, n), make([]int32, n)
		for i := range floats {
			floats[i], ints[i] = float32(i), int32(-i)
		}
		tensors = append(tensors, Tensor{Name: fmt.Sprint("f", n), Shape: []int{n}, Data: floats}, Tensor{Name: fmt.Sprint("i", n), Shape: []int{n}, Ints: ints})
	}
	f, err := decode(encode(t, tensors, nil))
	if err != nil || !same(f.Tensors, tensors) {
		t.Error("large tensors come back otherwise", err)
	}
}

// TestGolden holds the bytes to what was once written: output IDs cover them.
func TestGolden(t *testing.T) {
	got := encode(t, []Tensor{
		{Name: "w", Shape: []int{2, 2}, Data: []float32{1, 2, 3, 4}},
		{Name: "step", Shape: []int{}, Ints: []int32{700}},
	}, map[string]string{"kind": "flow", "classes": "cat dog"})
	golden := filepath.Join("testdata", "golden.safetensors")
	if *update {
		if err := os.WriteFile(golden, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if n := binary.LittleEndian.Uint64(got); n%8 != 0 {
		t.Errorf("header has %d bytes: the tensors are not aligned", n)
	}
}

func TestGet(t *testing.T) {
	f, err := decode(encode(t, []Tensor{
		{Name: "w", Shape: []int{2, 1}, Data: []float32{1, 2}},
		{Name: "n", Shape: []int{1}, Ints: []int32{5}},
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if w, err := f.Floats("w", 2, 1); err != nil || w[1] != 2 {
		t.Errorf("w = %v, %v", w, err)
	}
	if n, ok := f.Get("n"); !ok || n.Ints[0] != 5 || n.String() != "n I32[1]" {
		t.Errorf("n = %v, %v", n, ok)
	}
	for name, shape := range map[string][]int{"w": {1, 2}, "n": {1}, "x": {1}} {
		if _, err := f.Floats(name, shape...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s as %v: %v", name, shape, err)
		}
	}
}

// TestReadRefuses goes through what a hostile or torn file may say.
func TestReadRefuses(t *testing.T) {
	good := `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`
	if _, err := decode(file(good, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := decode(file(good+"  ", 8)); err != nil {
		t.Fatal("padding:", err)
	}
	a := func(fields string) string { return `{"a":{` + fields + `}}` }
	var many strings.Builder
	many.WriteByte('{')
	for i := range maxTensors + 1 {
		fmt.Fprintf(&many, `"%x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},`, i)
	}
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "too short", nil},
		{"short", "too short", []byte("1234567")},
		{"header longer than the file", "header of", binary.LittleEndian.AppendUint64(nil, 1)},
		{"header of 2^63", "header of", append(binary.LittleEndian.AppendUint64(nil, 1<<63), good...)},
		{"header of 2^64-1", "header of", append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), good...)},
		{"no header", "not JSON", file("", 0)},
		{"space first", "not JSON", file(" {}", 0)},
		{"array", "not JSON", file("[]", 0)},
		{"no UTF-8", "not JSON", file("{\"\xff\":1}", 0)},
		{"torn header", "header", file(good[:20], 8)},
		{"no end", "header", file(good[:len(good)-1], 8)},
		{"text behind the end", "behind", file(good+"{}", 8)},
		{"newline behind the end", "behind", file(good+"\n", 8)},
		{"number for a key", "header", file("{1:2}", 0)},
		{"number for a tensor", "header", file(`{"a":2}`, 0)},
		{"half type", `dtype "F16"`, file(strings.Replace(good, "F32", "F16", 1), 8)},
		{"no type", `dtype ""`, file(a(`"shape":[2],"data_offsets":[0,8]`), 8)},
		{"no shape", "no shape", file(a(`"dtype":"F32","data_offsets":[0,4]`), 4)},
		{"no offsets", "data_offsets", file(a(`"dtype":"F32","shape":[0]`), 0)},
		{"unknown field", "unknown field", file(a(`"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1`), 8)},
		{"one offset", "data_offsets", file(a(`"dtype":"F32","shape":[2],"data_offsets":[8]`), 8)},
		{"offsets reversed", "data_offsets", file(a(`"dtype":"F32","shape":[2],"data_offsets":[8,0]`), 8)},
		{"offset negative", "data_offsets", file(a(`"dtype":"F32","shape":[2],"data_offsets":[-8,0]`), 8)},
		{"offset beyond", "data_offsets", file(a(`"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]`), 8)},
		{"offset 2^63", "header", file(a(`"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775808]`), 8)},
		{"shape negative", "shape", file(a(`"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]`), 8)},
		{"shape broken", "header", file(a(`"dtype":"F32","shape":[0.5,4],"data_offsets":[0,8]`), 8)},
		{"shape overflows to 2", "shape", file(a(`"dtype":"F32","shape":[9223372036854775807,9223372036854775807,2],"data_offsets":[0,8]`), 8)},
		{"shape too small", "shape", file(a(`"dtype":"F32","shape":[1],"data_offsets":[0,8]`), 8)},
		{"truncated data", "data_offsets", file(good, 7)},
		{"data behind the tensors", "cover", file(good, 12)},
		{"gap first", "gap", file(a(`"dtype":"F32","shape":[1],"data_offsets":[4,8]`), 8)},
		{"overlap", "overlap", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12)},
		{"same place", "overlap", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8)},
		{"same name", "two tensors", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)},
		{"metadata twice", "two __metadata__", file(`{"__metadata__":{},"__metadata__":{}}`, 0)},
		{"metadata of numbers", "__metadata__", file(`{"__metadata__":{"a":1}}`, 0)},
		{"too many", "more than", file(many.String(), 0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := decode(tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("read %v, %v; want an error with %q", f, err, tt.want)
			}
		})
	}
}

// TestReadShrunk reads a file that is shorter than was said.
func TestReadShrunk(t *testing.T) {
	tensors, _ := sample()
	data := encode(t, tensors, nil)
	for n := range len(data) {
		if _, err := Read(bytes.NewReader(data[:n]), int64(len(data))); err == nil {
			t.Fatalf("%d of %d bytes are enough", n, len(data))
		}
		if _, err := decode(data[:n]); err == nil {
			t.Fatalf("a file torn at %d of %d bytes is read", n, len(data))
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	one := []float32{1}
	for name, tensors := range map[string][]Tensor{
		"no name":          {{Shape: []int{1}, Data: one}},
		"the reserved one": {{Name: "__metadata__", Shape: []int{1}, Data: one}},
		"no UTF-8":         {{Name: "\xff", Shape: []int{1}, Data: one}},
		"two of one name":  {{Name: "a", Shape: []int{1}, Data: one}, {Name: "a", Shape: []int{1}, Data: one}},
		"shape":            {{Name: "a", Shape: []int{2}, Data: one}},
		"negative shape":   {{Name: "a", Shape: []int{-1}, Data: one}},
		"both types":       {{Name: "a", Shape: []int{2}, Data: one, Ints: []int32{1}}},
	} {
		if err := Write(io.Discard, tensors, nil); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if err := Write(io.Discard, nil, map[string]string{"a": "\xff"}); err == nil {
		t.Error("metadata without UTF-8: written")
	}
	if err := Write(failing{}, []Tensor{{Name: "a", Shape: []int{1}, Data: one}}, nil); err == nil {
		t.Error("a full disk goes unnoticed")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("no space") }

// perByte bounds the memory that a byte of a file takes: a tensor without elements is an entry of 50 bytes in the header,
// and JSON's decoder, names, shapes, an index and slices that grow for it.
const perByte = 64

// FuzzRead: whatever is read can be written and read again, and is the same; and no
// input takes more memory than a small multiple of its size.
func FuzzRead(f *testing.F) {
	tensors, meta := sample()
	f.Add(encode(f, tensors, meta))
	f.Add(encode(f, nil, nil))
	f.Add(file(`{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got *File
		var err error
		fuzztest.Bounded(t, len(data), perByte, func() { got, err = decode(data) })
		if err != nil {
			return
		}
		total := 0
		for _, x := range got.Tensors {
			total += 4 * (len(x.Data) + len(x.Ints))
		}
		if total > len(data) {
			t.Fatalf("%d bytes of tensors from %d", total, len(data))
		}
		again, err := decode(encode(t, got.Tensors, got.Meta))
		if err != nil {
			t.Fatal(err)
		}
		if !same(again.Tensors, got.Tensors) || len(again.Meta) != len(got.Meta) {
			t.Errorf("read %v, then %v", got, again)
		}
	})
}

func BenchmarkReadWrite(b *testing.B) {
	const n = 1 << 22
	tensors := []Tensor{{Name: "w", Shape: []int{n}, Data: make([]float32, n)}}
	data := encode(b, tensors, nil)
	b.Run("read", func(b *testing.B) {
		b.SetBytes(4 * n)
		for b.Loop() {
			if _, err := decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(4 * n)
		for b.Loop() {
			if err := Write(io.Discard, tensors, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
