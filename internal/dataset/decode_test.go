package dataset

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var black, white = color.RGBA{0, 0, 0, 255}, color.RGBA{255, 255, 255, 255}

// TestColours decodes one grey in every form that PNG and JPEG have for it.
func TestColours(t *testing.T) {
	const v = 100
	r := image.Rect(0, 0, 9, 7)
	grey, grey16, rgba16 := image.NewGray(r), image.NewGray16(r), image.NewNRGBA64(r)
	palette := image.NewPaletted(r, color.Palette{color.Black, color.NRGBA{v, v, v, 255}})
	for i := range grey.Pix {
		grey.Pix[i] = v
		palette.Pix[i] = 1
	}
	for y := range r.Dy() {
		for x := range r.Dx() {
			grey16.Set(x, y, color.Gray16{v * 257})
			rgba16.Set(x, y, color.NRGBA64{v * 257, v * 257, v * 257, 0xffff})
		}
	}
	for name, data := range map[string][]byte{
		"grey":        pngOf(t, grey),
		"16 bit grey": pngOf(t, grey16),
		"16 bit RGBA": pngOf(t, rgba16),
		"palette":     pngOf(t, palette),
		"RGB":         pngOf(t, plain(9, 7, color.NRGBA{v, v, v, 255})),
		"grey JPEG":   jpegOf(t, grey),
		"RGB JPEG":    jpegOf(t, plain(9, 7, color.NRGBA{v, v, v, 255})),
	} {
		img, err := decode(data, white)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if img.Rect != r {
			t.Errorf("%s: %v, want %v", name, img.Rect, r)
		}
		for _, b := range rgbBytes(img) {
			if math.Abs(float64(b)-v) > 1 { // a JPEG may round
				t.Errorf("%s: a value of %d, want %d", name, b, v)
				break
			}
		}
	}
}

// TestTransparency lays alpha upon the background: v = a·c + (1-a)·background.
func TestTransparency(t *testing.T) {
	for _, c := range []struct {
		pixel      color.NRGBA
		background color.RGBA
		want       uint8
	}{
		{color.NRGBA{10, 10, 10, 0}, white, 255},
		{color.NRGBA{10, 10, 10, 0}, black, 0},
		{color.NRGBA{200, 200, 200, 128}, black, 100},
		{color.NRGBA{0, 0, 0, 51}, white, 204},
		{color.NRGBA{80, 80, 80, 255}, white, 80},
	} {
		img, err := decode(pngOf(t, plain(3, 3, c.pixel)), c.background)
		must(t, err)
		if got := img.RGBAAt(1, 1).R; math.Abs(float64(got)-float64(c.want)) > 1 {
			t.Errorf("%v on %v is %d, want %d", c.pixel, c.background, got, c.want)
		}
		if !img.Opaque() {
			t.Errorf("%v on %v is not opaque", c.pixel, c.background)
		}
	}
}

// TestForeignJPEG reads what Go's own encoder cannot write: CMYK, inverted as Adobe does, and progressive.
func TestForeignJPEG(t *testing.T) {
	for name, want := range map[string]color.RGBA{"cmyk-red.jpg": {255, 0, 0, 255}, "progressive-green.jpg": {10, 200, 30, 255}} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		must(t, err)
		img, err := decode(data, white)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := img.RGBAAt(3, 3)
		for i, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
			if d < -4 || d > 4 {
				t.Errorf("%s: channel %d of %v, want %v", name, i, got, want)
			}
		}
	}
}

