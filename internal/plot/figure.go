package plot

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
)

// Colours that are told apart by most eyes, on white.
var (
	Blue   = color.NRGBA{0x2b, 0x6c, 0xb0, 0xff}
	Orange = color.NRGBA{0xdd, 0x73, 0x1c, 0xff}
	Green  = color.NRGBA{0x2f, 0x8f, 0x58, 0xff}
	Red    = color.NRGBA{0xc2, 0x3b, 0x3b, 0xff}
	Purple = color.NRGBA{0x7b, 0x52, 0xab, 0xff}
	Grey   = color.NRGBA{0x8a, 0x8f, 0x98, 0xff}
	ink    = color.NRGBA{0x22, 0x26, 0x2b, 0xff}
	rule   = color.NRGBA{0xdd, 0xe0, 0xe4, 0xff}
)

// Faint is a colour that lets through what lies behind it; of 0 nothing is seen.
func Faint(c color.NRGBA, opacity float64) color.NRGBA {
	c.A = uint8(255 * opacity)
	return c
}

// Figure is panels side by side, three in a row at most; four are two by two.
type Figure struct {
	Title  string
	Panels []Panel
}

// Panel is a pair of axes and what is drawn between them, first marks lowest.
type Panel struct {
	Title, XLabel, YLabel string
	X, Y                  Range     // what the axes span; of all marks if both are zero
	LogX, LogY            bool      // numbers must then be positive
	XTicks                []float64 // where the grid is; round numbers if nil
	Square                bool      // a unit is as long on both axes
	Marks                 []Mark
}

// Range is from Lo to Hi.
type Range struct{ Lo, Hi float64 }

// Point is a place between the axes.
type Point struct{ X, Y float64 }

// Mark is something drawn in a panel.
type Mark interface {
	extent() []Point
	legend() (string, color.NRGBA)
	draw(c canvas, at func(Point) Point)
}

// Line joins points.
type Line struct {
	At    []Point
	Color color.NRGBA
	Width float64 // 1.6 if equal to 0
	Dash  bool
	Label string // in the legend; none if empty
}

// Dots are filled circles.
type Dots struct {
	At     []Point
	Color  color.NRGBA
	Radius float64 // 1.6 if equal to 0
	Label  string
}

// Arrows point from one place to another.
type Arrows struct {
	From, To []Point
	Color    color.NRGBA
	Width    float64 // 1.6 if equal to 0
	Label    string
}

// Heat is a table of numbers as colours, from blue at -1 through white to orange at 1: Rows[0] is lowest.
type Heat struct {
	Rows [][]float64
	X, Y Range
}

func (m Line) extent() []Point   { return m.At }
func (m Dots) extent() []Point   { return m.At }
func (m Arrows) extent() []Point { return append(append([]Point(nil), m.From...), m.To...) }
func (m Heat) extent() []Point   { return []Point{{m.X.Lo, m.Y.Lo}, {m.X.Hi, m.Y.Hi}} }

func (m Line) legend() (string, color.NRGBA)   { return m.Label, m.Color }
func (m Dots) legend() (string, color.NRGBA)   { return m.Label, m.Color }
func (m Arrows) legend() (string, color.NRGBA) { return m.Label, m.Color }
func (m Heat) legend() (string, color.NRGBA)   { return "", color.NRGBA{} }

const usual = 1.6

func or(x, otherwise float64) float64 {
	if x == 0 {
		return otherwise
	}
	return x
}

func (m Line) draw(c canvas, at func(Point) Point) {
	c.line(placed(m.At, at), m.Color, or(m.Width, usual), m.Dash)
}

func (m Dots) draw(c canvas, at func(Point) Point) {
	for _, p := range placed(m.At, at) {
		c.disc(p, or(m.Radius, usual), m.Color)
	}
}

