package lab

import (
	"context"
	"math"
	"slices"

	"lfm/internal/engine"
	"lfm/internal/ode"
	"lfm/internal/ops"
	"lfm/internal/path"
	"lfm/internal/plot"
)

// Figure is a claim of the lecture that can be seen.
type Figure struct {
	Name  string // of its files
	Claim string
	draw  func(ctx context.Context, s studio) (plot.Figure, Numbers, error)
}

// Numbers are what a figure shows, by what they are.
type Numbers map[string][]float64

// Figures are all, in the lecture's order.
var Figures = []Figure{crossing, particles, straightness, embedding, average, times, pairing, bases, guidance, cost}

// Draw trains what the figure needs and draws it; quick does less of both.
func (f Figure) Draw(ctx context.Context, backend engine.Backend, quick bool) (plot.Figure, Numbers, error) {
	return f.draw(ctx, studio{backend: backend, quick: quick})
}

// studio is where figures are made.
type studio struct {
	backend engine.Backend
	quick   bool
}

// of returns n, or a quarter of it where there is little time.
func (s studio) of(n int) int {
	if s.quick {
		return n / 4
	}
	return n
}

// Sizes that figures share.
const (
	figureSeed   = 1
	figureBatch  = 64
	figurePoints = 20000 // to learn from
)

// doublings are the numbers of steps that samplers are compared at.
var doublings = []float64{1, 2, 4, 8, 16, 32, 64}

// learner begins a network of so many inputs that keeps an average of its weights.
func (s studio) learner(in int, rate, ema float64) (*learner, error) {
	optimizer := adamW(rate)
	optimizer.EMA, optimizer.WarmEMA = ema, true
	return newLearner(s.backend, network{in: in, out: 2, width: width, activation: ops.SiLU, seed: figureSeed}, figureBatch, optimizer)
}

// flow trains a flow from one set to another on plain straight lines.
func (s studio) flow(ctx context.Context, k task, m Method, times path.Times, steps int) (*learner, error) {
	return s.learn(ctx, data(k, m, times).fill(), 3, steps)
}

func (s studio) learn(ctx context.Context, f fill, in, steps int) (*learner, error) {
	l, err := s.learner(in, 3e-3, 0.99)
	if err != nil {
		return nil, err
	}
	if err := l.train(ctx, steps, f); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// data is what a flow of a figure learns from.
func data(k task, m Method, times path.Times) pairs {
	return pairs{
		method: m, times: times, seed: figureSeed,
		source: k.source.draw(figurePoints, figureSeed, learned), target: k.target.draw(figurePoints, figureSeed, learned),
	}
}

// average returns the averaged weights as a field of n points.
func (l *learner) average(n int) (ode.Field[float32], error) { return l.field(n, engine.Average, nil) }

// trajectories carries points along a field and returns where each was after every step, the first place included.
func trajectories(f ode.Field[float32], z []float32, steps int) [][]plot.Point {
	z = slices.Clone(z)
	lines := make([][]plot.Point, len(z)/2)
	record := func() {
		for i, p := range places(z) {
			lines[i] = append(lines[i], p)
		}
	}
	solver, grid := ode.NewSolver[float32](ode.Euler), ode.Uniform(1, 0, steps)
	record()
	for k := range steps {
		solver.Step(f, z, grid[k], grid[k+1])
		record()
	}
	return lines
}

// carried returns where a field takes points.
func carried(f ode.Field[float32], z []float32, steps int) []float32 {
	z = slices.Clone(z)
	ode.Solve(ode.Euler, f, z, ode.Uniform(1, 0, steps))
	return z
}

// places are points (N, 2) as places of a plot.
func places(z []float32) []plot.Point {
	p := make([]plot.Point, len(z)/2)
	for i := range p {
		p[i] = plot.Point{X: float64(z[2*i]), Y: float64(z[2*i+1])}
	}
	return p
}

// exactly returns the exact field of a mixture from N(0, I), on straight lines.
func exactly(m path.Mixture) ode.Field[float32] {
	return func(dst, z []float32, t float64) {
		for i := 0; i < len(z); i += 2 {
			v := m.At([]float64{float64(z[i]), float64(z[i+1])}, t).Velocity
			dst[i], dst[i+1] = float32(v[0]), float32(v[1])
		}
	}
}

// series are numbers over x as places of a plot.
func series(x, y []float64) []plot.Point {
	p := make([]plot.Point, len(x))
	for i := range x {
		p[i] = plot.Point{X: x[i], Y: y[i]}
	}
	return p
}

// tracks are thin lines, with a label on the first.
func tracks(lines [][]plot.Point, style plot.Line) (marks []plot.Mark) {
	for i, at := range lines {
		line := style
		line.At = at
		if i > 0 {
			line.Label = ""
		}
		marks = append(marks, line)
	}
	return marks
}

// relative is |got - want| / |want|.
func relative(got, want []float32) float64 {
	e := make([]float32, len(got))
	for i := range e {
		e[i] = got[i] - want[i]
	}
	return math.Sqrt(squares(e) / squares(want))
}
