package dataset

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lfm/artifacts"
	"lfm/internal/critters"
	"lfm/internal/fuzztest"
	"lfm/internal/panics"
)

// TestPackings: a folder, a tar and a zip of one tree are the same data set, image by image.
func TestPackings(t *testing.T) {
	f := files{
		"train/cat/1.png": pngOf(t, slope(20, 12)), "train/dog/2.jpg": jpegOf(t, slope(9, 30)),
		"test/cat/ü.PNG": pngOf(t, slope(7, 7)), "train/.hidden/x.png": []byte("x"), "train/cat/.DS_Store": []byte("x"),
		"train/dog/note.txt": []byte("x"), "train/dog/anim.gif": []byte("GIF89a"),
	}
	var want *Set
	for name, path := range map[string]string{"folder": f.write(t), "tar": f.tar(t), "zip": f.zip(t)} {
		set, warnings := built(t, config4(path, 16))
		if got := set.list(); !slices.Equal(got, []string{"test/cat/ü.PNG cat test", "train/cat/1.png cat train", "train/dog/2.jpg dog train"}) {
			t.Errorf("%s: %q", name, got)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], "1 image was skipped, for example train/dog/anim.gif: is GIF") {
			t.Errorf("%s: warnings %q", name, warnings)
		}
		if want == nil {
			want = set
		}
		for i := range set.Len() {
			if set.Item(i) != want.Item(i) || !slices.Equal(read(t, set, i, false), read(t, want, i, false)) {
				t.Errorf("%s: image %d differs", name, i)
			}
		}
	}
}

// TestRead: a byte b is b/127.5 - 1 in place (y, x, channel), and a flip mirrors rows.
func TestRead(t *testing.T) {
	img := slope(6, 6)
	set, _ := built(t, config4(files{"a/1.png": pngOf(t, img)}.write(t), 6))
	straight, mirrored := read(t, set, 0, false), read(t, set, 0, true)
	for y := range 6 {
		for x := range 6 {
			c := img.NRGBAAt(x, y)
			for k, b := range []uint8{c.R, c.G, c.B} {
				want := float32(b)/127.5 - 1
				if got := straight[(y*6+x)*3+k]; got != want {
					t.Fatalf("(%d, %d, %d) is %v, want %v", y, x, k, got, want)
				}
				if got := mirrored[(y*6+5-x)*3+k]; got != want {
					t.Fatalf("mirrored (%d, %d, %d) is %v, want %v", y, 5-x, k, got, want)
				}
			}
		}
	}
	if lo, hi := unit[0], unit[255]; lo != -1 || hi != 1 {
		t.Errorf("bytes go from %v to %v, want -1 to 1", lo, hi)
	}
}

// TestConcurrentReads wants every reader to get the same, whether pixels are kept, all or some, or none.
func TestConcurrentReads(t *testing.T) {
	path := shades(t, 8, "a", "b", "c").tar(t)
	set, _, err := build(t, open(t, config4(path, 8), ""))
	must(t, err)
	var want [][]float32
	for i := range set.Len() {
		want = append(want, read(t, set, i, i%2 == 0))
	}
	for _, room := range []int64{-1, 0, 5 * (3*8*8 + keptHead), keptBytes} {
		cache := t.TempDir()
		if room < 0 {
			cache = ""
		}
		s := open(t, config4(path, 8), cache)
		if k := s.keeping(); k != nil {
			k.bound = room
		}
		set, _, err := build(t, s)
		must(t, err)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				dst := make([]float32, 8*8*3)
				for k := range 2 * set.Len() {
					i := k % set.Len()
					if err := set.Read(dst, i, i%2 == 0); err != nil || !slices.Equal(dst, want[i]) {
						t.Errorf("image %d with room for %d bytes: differs (%v)", i, room, err)
					}
				}
			})
		}
		wait.Wait()
	}
}

