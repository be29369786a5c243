package lab

import (
	"context"

	"lfm/internal/path"
	"lfm/internal/plot"
)

var crossing = Figure{
	Name:  "crossing",
	Claim: "Lines from data to noise cross; where they do, a network learns the mean of their velocities, weighted by the posterior.",
	draw:  drawCrossing,
}

var upper, lower = []float32{-3, 1.2}, []float32{-3, -1.2}

// twoPoints is a data set of an upper and a lower point.
var twoPoints = set{"two points", func(dst, uniform, _ []float32) {
	if copy(dst, upper); uniform[0] < 0.5 {
		copy(dst, lower)
	}
}}

// drawCrossing looks at the lines from the upper point to (1, -1) and from the lower one to (1, 1). They meet at
// t = 6/11, where each point is as likely as the other.
func drawCrossing(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	l, err := s.flow(ctx, task{normal2, twoPoints}, ICFM, path.Uniform{}, s.of(4000))
	if err != nil {
		return plot.Figure{}, nil, err
	}
	defer l.close()
	field, err := l.average(1)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	const t = 6. / 11
	down, up := []float32{1, -1}, []float32{1, 1} // the noise at the ends of the two lines
	z, v1, v2, learned := make([]float32, 2), make([]float32, 2), make([]float32, 2), make([]float32, 2)
	path.Straight{}.Interpolate(z, v1, upper, down, t)
	path.Straight{}.Interpolate(z, v2, lower, up, t)
	field(learned, z, t)
	exact := path.Points([]float64{-3, 1.2}, []float64{-3, -1.2}).At([]float64{float64(z[0]), float64(z[1])}, t).Velocity

	var marks []plot.Mark
	noise := normal2.draw(30, figureSeed, tested)
	for i := range 30 {
		x, c := upper, plot.Blue
		if i%2 == 0 {
			x, c = lower, plot.Orange
		}
		marks = append(marks, plot.Line{At: append(places(x), places(noise[2*i:2*i+2])...), Color: plot.Faint(c, 0.3), Width: 1})
	}
	lines := append(marks,
		plot.Line{At: append(places(upper), places(down)...), Color: plot.Blue, Width: 2.5},
		plot.Line{At: append(places(lower), places(up)...), Color: plot.Orange, Width: 2.5},
		plot.Dots{At: places(noise), Color: plot.Grey, Radius: 2.5, Label: "noise, t = 1"},
		plot.Dots{At: append(places(upper), places(lower)...), Color: plot.Red, Radius: 5, Label: "data, t = 0"})
	arrow := func(v []float32, c int) plot.Arrows {
		from := places(z)
		to := []plot.Point{{X: from[0].X + float64(v[0])/4, Y: from[0].Y + float64(v[1])/4}}
		return [...]plot.Arrows{
			{From: from, To: to, Color: plot.Blue, Width: 2, Label: "upper pair"},
			{From: from, To: to, Color: plot.Orange, Width: 2, Label: "lower pair"},
			{From: from, To: to, Color: plot.Faint(plot.Green, 0.5), Width: 7, Label: "exact mean"},
			{From: from, To: to, Color: plot.Purple, Width: 2, Label: "learned"},
		}[c]
	}
	return plot.Figure{
			Title: "Crossing lines: conditional velocities and their mean",
			Panels: []plot.Panel{
				{Title: "Data, noise and the lines between", Square: true, Marks: lines},
				{Title: "x - eps of both at the crossing, over 4", Square: true, Marks: []plot.Mark{
					arrow(v1, 0), arrow(v2, 1), arrow([]float32{float32(exact[0]), float32(exact[1])}, 2), arrow(learned, 3),
				}},
			},
		}, Numbers{
			"velocity of the upper pair": floats(v1), "velocity of the lower pair": floats(v2),
			"exact mean": exact, "learned": floats(learned),
		}, nil
}

func floats(v []float32) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}
