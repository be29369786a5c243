package picture

import (
	"bytes"
	"errors"
	"flag"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"lfm/internal/fuzztest"
)

// TestFromFloats: bytes b/127.5 - 1 come back as b; values between go to the nearest, ties to the even one; what lies
// outside is clipped.
func TestFromFloats(t *testing.T) {
	x := make([]float32, 256*3)
	for b := range 256 {
		for c := range 3 {
			x[3*b+c] = float32(b)/127.5 - 1
		}
	}
	m := FromFloats(x, 64, 4)
	for i, v := range m.Pix {
		if int(v) != i/3 {
			t.Fatalf("byte %d comes back as %d", i/3, v)
		}
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	// 0 is 127.5, a tie; float32(0.5)/127.5 - 1 lies just off one.
	for _, c := range []struct {
		v    float32
		want uint8
	}{{-2, 0}, {2, 255}, {-inf, 0}, {inf, 255}, {nan, 0}, {0, 128}, {-1, 0}, {1, 255}, {math.Nextafter32(1, 0), 255}, {-0.9, 13}} {
		if got := FromFloats([]float32{c.v, c.v, c.v}, 1, 1).Pix[0]; got != c.want {
			t.Errorf("%v is %d, want %d", c.v, got, c.want)
		}
	}
}

// slope is a picture without two equal pixels beside each other.
func slope(w, h int) *Image {
	m := New(w, h)
	for i := range m.Pix {
		m.Pix[i] = uint8(i*37 + i/w)
	}
	return m
}

func encoded(t testing.TB, m *Image, texts ...Text) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, m, texts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestEncode: pixels and texts are read back as they were written, by the standard library too, and two encodings are
// the same bytes.
func TestEncode(t *testing.T) {
	texts := []Text{{"lfm", "generate"}, {"lfm class", "猫 & Ankle <boot>\nsecond line"}, {"empty", ""}, {"lfm", "again"}}
	m := slope(13, 7)
	file := encoded(t, m, texts...)
	if !bytes.Equal(file, encoded(t, m, texts...)) {
		t.Error("two encodings differ")
	}
	got, err := Texts(bytes.NewReader(file))
	if err != nil || !slices.Equal(got, texts) {
		t.Errorf("texts %q (%v), want %q", got, err, texts)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for y := range m.H {
		for x := range m.W {
			p := m.Pix[(y*m.W+x)*3:]
			if c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA); c != (color.RGBA{p[0], p[1], p[2], 255}) {
				t.Fatalf("(%d, %d) is %v, want %v", x, y, c, p[:3])
			}
		}
	}
	for _, bad := range []Text{{"", "x"}, {" k", "x"}, {"k\n", "x"}, {strings.Repeat("k", 80), "x"}, {"ü", "x"}, {"k", "a\x00b"}, {"k", "\xff"}} {
		if err := Encode(io.Discard, m, []Text{bad}); err == nil {
			t.Errorf("text %q was written", bad)
		}
	}
}

// file is a PNG of chunks in turn: kind, data, …
func file(chunks ...string) []byte {
	out := []byte(signature)
	for i := 0; i < len(chunks); i += 2 {
		out = appendChunk(out, chunks[i], []byte(chunks[i+1]))
	}
	return out
}

// TestTexts reads what others write, and passes over what it need not understand.
func TestTexts(t *testing.T) {
	good := file("IHDR", "x", "tEXt", "Title\x00caf\xe9", "iTXt", "k\x00\x00\x00en\x00Schl\xc3\xbcssel\x00w\xc3\xb6rt", "IEND", "", "tEXt", "after\x00end")
	got, err := Texts(bytes.NewReader(good))
	if want := []Text{{"Title", "café"}, {"k", "wört"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q (%v), want %q", got, err, want)
	}
	for name, data := range map[string][]byte{
		"compressed": file("iTXt", "k\x00\x01\x00\x00\x00x", "IEND", ""),
		"zTXt":       file("zTXt", "k\x00\x00x", "IEND", ""),
		"no keyword": file("tEXt", "\x00x", "tEXt", "x", "iTXt", "k\x00", "iTXt", "k\x00\x00\x00", "iTXt", "k\x00\x00\x00\x00", "IEND", ""),
		"not UTF-8":  file("iTXt", "k\x00\x00\x00\x00\x00\xff", "IEND", ""),
		"too large":  file("tEXt", "k\x00"+strings.Repeat("x", maxTextBytes), "IEND", ""),
		"no text":    file("IEND", ""),
		"long key":   file("tEXt", strings.Repeat("k", 80)+"\x00x", "IEND", ""),
	} {
		if got, err := Texts(bytes.NewReader(data)); err != nil || len(got) != 0 {
			t.Errorf("%s: %q (%v), want nothing", name, got, err)
		}
	}
	many := make([]string, 0, 2*maxTexts+100)
	for range maxTexts + 50 {
		many = append(many, "tEXt", "k\x00v")
	}
	if got, err := Texts(bytes.NewReader(file(many...))); err != nil || len(got) != maxTexts {
		t.Errorf("%d texts (%v), want %d", len(got), err, maxTexts)
	}
	for n := range good[:len(good)-30] { // every cut before the end chunk
		if _, err := Texts(bytes.NewReader(good[:n])); err == nil {
			t.Fatalf("cut to %d bytes: no error", n)
		} else if n > len(signature) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	damaged := slices.Clone(good)
	damaged[bytes.Index(damaged, []byte("caf"))] ^= 1
	if _, err := Texts(bytes.NewReader(damaged)); err == nil || !strings.Contains(err.Error(), "sum") {
		t.Errorf("damaged: %v", err)
	}
}

// FuzzTexts wants bounded texts from any bytes; those that Encode can write survive it.
func FuzzTexts(f *testing.F) {
	f.Add(file("tEXt", "Title\x00caf\xe9", "iTXt", "k\x00\x00\x00\x00\x00v", "IEND", ""))
	f.Add([]byte(signature + "\xff\xff\xff\xfftEXt"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var texts []Text
		fuzztest.Bounded(t, len(data), 16, func() { texts, _ = Texts(bytes.NewReader(data)) })
		for _, text := range texts {
			if len(text.Key) == 0 || len(text.Value) > 2*maxTextBytes {
				t.Fatalf("text %q of %d bytes", text.Key, len(text.Value))
			}
			if text.check() != nil {
				continue
			}
			again, err := Texts(bytes.NewReader(encoded(t, New(1, 1), text)))
			if err != nil || len(again) != 1 || again[0] != text {
				t.Fatalf("%q came back as %q (%v)", text, again, err)
			}
		}
	})
}

// FuzzPicture: a file that is taken for one of Encode's, written again, has the same pixels and words.
func FuzzPicture(f *testing.F) {
	f.Add(encoded(f, slope(3, 2), Text{"lfm:class", "猫"}))
	f.Add(encoded(f, slope(300, 1))[:100])
	f.Add(file("IHDR", "\x00\x01\x00\x00\x00\x01\x00\x00\x08\x02\x00\x00\x00", "IEND", ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := png.DecodeConfig(bytes.NewReader(data))
		if err == nil && c.Width*c.Height > 1<<16 && c.Width*c.Height <= maxPixels {
			return // allowed, and slow
		}
		var m *Image
		var texts []Text
		fuzztest.Bounded(t, len(data), 64, func() { m, texts, err = Decode(data) })
		if err != nil {
			return
		}
		texts = slices.DeleteFunc(texts, func(t Text) bool { return t.check() != nil })
		again, said, err := Decode(encoded(t, m, texts...))
		if err != nil || m.W != again.W || m.H != again.H || !bytes.Equal(m.Pix, again.Pix) || !slices.Equal(said, texts) {
			t.Fatalf("%d x %d with %q, then %v with %q (%v)", m.W, m.H, texts, again, said, err)
		}
	})
}

// find returns how often a picture, enlarged, lies in another.
func find(big, m *Image, factor int) (n int) {
	for y := 0; y+m.H*factor <= big.H; y++ {
	next:
		for x := 0; x+m.W*factor <= big.W; x++ {
			for i := range m.W * m.H * factor * factor {
				px, py := i%(m.W*factor), i/(m.W*factor)
				p, q := big.Pix[((y+py)*big.W+x+px)*3:], m.Pix[(py/factor*m.W+px/factor)*3:]
				if p[0] != q[0] || p[1] != q[1] || p[2] != q[2] {
					continue next
				}
			}
			n++
		}
	}
	return n
}

// TestGrid: every picture lies in the grid as it is, enlarged by a whole factor.
func TestGrid(t *testing.T) {
	for _, c := range []struct{ size, factor int }{{8, 8}, {32, 2}, {50, 2}, {64, 1}, {100, 1}} {
		a, b := slope(c.size, c.size), slope(c.size, c.size)
		for i := range b.Pix {
			b.Pix[i] ^= 0x55
		}
		g := Grid([]Row{{"cat", []*Image{a, b}}, {"dog", []*Image{b}}, {"empty", nil}}, "title")
		if na, nb := find(g, a, c.factor), find(g, b, c.factor); na != 1 || nb != 2 {
			t.Errorf("size %d: %d and %d pictures in the grid, want 1 and 2", c.size, na, nb)
		}
		p := Pairs([][2]*Image{{a, b}, {b, b}, {a, a}}, 2)
		if na, nb := find(p, a, c.factor), find(p, b, c.factor); na != 3 || nb != 3 {
			t.Errorf("size %d: %d and %d pictures in pairs, want 3 and 3", c.size, na, nb)
		}
	}
}

// TestGridOfLittle: nothing, and words without end, make a picture of sane size.
func TestGridOfLittle(t *testing.T) {
	long := strings.Repeat("word ", 500)
	for name, g := range map[string]*Image{
		"nothing": Grid(nil, ""), "title": Grid(nil, "title"), "no pairs": Pairs(nil, 4), "no columns": Pairs([][2]*Image{{New(2, 2), New(2, 2)}}, 0),
		"long words": Grid([]Row{{long, []*Image{New(1, 1)}}}, long), "tall": Grid([]Row{{"", []*Image{New(1, 70)}}}, ""),
	} {
		if g.W < 1 || g.H < 1 || g.W > 1000 || g.H > 400 {
			t.Errorf("%s: %d x %d", name, g.W, g.H)
		}
		encoded(t, g)
	}
}

// TestConcurrentGrids draws words from several goroutines.
func TestConcurrentGrids(t *testing.T) {
	want := Grid([]Row{{"cat", []*Image{slope(8, 8)}}}, "title")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if got := Grid([]Row{{"cat", []*Image{slope(8, 8)}}}, "title"); !bytes.Equal(got.Pix, want.Pix) {
				t.Error("a grid differs from the same grid")
			}
		})
	}
	wait.Wait()
}

var look = flag.String("look", "", "folder to write a grid and pairs to")

// TestLook writes pictures to look at: go test ./internal/picture -run Look -look /tmp
func TestLook(t *testing.T) {
	if *look == "" {
		t.Skip("writes nothing without -look FOLDER")
	}
	var rows []Row
	var pairs [][2]*Image
	for _, label := range []string{"cat", "dog", "Ankle boot", "猫 and a name that goes on and on and on and on"} {
		r := Row{Label: label}
		for i := range 8 {
			m := New(32, 32)
			for j := range m.Pix {
				m.Pix[j] = uint8(255 * (1 + math.Sin(float64(j/3%32*(i+1)+j/96*len(label))/20+float64(j%3))) / 2)
			}
			r.Images = append(r.Images, m)
			pairs = append(pairs, [2]*Image{m, m})
		}
		rows = append(rows, r)
	}
	for name, m := range map[string]*Image{"grid.png": Grid(rows, "flow at step 700, guidance 2.5, 20 Heun steps"), "pairs.png": Pairs(pairs, 6)} {
		if err := os.WriteFile(filepath.Join(*look, name), encoded(t, m), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