// TestWarnings: what is odd about a set is said once, or is an error that says what to do.
func TestWarnings(t *testing.T) {
	cat := pngOf(t, plain(4, 4, color.White))
	two := func(extra files) files {
		f := files{"train/cat/1.png": cat, "train/dog/1.png": cat, "test/dog/2.png": cat}
		for n, d := range extra {
			f[n] = d
		}
		return f
	}
	for _, c := range []struct {
		name     string
		files    files
		warnings []string
		err      string
	}{
		{"fine", two(nil), nil, ""},
		{"bad images", two(files{"train/cat/2.png": []byte("text"), "train/cat/3.jpg": nil, "train/cat/4.png": hugePNG(60000, 60000), "train/cat/5.jpeg": jpegOf(t, slope(30, 30))[:200]}),
			[]string{"4 images were skipped"}, ""},
		{"one class", files{"train/1.png": cat, "test/2.png": cat}, []string{`one class only, "images"`}, ""},
		{"no test image", files{"a/1.png": cat, "b/1.png": cat}, []string{"no test images"}, ""},
		{"no training image", files{"e/1.png": cat}, nil, "no image is left to train on, and 1 to test with"},
		{"no good training image", files{"train/cat/1.png": nil, "test/cat/2.png": cat}, nil, "no image is left to train on, and 1 to test with"},
		{"class of bad images", two(files{"train/fox/1.png": nil}), []string{"1 image was skipped"}, ""},
		{"nothing", files{"readme.txt": nil}, nil, "no image was found: expected PNG or JPEG"},
		{"nothing good", files{"a/1.png": nil, "a/2.webp": nil}, nil, "2 files were skipped, for example a/1.png: is neither PNG nor JPEG (the file is empty)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, warnings, err := build(t, open(t, config4(c.files.write(t), 8), ""))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one with %q", err, c.err)
				}
				return
			}
			must(t, err)
			if len(warnings) != len(c.warnings) {
				t.Fatalf("warnings %q, want %q", warnings, c.warnings)
			}
			for i, w := range c.warnings {
				if !strings.Contains(warnings[i], w) {
					t.Errorf("warning %q, want one with %q", warnings[i], w)
				}
			}
			if set.Len() == 0 {
				t.Error("no images")
			}
			if n := len(set.Classes()); c.name == "class of bad images" && n != 2 {
				t.Errorf("%d classes, want 2", n)
			}
		})
	}
}