func (m Arrows) draw(c canvas, at func(Point) Point) {
	width := or(m.Width, usual)
	for i := range m.From {
		from, to := at(m.From[i]), at(m.To[i])
		dx, dy := to.X-from.X, to.Y-from.Y
		length := math.Hypot(dx, dy)
		if length < 0.1 {
			continue
		}
		dx, dy = dx/length, dy/length
		head := min(2+3*width, length)
		neck := Point{to.X - head*dx, to.Y - head*dy}
		c.line([]Point{from, neck}, m.Color, width, false)
		half := 0.45 * head
		c.shape([]Point{to, {neck.X - half*dy, neck.Y + half*dx}, {neck.X + half*dy, neck.Y - half*dx}}, m.Color)
	}
}

func (m Heat) draw(c canvas, at func(Point) Point) {
	for j, row := range m.Rows {
		for i, v := range row {
			corner := func(i, j int) Point {
				return at(Point{m.X.Lo + (m.X.Hi-m.X.Lo)*float64(i)/float64(len(row)), m.Y.Lo + (m.Y.Hi-m.Y.Lo)*float64(j)/float64(len(m.Rows))})
			}
			a, b := corner(i, j), corner(i+1, j+1)
			b.X, b.Y = b.X+0.5, b.Y-0.5 // below the next, so that no gap shines through
			c.shape([]Point{{a.X, a.Y}, {b.X, a.Y}, {b.X, b.Y}, {a.X, b.Y}}, warmth(v))
		}
	}
}

// warmth is blue at -1, white at 0 and orange at 1.
func warmth(v float64) color.NRGBA {
	end := Orange
	if v < 0 {
		end = Blue
	}
	v = min(1, math.Abs(v))
	mix := func(e uint8) uint8 { return uint8(255 + (float64(e)-255)*v) }
	return color.NRGBA{mix(end.R), mix(end.G), mix(end.B), 255}
}

func placed(p []Point, at func(Point) Point) []Point {
	out := make([]Point, len(p))
	for i := range p {
		out[i] = at(p[i])
	}
	return out
}

// Sizes in pixels of the SVG; the PNG has twice as many.
const (
	side                          = 320.0 // of the square between a panel's axes
	left, right, top, bottom      = 58.0, 18.0, 58.0, 48.0
	headline                      = 34.0 // above the panels
	titleSize, textSize, tickSize = 15.0, 12.0, 11.0
)

func (f Figure) columns() int {
	if n := len(f.Panels); n != 4 {
		return min(n, 3)
	}
	return 2
}

func (f Figure) size() (width, height float64) {
	columns := f.columns()
	rows := (len(f.Panels) + columns - 1) / columns
	return float64(columns) * (left + side + right), headline + float64(rows)*(top+side+bottom)
}

func (f Figure) draw(c canvas) {
	width, height := f.size()
	c.shape([]Point{{0, 0}, {width, 0}, {width, height}, {0, height}}, color.NRGBA{255, 255, 255, 255})
	c.text(f.Title, Point{left, 26}, titleSize, start, ink)
	for i, p := range f.Panels {
		column, row := i%f.columns(), i/f.columns()
		p.draw(c, Point{float64(column)*(left+side+right) + left, headline + float64(row)*(top+side+bottom) + top})
	}
}

// draw draws the panel with its upper left corner at o.
func (p Panel) draw(c canvas, o Point) {
	x, y := p.axes()
	at := func(q Point) Point { return Point{o.X + side*x.place(q.X), o.Y + side*(1-y.place(q.Y))} }
	c.text(p.Title, Point{o.X, o.Y - 28}, textSize+1, start, ink)
	p.legend(c, Point{o.X, o.Y - 10})
	across := p.XTicks
	if across == nil {
		across = x.ticks()
	}
	for _, tick := range across {
		q := at(Point{tick, y.lo})
		c.line([]Point{q, {q.X, o.Y}}, rule, 1, false)
		c.text(number(tick), Point{q.X, o.Y + side + 16}, tickSize, middle, ink)
	}
	for _, tick := range y.ticks() {
		q := at(Point{x.lo, tick})
		c.line([]Point{q, {o.X + side, q.Y}}, rule, 1, false)
		c.text(number(tick), Point{o.X - 6, q.Y + 4}, tickSize, end, ink)
	}
	c.clip(o, Point{o.X + side, o.Y + side}, func() {
		for _, m := range p.Marks {
			m.draw(c, at)
		}
	})
	c.line([]Point{o, {o.X, o.Y + side}, {o.X + side, o.Y + side}}, ink, 1, false)
	c.text(p.XLabel, Point{o.X + side/2, o.Y + side + 36}, textSize, middle, ink)
	c.upright(p.YLabel, Point{o.X - 42, o.Y + side/2}, textSize, ink)
}

