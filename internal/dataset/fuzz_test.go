package dataset

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lfm/internal/fuzztest"
)

// fuzzFile is a file that each input of a fuzz test is written to.
func fuzzFile(f *testing.F, name string) (path string, write func(t *testing.T, data []byte)) {
	path = filepath.Join(f.TempDir(), name)
	return path, func(t *testing.T, data []byte) {
		t.Helper()
		must(t, os.WriteFile(path, data, 0o644))
	}
}

// checkTree lists an archive of any bytes and reads all of it: what it names stays inside, is sorted and stands there
// once, what cannot be listed is an error that names the archive, and what can be listed can be looked up.
func checkTree(t *testing.T, tr tree, archive string) (all map[string][]byte) {
	t.Helper()
	list, skipped, err := tr.list(context.Background())
	if err != nil {
		if !strings.Contains(err.Error(), archive) {
			t.Fatalf("which archive? %v", err)
		}
		return nil
	}
	all = map[string][]byte{}
	for i, f := range list {
		if !fs.ValidPath(f.path) || judge(f.path) != candidate || i > 0 && f.path <= list[i-1].path {
			t.Fatalf("file %q after %q", f.path, list[max(0, i-1)].path)
		}
		if data, err := contents(tr, f.path); err == nil {
			all[f.path] = data
		} else if err.Error() == "is not in the archive any more" {
			t.Fatalf("%s: %v", f.path, err)
		}
	}
	for _, s := range skipped {
		if s.ID == "" || s.Reason == "" {
			t.Fatalf("skipped %+v", s)
		}
	}
	return all
}

// FuzzTar holds reading in place to archive/tar's own reading, file by file. The corpus has two archives of a file with
// holes, made by tar --sparse --format=posix and --format=gnu.
func FuzzTar(f *testing.F) {
	set := files{"cat/1.png": pngOf(f, slope(3, 2)), "dog/ü 2.jpg": []byte("x"), "dog/3.gif": nil}.tar(f)
	data, err := os.ReadFile(set)
	must(f, err)
	f.Add(data)
	f.Add(data[:700])
	path, write := fuzzFile(f, "set.tar")
	f.Fuzz(func(t *testing.T, data []byte) {
		write(t, data)
		got := checkTree(t, &tarTree{path: path}, path)
		if got == nil {
			return
		}
		want := map[string][]byte{}
		for r := tar.NewReader(bytes.NewReader(data)); ; {
			h, err := r.Next()
			if err != nil {
				break
			}
			if p, ok := memberPath(h.Name); ok && h.Typeflag == tar.TypeReg {
				if want[p], err = io.ReadAll(r); err != nil {
					delete(want, p)
				}
			}
		}
		for p, data := range got {
			if w, ok := want[p]; ok && !bytes.Equal(data, w) {
				t.Fatalf("%s has %d bytes, want %d", p, len(data), len(w))
			}
		}
	})
}

// FuzzZip wants an error or a sound tree from any bytes.
func FuzzZip(f *testing.F) {
	set := files{"cat/1.png": pngOf(f, slope(3, 2)), "dog/ü 2.jpg": bytes.Repeat([]byte("x"), 5000), "dog/3.gif": nil}.zip(f)
	data, err := os.ReadFile(set)
	must(f, err)
	f.Add(data)
	f.Add(data[40:])
	f.Add(bytes.ReplaceAll(data, []byte("cat/1.png"), []byte("../../png")))
	path, write := fuzzFile(f, "set.zip")
	f.Fuzz(func(t *testing.T, data []byte) {
		write(t, data)
		checkTree(t, &zipTree{path: path}, path)
	})
}

// FuzzCIFAR: what is read is, plane by plane, what was written.
func FuzzCIFAR(f *testing.F) {
	f.Add(run(2 * cifarRecord))
	f.Add(run(cifarRecord - 1))
	f.Add([]byte{})
	path, write := fuzzFile(f, "data_batch_1.bin")
	f.Fuzz(func(t *testing.T, data []byte) {
		write(t, data)
		var a array
		var err error
		fuzztest.Bounded(t, len(data), 16, func() { err = readCIFAR(path, &a) })
		if err != nil {
			if len(data)%cifarRecord == 0 || !strings.Contains(err.Error(), path) {
				t.Fatalf("%d bytes: %v", len(data), err)
			}
			return
		}
		var raw []byte
		for i, label := range a.labels {
			raw = append(raw, label)
			for c := range 3 {
				for p := range 32 * 32 {
					raw = append(raw, a.pix[(i*32*32+p)*3+c])
				}
			}
		}
		if !bytes.Equal(raw, data) {
			t.Fatalf("%d bytes read from %d", len(raw), len(data))
		}
	})
}

// FuzzOrientation: any bytes have an orientation from 1 to 8, and one that is written behind any other segment is
// found.
func FuzzOrientation(f *testing.F) {
	f.Add([]byte("\xff\xe1\x00\x10Exif\x00\x00MM\x00*\xff\xff\xff\xff"), uint16(6), true)
	f.Add([]byte("\xff\xff\xff\xe0\x00\x02"), uint16(8), false)
	f.Add([]byte("\xff\xd8\xff\xda"), uint16(9), false)
	f.Fuzz(func(t *testing.T, data []byte, o uint16, big bool) {
		for _, b := range [][]byte{data, slices.Concat([]byte("\xff\xd8"), data), slices.Concat([]byte("\xff\xd8\xff\xe1\xff\xffExif\x00\x00"), data)} {
			if got := orientation(b); got < 1 || got > 8 {
				t.Fatalf("orientation %d", got)
			}
		}
		if got := tiffOrientation(data); got < 1 || got > 8 {
			t.Fatalf("orientation %d", got)
		}
		var order binary.AppendByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		comment := data[:min(len(data), 1000)]
		seg := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xfe"), uint16(len(comment)+2))
		want := int(o)
		if o < 1 || o > 8 {
			want = 1
		}
		photo := exifJPEG(t, slope(2, 2), o, order)
		if got := orientation(slices.Concat(seg, comment, photo[2:])); got != want {
			t.Fatalf("orientation %d behind a comment, want %d", got, want)
		}
	})
}

// FuzzColor: a colour has one canonical text, and what is none is named in the error.
func FuzzColor(f *testing.F) {
	for _, s := range []string{"black", "GREY", "#c0FFee", "#12345", "#-1-1-1", "", "##12345", "white "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseColor(s)
		if err != nil {
			if !strings.Contains(err.Error(), "#rrggbb") || colorText(s) != s {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := parseColor(colorText(s))
		if err != nil || again != c || c.A != 255 || len(colorText(s)) != 7 {
			t.Fatalf("%q is %v, and its text %q is %v (%v)", s, c, colorText(s), again, err)
		}
	})
}
