package picture

import (
	"image"
	"image/color"
	"image/draw"
)

// Row is a line of a grid.
type Row struct {
	Label  string
	Images []*Image
}

const (
	leastSide = 64  // pixels that a picture is brought to by whole factors
	gap       = 6   // between pictures
	margin    = 20  // around everything
	space     = 12  // between words and pictures
	widest    = 260 // of a label; longer ones are cut
)

var (
	paper = color.RGBA{0xfb, 0xfa, 0xf7, 0xff}
	ink   = color.RGBA{0x26, 0x2b, 0x33, 0xff}
	faint = color.RGBA{0x6d, 0x72, 0x7a, 0xff}
)

// Grid arranges rows of pictures of one size below a title, each row behind its label.
// Small pictures are enlarged by a whole factor, pixel by pixel. A title that is wider than
// the grid widens it, up to twice; a longer one is cut.
func Grid(rows []Row, title string) *Image {
	cols, label := 0, 0
	var w, h int
	for _, r := range rows {
		cols = max(cols, len(r.Images))
		label = max(label, labels.width(labels.cut(r.Label, widest)))
		for _, m := range r.Images {
			w, h = max(w, m.W), max(h, m.H)
		}
	}
	left, top := margin, margin
	if label > 0 {
		left += label + space
	}
	if title != "" {
		top += titles.height() + space
	}
	factor := enlarge(w, h)
	w, h = w*factor, h*factor
	width := left + extent(cols, w, gap) + margin
	title = titles.cut(title, 2*max(width, 4*leastSide)-2*margin)
	width = max(width, titles.width(title)+2*margin)
	canvas := blank(width, top+extent(len(rows), h, gap)+margin)
	titles.write(canvas, title, ink, margin, margin+titles.ascent())
	for i, r := range rows {
		y := top + i*(h+gap)
		text := labels.cut(r.Label, widest)
		labels.write(canvas, text, faint, margin+label-labels.width(text), y+(h+labels.rise())/2)
		for j, m := range r.Images {
			place(canvas, m, left+j*(w+gap), y, factor)
		}
	}
	return fromRGBA(canvas)
}

// Pairs arranges originals, each with its reconstruction close at its right, cols pairs in a
// row, over a line that says which is which.
func Pairs(pairs [][2]*Image, cols int) *Image {
	var w, h int
	for _, p := range pairs {
		w, h = max(w, p[0].W, p[1].W), max(h, p[0].H, p[1].H)
	}
	factor := enlarge(w, h)
	w, h = w*factor, h*factor
	const (
		seam    = 2 // within a pair
		between = 3 * gap
	)
	cols = max(1, min(cols, len(pairs)))
	lines := (len(pairs) + cols - 1) / cols
	caption := "left: original, right: reconstruction"
	width := max(extent(cols, 2*w+seam, between), labels.width(caption))
	body := extent(lines, h, 2*gap)
	canvas := blank(2*margin+width, margin+body+space+labels.height()+margin/2)
	for i, p := range pairs {
		x, y := margin+i%cols*(2*w+seam+between), margin+i/cols*(h+2*gap)
		place(canvas, p[0], x, y, factor)
		place(canvas, p[1], x+w+seam, y, factor)
	}
	labels.write(canvas, caption, faint, margin, margin+body+space+labels.ascent())
	return fromRGBA(canvas)
}

// extent is the length of n things of a size with gaps between them.
func extent(n, size, gap int) int { return max(0, n*(size+gap)-gap) }

// enlarge is the whole factor that brings small pictures to leastSide.
func enlarge(w, h int) int {
	if side := max(w, h); side > 0 {
		return max(1, (leastSide+side-1)/side)
	}
	return 1
}

func blank(w, h int) *image.RGBA {
	canvas := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	return canvas
}

// place draws m enlarged with its corner at (x, y): a row once, then copies of it.
func place(canvas *image.RGBA, m *Image, x, y, factor int) {
	for row := range m.H {
		first := canvas.Pix[canvas.PixOffset(x, y+row*factor):][:4*m.W*factor]
		for i := range m.W * factor {
			p := m.Pix[(row*m.W+i/factor)*3:]
			first[4*i], first[4*i+1], first[4*i+2], first[4*i+3] = p[0], p[1], p[2], 0xff
		}
		for k := 1; k < factor; k++ {
			copy(canvas.Pix[canvas.PixOffset(x, y+row*factor+k):], first)
		}
	}
}