func (p Panel) legend(c canvas, at Point) {
	for _, m := range p.Marks {
		label, colour := m.legend()
		if label == "" {
			continue
		}
		colour.A = 255
		c.disc(Point{at.X + 4, at.Y - 4}, 4, colour)
		c.text(label, Point{at.X + 12, at.Y}, textSize, start, ink)
		at.X += 28 + c.width(label, textSize)
	}
}

// axis is a range, by its logarithm or not.
type axis struct {
	lo, hi float64
	log    bool
}

func (a axis) place(v float64) float64 {
	if a.log {
		return math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	}
	return (v - a.lo) / (a.hi - a.lo)
}

// axes are those that the panel gives, or that leave a little room around the marks.
func (p Panel) axes() (x, y axis) {
	var all []Point
	for _, m := range p.Marks {
		all = append(all, m.extent()...)
	}
	x = fit(p.X, p.LogX, all, func(q Point) float64 { return q.X })
	y = fit(p.Y, p.LogY, all, func(q Point) float64 { return q.Y })
	if p.Square {
		half := max(x.hi-x.lo, y.hi-y.lo) / 2
		for _, a := range []*axis{&x, &y} {
			centre := (a.lo + a.hi) / 2
			a.lo, a.hi = centre-half, centre+half
		}
	}
	return x, y
}

func fit(given Range, log bool, all []Point, of func(Point) float64) axis {
	if given != (Range{}) {
		return axis{given.Lo, given.Hi, log}
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, q := range all {
		lo, hi = min(lo, of(q)), max(hi, of(q))
	}
	switch {
	case len(all) == 0:
		return axis{0, 1, false}
	case log:
		room := math.Pow(hi/lo, 0.06)
		if room == 1 {
			room = 2
		}
		return axis{lo / room, hi * room, true}
	case lo == hi:
		return axis{lo - 1, hi + 1, false}
	}
	room := (hi - lo) * 0.06
	return axis{lo - room, hi + room, false}
}

// ticks are round numbers on the axis: four to eight of them, or, on a logarithmic one, the powers of ten with their
// doubles and fivefolds where it spans less than two of them.
func (a axis) ticks() (ticks []float64) {
	if a.log {
		steps := []float64{1, 2, 5}
		if a.hi/a.lo > 200 {
			steps = steps[:1]
		}
		for e := math.Floor(math.Log10(a.lo)); e <= math.Log10(a.hi); e++ {
			for _, s := range steps {
				if v := s * math.Pow(10, e); v >= a.lo && v <= a.hi {
					ticks = append(ticks, v)
				}
			}
		}
		return ticks
	}
	step := math.Pow(10, math.Floor(math.Log10(a.hi-a.lo)))
	for _, s := range []float64{0.1, 0.2, 0.5, 1, 2} {
		if n := (a.hi - a.lo) / (step * s); n <= 8 {
			step *= s
			break
		}
	}
	for i := math.Ceil(a.lo / step); i*step <= a.hi; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

func number(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6+0, 'g', 6, 64) // + 0 because the sum of -0 and 0 is 0
}

// check panics where a figure cannot be drawn, which is a mistake of the program.
func (f Figure) check() {
	if len(f.Panels) == 0 {
		panic("plot: a figure without panels")
	}
	for _, p := range f.Panels {
		x, y := p.axes()
		for _, a := range []axis{x, y} {
			if !(a.lo < a.hi) || math.IsInf(a.hi-a.lo, 0) || a.log && a.lo <= 0 {
				panic(fmt.Sprintf("plot: panel %q: an axis from %g to %g", p.Title, a.lo, a.hi))
			}
		}
	}
}
