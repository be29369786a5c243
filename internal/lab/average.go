package lab

import (
	"context"

	"lfm/internal/engine"
	"lfm/internal/path"
	"lfm/internal/plot"
)

var average = Figure{
	Name:  "ema",
	Claim: "The moving average of the weights is nearer to the exact field than the weights of any one step.",
	draw:  drawAverage,
}

func drawAverage(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	const n, looks, time = 500, 32, 0.5
	l, err := s.learner(3, 8e-3, 0.995)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	defer l.close()
	raw, err := l.field(n, engine.Raw, nil)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	ema, err := l.average(n)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	k := task{normal2, gaussians8}
	x, eps := k.target.draw(n, figureSeed, tested), k.source.draw(n, figureSeed, tested)
	z, want, got := make([]float32, 2*n), make([]float32, 2*n), make([]float32, 2*n)
	path.Straight{}.Interpolate(z, want, x, eps, time)
	exactly(mixture8())(want, z, time)
	fill, numbers := data(k, ICFM, path.Uniform{}).fill(), Numbers{}
	for range looks {
		if err := l.train(ctx, s.of(8000)/looks, fill); err != nil {
			return plot.Figure{}, nil, err
		}
		numbers["step"] = append(numbers["step"], float64(l.step))
		raw(got, z, time)
		numbers["distance of the weights"] = append(numbers["distance of the weights"], relative(got, want))
		ema(got, z, time)
		numbers["distance of their average"] = append(numbers["distance of their average"], relative(got, want))
	}
	noise := normal2.draw(n, figureSeed, tested)
	samples := func(title string, z []float32, c int) plot.Panel {
		colour := plot.Orange
		if c > 0 {
			colour = plot.Blue
		}
		span := plot.Range{Lo: -8, Hi: 8}
		return plot.Panel{Title: title, Square: true, X: span, Y: span, Marks: []plot.Mark{plot.Dots{At: places(z), Color: plot.Faint(colour, 0.6), Radius: 2}}}
	}
	return plot.Figure{
		Title: "The weights and their moving average",
		Panels: []plot.Panel{
			{Title: "Distance to the exact field at t = 0.5", XLabel: "step", YLabel: "relative distance", LogY: true, Marks: []plot.Mark{
				plot.Line{At: series(numbers["step"], numbers["distance of the weights"]), Color: plot.Orange, Width: 2, Label: "weights"},
				plot.Line{At: series(numbers["step"], numbers["distance of their average"]), Color: plot.Blue, Width: 2, Label: "average"},
			}},
			samples("Samples of the last weights", carried(raw, noise, 50), 0),
			samples("Samples of their average", carried(ema, noise, 50), 1),
		},
	}, numbers, nil
}
