package lab

import (
	"context"
	"slices"

	"lfm/internal/metrics"
	"lfm/internal/ot"
	"lfm/internal/path"
	"lfm/internal/plot"
)

var pairing = Figure{
	Name:  "coupling",
	Claim: "Pairs by optimal transport hardly cross, and make flows that are straighter and need fewer steps.",
	draw:  drawPairing,
}

func drawPairing(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	k := task{moons, gaussians8}
	const batch, n, shown = 64, 256, 60
	x, eps := k.target.draw(batch, figureSeed, testedAgain), k.source.draw(batch, figureSeed, testedAgain)
	paired, err := ot.Points{X: x, Y: eps, D: 2}.Assign()
	if err != nil {
		return plot.Figure{}, nil, err
	}
	f, numbers := plot.Figure{Title: "Independent pairs and pairs by optimal transport, from two moons to eight Gaussians"}, Numbers{"steps": doublings}
	lines := func(eps []float32) (pairs [][]plot.Point) {
		for i, at := range places(x) {
			pairs = append(pairs, []plot.Point{at, places(eps)[i]})
		}
		return pairs
	}
	by := plot.Panel{Title: "Distance of samples by steps", XLabel: "Euler steps", YLabel: "W2 to the target", LogX: true, LogY: true, XTicks: doublings}
	from, to := k.source.draw(n, figureSeed, tested), k.target.draw(n, figureSeed, tested)
	for _, c := range []struct {
		method Method
		name   string
		lines  [][]plot.Point
		style  plot.Line
	}{
		{ICFM, "independent", lines(eps), plot.Line{Color: plot.Orange}},
		{OTCFM, "optimal transport", lines(gather(eps, paired.Of)), plot.Line{Color: plot.Blue}},
	} {
		l, err := s.flow(ctx, k, c.method, path.Uniform{}, s.of(8000))
		if err != nil {
			return plot.Figure{}, nil, err
		}
		defer l.close()
		field, err := l.average(n)
		if err != nil {
			return plot.Figure{}, nil, err
		}
		tracked := trajectories(field, from, 100)
		numbers["crossings, "+c.name] = []float64{float64(crossings(c.lines))}
		numbers["detour, "+c.name] = []float64{detour(tracked)}
		for _, steps := range doublings {
			numbers["W2, "+c.name] = append(numbers["W2, "+c.name], metrics.Wasserstein(carried(field, from, int(steps)), to, 2))
		}
		span := plot.Range{Lo: -7, Hi: 7}
		thin := plot.Line{Color: plot.Faint(c.style.Color, 0.7), Width: 1}
		ends := plot.Dots{At: places(eps), Color: plot.Grey, Radius: 2, Label: "source"}
		goal := plot.Dots{At: places(x), Color: plot.Red, Radius: 2, Label: "target"}
		f.Panels = append(f.Panels,
			plot.Panel{Title: "A batch, " + c.name, Square: true, X: span, Y: span, Marks: append(tracks(c.lines, thin), ends, goal)},
			plot.Panel{Title: "The flow, " + c.name, Square: true, X: span, Y: span, Marks: append(tracks(tracked[:shown], thin),
				plot.Dots{At: places(from)[:shown], Color: plot.Grey, Radius: 2, Label: "source"})})
		c.style.At, c.style.Width, c.style.Label = series(doublings, numbers["W2, "+c.name]), 2, c.name
		by.Marks = append(by.Marks, c.style)
	}
	f.Panels = slices.Insert(f.Panels, 2, by) // so that the two batches stand above each other, and the two flows
	return f, numbers, nil
}

// crossings counts the pairs of segments that cross.
func crossings(segments [][]plot.Point) (count int) {
	side := func(a, b, c plot.Point) bool { return (b.X-a.X)*(c.Y-a.Y) > (b.Y-a.Y)*(c.X-a.X) }
	for i, s := range segments {
		for _, r := range segments[:i] {
			if side(s[0], s[1], r[0]) != side(s[0], s[1], r[1]) && side(r[0], r[1], s[0]) != side(r[0], r[1], s[1]) {
				count++
			}
		}
	}
	return count
}