// TestLinks follows links, and lists the ones that lead nowhere or in a circle.
func TestLinks(t *testing.T) {
	root := shades(t, 2, "cat", "dog").write(t)
	other := files{"deep/x.png": pngOf(t, slope(4, 4))}.write(t)
	for link, to := range map[string]string{
		"fox": other, "cat/again.png": filepath.Join(root, "cat", "a.png"),
		"cat/nowhere.png": filepath.Join(root, "gone"), "dog/loop": root, "dog/self": ".",
	} {
		if err := os.Symlink(to, filepath.Join(root, filepath.FromSlash(link))); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	set, _ := built(t, config4(root, 4, func(c *Config) { c.TestFraction = 0 }))
	want := []string{"cat/a.png", "cat/again.png", "cat/b.png", "dog/a.png", "dog/b.png", "fox/deep/x.png"}
	var got []string
	for i := range set.Len() {
		got = append(got, set.Item(i).ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("images %q, want %q", got, want)
	}
	wantSkips := []Skip{{"cat/nowhere.png", "is a link that leads nowhere"}, {"dog/loop", "is a link to a folder that it lies in"}, {"dog/self", "is a link to a folder that it lies in"}}
	if !slices.Equal(set.listed.skipped, wantSkips) {
		t.Errorf("skipped %q, want %q", set.listed.skipped, wantSkips)
	}
}

// TestOwnOutput: what lfm leaves in out beside pipeline.yaml is no image of a set that the pipeline stands in; a folder of
// that name elsewhere is a class as any other.
func TestOwnOutput(t *testing.T) {
	cat, own := pngOf(t, slope(4, 4)), pngOf(t, slope(5, 5))
	root := files{"cat/1.png": cat, "out/2.png": own, "dog/out/3.png": cat}.write(t)
	for dir, want := range map[string]string{
		root:                       "cat dog",
		filepath.Join(root, "dog"): "cat out",
		t.TempDir():                "cat dog out",
	} {
		src, err := Open(config4(root, 4), dir, "")
		must(t, err)
		set, _, err := build(t, src)
		must(t, err)
		if got := strings.Join(set.Classes(), " "); got != want {
			t.Errorf("pipeline in %s: classes %s, want %s", dir, got, want)
		}
	}
}

// TestOddNames: names that are no UTF-8 are listed, unreadable folders too.
func TestOddNames(t *testing.T) {
	root := shades(t, 1, "cat", "dog").write(t)
	if runtime.GOOS != "linux" || os.WriteFile(filepath.Join(root, "cat", "\xff.png"), nil, 0o644) != nil {
		t.Skip("this file system has no such names")
	}
	set, _ := built(t, config4(root, 4))
	if len(set.listed.skipped) != 1 || set.listed.skipped[0].ID != "cat/\ufffd.png" {
		t.Errorf("skipped %q", set.listed.skipped)
	}
}

// TestClasses: the setting picks classes and their order, and says what is wrong with it.
func TestClasses(t *testing.T) {
	path := shades(t, 3, "cat", "dog", "fox").write(t)
	set, _ := built(t, config4(path, 4, func(c *Config) { c.Classes = []string{"fox", "cat"} }))
	if !slices.Equal(set.Classes(), []string{"fox", "cat"}) || set.Len() != 6 || set.Item(0).Label != 1 || set.Item(5).Label != 0 {
		t.Errorf("%q %q", set.Classes(), set.list())
	}
	_, _, err := build(t, open(t, config4(path, 4, func(c *Config) { c.Classes = []string{"wolf"} }), ""))
	if err == nil || !strings.Contains(err.Error(), "cat, dog, fox") {
		t.Errorf("error %v, want the classes there are", err)
	}
	one := files{"1.png": pngOf(t, slope(4, 4))}.write(t)
	set, _ = built(t, config4(one, 4, func(c *Config) { c.Classes = []string{"moths"} }))
	if !slices.Equal(set.Classes(), []string{"moths"}) {
		t.Errorf("%q", set.Classes())
	}
}

// TestDigest: the digest changes with every setting and file that can be seen in the index or in pixels, and with
// nothing else.
func TestDigest(t *testing.T) {
	ctx := context.Background()
	digest := func(c *Config) artifacts.ID {
		id, err := open(t, c, "").Digest(ctx, nil)
		must(t, err)
		return id
	}
	tree := shades(t, 2, "cat", "dog")
	path, critter := tree.write(t), func(c *Config) { c.Source = "critters" }
	changes := map[string]struct {
		change      func(*Config)
		read, drawn bool // whether it counts for a source that is read, and for one that is drawn
	}{
		"nothing":       {func(*Config) {}, false, false},
		"count":         {func(c *Config) { c.Count++ }, false, true},
		"size":          {func(c *Config) { c.Size++ }, true, true},
		"fit":           {func(c *Config) { c.Fit = "pad" }, true, false},
		"background":    {func(c *Config) { c.Background = "#010203" }, true, false},
		"its own hex":   {func(c *Config) { c.Background = "#ffffff" }, false, false},
		"classes":       {func(c *Config) { c.Classes = []string{"dog", "cat"} }, true, true},
		"test_fraction": {func(c *Config) { c.TestFraction = 0.2 }, true, true},
		"seed":          {func(c *Config) { c.Seed++ }, false, true},
	}
	// source has no row, captions, class_words and test_captions have TestCaptionsDigest, "nothing" and "its own hex" have no field
	if n := reflect.TypeFor[Config]().NumField(); n != len(changes)+2 {
		t.Errorf("%d fields, %d changes: add a row", n, len(changes)+2)
	}
	for name, c := range changes {
		if got := digest(config4(path, 8)) != digest(config4(path, 8, c.change)); got != c.read {
			t.Errorf("tree: %s changes the digest: %v, want %v", name, got, c.read)
		}
		if got := digest(config4("", 8, critter)) != digest(config4("", 8, critter, c.change)); got != c.drawn {
			t.Errorf("critters: %s changes the digest: %v, want %v", name, got, c.drawn)
		}
	}
	before := digest(config4(path, 8))
	if digest(config4(tree.write(t), 8)) != before {
		t.Error("a copy elsewhere has another digest")
	}
	for name, c := range map[string]struct {
		do      func(f files)
		matters bool
	}{
		"a byte":        {func(f files) { f["cat/a.png"] = append(f["cat/a.png"], 0) }, true},
		"a new image":   {func(f files) { f["cat/z.png"] = f["cat/a.png"] }, true},
		"one less":      {func(f files) { delete(f, "cat/a.png") }, true},
		"renamed":       {func(f files) { f["cat/q.png"] = f["cat/a.png"]; delete(f, "cat/a.png") }, true},
		"another class": {func(f files) { f["fox/a.png"] = f["cat/a.png"]; delete(f, "cat/a.png") }, true},
		"a hidden file": {func(f files) { f["cat/.x.png"] = nil }, false},
		"a text beside": {func(f files) { f["cat/note.txt"] = nil }, false},
		"a listed GIF":  {func(f files) { f["cat/x.gif"] = nil }, true},
		"two exchanged": {func(f files) { f["cat/a.png"], f["dog/b.png"] = f["dog/b.png"], f["cat/a.png"] }, true},
	} {
		f := files{}
		for n, d := range tree {
			f[n] = d
		}
		c.do(f)
		if got := digest(config4(f.write(t), 8)) != before; got != c.matters {
			t.Errorf("%s changes the digest: %v, want %v", name, got, c.matters)
		}
	}
}

// TestIndexIsPure: two places, two caches, two processes would write the same bytes.
func TestIndexIsPure(t *testing.T) {
	f := shades(t, 4, "cat", "dog")
	f["cat/bad.png"] = []byte("x")
	var want string
	for range 2 {
		x, err := open(t, config4(f.write(t), 8), t.TempDir()).index(context.Background(), nil)
		must(t, err)
		got := string(x.encode())
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// TestMemory counts what is hashed: a settled file once, a changed one again, a young one every time.
func TestMemory(t *testing.T) {
	ctx := context.Background()
	path, cache := shades(t, 2, "cat", "dog").write(t), filepath.Join(t.TempDir(), "cache")
	tree := &folderTree{root: path}
	m := newMemory(cache, path)
	list := func() []file {
		files, _, err := tree.list(ctx)
		must(t, err)
		return files
	}
	files := list()
	truth, err := (&memory{}).digests(ctx, path, files, nil)
	must(t, err)
	poison := func(age time.Duration) { // remembers wrong digests, so that one that is taken from memory shows
		m.save(files, make4(len(files)), time.Now().Add(age))
	}

	poison(time.Hour)
	got, err := m.digests(ctx, path, files, nil)
	must(t, err)
	if got[0] == truth[0] {
		t.Error("a file that did not change was hashed again")
	}
	poison(-time.Hour)
	got, _ = m.digests(ctx, path, files, nil)
	if !slices.Equal(got, truth) {
		t.Error("a young file was not hashed again")
	}

	poison(time.Hour)
	name := filepath.Join(path, "cat", "a.png")
	data, err := os.ReadFile(name)
	must(t, err)
	info, err := os.Stat(name)
	must(t, err)
	data[len(data)-1] ^= 1 // same size
	time.Sleep(20 * time.Millisecond)
	must(t, os.WriteFile(name, data, 0o644))
	must(t, os.Chtimes(name, info.ModTime(), info.ModTime())) // same mtime: the ctime tells
	got, err = m.digests(ctx, path, list(), nil)
	must(t, err)
	if runtime.GOOS == "linux" && (got[0] == truth[0] || got[0] == make4(1)[0] || got[1] != make4(2)[1]) {
		t.Error("the changed file, and it alone, was to be hashed again")
	}

	poison(time.Hour)
	raw, err := os.ReadFile(m.file)
	must(t, err)
	for _, bad := range [][]byte{nil, raw[:len(raw)-1], append([]byte("x"), raw...), slices.Concat(raw[:30], []byte{raw[30] ^ 1}, raw[31:])} {
		must(t, os.WriteFile(m.file, bad, 0o644))
		if m.load() != nil {
			t.Errorf("a damaged memory of %d bytes was believed", len(bad))
		}
	}
}

// make4 returns n wrong digests.
func make4(n int) []artifacts.ID {
	ids := make([]artifacts.ID, n)
	for i := range ids {
		ids[i] = artifacts.HashText(fmt.Sprint("wrong ", i))
	}
	return ids
}

// TestParallelPanics: a panic in one of many goroutines is the caller's, who can recover from it.
func TestParallelPanics(t *testing.T) {
	caught := panics.Catch(func() {
		parallel(t.Context(), 100, func(i int) {
			if i == 50 {
				panic("imaging: no filter")
			}
		})
	})
	if caught == nil || caught.Value != "imaging: no filter" {
		t.Errorf("caught %v", caught)
	}
}

// TestChanges: an image that changes after it was indexed is an error that says so, and so is one that changes between
// Digest and Index.
func TestChanges(t *testing.T) {
	f := shades(t, 2, "cat", "dog")
	path := f.write(t)
	s := open(t, config4(path, 4), "")
	set, _, err := build(t, s)
	must(t, err)
	dst := make([]float32, 48)
	must(t, os.WriteFile(filepath.Join(path, "cat", "a.png"), f["dog/b.png"], 0o644))
	if err := set.Read(dst, 0, false); err == nil || !strings.Contains(err.Error(), "cat/a.png: the file changed since it was indexed") {
		t.Errorf("changed: %v", err)
	}
	must(t, os.Remove(filepath.Join(path, "cat", "a.png")))
	if err := set.Read(dst, 0, false); !errors.Is(err, os.ErrNotExist) && (err == nil || !strings.Contains(err.Error(), "no such file")) {
		t.Errorf("removed: %v", err)
	}
	if _, err := s.index(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "changed while it was being read") {
		t.Errorf("index after a change: %v", err)
	}
	if _, err := s.index(context.Background(), nil); err != nil {
		t.Errorf("index at rest: %v", err)
	}
}

// TestCritters: the built-in set is what critters draws.
func TestCritters(t *testing.T) {
	set, warnings := built(t, config4("critters", 16, func(c *Config) { c.Count, c.Seed = 230, 3 }))
	if len(warnings) != 0 || set.Len() != 230 || !slices.Equal(set.Classes(), critters.Classes) {
		t.Fatalf("%d images of %q, warnings %q", set.Len(), set.Classes(), warnings)
	}
	if n := len(set.Test()); n < 10 || n > 40 || n+len(set.Train()) != 230 {
		t.Errorf("%d of 230 are for testing", n)
	}
	for _, i := range []int{0, 7, 229} {
		img, label := critters.Draw(3, i, 16)
		if set.Item(i).Label != label {
			t.Errorf("image %d has label %d, want %d", i, set.Item(i).Label, label)
		}
		for k, b := range rgbBytes(img.(*image.RGBA)) {
			if got := read(t, set, i, false)[k]; got != unit[b] {
				t.Fatalf("image %d value %d is %v, want %v", i, k, got, unit[b])
			}
		}
	}
	some, _ := built(t, config4("critters", 16, func(c *Config) { c.Count, c.Seed, c.Classes = 40, 3, []string{"owl", "cat"} }))
	_, owl := critters.Draw(3, 6, 16)
	if some.Item(0).ID != "owl/000006" || critters.Classes[owl] != "owl" || some.Item(3).ID != "cat/000010" || some.Item(3).Label != 1 {
		t.Errorf("%q", some.list()[:4])
	}
}

// TestConfig names the field that is wrong.
func TestConfig(t *testing.T) {
	for field, change := range map[string]func(*Config){
		"source":        func(c *Config) { c.Source = "" },
		"count":         func(c *Config) { c.Count = 0 },
		"size":          func(c *Config) { c.Size = 4096 },
		"fit":           func(c *Config) { c.Fit = "stretch" },
		"background":    func(c *Config) { c.Background = "mauve" },
		"classes":       func(c *Config) { c.Classes = []string{"cat", "unicorn"} },
		"test_fraction": func(c *Config) { c.TestFraction = math.NaN() },
		"seed":          func(c *Config) { c.Seed = -1 },
	} {
		_, err := Open(config4("critters", 32, change), "", "")
		var f interface{ Field() string }
		if !errors.As(err, &f) || f.Field() != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, path := range []string{"/no/such/folder", files{"set.tgz": nil}.write(t) + "/set.tgz"} {
		if _, err := Open(config4(path, 32), "", ""); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Open(config4("sub", 32), files{"sub/a/1.png": nil}.write(t), ""); err != nil {
		t.Errorf("a path relative to the pipeline's folder: %v", err)
	}
}

// big is an index of n images as a folder would give it.
func big(n int) *Index {
	x := &Index{Origin: "tree", Size: 32, Fit: "crop", Background: "#ffffff", Classes: []string{"cat", "dog"}, Items: make([]entry, n)}
	for i := range x.Items {
		id := fmt.Sprintf("train/%s/n0123456_%08d.JPEG", x.Classes[i%2], i)
		x.Items[i] = entry{Item{id, i % 2, splitOf(id, 0.1)}, artifacts.HashText(id)}
	}
	return x
}

// TestIndexRoundTrip: an index is read as it was written, whatever the names are.
func TestIndexRoundTrip(t *testing.T) {
	x := big(50)
	x.Classes = []string{"Ankle <boot>", "猫 \"\n\\"}
	x.Skipped = []Skip{{"a&b.png", "is \u2028 odd"}}
	got, err := decodeIndex(x.encode())
	must(t, err)
	if !reflect.DeepEqual(got, x) {
		t.Errorf("got %+v\nwant %+v", got, x)
	}
}

// FuzzIndex wants an error or a consistent index from any bytes, which is the same when it is written and read again.
func FuzzIndex(f *testing.F) {
	f.Add(big(3).encode())
	f.Add([]byte(`{"format":"lfm dataset index 1","size":1,"channels":3,"ids":["a"],"labels":[9],"digests":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var x *Index
		var err error
		fuzztest.Bounded(t, len(data), 64, func() { x, err = decodeIndex(data) })
		if err != nil {
			return
		}
		if again, err := decodeIndex(x.encode()); err != nil || !bytes.Equal(again.encode(), x.encode()) {
			t.Fatalf("read\n%s\nthen\n%s (%v)", x.encode(), again.encode(), err)
		}
	})
}

// FuzzMemory: any bytes are remembered digests or nothing, as they are and with the sum that they should have; what is
// remembered is the same when it is saved and loaded again.
func FuzzMemory(f *testing.F) {
	f.Add([]byte(memoryMagic + "\x00\x00\x00\x00"))
	f.Add([]byte(memoryMagic + "\x01\x00a" + strings.Repeat("\x01", 64)))
	f.Add([]byte(memoryMagic + "\xff\xffa" + strings.Repeat("\x01", 64)))
	m := &memory{filepath.Join(f.TempDir(), "digests")}
	f.Fuzz(func(t *testing.T, data []byte) {
		parseMemory(data)
		data = binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(data))
		var all map[string]remembered
		fuzztest.Bounded(t, len(data), 16, func() { all = parseMemory(data) })
		var list []file
		var sums []artifacts.ID
		want := map[string]remembered{}
		for path, r := range all {
			list, sums = append(list, file{path, r.stamp}), append(sums, r.digest)
			if !r.digest.IsZero() && r.ctime < 1<<62 {
				want[path] = r
			}
		}
		m.save(list, sums, time.Unix(0, 1<<62))
		if got := m.load(); len(want)+len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("saved %v, loaded %v", want, got)
		}
	})
}

func BenchmarkLoad100k(b *testing.B) {
	data := big(100_000).encode()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := decodeIndex(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDigest100k is what a run that has nothing to do pays for 100,000 files.
func BenchmarkDigest100k(b *testing.B) {
	root := b.TempDir()
	for k := range 10 {
		dir := filepath.Join(root, fmt.Sprint("class", k))
		must(b, os.Mkdir(dir, 0o755))
		for i := range 10_000 {
			must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("image-%05d.png", i)), []byte{byte(k), byte(i)}, 0o644))
		}
	}
	cache := b.TempDir()
	time.Sleep(settled + 100*time.Millisecond)
	for b.Loop() {
		s := open(b, config4(root, 32), cache)
		if _, err := s.Digest(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
