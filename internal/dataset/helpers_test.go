package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode"

	"lfm/artifacts"
)

// files is a tree in a test: contents by path.
type files map[string][]byte

// write makes the tree a folder.
func (f files) write(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range f {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func (f files) names() []string {
	var names []string
	for n := range f {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func (f files) tar(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range f.names() {
		must(t, w.WriteHeader(&tar.Header{Name: "./" + n, Mode: 0o644, Size: int64(len(f[n]))}))
		_, err := w.Write(f[n])
		must(t, err)
	}
	must(t, w.Close())
	return keepFile(t, "set.tar", b.Bytes())
}

func (f files) zip(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range f.names() {
		m, err := w.Create(n)
		must(t, err)
		_, err = m.Write(f[n])
		must(t, err)
	}
	must(t, w.Close())
	return keepFile(t, "set.zip", b.Bytes())
}

func keepFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(p, data, 0o644))
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plain is an image of one colour.
func plain(w, h int, c color.Color) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	return img
}

// slope is an image in which every pixel differs from its neighbours.
func slope(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.NRGBA{uint8(x * 7), uint8(y * 11), uint8(x*3 + y*5), 255})
		}
	}
	return img
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, img))
	return b.Bytes()
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

// shades is a set of n images in each of the classes.
func shades(t testing.TB, n int, classes ...string) files {
	f := files{}
	for k, c := range classes {
		for i := range n {
			f[c+"/"+string(rune('a'+i))+".png"] = pngOf(t, plain(5, 5, color.NRGBA{uint8(k * 40), uint8(i * 20), 7, 255}))
		}
	}
	return f
}

// config is Default for a path and a size, changed.
func config4(path string, size int, change ...func(*Config)) *Config {
	c := Default()
	c.Source, c.Size = path, size
	for _, f := range change {
		f(c)
	}
	return c
}

func open(t testing.TB, c *Config, cache string) *Source {
	t.Helper()
	s, err := Open(c, "", cache)
	must(t, err)
	return s
}

// built is what a pipeline does with a source: digest, index, publish, load.
func built(t testing.TB, c *Config) (*Set, []string) {
	t.Helper()
	s := open(t, c, t.TempDir())
	set, warnings, err := build(t, s)
	must(t, err)
	return set, warnings
}

func build(t testing.TB, s *Source) (*Set, []string, error) {
	t.Helper()
	store, err := artifacts.Open(t.TempDir())
	must(t, err)
	id, err := s.Digest(context.Background(), nil)
	if err != nil {
		return nil, nil, err
	}
	out, err := store.Build("index")
	must(t, err)
	var warnings []string
	if err := s.Index(context.Background(), out, func(w string) { warnings = append(warnings, w) }, nil); err != nil {
		out.Discard()
		return nil, warnings, err
	}
	index, err := out.Publish(artifacts.HashText("index of "+id.String()), "index of "+id.String(), nil)
	must(t, err)
	set, err := Load(index, s)
	if err == nil {
		checkFacts(t, index, set)
	}
	return set, warnings, err
}

// checkFacts holds the facts of an index to the set that it lists.
func checkFacts(t testing.TB, index *artifacts.Artifact, set *Set) {
	t.Helper()
	f, err := ReadFacts(index)
	must(t, err)
	captions, properties, err := f.Said()
	must(t, err)
	said := 0
	for _, i := range set.Train() {
		if strings.ContainsFunc(set.Caption(i), unicode.IsLetter) || strings.ContainsFunc(set.Caption(i), unicode.IsDigit) {
			said++
		}
	}
	if !slices.Equal(f.Classes, set.Classes()) || f.Train != len(set.Train()) || f.Test != len(set.Test()) ||
		captions != said || !slices.Equal(properties, set.Properties()) {
		t.Errorf("facts %q, %d + %d images, %d captions, properties %q of a set of %q, %d + %d, %d, %q", f.Classes, f.Train, f.Test,
			captions, properties, set.Classes(), len(set.Train()), len(set.Test()), said, set.Properties())
	}
}

// read returns image i.
func read(t testing.TB, s *Set, i int, flip bool) []float32 {
	t.Helper()
	dst := make([]float32, s.Size()*s.Size()*3)
	must(t, s.Read(dst, i, flip))
	return dst
}

// ids lists a set: id, class, split of each image.
func (s *Set) list() []string {
	var l []string
	for i := range s.Len() {
		it := s.Item(i)
		l = append(l, it.ID+" "+s.Classes()[it.Label]+" "+it.Split)
	}
	return l
}

// shared returns the folder of real images, or skips the test.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("LFM_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	p := filepath.Join(dir, "data", name)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("no real images at %s: set LFM_SHARED to the folder that holds data/", p)
	}
	return p
}

// encode is the index's file.
func (x *Index) encode() []byte {
	var b bytes.Buffer
	if err := x.write(&b); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// decodeIndex is the index of a file.
func decodeIndex(data []byte) (*Index, error) {
	var digests []artifacts.ID
	l, err := readListing(bytes.NewReader(data), int64(len(data)), func(_ int, d artifacts.ID) { digests = append(digests, d) })
	if err != nil {
		return nil, err
	}
	x := &Index{Origin: l.origin, Size: l.size, Fit: l.fit, Background: l.background, Classes: l.classes, Skipped: l.skipped}
	for i, d := range digests {
		if again, err := l.digest(i, make([]byte, 64)); err != nil || again != d {
			return nil, fmt.Errorf("digest %d is %s, then %s (%v)", i, d, again, err)
		}
		x.Items = append(x.Items, entry{l.item(i), d})
	}
	return x, nil
}

// remembered is what a memory has of a file.
type remembered struct {
	stamp
	digest artifacts.ID
}

// parseMemory is all that a memory's file has; nil if it is damaged.
func parseMemory(data []byte) map[string]remembered {
	all := map[string]remembered{}
	if !readMemory(bytes.NewReader(data), int64(len(data)), func(path []byte, s stamp, d artifacts.ID) {
		all[string(path)] = remembered{s, d}
	}) {
		return nil
	}
	return all
}

func (m *memory) load() map[string]remembered {
	data, err := os.ReadFile(m.file)
	if err != nil {
		return nil
	}
	return parseMemory(data)
}

// contents reads a file of a tree.
func contents(tr tree, path string) ([]byte, error) {
	data, leave, err := (&treeOrigin{tree: tr}).read(path)
	if err == nil {
		leave()
	}
	return data, err
}
