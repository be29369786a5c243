package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// ---- a set that changes ----------------------------------------------------------------

// TestChangesWhileIndexed: whatever happens to the folder between the moment when its digest is taken and the last image,
// the index is one of a folder at rest, or there is none.
func TestChangesWhileIndexed(t *testing.T) {
	f := shades(t, 8, "cat", "dog")
	other := pngOf(t, slope(6, 6))
	for name, change := range map[string]func(root string) error{
		"rewritten": func(root string) error { return os.WriteFile(filepath.Join(root, "dog", "h.png"), other, 0o644) },
		"truncated": func(root string) error { return os.Truncate(filepath.Join(root, "dog", "h.png"), 20) },
		"emptied":   func(root string) error { return os.Truncate(filepath.Join(root, "cat", "a.png"), 0) },
		"removed":   func(root string) error { return os.Remove(filepath.Join(root, "dog", "h.png")) },
		"added":     func(root string) error { return os.WriteFile(filepath.Join(root, "dog", "z.png"), other, 0o644) },
		"a folder":  func(root string) error { return os.RemoveAll(filepath.Join(root, "dog")) },
		"renamed":   func(root string) error { return os.Rename(filepath.Join(root, "dog"), filepath.Join(root, "fox")) },
	} {
		for _, when := range []int64{1, 9, 16} {
			root, cache := f.write(t), t.TempDir()
			s, tree := counted(t, config4(root, 4), cache)
			tree.at = func(n int64) {
				if n == when {
					if err := change(root); err != nil {
						t.Error(err)
					}
				}
			}
			if _, err := s.index(context.Background(), nil); err == nil || !strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), "changed while it was being read: run again") {
				t.Errorf("%s at image %d: %v", name, when, err)
			}
			tree.at = nil
			again, err := s.index(context.Background(), nil)
			must(t, err)
			fresh, err := open(t, config4(root, 4), "").index(context.Background(), nil)
			must(t, err)
			if !bytes.Equal(again.encode(), fresh.encode()) {
				t.Errorf("%s at image %d: the index of the folder at rest is not that of a fresh look", name, when)
			}
		}
	}
}

