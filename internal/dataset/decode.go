package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"

	"github.com/disintegration/imaging"
)

const (
	// maxPixels bounds an image: 8192 x 8192. A pixel takes up to 20 bytes on its way (16 in the decoder of a progressive
	// JPEG, 4 laid upon the background).
	maxPixels = 1 << 26
	// maxFile bounds the bytes of one image file.
	maxFile = 256 << 20
)

// dimensions reads width and height from an image's first bytes. One that claims too many pixels is an error.
func dimensions(data []byte) (w, h int, err error) {
	defer recovered(&err, "save the image anew")
	config, _, err := reader(data)
	if err != nil {
		return 0, 0, err
	}
	c, err := config(bytes.NewReader(data))
	if err != nil {
		return 0, 0, err
	}
	if c.Width < 1 || c.Height < 1 || int64(c.Width)*int64(c.Height) > maxPixels {
		return 0, 0, fmt.Errorf("is %d x %d pixels: more than %d are not read", c.Width, c.Height, maxPixels)
	}
	return c.Width, c.Height, nil
}

// decode reads a PNG or a JPEG of any colour model as opaque 8-bit RGB on a background, upright. Whatever the bytes
// are, it returns: a decoder's panic becomes an error, and an image that claims too many pixels is refused before any
// memory is taken.
func decode(data []byte, background color.RGBA) (img *image.RGBA, err error) {
	defer recovered(&err, "save the image anew")
	if _, _, err := dimensions(data); err != nil {
		return nil, err
	}
	_, read, err := reader(data)
	if err != nil {
		return nil, err
	}
	raw, err := read(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return upright(flatten(raw, background), orientation(data)), nil
}

// recovered, deferred, makes an error of a panic: the readers of others' formats see bytes from anywhere. remedy is what
// the user can do.
func recovered(err *error, remedy string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("its reader broke down (%v): %s", r, remedy)
	}
}

// flatten lays an image upon a background.
func flatten(src image.Image, background color.RGBA) *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, src.Bounds().Dx(), src.Bounds().Dy()))
	if o, ok := src.(interface{ Opaque() bool }); ok && o.Opaque() {
		draw.Draw(dst, dst.Rect, src, src.Bounds().Min, draw.Src)
		return dst
	}
	draw.Draw(dst, dst.Rect, image.NewUniform(background), image.Point{}, draw.Src)
	draw.Draw(dst, dst.Rect, src, src.Bounds().Min, draw.Over)
	return dst
}

// fitTo brings an opaque image to size x size as the setting says.
func fitTo(img *image.RGBA, size int, fit string, background color.RGBA) []byte {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if fit == "pad" {
		return pad(img, size, background)
	}
	side := min(w, h)
	x, y := img.Rect.Min.X+(w-side)/2, img.Rect.Min.Y+(h-side)/2
	square := img.SubImage(image.Rect(x, y, x+side, y+side)).(*image.RGBA)
	return rgbBytes(resample(square, size, size))
}

// pad centres an image on the background, shrinking it first if it is larger than the size.
func pad(img *image.RGBA, size int, background color.RGBA) []byte {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if longer := max(w, h); longer > size {
		// Rounded to the nearest pixel, and never to none.
		w, h = max(1, (w*size+longer/2)/longer), max(1, (h*size+longer/2)/longer)
		img = resample(img, w, h)
	}
	dst := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.Draw(dst, dst.Rect, image.NewUniform(background), image.Point{}, draw.Src)
	at := image.Pt((size-w)/2, (size-h)/2)
	draw.Draw(dst, image.Rectangle{at, at.Add(image.Pt(w, h))}, img, img.Rect.Min, draw.Src)
	return rgbBytes(dst)
}

// resample is Lanczos with three lobes, or nothing where nothing is to do.
func resample(img *image.RGBA, w, h int) *image.RGBA {
	if img.Rect.Dx() == w && img.Rect.Dy() == h {
		return img
	}
	return opaque(imaging.Resize(img, w, h, imaging.Lanczos))
}

// opaque is an opaque image in the other form of the same bytes.
func opaque(img *image.NRGBA) *image.RGBA {
	return &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}
}

// rgbBytes returns the pixels without alpha: (H, W, 3).
func rgbBytes(img *image.RGBA) []byte {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := make([]byte, 0, w*h*channels)
	for y := range h {
		row := img.Pix[y*img.Stride:][:4*w]
		for i := 0; i < len(row); i += 4 {
			out = append(out, row[i], row[i+1], row[i+2])
		}
	}
	return out
}

// reader finds the decoder by the first bytes. image.Decode is not asked: it knows every format that any package of the
// program registered.
func reader(data []byte) (config, func(r *bytes.Reader) (image.Image, error), error) {
	switch kind := sniff(data); kind {
	case "PNG":
		return func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }, nil
	case "JPEG":
		return func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }, nil
	case "":
		return nil, nil, fmt.Errorf("is neither PNG nor JPEG (%s)", beginning(data))
	default:
		return nil, nil, fmt.Errorf("is %s: convert it to PNG or JPEG", kind)
	}
}

type config = func(r *bytes.Reader) (image.Config, error)

// magics are first bytes of image formats; dots stand for any byte.
var magics = []struct{ kind, begins string }{
	{"PNG", "\x89PNG\r\n\x1a\n"},
	{"JPEG", "\xff\xd8"},
	{"GIF", "GIF8"},
	{"WebP", "RIFF....WEBP"},
	{"BMP", "BM"},
	{"TIFF", "II*\x00"},
	{"TIFF", "MM\x00*"},
	{"AVIF or HEIC", "....ftyp"},
}

func sniff(data []byte) string {
next:
	for _, m := range magics {
		if len(data) < len(m.begins) {
			continue
		}
		for i := range m.begins {
			if m.begins[i] != '.' && m.begins[i] != data[i] {
				continue next
			}
		}
		return m.kind
	}
	return ""
}

func beginning(data []byte) string {
	if len(data) == 0 {
		return "the file is empty"
	}
	return fmt.Sprintf("it begins with %q", data[:min(len(data), 12)])
}
