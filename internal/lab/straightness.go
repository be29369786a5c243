package lab

import (
	"context"
	"math"
	"slices"

	"lfm/internal/path"
	"lfm/internal/plot"
)

var straightness = Figure{
	Name:  "straightness",
	Claim: "Paths of pairs are straight in a flow and curved in diffusion; learned trajectories bend in both, alike, and in one or two steps a flow's go less astray.",
	draw:  drawStraightness,
}

// diffusion is the noise-predicting model of Ho et al. on the schedule with linear β.
var diffusion = path.Objective{Path: path.LinearBeta, Predicts: path.Noise}

// drawStraightness trains the same network on the same data to be a flow and to be a diffusion model. What it learns is a
// mean over all pairs (of the velocity, of the noise), so that the trajectories of either are no path of a pair: straight
// paths do not make them straight, nor do curved ones bend them more. Each model's errors are to its own 256 steps, at times
// that are evenly spaced: in one or two steps the flow's are less by a third, in eight and more by a tenth or less.
func drawStraightness(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	task := task{normal2, gaussians8}
	steps := s.of(8000)
	flow, err := s.flow(ctx, task, ICFM, path.Uniform{}, steps)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	defer flow.close()
	pairs := data(task, ICFM, path.Uniform{})
	pairs.objective = &diffusion
	denoiser, err := s.learn(ctx, pairs.fill(), 3, steps)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	defer denoiser.close()

	const n, finest, shown = 400, 256, 40
	noise := normal2.draw(n, figureSeed, tested)
	field, err := flow.average(n)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	predict, err := denoiser.average(n)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	ddim := func(steps int) [][]plot.Point {
		z, p := slices.Clone(noise), make([]float32, 2*n)
		lines := make([][]plot.Point, n)
		for k := steps; ; k-- {
			for i, at := range places(z) {
				lines[i] = append(lines[i], at)
			}
			if k == 0 {
				return lines
			}
			t, to := float64(k)/float64(steps), float64(k-1)/float64(steps)
			predict(p, z, t)
			mix, _ := diffusion.Back(t, to, 0)
			mix.To(z, z, p)
		}
	}
	euler := func(steps int) [][]plot.Point { return trajectories(field, noise, steps) }

	numbers := Numbers{"steps": doublings}
	fineFlow, fineDiffusion := euler(finest), ddim(finest)
	for _, of := range doublings {
		steps := int(of)
		numbers["error of the flow"] = append(numbers["error of the flow"], apart(euler(steps), fineFlow))
		numbers["error of diffusion"] = append(numbers["error of diffusion"], apart(ddim(steps), fineDiffusion))
	}
	numbers["detour of the flow's trajectories"] = []float64{detour(fineFlow)}
	numbers["detour of diffusion's trajectories"] = []float64{detour(fineDiffusion)}
	span := plot.Range{Lo: -7, Hi: 7}
	panel := func(title string, lines [][]plot.Point, c int) plot.Panel {
		colour := plot.Blue
		if c > 0 {
			colour = plot.Orange
		}
		var ends []plot.Point
		for _, at := range lines[:shown] {
			ends = append(ends, at[len(at)-1])
		}
		return plot.Panel{Title: title, Square: true, X: span, Y: span, Marks: append(
			tracks(lines[:shown], plot.Line{Color: plot.Faint(colour, 0.7), Width: 1.1, Label: "noise to data"}), plot.Dots{At: ends, Color: colour, Radius: 2.5, Label: "t = 0"})}
	}
	data := gaussians8.draw(n, figureSeed, tested)
	straight, turned := between(path.Straight{}, data, noise), between(diffusion.Path, data, noise)
	numbers["detour of the flow's paths"] = []float64{detour(straight)}
	numbers["detour of diffusion's paths"] = []float64{detour(turned)}
	paths := plot.Panel{Title: "The paths between the same noise and data", Square: true, X: span, Y: span, Marks: append(
		tracks(straight[:12], plot.Line{Color: plot.Blue, Label: "flow"}), tracks(turned[:12], plot.Line{Color: plot.Orange, Label: "diffusion"})...)}
	return plot.Figure{
		Title: "Straight and curved paths, and what is learned from them: a flow and diffusion of the same data",
		Panels: []plot.Panel{
			paths, panel("Learned flow", fineFlow, 0), panel("Learned diffusion (DDIM)", fineDiffusion, 1),
			{Title: "Error by steps", XLabel: "steps", YLabel: "distance to its own 256 steps", LogX: true, LogY: true, XTicks: doublings, Marks: []plot.Mark{
				plot.Line{At: series(doublings, numbers["error of the flow"]), Color: plot.Blue, Width: 2, Label: "flow, Euler"},
				plot.Line{At: series(doublings, numbers["error of diffusion"]), Color: plot.Orange, Width: 2, Label: "diffusion, DDIM"},
			}},
		},
	}, numbers, nil
}

// between are the paths from points x to noise eps.
func between(p path.Path, x, eps []float32) [][]plot.Point {
	lines := make([][]plot.Point, len(x)/2)
	for k := range 51 {
		m := p.At(float64(k) / 50)
		for i := range lines {
			lines[i] = append(lines[i], plot.Point{X: m.A*float64(x[2*i]) + m.B*float64(eps[2*i]), Y: m.A*float64(x[2*i+1]) + m.B*float64(eps[2*i+1])})
		}
	}
	return lines
}

// apart is the root mean square distance of the ends of lines to those of others.
func apart(a, b [][]plot.Point) (sum float64) {
	for i := range a {
		p, q := a[i][len(a[i])-1], b[i][len(b[i])-1]
		sum += (p.X-q.X)*(p.X-q.X) + (p.Y-q.Y)*(p.Y-q.Y)
	}
	return math.Sqrt(sum / float64(len(a)))
}

// detour is how much longer lines are than the way from end to end: 0 is straight.
func detour(lines [][]plot.Point) float64 {
	var along, across float64
	for _, l := range lines {
		for k := 1; k < len(l); k++ {
			along += math.Hypot(l[k].X-l[k-1].X, l[k].Y-l[k-1].Y)
		}
		across += math.Hypot(l[len(l)-1].X-l[0].X, l[len(l)-1].Y-l[0].Y)
	}
	return along/across - 1
}