// TestChangesAfterIndex: a set whose files change after they were indexed gives the pixels that were indexed, where they
// are kept, and else an error that names the file and says what to do.
func TestChangesAfterIndex(t *testing.T) {
	f := shades(t, 1, "cat", "dog")
	for name, change := range map[string]func(file string) error{
		"rewritten": func(file string) error { return os.WriteFile(file, f["dog/a.png"], 0o644) },
		"truncated": func(file string) error { return os.Truncate(file, 30) },
		"removed":   os.Remove,
		"a folder":  func(file string) error { return os.Rename(filepath.Dir(file), file+"x") },
		"a pipe":    func(file string) error { return pipe(file) },
	} {
		for _, kept := range []bool{true, false} {
			root, cache := f.write(t), ""
			if kept {
				cache = t.TempDir()
			}
			set, _, err := build(t, open(t, config4(root, 4, func(c *Config) { c.TestFraction = 0 }), cache))
			must(t, err)
			want := read(t, set, 0, false)
			if err := change(filepath.Join(root, "cat", "a.png")); err != nil {
				t.Skip(err)
			}
			got := make([]float32, len(want))
			err = set.Read(got, 0, false)
			if kept && (err != nil || !slices.Equal(got, want)) {
				t.Errorf("%s: what is kept is not read: %v", name, err)
			}
			if !kept && (err == nil || !strings.Contains(err.Error(), "cat/a.png: ") || !strings.Contains(err.Error(), "run again")) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestClocks: times of 1970 and of the future, the same before and after a change, do not hide it; and files that seem to
// come from the future, as after a clock was set back, are not believed to be unchanged.
func TestClocks(t *testing.T) {
	ctx := context.Background()
	for _, when := range []time.Time{time.Unix(0, 0), time.Now().Add(1000 * time.Hour), time.Unix(1e9, 0)} {
		f := shades(t, 1, "cat", "dog")
		root, cache := f.write(t), t.TempDir()
		file := filepath.Join(root, "cat", "a.png")
		must(t, os.Chtimes(file, when, when))
		before, err := open(t, config4(root, 4), cache).Digest(ctx, nil)
		must(t, err)
		changed := slices.Clone(f["cat/a.png"])
		changed[len(changed)-1] ^= 1
		must(t, os.WriteFile(file, changed, 0o644))
		must(t, os.Chtimes(file, when, when))
		after, err := open(t, config4(root, 4), cache).Digest(ctx, nil)
		must(t, err)
		if after == before {
			t.Errorf("a change was not seen behind the time %v", when)
		}
	}
	m := newMemory(t.TempDir(), "x")
	list := []file{{"a", stamp{ctime: time.Now().Add(time.Hour).UnixNano()}}, {"b", stamp{ctime: 1}}}
	m.save(list, make4(2), time.Now().Add(-settled))
	if got := m.load(); len(got) != 1 || got["b"].ctime != 1 {
		t.Errorf("remembered: %v", got)
	}
}

// ---- trees ---------------------------------------------------------------------------

// TestStrangeTrees: names, shapes and kinds of files that a folder may hold are images, classes or listed skips.
func TestStrangeTrees(t *testing.T) {
	img := pngOf(t, slope(4, 4))
	long := strings.Repeat("n", 251) + ".png"
	deep := strings.Repeat("d/", 60) + "x.png"
	for _, c := range []struct {
		name  string
		files files
		also  func(root string) error
		ids   []string // nil: not compared
		skips []Skip
	}{
		{name: "names", files: files{
			"a b/ x .png": img, "猫/🐈.png": img, "line\nbreak/tab\t.png": img, "q\"uote/back\\slash.png": img, "q\"uote/" + long: img,
		}, ids: []string{"a b/ x .png", "line\nbreak/tab\t.png", "q\"uote/back\\slash.png", "q\"uote/" + long, "猫/🐈.png"}},
		{name: "one name composed and decomposed", files: files{"\u00e9/1.png": img, "e\u0301/1.png": img}, ids: []string{"e\u0301/1.png", "\u00e9/1.png"}},
		{name: "classes that differ in case", files: files{"Cat/1.png": img, "cat/1.png": img}, ids: []string{"Cat/1.png", "cat/1.png"}},
		{name: "deep", files: files{"cat/" + deep: img, "dog/x.png": img}, ids: []string{"cat/" + deep, "dog/x.png"}},
		{name: "empty folders", files: files{"cat/1.png": img, "dog/1.png": img}, ids: []string{"cat/1.png", "dog/1.png"},
			also: func(root string) error { return os.MkdirAll(filepath.Join(root, "none", "at", "all"), 0o755) }},
		{name: "pipe and device", files: files{"cat/1.png": img, "dog/1.png": img}, ids: []string{"cat/1.png", "dog/1.png"},
			also: func(root string) error {
				if err := pipe(filepath.Join(root, "cat", "pipe.png")); err != nil {
					return err
				}
				return os.Symlink("/dev/zero", filepath.Join(root, "dog", "zero.png"))
			},
			skips: []Skip{{"cat/pipe.png", "is not a regular file"}, {"dog/zero.png", "is not a regular file"}}},
		{name: "links in a ring", files: files{"a/1.png": img, "b/1.png": img},
			also: func(root string) error {
				if err := os.Symlink("../b", filepath.Join(root, "a", "to")); err != nil {
					return err
				}
				return os.Symlink("../a", filepath.Join(root, "b", "to"))
			},
			ids:   []string{"a/1.png", "a/to/1.png", "b/1.png", "b/to/1.png"},
			skips: []Skip{{"a/to/to", "is a link to a folder that it lies in"}, {"b/to/to", "is a link to a folder that it lies in"}}},
		{name: "a folder named like an image", files: files{"cat/1.png": img, "cat/2.png/3.png": img}, ids: []string{"cat/1.png", "cat/2.png/3.png"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for name, data := range c.files {
				p := filepath.Join(root, filepath.FromSlash(name))
				must(t, os.MkdirAll(filepath.Dir(p), 0o755))
				if err := os.WriteFile(p, data, 0o644); err != nil {
					t.Skip("this file system has no such names: ", err)
				}
			}
			if entries, _ := os.ReadDir(root); len(entries) < 2 && len(c.ids) > 1 && c.also == nil && !strings.HasPrefix(c.ids[0], "cat/1") {
				t.Skip("this file system takes both names for one")
			}
			if c.also != nil {
				if err := c.also(root); err != nil {
					t.Skip(err)
				}
			}
			set, _ := built(t, config4(root, 4, func(c *Config) { c.TestFraction = 0 }))
			var ids []string
			for i := range set.Len() {
				ids = append(ids, set.Item(i).ID)
				read(t, set, i, false)
			}
			if !slices.Equal(ids, c.ids) || !slices.Equal(set.listed.skipped, c.skips) {
				t.Errorf("images %q, skipped %q; want %q, %q", ids, set.listed.skipped, c.ids, c.skips)
			}
		})
	}
}

// TestUnreadable: a file and a folder that may not be read are listed, and the rest is a set.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("this user may read everything")
	}
	root := shades(t, 2, "cat", "dog", "fox").write(t)
	must(t, os.Chmod(filepath.Join(root, "cat", "a.png"), 0))
	must(t, os.Chmod(filepath.Join(root, "fox"), 0))
	t.Cleanup(func() { os.Chmod(filepath.Join(root, "fox"), 0o755) })
	set, _ := built(t, config4(root, 4))
	want := []Skip{{"cat/a.png", "permission denied"}, {"fox", "permission denied"}}
	if set.Len() != 3 || !slices.Equal(set.listed.skipped, want) {
		t.Errorf("%d images, skipped %q, want %q", set.Len(), set.listed.skipped, want)
	}
}

// TestSmallAndManyClasses: 1,000 classes, three images in all, and a class whose only image is for testing.
func TestSmallAndManyClasses(t *testing.T) {
	img, many := pngOf(t, slope(2, 2)), files{}
	for k := range 1000 {
		many[fmt.Sprintf("%04d/x.png", k)] = img
	}
	set, _ := built(t, config4(many.write(t), 2, func(c *Config) { c.TestFraction = 0 }))
	if len(set.Classes()) != 1000 || set.Len() != 1000 || set.Item(999).Label != 999 {
		t.Errorf("%d images of %d classes", set.Len(), len(set.Classes()))
	}
	set, warnings := built(t, config4(files{"train/cat/1.png": img, "train/dog/1.png": img, "test/fox/1.png": img}.write(t), 2))
	if set.Len() != 3 || len(warnings) != 1 || !strings.Contains(warnings[0], `1 class of 3 have no image to train on, for example "fox"`) {
		t.Errorf("%d images, warnings %q", set.Len(), warnings)
	}
}

// ---- archives -------------------------------------------------------------------------

// tarMember is a header and what stands behind it; tarOf fills in the size.
type tarMember struct {
	h    tar.Header
	data []byte
}

func tarOf(t *testing.T, members ...tarMember) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		m.h.Size, m.h.Mode = int64(len(m.data)), 0o644
		must(t, w.WriteHeader(&m.h))
		_, err := w.Write(m.data)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// TestHostileArchives: names that lead out of an archive, links, pipes and sizes that lie are skipped or an error that
// says what to do; what is good beside them is read, and nothing but its members ever is.
func TestHostileArchives(t *testing.T) {
	img := pngOf(t, slope(4, 4))
	lying := func(claim uint64) []byte { // of a compressed member
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, name := range []string{"cat/1.png", "cat/2.png"} {
			m, err := w.Create(name)
			must(t, err)
			_, err = m.Write(img)
			must(t, err)
		}
		must(t, w.Close())
		data := b.Bytes()
		at := bytes.LastIndex(data, []byte("PK\x01\x02")) // the second member's entry: its size stands at 24
		binary.LittleEndian.PutUint32(data[at+24:], uint32(claim))
		return data
	}
	zipped := func(names map[string][]byte) []byte {
		data, err := os.ReadFile(files(names).zip(t))
		must(t, err)
		return data
	}
	good := tarMember{tar.Header{Name: "cat/1.png"}, img}
	for _, c := range []struct {
		name, file string
		data       []byte
		ids        string
		skips      []Skip
		err        string
	}{
		{"tar with names that lead out", "x.tar", tarOf(t, good,
			tarMember{tar.Header{Name: "../../evil.png"}, img}, tarMember{tar.Header{Name: "/etc/abs.png"}, img}, tarMember{tar.Header{Name: "cat/../../up.png"}, img}),
			"cat/1.png etc/abs.png", nil, ""},
		{"tar with links and a pipe", "x.tar", tarOf(t, good,
			tarMember{tar.Header{Name: "cat/link.png", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, nil},
			tarMember{tar.Header{Name: "cat/hard.png", Typeflag: tar.TypeLink, Linkname: "../x"}, nil},
			tarMember{tar.Header{Name: "cat/pipe.png", Typeflag: tar.TypeFifo}, nil},
			tarMember{tar.Header{Name: "cat/null.png", Typeflag: tar.TypeChar}, nil}),
			"cat/1.png", []Skip{{"cat/hard.png", "is a link or a sparse file in the archive: archive the file itself"}, {"cat/link.png", "is a link or a sparse file in the archive: archive the file itself"}}, ""},
		{"tar cut in a member", "x.tar", tarOf(t, good, tarMember{tar.Header{Name: "dog/1.png"}, img})[:1024+512+20], "", nil, "make the archive again"},
		{"tar cut in a header", "x.tar", tarOf(t, good, good)[:1024+300], "", nil, "make the archive again"},
		{"tar that claims a size", "x.tar", claimed(tarOf(t, good, tarMember{tar.Header{Name: "dog/1.png"}, img}), 1024, 7<<30), "", nil, "make the archive again"},
		{"zip with names that lead out", "x.zip", zipped(files{"cat/1.png": img, "../evil.png": img, "/etc/abs.png": img, `..\win.png`: img}), "cat/1.png etc/abs.png", nil, ""},
		{"zip that claims too little", "x.zip", lying(10), "cat/1.png", []Skip{{"cat/2.png", ""}}, ""},
		{"zip that claims too much", "x.zip", lying(100 << 20), "cat/1.png", []Skip{{"cat/2.png", ""}}, ""},
		{"zip that claims 4 GiB", "x.zip", lying(1<<32 - 2), "cat/1.png", []Skip{{"cat/2.png", "is larger than 256 MiB"}}, ""},
		{"zip that inflates to no image", "x.zip", zipped(files{"cat/1.png": img, "cat/2.png": make([]byte, 64<<20)}), "cat/1.png", []Skip{{"cat/2.png", ""}}, ""},
		{"zip cut", "x.zip", lying(10)[:100], "", nil, "make the archive again"},
		{"zip of nothing", "x.zip", nil, "", nil, "make the archive again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := keepFile(t, c.file, c.data)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			x, err := open(t, config4(path, 4, func(c *Config) { c.TestFraction = 0 }), "").index(context.Background(), nil)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 256<<20 {
				t.Errorf("it took %d MiB", took>>20)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v, want one with %q and the archive", err, c.err)
				}
				return
			}
			must(t, err)
			var ids []string
			for _, it := range x.Items {
				ids = append(ids, it.ID)
			}
			if strings.Join(ids, " ") != c.ids {
				t.Errorf("images %q, want %q", ids, c.ids)
			}
			if len(x.Skipped) != len(c.skips) {
				t.Fatalf("skipped %q, want %q", x.Skipped, c.skips)
			}
			for i, want := range c.skips {
				if got := x.Skipped[i]; got.ID != want.ID || got.Reason == "" || want.Reason != "" && got.Reason != want.Reason {
					t.Errorf("skipped %q, want %q", got, want)
				}
			}
		})
	}
}

