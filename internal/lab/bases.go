package lab

import (
	"context"
	"math"

	"lfm/internal/metrics"
	"lfm/internal/path"
	"lfm/internal/plot"
)

var bases = Figure{
	Name:  "bases",
	Claim: "A base with the mean and covariance of the data is nearer to it: paths are shorter, and fewer steps do.",
	draw:  drawBases,
}

func drawBases(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	const n = 256
	f, numbers := plot.Figure{Title: "Two bases for two moons"}, Numbers{"steps": doublings}
	by := plot.Panel{Title: "Distance of samples by steps", XLabel: "Euler steps", YLabel: "W2 to the target", LogX: true, LogY: true, XTicks: doublings}
	target := moons.draw(n, figureSeed, tested)
	for _, c := range []struct {
		name  string
		base  set
		style plot.Line
	}{
		{"standard normal", normal2, plot.Line{Color: plot.Orange}},
		{"moments of the data", likeData(moons), plot.Line{Color: plot.Blue}},
	} {
		k := task{c.base, moons}
		l, err := s.flow(ctx, k, ICFM, path.Uniform{}, s.of(8000))
		if err != nil {
			return plot.Figure{}, nil, err
		}
		defer l.close()
		field, err := l.average(n)
		if err != nil {
			return plot.Figure{}, nil, err
		}
		from := c.base.draw(n, figureSeed, tested)
		tracked := trajectories(field, from, 100)
		numbers["length of paths, "+c.name] = []float64{length(tracked)}
		for _, steps := range doublings {
			numbers["W2, "+c.name] = append(numbers["W2, "+c.name], metrics.Wasserstein(carried(field, from, int(steps)), target, 2))
		}
		f.Panels = append(f.Panels, plot.Panel{
			Title: "From the " + c.name, Square: true, X: plot.Range{Lo: -7, Hi: 8}, Y: plot.Range{Lo: -7, Hi: 8},
			Marks: append(tracks(tracked[:80], plot.Line{Color: plot.Faint(c.style.Color, 0.6), Width: 1}),
				plot.Dots{At: places(from), Color: plot.Faint(plot.Grey, 0.7), Radius: 2, Label: "base"},
				plot.Dots{At: places(carried(field, from, 100)), Color: plot.Faint(plot.Red, 0.7), Radius: 2, Label: "samples"}),
		})
		c.style.At, c.style.Width, c.style.Label = series(doublings, numbers["W2, "+c.name]), 2, c.name
		by.Marks = append(by.Marks, c.style)
	}
	f.Panels = append(f.Panels, by)
	return f, numbers, nil
}

// likeData is the normal distribution with the mean and covariance of a set, a Cholesky factor times unit noise.
func likeData(data set) set {
	x := data.draw(figurePoints, figureSeed, learned)
	var mx, my, xx, xy, yy float64
	for _, p := range places(x) {
		mx, my = mx+p.X/figurePoints, my+p.Y/figurePoints
	}
	for _, p := range places(x) {
		dx, dy := p.X-mx, p.Y-my
		xx, xy, yy = xx+dx*dx/figurePoints, xy+dx*dy/figurePoints, yy+dy*dy/figurePoints
	}
	a := math.Sqrt(xx)
	b := xy / a
	c := math.Sqrt(yy - b*b)
	return set{"moments of " + data.name, func(dst, _, normal []float32) {
		e1, e2 := float64(normal[0]), float64(normal[1])
		dst[0], dst[1] = float32(mx+a*e1), float32(my+b*e1+c*e2)
	}}
}

// length is the mean length of lines.
func length(lines [][]plot.Point) (sum float64) {
	for _, l := range lines {
		for k := 1; k < len(l); k++ {
			sum += math.Hypot(l[k].X-l[k-1].X, l[k].Y-l[k-1].Y) / float64(len(lines))
		}
	}
	return sum
}
