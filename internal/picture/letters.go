package picture

import (
	"image"
	"image/color"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// titles and labels are the Go fonts, which come with x/image under its licence.
var (
	titles = &letters{ttf: gomedium.TTF, size: 18}
	labels = &letters{ttf: goregular.TTF, size: 15}
)

// letters writes in one font and size. It is safe for concurrent use.
type letters struct {
	ttf  []byte
	size float64
	mu   sync.Mutex // a face keeps buffers of its own
	face font.Face
}

// with calls f with the face, which is made at the first call.
func (l *letters) with(f func(font.Face)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.face == nil {
		parsed, err := opentype.Parse(l.ttf)
		if err != nil {
			panic("picture: " + err.Error()) // the font is part of the program
		}
		l.face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: l.size, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			panic("picture: " + err.Error())
		}
	}
	f(l.face)
}

func (l *letters) width(s string) (w int) {
	l.with(func(f font.Face) { w = font.MeasureString(f, s).Ceil() })
	return w
}

// ascent is the room above the base line, height that of a whole line, rise that of a small letter.
func (l *letters) ascent() int { return l.metrics().Ascent.Ceil() }
func (l *letters) height() int { m := l.metrics(); return (m.Ascent + m.Descent).Ceil() }
func (l *letters) rise() int   { return l.metrics().XHeight.Round() }

func (l *letters) metrics() (m font.Metrics) {
	l.with(func(f font.Face) { m = f.Metrics() })
	return m
}

// write puts s on the base line at (x, y).
func (l *letters) write(canvas *image.RGBA, s string, c color.Color, x, y int) {
	l.with(func(f font.Face) {
		d := font.Drawer{Dst: canvas, Src: image.NewUniform(c), Face: f, Dot: fixed.P(x, y)}
		d.DrawString(s)
	})
}

// cut shortens s to a width, with an ellipsis in place of what is lost.
func (l *letters) cut(s string, width int) string {
	if l.width(s) <= width {
		return s
	}
	r := []rune(s)
	for len(r) > 0 && l.width(string(r)+"…") > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}
