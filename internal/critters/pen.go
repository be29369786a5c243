package critters

import (
	"image"
	"image/color"
	"math"

	"git.sr.ht/~sbinet/gg"
)

// pen draws filled shapes and round strokes in a square that reaches from -1 to 1 both ways, y down.
type pen struct {
	dc   *gg.Context
	unit float64 // pixels
}

// newPen returns a pen for a square image.
func newPen(img *image.RGBA) pen {
	p := pen{gg.NewContextForRGBA(img), float64(img.Bounds().Dx()) / 2}
	p.dc.Scale(p.unit, p.unit)
	p.dc.Translate(1, 1)
	p.dc.SetLineCapRound()
	p.dc.SetLineJoinRound()
	return p
}

// placed runs draw with the square moved, turned, scaled and mirrored as the traits say.
func (p pen) placed(t traits, draw func()) {
	p.dc.Push()
	defer p.dc.Pop()
	p.dc.Translate(t.x, t.y)
	p.dc.Rotate(t.lean)
	p.dc.Scale(t.scale*t.side, t.scale)
	draw()
}

// moved runs draw with the square moved by (x, y).
func (p pen) moved(x, y float64, draw func()) {
	p.dc.Push()
	defer p.dc.Pop()
	p.dc.Translate(x, y)
	draw()
}

// turned runs draw with the square turned by an angle in radians about (x, y).
func (p pen) turned(angle, x, y float64, draw func()) {
	p.dc.Push()
	defer p.dc.Pop()
	p.dc.RotateAbout(angle, x, y)
	draw()
}

// mirrored runs draw twice, the second time with left and right exchanged.
func (p pen) mirrored(draw func()) {
	draw()
	p.dc.Push()
	defer p.dc.Pop()
	p.dc.Scale(-1, 1)
	draw()
}

// ellipse fills an ellipse with centre (x, y).
func (p pen) ellipse(c color.Color, x, y, rx, ry float64) {
	p.dc.SetColor(c)
	p.dc.DrawEllipse(x, y, rx, ry)
	p.dc.Fill()
}

// petal fills a leaf that grows from (x, y) to length in the direction of angle (0 is up, positive is clockwise), with
// half its width in the middle. Sharpness 0 ends it round, 1 in a point.
func (p pen) petal(c color.Color, x, y, length, width, angle, sharpness float64) {
	p.turned(angle, x, y, func() {
		round := 1 - sharpness
		p.dc.SetColor(c)
		p.dc.MoveTo(x-width, y)
		p.dc.CubicTo(x-width, y-length*0.6, x-width*(0.12+round*0.8), y-length, x, y-length)
		p.dc.CubicTo(x+width*(0.12+round*0.8), y-length, x+width, y-length*0.6, x+width, y)
		p.dc.CubicTo(x+width, y+width*0.6, x-width, y+width*0.6, x-width, y)
		p.dc.Fill()
	})
}

// shape fills the closed curve through points (x0, y0, x1, y1, …): corners become round, each edge's middle is
// touched. Give a point twice for a sharper corner.
func (p pen) shape(c color.Color, xy ...float64) {
	n := len(xy) / 2
	at := func(i int) (x, y float64) { i %= n; return xy[2*i], xy[2*i+1] }
	middle := func(i int) (x, y float64) {
		x0, y0 := at(i)
		x1, y1 := at(i + 1)
		return (x0 + x1) / 2, (y0 + y1) / 2
	}
	p.dc.SetColor(c)
	p.dc.MoveTo(middle(0))
	for i := 1; i <= n; i++ {
		x, y := at(i)
		mx, my := middle(i)
		p.dc.QuadraticTo(x, y, mx, my)
	}
	p.dc.Fill()
}

// arc strokes part of an ellipse, angles in degrees, 0 to the right and 90 down.
func (p pen) arc(c color.Color, width, x, y, rx, ry, from, to float64) {
	p.stroke(c, width)
	p.dc.NewSubPath()
	p.dc.DrawEllipticalArc(x, y, rx, ry, from*math.Pi/180, to*math.Pi/180)
	p.dc.Stroke()
}

// line strokes a straight line.
func (p pen) line(c color.Color, width, x0, y0, x1, y1 float64) {
	p.stroke(c, width)
	p.dc.DrawLine(x0, y0, x1, y1)
	p.dc.Stroke()
}

// stroke sets colour and width; gg measures widths in pixels.
func (p pen) stroke(c color.Color, width float64) {
	p.dc.SetColor(c)
	p.dc.SetLineWidth(width * p.unit)
}
