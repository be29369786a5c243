package lab

import (
	"context"
	"fmt"

	"lfm/internal/ode"
	"lfm/internal/path"
	"lfm/internal/plot"
)

var particles = Figure{
	Name:  "particles",
	Claim: "Particles that follow the velocity field from noise at t = 1 are data at t = 0.",
	draw:  drawParticles,
}

func drawParticles(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	l, err := s.flow(ctx, task{normal2, gaussians8}, ICFM, path.Uniform{}, s.of(8000))
	if err != nil {
		return plot.Figure{}, nil, err
	}
	defer l.close()
	const n, grid, reach = 600, 13, 7.0
	field, err := l.average(n)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	look, err := l.average(grid * grid)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	lattice := make([]float32, 0, 2*grid*grid)
	for j := range grid {
		for i := range grid {
			lattice = append(lattice, float32(-reach+2*reach*float64(i)/(grid-1)), float32(-reach+2*reach*float64(j)/(grid-1)))
		}
	}
	f, numbers := plot.Figure{Title: "Particles under the learned field, from noise to eight Gaussians"}, Numbers{}
	z, v, exact := normal2.draw(n, figureSeed, tested), make([]float32, 2*grid*grid), exactly(mixture8())
	solver := ode.NewSolver[float32](ode.Heun)
	at := ode.Uniform(1, 0, 60)
	for k, t := range at {
		if k%20 == 0 {
			look(v, lattice, t)
			to := make([]float32, len(v))
			for i := range v {
				to[i] = lattice[i] + v[i]/8
			}
			f.Panels = append(f.Panels, plot.Panel{
				Title: fmt.Sprintf("t = %.2f", t), Square: true, X: plot.Range{Lo: -8, Hi: 8}, Y: plot.Range{Lo: -8, Hi: 8},
				Marks: []plot.Mark{
					plot.Arrows{From: places(lattice), To: places(to), Color: plot.Faint(plot.Grey, 0.8), Width: 1, Label: "velocity / 8"},
					plot.Dots{At: places(z), Color: plot.Faint(plot.Blue, 0.6), Radius: 1.8, Label: "particles"},
				},
			})
			got, want := make([]float32, 2*n), make([]float32, 2*n)
			field(got, z, t)
			exact(want, z, t)
			numbers["t"] = append(numbers["t"], t)
			numbers["relative distance to the exact field"] = append(numbers["relative distance to the exact field"], relative(got, want))
		}
		if k+1 < len(at) {
			solver.Step(field, z, t, at[k+1])
		}
	}
	numbers["share within three deviations of a Gaussian"] = []float64{within8(z)}
	return f, numbers, nil
}

// within8 is the part of points that are within three standard deviations of one of the eight Gaussians.
func within8(z []float32) float64 {
	count := 0
	for _, p := range places(z) {
		for _, c := range mixture8().Components {
			if dx, dy := p.X-c.Mean[0], p.Y-c.Mean[1]; dx*dx+dy*dy < 9*gaussians8Std*gaussians8Std {
				count++
				break
			}
		}
	}
	return float64(count) / float64(len(z)/2)
}
