package lab

import (
	"context"

	"lfm/internal/path"
	"lfm/internal/plot"
)

var times = Figure{
	Name:  "times",
	Claim: "Logit-normal times spend training in the middle of the path, where a velocity is hardest to predict.",
	draw:  drawTimes,
}

// drawTimes compares two distributions of training times: how many times fall where, and what a network has learned at
// each time. What is hard is the part of E|v|² that depends on the point and not on the time alone.
func drawTimes(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	const n, bins, drawn = 500, 20, 20000
	k := task{normal2, gaussians8}
	laws := []path.Times{path.Uniform{}, path.LogitNormal{Std: 1}}
	style := []plot.Line{{Color: plot.Orange, Label: "uniform"}, {Color: plot.Blue, Label: "logit-normal"}}
	x, eps := k.target.draw(n, figureSeed, tested), k.source.draw(n, figureSeed, tested)
	numbers := Numbers{}
	for b := range bins {
		numbers["t"] = append(numbers["t"], (float64(b)+0.5)/bins)
	}
	density := plot.Panel{Title: "Density of training times", XLabel: "t", YLabel: "density", X: plot.Range{Lo: 0, Hi: 1}, Y: plot.Range{Lo: 0, Hi: 2}}
	distance := plot.Panel{Title: "Squared distance to the exact field", XLabel: "t", YLabel: "squared distance", X: plot.Range{Lo: 0, Hi: 1}, LogY: true}
	for i, law := range laws {
		l, err := s.flow(ctx, k, ICFM, law, s.of(6000))
		if err != nil {
			return plot.Figure{}, nil, err
		}
		defer l.close()
		field, err := l.average(n)
		if err != nil {
			return plot.Figure{}, nil, err
		}
		counts, errors := make([]float64, bins), make([]float64, bins)
		for j := range drawn {
			counts[int(law.Sample((float64(j)+0.5)/drawn)*bins)] += float64(bins) / drawn
		}
		for b, t := range numbers["t"] {
			z, v, want := make([]float32, 2*n), make([]float32, 2*n), make([]float32, 2*n)
			path.Straight{}.Interpolate(z, v, x, eps, float32(t))
			field(v, z, t)
			exactly(mixture8())(want, z, t)
			r := relative(v, want)
			errors[b] = r * r * squares(want) / n
		}
		numbers["density, "+law.Name()], numbers["squared distance, "+law.Name()] = counts, errors
		line := style[i]
		line.Width = 2
		line.At = series(numbers["t"], counts)
		density.Marks = append(density.Marks, line)
		line.At = series(numbers["t"], errors)
		distance.Marks = append(distance.Marks, line)
	}
	return plot.Figure{Title: "Where training spends its times", Panels: []plot.Panel{density, distance}}, numbers, nil
}
