package report

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Chart is lines over a plane.
type Chart struct {
	X, Y       string // what the axes say
	LogX, LogY bool   // an axis is logarithmic where all values allow it
	Lines      []Line
	Levels     []Level
}

// Line is a row of points in the order of X.
type Line struct {
	Name   string
	Points []Point
	Marked bool // its points are few and drawn as dots
}

// Point is a value. One that is not finite is left out.
type Point struct{ X, Y float64 }

// Level is a value to compare lines with.
type Level struct {
	Name string
	Y    float64
}

// The plane in a chart, in units of its drawing.
const (
	chartWidth, chartHeight    = 440.0, 264.0
	left, right, above, bottom = 50.0, 12.0, 12.0, 40.0

	maxPoints  = 160 // of a line that are drawn: more are joined, their spread is shaded
	maxColumns = 80  // that tell values
)

// span is what axes must show.
type span struct{ x0, x1, y0, y1 float64 }

var empty = span{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}

// with widens a span by a chart's values.
func (s span) with(c *Chart) span {
	for _, l := range c.Lines {
		for _, p := range finite(l.Points) {
			s.x0, s.x1, s.y0, s.y1 = min(s.x0, p.X), max(s.x1, p.X), min(s.y0, p.Y), max(s.y1, p.Y)
		}
	}
	for _, l := range c.Levels {
		if isFinite(l.Y) {
			s.y0, s.y1 = min(s.y0, l.Y), max(s.y1, l.Y)
		}
	}
	return s
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func finite(points []Point) []Point {
	return slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return !isFinite(p.X) || !isFinite(p.Y) })
}

// axis takes values to places.
type axis struct {
	lo, hi   float64 // values at its ends
	from, to float64 // places of them
	log      bool
}

// newAxis shows values from lo to hi, with a margin of a part of its length at both ends.
func newAxis(lo, hi, from, to, margin float64, log bool) axis {
	if lo > hi { // there are none
		lo, hi = 0, 1
	}
	a := axis{from: from, to: to, log: log && lo > 0}
	lo, hi = a.scale(lo), a.scale(hi)
	if hi-lo < 1e-12*max(1, math.Abs(hi)) {
		room := 0.5 * max(math.Abs(hi), 1e-3)
		if a.log {
			room = 0.3
		}
		lo, hi = lo-room, hi+room
	}
	room := margin * (hi - lo)
	a.lo, a.hi = lo-room, hi+room
	return a
}

func (a axis) scale(v float64) float64 {
	if a.log {
		return math.Log10(v)
	}
	return v
}

// at is the place of a value.
func (a axis) at(v float64) float64 {
	return a.from + (a.scale(v)-a.lo)/(a.hi-a.lo)*(a.to-a.from)
}

// ticks are round values on the axis: 1, 2 and 5 of each decade, or of equal distance where those
// would be fewer than three.
func (a axis) ticks() []float64 {
	if a.log {
		digits := []float64{1, 2, 5}
		if a.hi-a.lo > 3 {
			digits = digits[:1]
		}
		var ticks []float64
		for e := math.Floor(a.lo); e <= a.hi; e++ {
			for _, d := range digits {
				if v := d * math.Pow(10, e); a.scale(v) >= a.lo && a.scale(v) <= a.hi {
					ticks = append(ticks, v)
				}
			}
		}
		if len(ticks) >= 3 {
			return ticks
		}
		return evenly(math.Pow(10, a.lo), math.Pow(10, a.hi))
	}
	return evenly(a.lo, a.hi)
}

// evenly gives three to six round values from lo to hi.
func evenly(lo, hi float64) (ticks []float64) {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/3)))
	for _, m := range []float64{5, 2} {
		if m*step <= (hi-lo)/3 {
			step *= m
			break
		}
	}
	for i := math.Ceil(lo / step); i*step <= hi*(1+1e-12); i++ {
		ticks = append(ticks, i*step+0) // not minus nought
	}
	return ticks
}