// claimed changes the size that the header at a place of a tar states, and its sum.
func claimed(data []byte, at int, size int64) []byte {
	h := data[at : at+512]
	copy(h[124:], fmt.Sprintf("%011o\x00", size))
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return data
}

// ---- images ---------------------------------------------------------------------------

// chunk is one of a PNG.
func chunk(kind, data string) string {
	body := kind + data
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)))) + body + string(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
}

func deflate(t *testing.T, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := io.Copy(w, bytes.NewReader(data))
	must(t, err)
	must(t, w.Close())
	return b.String()
}

// interlaced is a PNG of 8-bit RGB in Adam7's seven passes (PNG specification, 8.2), each without filters.
func interlaced(t *testing.T, img *image.NRGBA) []byte {
	t.Helper()
	w, h := img.Rect.Dx(), img.Rect.Dy()
	var raw []byte
	for _, p := range [7][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		for y := p[1]; y < h; y += p[3] {
			if p[0] < w {
				raw = append(raw, 0)
			}
			for x := p[0]; x < w; x += p[2] {
				c := img.NRGBAAt(x, y)
				raw = append(raw, c.R, c.G, c.B)
			}
		}
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	return []byte("\x89PNG\r\n\x1a\n" + chunk("IHDR", string(head)+"\x08\x02\x00\x00\x01") + chunk("IDAT", deflate(t, raw)) + chunk("IEND", ""))
}

// TestOddImages: rare forms of PNG are read as their plain form is, and chunks that would inflate are passed over.
func TestOddImages(t *testing.T) {
	img := slope(19, 13)
	want, err := decode(pngOf(t, img), white)
	must(t, err)
	plainPNG := string(pngOf(t, img))
	after := len("\x89PNG\r\n\x1a\n") + 25 // IHDR
	bomb := deflate(t, make([]byte, 64<<20))
	for name, data := range map[string]string{
		"interlaced": string(interlaced(t, img)),
		"zTXt":       plainPNG[:after] + chunk("zTXt", "x\x00\x00"+bomb) + plainPNG[after:],
		"iCCP":       plainPNG[:after] + chunk("iCCP", "x\x00\x00"+bomb) + plainPNG[after:],
		"iTXt":       plainPNG[:after] + chunk("iTXt", "x\x00\x01\x00\x00\x00"+bomb) + plainPNG[after:],
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := decode([]byte(data), white)
		runtime.ReadMemStats(&after)
		if err != nil || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%s: it is not the plain image (%v)", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%s: it took %d bytes", name, took)
		}
	}
}

// TestExtremeShapes: one pixel, and a very long line either way, cropped and padded.
func TestExtremeShapes(t *testing.T) {
	red := color.NRGBA{250, 0, 0, 255}
	for _, c := range []struct{ w, h int }{{1, 1}, {20000, 20}, {20, 20000}, {3, 1}} {
		data := pngOf(t, plain(c.w, c.h, red))
		for _, fit := range []string{"crop", "pad"} {
			o := &treeOrigin{settings: settings{Config: *config4("", 8, func(c *Config) { c.Fit = fit }), background: black}}
			v := o.judge(data)
			if len(v.pix) != 8*8*3 {
				t.Fatalf("%d x %d, %s: %+v", c.w, c.h, fit, v)
			}
			painted := 0
			for i := 0; i < len(v.pix); i += 3 {
				if v.pix[i] > 200 {
					painted++
				}
			}
			if painted == 0 || fit == "crop" && painted != 64 {
				t.Errorf("%d x %d, %s: %d pixels are the image's", c.w, c.h, fit, painted)
			}
		}
	}
}
