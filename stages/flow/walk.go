package flow

import (
	"fmt"
	"slices"
	"strings"

	"lfm/internal/engine"
	"lfm/internal/ode"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// SampleOptions say how samples are drawn.
type SampleOptions struct {
	Guidance float64        // w: 0 without class, 1 conditional, more: guided
	Interval Interval       // times at which samples are guided
	Rescale  float64        // of guided predictions: 0 not at all … 1
	Clip     float64        // of the data that predictions see, from 0 on; 0: not at all
	Steps    int            // from noise to data
	Grid     string         // of the steps: UniformGrid, which "" is too, ShiftedGrid or EDMGrid
	Shift    float64        // of ShiftedGrid
	Rho      float64        // of EDMGrid
	Solver   string         // one of Solvers
	RTol     float64        // of Dopri5, which knows no steps
	ATol     float64        // of Dopri5
	Weights  engine.Weights // the last weights or their average
}

// Interval is a range of times, both ends included. The zero value is all times.
type Interval [2]float64

// all says that it is every time from 0 to 1.
func (i Interval) all() bool { return i == Interval{} || i[0] <= 0 && i[1] >= 1 }

func (i Interval) guides(t float64) bool { return i.all() || i[0] <= t && t <= i[1] }

// pauses says that guided samples are not guided at all times.
func (o SampleOptions) pauses() bool { return guidance(o.Guidance).halves() == 2 && !o.Interval.all() }

// The grids.
const (
	UniformGrid = "uniform"
	ShiftedGrid = "shifted"
	EDMGrid     = "edm"
)

// The solvers that are no tableaux of package ode with the steps of a grid.
const (
	Dopri5 = "dopri5" // chooses its steps by rtol and atol
	ddim   = "ddim"   // the diffusion models' step without noise; on the straight path it is Euler's
	ddpm   = "ddpm"   // and with it: ancestral sampling
	sde    = "sde"    // the stochastic equation that has the flow's marginals
)

// stochastic are the solvers that add noise on their way.
var stochastic = []string{ddpm, sde}

// Solvers lists every way of sampling.
func Solvers() (names []string) {
	for _, m := range ode.Methods() {
		names = append(names, m.Name)
	}
	return append(names, Dopri5, ddim, ddpm, sde)
}

// walk takes a sampler's z from t = 1 to t = 0.
type walk func(s *Sampler) error

// newWalk is the walk along a path that options ask for.
func newWalk(p path.Path, o SampleOptions) (walk, error) {
	if o.Solver == Dopri5 {
		solver := ode.NewAdaptive[float32](o.RTol, o.ATol)
		return func(s *Sampler) error {
			_, err := solver.Solve(s.velocity, s.z, p.Clock(1), p.Clock(0))
			return err
		}, nil
	}
	grid, err := o.grid(p)
	if err != nil {
		return nil, err
	}
	switch o.Solver {
	case ddim:
		return steps(grid, func(o path.Objective, t, to float64) (path.Mix, float64) { return o.Back(t, to, 0) }), nil
	case ddpm:
		return steps(grid, func(o path.Objective, t, to float64) (path.Mix, float64) { return o.Back(t, to, 1) }), nil
	case sde:
		return steps(grid, diffuse), nil
	}
	i := slices.IndexFunc(ode.Methods(), func(m ode.Tableau) bool { return m.Name == o.Solver })
	if i < 0 {
		return nil, fmt.Errorf("flow: no solver is called %q; choose one of %s", o.Solver, strings.Join(Solvers(), ", "))
	}
	solver := ode.NewSolver[float32](ode.Methods()[i])
	clocks := make([]float64, len(grid))
	for i, t := range grid {
		clocks[i] = p.Clock(t)
	}
	return func(s *Sampler) error {
		solver.Solve(s.velocity, s.z, clocks)
		return nil
	}, nil
}

// grid is the times from 1 to 0 of the steps along a path.
func (o SampleOptions) grid(p path.Path) ([]float64, error) {
	switch o.Grid {
	case "", UniformGrid:
		return ode.Uniform(1, 0, o.Steps), nil
	case ShiftedGrid:
		grid, shifted := ode.Uniform(1, 0, o.Steps), path.Shifted{Times: path.Uniform{}, Shift: o.Shift}
		for i, t := range grid {
			grid[i] = shifted.Sample(t)
		}
		return grid, nil
	case EDMGrid:
		return path.Karras(p, o.Rho, o.Steps), nil
	}
	return nil, fmt.Errorf("flow: no grid is called %q; choose one of %s, %s, %s", o.Grid, UniformGrid, ShiftedGrid, EDMGrid)
}

// diffuse is a step of the stochastic equation, with as much noise coming in as there is in the
// point: less and less, so that the score, which grows without bound, is not multiplied by more than it
// bears (Ma et al. 2024). The last step adds none.
func diffuse(o path.Objective, t, to float64) (path.Mix, float64) {
	w := o.Path.At(t).B
	if to == 0 {
		w = 0
	}
	return o.Diffuse(t, o.Path.Clock(t)-o.Path.Clock(to), w)
}

// steps is a walk that evaluates the network once a step and adds noise to what follows from
// that.
func steps(grid []float64, step func(o path.Objective, t, to float64) (m path.Mix, noise float64)) walk {
	return func(s *Sampler) error {
		for i, to := range grid[1:] {
			t := grid[i]
			s.field.predict(s.v, s.z, t)
			m, noise := step(s.objective, t, to)
			m.To(s.z, s.z, s.v)
			if noise > 0 {
				s.stir(i, noise)
			}
		}
		return nil
	}
}

// stir adds noise to the batch, of each sample's own for the step.
func (s *Sampler) stir(step int, noise float64) {
	size, draws := s.Size(), rng.New(s.seed, rng.Stir)
	for i, label := range s.labels {
		draws.Normal(s.v[:size], s.spec.stream(label)<<32|uint64(step), uint64(s.numbers[i]))
		z := s.z[i*size : (i+1)*size]
		for k := range z {
			z[k] = float32(float64(z[k]) + float64(noise*float64(s.v[k])))
		}
	}
}
