package plot

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"strings"

	"git.sr.ht/~sbinet/gg"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// canvas is what figures are drawn on. Lengths are pixels, y grows downwards.
type canvas interface {
	line(p []Point, c color.NRGBA, width float64, dash bool)
	shape(p []Point, c color.NRGBA)
	disc(p Point, radius float64, c color.NRGBA)
	text(s string, p Point, size float64, a anchor, c color.NRGBA)
	upright(s string, p Point, size float64, c color.NRGBA) // about its middle, to be read from the right
	width(s string, size float64) float64
	clip(from, to Point, draw func())
}

// anchor is which part of a text is at its point.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// faces measures and draws words in Go Regular.
type faces map[float64]font.Face

func (f faces) size(size float64) font.Face {
	if f[size] == nil {
		parsed, err := opentype.Parse(goregular.TTF)
		if err != nil {
			panic("plot: Go Regular: " + err.Error())
		}
		if f[size], err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72}); err != nil {
			panic("plot: Go Regular: " + err.Error())
		}
	}
	return f[size]
}

func (f faces) width(s string, size float64) float64 {
	return float64(font.MeasureString(f.size(size), s)) / 64
}

// SVG returns the figure as an SVG file.
func (f Figure) SVG() []byte {
	f.check()
	c := &svg{faces: faces{}}
	width, height := f.size()
	fmt.Fprintf(&c.Buffer, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %[1]g %[2]g" font-family="Go, Helvetica, Arial, sans-serif">`+"\n", width, height)
	f.draw(c)
	c.WriteString("</svg>\n")
	return c.Bytes()
}

type svg struct {
	bytes.Buffer
	faces
	clips int
}

// paint is the value of a colour, and of its opacity where that is not one.
func paint(attribute string, c color.NRGBA) string {
	s := fmt.Sprintf(`%s="#%02x%02x%02x"`, attribute, c.R, c.G, c.B)
	if c.A != 255 {
		s += fmt.Sprintf(` %s-opacity="%.2f"`, attribute, float64(c.A)/255)
	}
	return s
}

func (c *svg) points(p []Point) string {
	var b strings.Builder
	for i, q := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%.1f,%.1f", q.X, q.Y)
	}
	return b.String()
}

func (c *svg) line(p []Point, colour color.NRGBA, width float64, dash bool) {
	dashed := ""
	if dash {
		dashed = ` stroke-dasharray="5 4"`
	}
	fmt.Fprintf(&c.Buffer, `<polyline points="%s" fill="none" %s stroke-width="%g"%s/>`+"\n", c.points(p), paint("stroke", colour), width, dashed)
}

func (c *svg) shape(p []Point, colour color.NRGBA) {
	fmt.Fprintf(&c.Buffer, `<polygon points="%s" %s/>`+"\n", c.points(p), paint("fill", colour))
}

func (c *svg) disc(p Point, radius float64, colour color.NRGBA) {
	fmt.Fprintf(&c.Buffer, `<circle cx="%.1f" cy="%.1f" r="%g" %s/>`+"\n", p.X, p.Y, radius, paint("fill", colour))
}

func (c *svg) text(s string, p Point, size float64, a anchor, colour color.NRGBA) {
	fmt.Fprintf(&c.Buffer, `<text x="%.1f" y="%.1f" font-size="%g" text-anchor="%s" %s>%s</text>`+"\n", p.X, p.Y, size, a, paint("fill", colour), html.EscapeString(s))
}

func (c *svg) upright(s string, p Point, size float64, colour color.NRGBA) {
	fmt.Fprintf(&c.Buffer, `<text transform="translate(%.1f,%.1f) rotate(-90)" font-size="%g" text-anchor="middle" %s>%s</text>`+"\n", p.X, p.Y, size, paint("fill", colour), html.EscapeString(s))
}

func (c *svg) clip(from, to Point, draw func()) {
	c.clips++
	fmt.Fprintf(&c.Buffer, `<clipPath id="panel%d"><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"/></clipPath><g clip-path="url(#panel%[1]d)">`+"\n", c.clips, from.X, from.Y, to.X-from.X, to.Y-from.Y)
	draw()
	c.WriteString("</g>\n")
}

// scale is how many pixels of a PNG there are to one of the SVG.
const scale = 2

// PNG returns the figure as a PNG file.
func (f Figure) PNG() ([]byte, error) {
	f.check()
	width, height := f.size()
	c := &raster{Context: gg.NewContext(int(scale*width), int(scale*height)), faces: faces{}}
	c.SetLineCapButt()
	c.Scale(scale, scale)
	f.draw(c)
	var b bytes.Buffer
	if err := c.EncodePNG(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

type raster struct {
	*gg.Context
	faces
}

func (c *raster) outline(p []Point) {
	c.ClearPath()
	for _, q := range p {
		c.LineTo(q.X, q.Y)
	}
}

func (c *raster) line(p []Point, colour color.NRGBA, width float64, dash bool) {
	c.SetDash()
	if dash {
		c.SetDash(5*scale, 4*scale)
	}
	c.outline(p)
	c.SetColor(colour)
	c.SetLineWidth(scale * width)
	c.Stroke()
}

func (c *raster) shape(p []Point, colour color.NRGBA) {
	c.outline(p)
	c.SetColor(colour)
	c.Fill()
}

func (c *raster) disc(p Point, radius float64, colour color.NRGBA) {
	c.DrawCircle(p.X, p.Y, radius)
	c.SetColor(colour)
	c.Fill()
}

// text is set at the size that it has in pixels, because gg would enlarge the picture of a smaller one.
func (c *raster) text(s string, p Point, size float64, a anchor, colour color.NRGBA) {
	across := map[anchor]float64{start: 0, middle: 0.5, end: 1}[a]
	c.Push()
	c.Identity()
	c.words(s, p, size, across, colour)
	c.Pop()
}

func (c *raster) words(s string, p Point, size, across float64, colour color.NRGBA) {
	c.SetFontFace(c.faces.size(scale * size))
	c.SetColor(colour)
	c.DrawStringAnchored(s, scale*p.X, scale*p.Y, across, 0)
}

func (c *raster) upright(s string, p Point, size float64, colour color.NRGBA) {
	c.Push()
	c.Identity()
	c.RotateAbout(gg.Radians(-90), scale*p.X, scale*p.Y)
	c.words(s, p, size, 0.5, colour)
	c.Pop()
}

func (c *raster) width(s string, size float64) float64 { return c.faces.width(s, size) }

func (c *raster) clip(from, to Point, draw func()) {
	c.Push()
	c.DrawRectangle(from.X, from.Y, to.X-from.X, to.Y-from.Y)
	c.Clip()
	draw()
	c.ResetClip()
	c.Pop()
}
