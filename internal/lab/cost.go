package lab

import (
	"context"
	"fmt"
	"time"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/optim"
	"lfm/internal/path"
	"lfm/internal/plot"
	"lfm/internal/profile"
	"lfm/internal/rng"
	"lfm/stages/flow"
)

var cost = Figure{
	Name:  "cost",
	Claim: "To train on patches of pixels takes the same transformer four to eight times the work of latents and two to four times the memory, more for larger pictures.",
	draw:  drawCost,
}

// How a picture of so many pixels across becomes tokens: patches of 2x2 RGB pixels, or latents of 4 numbers for 4x4 pixels.
const (
	patch, patchNumbers  = 2, 12
	shrink, latentNumber = 4, 4
	costBatch            = 8
	timedSide            = 32 // of the pictures that steps are timed at
)

// drawCost counts the work and the memory of a training step, and trains for some steps to time them.
func drawCost(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	numbers := Numbers{"side": {16, 32, 64}}
	ways := []struct {
		name              string
		pixels, perTokens int
		style             plot.Line
	}{
		{"pixels", patch, patchNumbers, plot.Line{Color: plot.Orange, Label: "2x2 pixels a token"}},
		{"latents", shrink, latentNumber, plot.Line{Color: plot.Blue, Label: "latents, 4x4 pixels a token"}},
	}
	work := plot.Panel{Title: "Work of a training step, a picture", XLabel: "pixels across", YLabel: "GFLOP", LogX: true, LogY: true, XTicks: numbers["side"]}
	memory := plot.Panel{Title: "Memory of a training step of 8", XLabel: "pixels across", YLabel: "MiB", LogX: true, LogY: true, XTicks: numbers["side"]}
	for _, w := range ways {
		for _, side := range numbers["side"] {
			across := int(side) / w.pixels
			step, err := newStep(across*across, w.perTokens)
			if err != nil {
				return plot.Figure{}, nil, err
			}
			var flop float64
			for _, c := range profile.Costs(step.plan) {
				flop += c.FLOP / costBatch / 1e9
			}
			numbers["GFLOP a picture, "+w.name] = append(numbers["GFLOP a picture, "+w.name], flop)
			numbers["MiB of a step, "+w.name] = append(numbers["MiB of a step, "+w.name], float64(step.plan.Peak())/(1<<20))
			if side == timedSide {
				took, err := step.time(ctx, s.backend, s.of(12))
				if err != nil {
					return plot.Figure{}, nil, err
				}
				numbers["seconds of a step here, "+w.name] = []float64{took.Seconds()}
			}
		}
		w.style.Width = 2
		w.style.At = series(numbers["side"], numbers["GFLOP a picture, "+w.name])
		work.Marks = append(work.Marks, w.style)
		w.style.At = series(numbers["side"], numbers["MiB of a step, "+w.name])
		memory.Marks = append(memory.Marks, w.style)
	}
	return plot.Figure{Title: "What a flow costs on pixels and on latents", Panels: []plot.Panel{work, memory}}, numbers, nil
}

// step is a training step of a small transformer.
type step struct {
	*flow.Training
	plan *engine.Plan
}

func newStep(tokens, channels int) (step, error) {
	g, err := flow.NewTraining(flow.Arch{Tokens: tokens, Channels: channels, Width: 64, Depth: 2, Heads: 2, Classes: 1, ContextTokens: 1}, costBatch)
	if err != nil {
		return step{}, err
	}
	plan, err := engine.Compile(g.Graph, gorgonia.Nodes{g.Loss}, optim.Updates(g.Params.Nodes(), g.Grads, true))
	return step{g, plan}, err
}

// time trains for some steps, and returns what the quickest took. The clock runs from a batch to the weights after it.
func (s step) time(ctx context.Context, backend engine.Backend, steps int) (least time.Duration, err error) {
	machine, err := backend.Open(s.plan, engine.Options{})
	if err != nil {
		return 0, err
	}
	defer machine.Close()
	for _, p := range s.Params.All() {
		machine.Set(p.Node, p.Initial(figureSeed))
	}
	for i := range steps {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		zt, target, times := s.batch(i)
		began := time.Now()
		machine.Set(s.Zt, zt)
		machine.Set(s.Target, target)
		machine.Set(s.T, times)
		machine.Set(s.Labels, make([]float32, costBatch))
		machine.SetScalars(adamW(1e-3).Scalars(i))
		if err := machine.RunAll(); err != nil {
			return 0, err
		}
		if machine.Report().Skipped {
			return 0, fmt.Errorf("lab: step %d: the loss is not finite", i)
		}
		if took := time.Since(began); i == 0 || took < least {
			least = took
		}
	}
	return least, nil
}

// batch draws what a step learns from: points z_t (N, L, C) on lines between data and noise, their velocities and times
// (N). The data are plain: every number of a sample is its brightness, with a little on it.
func (s step) batch(i int) (zt, target, times []float32) {
	n := s.Zt.DataSize()
	x, eps, bright, times := make([]float32, n), make([]float32, n), make([]float32, costBatch), make([]float32, costBatch)
	data := rng.New(figureSeed, "lab picture")
	data.Normal(x, uint64(i), 0)
	data.Normal(bright, uint64(i), 1)
	rng.New(figureSeed, rng.Noise).Normal(eps, uint64(i), 0)
	rng.New(figureSeed, rng.Times).Uniform(times, uint64(i), 0)
	for k, t := range times {
		from, to := k*n/costBatch, (k+1)*n/costBatch
		for j := from; j < to; j++ {
			x[j] = bright[k] + 0.2*x[j]
		}
		path.Straight{}.Interpolate(eps[from:to], x[from:to], x[from:to], eps[from:to], t)
	}
	return eps, x, times
}
