package picture

import (
	"image"
	"image/color"
	"image/draw"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Row is a line of a grid.
type Row struct {
	Label  string
	Images []*Image
}

const (
	leastSide = 64 // pixels that a picture is brought to by whole factors
	gap       = 4
	margin    = 12
	fontSize  = 15
)

var (
	paper = color.RGBA{0xfa, 0xfa, 0xf8, 0xff}
	ink   = color.RGBA{0x2b, 0x2b, 0x2b, 0xff}
)

// Grid arranges rows of pictures of one size below a title, each row behind its label.
// Small pictures are enlarged by a whole factor, pixel by pixel.
func Grid(rows []Row, title string) *Image {
	cols, label := 0, 0
	var w, h int
	for _, r := range rows {
		cols = max(cols, len(r.Images))
		label = max(label, textWidth(r.Label))
		for _, m := range r.Images {
			w, h = max(w, m.W), max(h, m.H)
		}
	}
	if label > 0 {
		label += margin
	}
	factor := enlarge(w, h)
	w, h = w*factor, h*factor
	top := margin
	if title != "" {
		top += fontSize + margin
	}
	canvas := blank(2*margin+label+cols*(w+gap)-gap, top+margin+len(rows)*(h+gap)-gap)
	write(canvas, title, margin, margin+fontSize)
	for i, r := range rows {
		y := top + i*(h+gap)
		write(canvas, r.Label, margin, y+h/2+fontSize/3)
		for j, m := range r.Images {
			place(canvas, m, margin+label+j*(w+gap), y, factor)
		}
	}
	return fromRGBA(canvas)
}

// Pairs arranges originals, each with its reconstruction at its right, so many pairs in a
// row.
func Pairs(pairs [][2]*Image, cols int) *Image {
	if len(pairs) == 0 {
		return New(1, 1)
	}
	w, h := pairs[0][0].W, pairs[0][0].H
	factor := enlarge(w, h)
	w, h = w*factor, h*factor
	cols = max(1, min(cols, len(pairs)))
	lines := (len(pairs) + cols - 1) / cols
	pair := 2*w + 1 + 3*gap
	canvas := blank(2*margin+cols*pair-3*gap, 2*margin+lines*(h+2*gap)-2*gap)
	for i, p := range pairs {
		x, y := margin+i%cols*pair, margin+i/cols*(h+2*gap)
		place(canvas, p[0], x, y, factor)
		place(canvas, p[1], x+w+1, y, factor)
	}
	return fromRGBA(canvas)
}

// enlarge is the whole factor that brings small pictures to leastSide.
func enlarge(w, h int) int {
	if side := max(w, h); side > 0 {
		return max(1, (leastSide+side-1)/side)
	}
	return 1
}

func blank(w, h int) *image.RGBA {
	canvas := image.NewRGBA(image.Rect(0, 0, max(1, w), max(1, h)))
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	return canvas
}

// place draws m enlarged with its corner at (x, y).
func place(canvas *image.RGBA, m *Image, x, y, factor int) {
	for row := range m.H * factor {
		for col := range m.W * factor {
			p := m.Pix[(row/factor*m.W+col/factor)*3:]
			canvas.SetRGBA(x+col, y+row, color.RGBA{p[0], p[1], p[2], 0xff})
		}
	}
}

// face is the Go font; the licence of its module covers it.
var face = sync.OnceValue(func() font.Face {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		panic("picture: " + err.Error()) // the font is part of the program
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: fontSize, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic("picture: " + err.Error())
	}
	return face
})

// drawing guards the face, which keeps buffers of its own.
var drawing sync.Mutex

func textWidth(s string) int {
	drawing.Lock()
	defer drawing.Unlock()
	return font.MeasureString(face(), s).Ceil()
}

func write(canvas *image.RGBA, s string, x, y int) {
	drawing.Lock()
	defer drawing.Unlock()
	d := font.Drawer{Dst: canvas, Src: image.NewUniform(ink), Face: face(), Dot: fixed.P(x, y)}
	d.DrawString(s)
}