// hugePNG claims a size in a valid header and has nothing behind it.
func hugePNG(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 2, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// TestBadImages wants an error that says what is wrong, and never a panic or much memory.
func TestBadImages(t *testing.T) {
	whole := jpegOf(t, slope(40, 40))
	wholePNG := pngOf(t, slope(40, 40))
	wrongSum := slices.Clone(wholePNG)
	wrongSum[len(wrongSum)-20] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "empty"},
		{"text", []byte("not an image"), `begins with "not an image"`},
		{"GIF", []byte("GIF89a......"), "is GIF: convert"},
		{"WebP", []byte("RIFF\x00\x00\x00\x00WEBPVP8 "), "is WebP"},
		{"truncated JPEG", whole[:len(whole)/2], "JPEG"},
		{"JPEG cut in its header", whole[:30], "EOF"},
		{"truncated PNG", wholePNG[:len(wholePNG)/2], "png: "},
		{"PNG with a wrong sum", wrongSum, ""},
		{"signature alone", []byte("\x89PNG\r\n\x1a\n"), "EOF"},
		{"60000x60000", hugePNG(60000, 60000), "60000 x 60000"},
		{"no pixels", hugePNG(0, 5), ""},
	} {
		img, err := decode(c.data, white)
		if err == nil || img != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// TestCrop: the middle square of an image, and nothing else, comes through; at the size itself untouched.
func TestCrop(t *testing.T) {
	img, err := decode(pngOf(t, slope(8, 8)), white)
	must(t, err)
	if !bytes.Equal(fitTo(img, 8, "crop", white), rgbBytes(img)) {
		t.Error("an image of the size itself changed")
	}
	// Grey in the middle, white outside.
	for _, r := range []image.Rectangle{image.Rect(0, 0, 60, 20), image.Rect(0, 0, 20, 60)} {
		wide := plain(r.Dx(), r.Dy(), white)
		mid := image.Rect(r.Dx()/2-10, r.Dy()/2-10, r.Dx()/2+10, r.Dy()/2+10)
		for y := mid.Min.Y; y < mid.Max.Y; y++ {
			for x := mid.Min.X; x < mid.Max.X; x++ {
				wide.Set(x, y, color.NRGBA{90, 90, 90, 255})
			}
		}
		img, err := decode(pngOf(t, wide), white)
		must(t, err)
		for _, size := range []int{20, 7, 33} {
			for i, b := range fitTo(img, size, "crop", white) {
				if b != 90 {
					t.Fatalf("%v to %d: value %d is %d, want 90", r, size, i, b)
				}
			}
		}
	}
	one, err := decode(pngOf(t, plain(1, 1, color.NRGBA{3, 4, 5, 255})), white)
	must(t, err)
	if got := fitTo(one, 4, "crop", white); len(got) != 48 || got[0] != 3 || got[47] != 5 {
		t.Errorf("1x1: %v", got)
	}
}

// TestPad: an image that fits lies in the middle as it is; one that does not is shrunk, keeping its shape.
func TestPad(t *testing.T) {
	img, err := decode(pngOf(t, slope(28, 20)), white)
	must(t, err)
	got := fitTo(img, 32, "pad", black)
	for y := range 32 {
		for x := range 32 {
			want := black
			if x >= 2 && x < 30 && y >= 6 && y < 26 {
				want = img.RGBAAt(x-2, y-6)
			}
			if p := got[(y*32+x)*3:]; p[0] != want.R || p[1] != want.G || p[2] != want.B {
				t.Fatalf("pixel (%d, %d) is %v, want %v", x, y, p[:3], want)
			}
		}
	}
	wide, err := decode(pngOf(t, plain(100, 50, color.NRGBA{9, 9, 9, 255})), white)
	must(t, err)
	got, rows := fitTo(wide, 20, "pad", white), 0
	for y := range 20 {
		if got[y*60] == 9 && got[y*60+59] == 9 {
			rows++
		}
	}
	if rows != 10 {
		t.Errorf("100x50 on 20x20 covers %d rows, want 10", rows)
	}
	sliver, err := decode(pngOf(t, plain(300, 1, color.NRGBA{9, 9, 9, 255})), white)
	must(t, err)
	fitTo(sliver, 8, "pad", white)
}

// exifJPEG puts an orientation into a JPEG, in either byte order.
func exifJPEG(t testing.TB, img image.Image, orientation uint16, order binary.AppendByteOrder) []byte {
	t.Helper()
	head := "II*\x00"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		head = "MM\x00*"
	}
	b := []byte("Exif\x00\x00" + head)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	entry := func(tag, value uint16) {
		b = order.AppendUint16(b, tag)
		b = order.AppendUint16(b, 3)
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, value)
		b = append(b, 0, 0)
	}
	entry(0x0100, 7)
	entry(0x0112, orientation)
	b = order.AppendUint32(b, 0)
	data := jpegOf(t, img)
	seg := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(b)+2))
	return slices.Concat(data[:2], seg, b, data[2:])
}

// TestOrientation marks one corner of a photograph and finds it where each EXIF orientation says that it belongs.
func TestOrientation(t *testing.T) {
	const w, h = 48, 32
	img := plain(w, h, color.White)
	for y := range h / 4 {
		for x := range w / 4 {
			img.Set(x, y, color.Black)
		}
	}
	// Corner in which row 0, column 0 is to be seen (0 top, 0 left), and whether width and height change places.
	for o, want := range map[uint16][3]int{1: {0, 0, 0}, 2: {0, 1, 0}, 3: {1, 1, 0}, 4: {1, 0, 0}, 5: {0, 0, 1}, 6: {0, 1, 1}, 7: {1, 1, 1}, 8: {1, 0, 1}, 9: {0, 0, 0}} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			got, err := decode(exifJPEG(t, img, o, order), white)
			must(t, err)
			size := image.Pt(w, h)
			if want[2] == 1 {
				size = image.Pt(h, w)
			}
			if got.Rect.Size() != size {
				t.Errorf("orientation %d: %v, want %v", o, got.Rect.Size(), size)
			}
			for corner := range 4 {
				y, x := corner/2, corner%2
				dark := got.RGBAAt(1+x*(size.X-3), 1+y*(size.Y-3)).R < 128
				if dark != (y == want[0] && x == want[1]) {
					t.Errorf("orientation %d: corner (%d, %d) is dark: %v", o, y, x, dark)
				}
			}
		}
	}
}

// FuzzDecode wants an error or an opaque image of sane size from any bytes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(pngOf(f, slope(6, 5)))
	f.Add(jpegOf(f, slope(9, 9)))
	f.Add(exifJPEG(f, slope(4, 4), 6, binary.BigEndian))
	f.Add(hugePNG(60000, 60000))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, _, err := reader(data); err == nil {
			if conf, err := c(bytes.NewReader(data)); err == nil && conf.Width*conf.Height > 1<<20 {
				return // allowed, and slow
			}
		}
		img, err := decode(data, white)
		if err != nil {
			return
		}
		if got := fitTo(img, 8, "crop", white); len(got) != 8*8*3 {
			t.Fatalf("%d bytes of 8x8x3", len(got))
		}
	})
}
