package dataset

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lfm/internal/fuzztest"
)

// idx is a file in the form of MNIST's.
func idx(dims []int, data []byte) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, data...)
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

// run is n bytes, each one more than the last.
func run(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// TestIDX reads pairs of files, packed or not, with the split that their names give, and the names of classes.
func TestIDX(t *testing.T) {
	path := files{
		"train-images-idx3-ubyte.gz": gzipped(t, idx([]int{3, 4, 4}, run(48))), "train-labels-idx1-ubyte.gz": gzipped(t, idx([]int{3}, []byte{1, 0, 1})),
		"t10k-images.idx3-ubyte": idx([]int{1, 4, 4}, run(16)), "t10k-labels.idx1-ubyte": idx([]int{1}, []byte{0}),
		"notes.txt": nil,
	}.write(t)
	set, warnings := built(t, config4(path, 6, func(c *Config) {
		c.Fit, c.Background, c.Classes = "pad", "black", []string{"T-shirt/top", "boot"}
	}))
	if len(warnings) > 0 {
		t.Errorf("warnings %q", warnings)
	}
	want := []string{"train/00000 boot train", "train/00001 T-shirt/top train", "train/00002 boot train", "test/00000 T-shirt/top test"}
	if !slices.Equal(set.list(), want) {
		t.Errorf("%q, want %q", set.list(), want)
	}
	got := read(t, set, 1, false)
	for y := range 6 {
		for x := range 6 {
			v := unit[0]
			if x >= 1 && x < 5 && y >= 1 && y < 5 {
				v = unit[16+(y-1)*4+x-1]
			}
			if p := got[(y*6+x)*3:]; p[0] != v || p[1] != v || p[2] != v {
				t.Fatalf("(%d, %d) is %v, want %v", y, x, p[:3], v)
			}
		}
	}
	numbered, _ := built(t, config4(path, 6))
	if !slices.Equal(numbered.Classes(), []string{"0", "1"}) {
		t.Errorf("classes %q", numbered.Classes())
	}
	_, _, err := build(t, open(t, config4(path, 6, func(c *Config) { c.Classes = []string{"one"} }), ""))
	if err == nil || !strings.Contains(err.Error(), "labels go up to 1") {
		t.Errorf("too few names: %v", err)
	}
}

// TestBadIDX wants an error that names the file.
func TestBadIDX(t *testing.T) {
	images, labels := "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
	good, marks := idx([]int{2, 3, 3}, run(18)), idx([]int{2}, []byte{0, 1})
	for _, c := range []struct {
		name  string
		files files
		want  string
	}{
		{"no partner", files{images: good}, "has no partner"},
		{"short", files{images: good[:20], labels: marks}, images},
		{"long", files{images: append(slices.Clone(good), 0), labels: marks}, images},
		{"a lie", files{images: idx([]int{0xffffffff, 0xffff, 0xffff}, nil), labels: marks}, "claims more"},
		{"a large claim", files{images: idx([]int{4000, 1000, 1000}, run(10)), labels: marks}, "more or fewer"},
		{"a label too many", files{images: good, labels: idx([]int{3}, []byte{0, 1, 1})}, labels},
		{"floats", files{images: append([]byte{0, 0, 13, 1}, good[4:]...), labels: marks}, "not an IDX file of bytes"},
		{"not packed", files{images + ".gz": good, labels: marks}, images},
		{"flat", files{images: idx([]int{2}, []byte{0, 1}), labels: marks}, "dimensions"},
		{"two sets", files{"a-" + images: good, "a-" + labels: marks, "b-" + images: good, "b-" + labels: marks}, "several sets"},
		{"no images", files{images: idx([]int{0, 3, 3}, nil), labels: idx([]int{0}, nil)}, "hold no image"},
	} {
		s, err := Open(config4(c.files.write(t), 8), "", "")
		if err == nil {
			_, err = s.index(context.Background(), nil)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// FuzzIDX: dimensions and data agree, or there is an error; what is read is what was written.
func FuzzIDX(f *testing.F) {
	f.Add(idx([]int{2, 3, 3}, run(18)))
	f.Add(idx([]int{2}, []byte{0, 1}))
	f.Add(idx([]int{0xffffffff, 0xffffffff, 2}, nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var dims []int
		var data []byte
		var err error
		fuzztest.Bounded(t, len(raw), 16, func() { dims, data, err = readIDX(bytes.NewReader(raw)) })
		if err != nil {
			return
		}
		n := 1
		for _, d := range dims {
			n *= d
		}
		if n != len(data) || !bytes.Equal(idx(dims, data), raw) {
			t.Fatalf("%d bytes for dimensions %v", len(data), dims)
		}
	})
}

// TestCIFAR reads records of planes.
func TestCIFAR(t *testing.T) {
	record := func(label, r, g, b byte) []byte {
		d := []byte{label}
		for _, v := range []byte{r, g, b} {
			d = append(d, bytes.Repeat([]byte{v}, 1024)...)
		}
		return d
	}
	path := files{
		"data_batch_1.bin": slices.Concat(record(1, 10, 20, 30), record(0, 1, 2, 3)), "test_batch.bin": record(1, 7, 8, 9),
		"batches.meta.txt": []byte("airplane\nautomobile\n\n"),
	}.write(t)
	set, _ := built(t, config4(path, 32))
	if want := []string{"train/00000 automobile train", "train/00001 airplane train", "test/00000 automobile test"}; !slices.Equal(set.list(), want) {
		t.Errorf("%q, want %q", set.list(), want)
	}
	if got := read(t, set, 0, true); got[0] != unit[10] || got[1] != unit[20] || got[3071] != unit[30] {
		t.Errorf("%v", got[:3])
	}
	must(t, os.WriteFile(filepath.Join(path, "data_batch_1.bin"), []byte{1, 2}, 0o644))
	if _, err := open(t, config4(path, 32), "").index(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "data_batch_1.bin") {
		t.Errorf("a short file: %v", err)
	}
}

// TestFashionMNIST reads the real files as the reference programs do: padded by two black pixels to 32, with the mean and
// deviation that are known of them.
func TestFashionMNIST(t *testing.T) {
	path := shared(t, "fashion-mnist")
	if testing.Short() {
		t.Skip("70,000 images")
	}
	set, _ := built(t, config4(path, 32, func(c *Config) { c.Fit, c.Background = "pad", "black" }))
	if len(set.Train()) != 60000 || len(set.Test()) != 10000 || len(set.Classes()) != 10 {
		t.Fatalf("%d + %d images in %d classes", len(set.Train()), len(set.Test()), len(set.Classes()))
	}
	dst := make([]float32, 32*32*3)
	sum, squares := 0.0, 0.0
	const every = 20
	for i := 0; i < 60000; i += every {
		must(t, set.Read(dst, i, false))
		for p := 0; p < len(dst); p += 3 {
			v := (float64(dst[p]) + 1) / 2
			sum += v
			squares += v * v
		}
	}
	n := 60000.0 / every * 28 * 28 // black adds nothing to the sums
	mean := sum / n
	deviation := math.Sqrt(squares/n - mean*mean)
	// 0.28604 and 0.35302 over all; a twentieth of the images comes within 0.005.
	if math.Abs(mean-0.28604) > 0.005 || math.Abs(deviation-0.35302) > 0.005 {
		t.Errorf("mean %.5f, deviation %.5f", mean, deviation)
	}
}

// TestRealTrees reads CIFAR-10 and emoji from their archives.
func TestRealTrees(t *testing.T) {
	emoji := shared(t, "emoji.tar")
	set, warnings := built(t, config4(emoji, 16))
	if set.Len() != 648 || len(set.Classes()) != 12 || len(warnings) != 0 {
		t.Errorf("emoji: %d images in %d classes, warnings %q", set.Len(), len(set.Classes()), warnings)
	}
	if testing.Short() {
		t.Skip("12,000 images")
	}
	set, warnings = built(t, config4(shared(t, "cifar10.tar"), 32))
	if len(set.Train()) != 10000 || len(set.Test()) != 2000 || len(set.Classes()) != 10 || len(warnings) != 0 {
		t.Errorf("cifar10: %d + %d images in %d classes, warnings %q", len(set.Train()), len(set.Test()), len(set.Classes()), warnings)
	}
}