// number is a value in words: three digits are enough for a chart.
func number(v float64) string {
	if math.Abs(v) >= 1000 && math.Abs(v) < 1e7 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// joined is a stretch of a line: the mean of its points, and the least and the greatest.
type joined struct{ x, y, low, high float64 }

// join makes at most n stretches of a line.
func join(points []Point, n int) []joined {
	var all []joined
	for i := range min(n, len(points)) {
		some := points[i*len(points)/min(n, len(points)) : (i+1)*len(points)/min(n, len(points))]
		j := joined{low: math.Inf(1), high: math.Inf(-1)}
		for _, p := range some {
			j.x += p.X / float64(len(some))
			j.y += p.Y / float64(len(some))
			j.low, j.high = min(j.low, p.Y), max(j.high, p.Y)
		}
		all = append(all, j)
	}
	return all
}

// plot is a chart being drawn.
type plot struct {
	strings.Builder
	chart *Chart
	x, y  axis
	lines [][]joined
}

// svg draws a chart whose axes show a span.
func (c *Chart) svg(s span) template.HTML {
	p := &plot{chart: c,
		x: newAxis(s.x0, s.x1, left, chartWidth-right, 0.02, c.LogX),
		y: newAxis(s.y0, s.y1, chartHeight-bottom, above, 0.05, c.LogY)}
	for _, l := range c.Lines {
		p.lines = append(p.lines, join(finite(l.Points), maxPoints))
	}
	fmt.Fprintf(p, `<svg class="chart" viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(c.Y+" by "+c.X))
	p.axes()
	for _, l := range c.Levels {
		if isFinite(l.Y) {
			y := p.y.at(l.Y)
			fmt.Fprintf(p, `<path class="level" d="M%g %.1fH%g"/><text class="level" x="%g" y="%.1f">%s</text>`,
				left, y, chartWidth-right, chartWidth-right-2, y-3, html.EscapeString(l.Name))
		}
	}
	for i := range p.lines {
		p.line(i)
	}
	p.columns()
	p.WriteString("</svg>")
	return template.HTML(p.String())
}

func (p *plot) axes() {
	for _, v := range p.y.ticks() {
		y := p.y.at(v)
		fmt.Fprintf(p, `<path class="grid" d="M%g %.1fH%g"/><text class="y" x="%g" y="%.1f">%s</text>`, left, y, chartWidth-right, left-6, y+3.5, number(v))
	}
	for _, v := range p.x.ticks() {
		x := p.x.at(v)
		fmt.Fprintf(p, `<path class="tick" d="M%.1f %gv4"/><text class="x" x="%.1f" y="%g">%s</text>`, x, chartHeight-bottom, x, chartHeight-bottom+16, number(v))
	}
	fmt.Fprintf(p, `<path class="axis" d="M%g %gH%g"/>`, left, chartHeight-bottom, chartWidth-right)
	fmt.Fprintf(p, `<text class="name x" x="%g" y="%g">%s</text>`, (left+chartWidth-right)/2, chartHeight-5, html.EscapeString(p.chart.X))
}

// line draws line i: the spread of joined points behind their mean.
func (p *plot) line(i int) {
	line, all := p.chart.Lines[i], p.lines[i]
	if len(all) == 0 {
		return
	}
	if len(all) < len(line.Points) {
		fmt.Fprintf(p, `<path class="band s%d" d="`, i%colours)
		p.way(all, func(j joined) float64 { return j.high }, "M")
		back := slices.Clone(all)
		slices.Reverse(back)
		p.way(back, func(j joined) float64 { return j.low }, "L")
		p.WriteString(`Z"/>`)
	}
	fmt.Fprintf(p, `<path class="line s%d" d="`, i%colours)
	p.way(all, func(j joined) float64 { return j.y }, "M")
	p.WriteString(`"/>`)
	if line.Marked || len(all) == 1 {
		for _, j := range all {
			fmt.Fprintf(p, `<circle class="dot s%d" cx="%.1f" cy="%.1f" r="3"/>`, i%colours, p.x.at(j.x), p.y.at(j.y))
		}
	}
}

// way writes the path through some height of joined points.
func (p *plot) way(all []joined, y func(joined) float64, begin string) {
	for k, j := range all {
		if k > 0 {
			begin = "L"
		}
		fmt.Fprintf(p, "%s%.1f %.1f", begin, p.x.at(j.x), p.y.at(y(j)))
	}
}

// columns lays invisible columns over the plane that say the values of all lines in them.
func (p *plot) columns() {
	var xs []float64
	for _, all := range p.lines {
		for _, j := range all {
			xs = append(xs, j.x)
		}
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	if n := len(xs); n > maxColumns {
		for i := range maxColumns {
			xs[i] = xs[(2*i+1)*n/(2*maxColumns)]
		}
		xs = xs[:maxColumns]
	}
	for i, x := range xs {
		from, to := left, chartWidth-right
		if i > 0 {
			from = (p.x.at(xs[i-1]) + p.x.at(x)) / 2
		}
		if i+1 < len(xs) {
			to = (p.x.at(xs[i+1]) + p.x.at(x)) / 2
		}
		fmt.Fprintf(p, `<g class="column"><title>%s</title><rect x="%.1f" y="%g" width="%.1f" height="%g"/><path d="M%.1f %gV%g"/></g>`,
			html.EscapeString(p.values(x, from, to)), from, above, to-from, chartHeight-bottom-above, p.x.at(x), above, chartHeight-bottom)
	}
}

// values are what lines have nearest to x, if it lies in the column from … to.
func (p *plot) values(x, from, to float64) string {
	text := p.chart.X + " " + number(x)
	for i, all := range p.lines {
		if len(all) == 0 {
			continue
		}
		near := slices.MinFunc(all, func(a, b joined) int {
			return cmp.Compare(math.Abs(a.x-x), math.Abs(b.x-x))
		})
		if at := p.x.at(near.x); at >= from && at <= to {
			text += "\n" + p.chart.Lines[i].Name + " " + number(near.y)
		}
	}
	return text
}

// colours is how many lines page.css can tell apart.
const colours = 6

// Colour is the class of line i.
func (c *Chart) Colour(i int) string { return fmt.Sprintf("s%d", i%colours) }
