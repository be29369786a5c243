package lab

import (
	"context"
	"time"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/optim"
	"lfm/internal/plot"
	"lfm/internal/profile"
	"lfm/stages/flow"
)

var cost = Figure{
	Name:  "cost",
	Claim: "The same transformer costs many times as much on patches of pixels as on latents, and the more so the larger the picture.",
	draw:  drawCost,
}

// How a picture of so many pixels across becomes tokens: patches of 2x2 RGB pixels, or latents of 4 numbers for 4x4 pixels.
const (
	patch, patchNumbers  = 2, 12
	shrink, latentNumber = 4, 4
	costBatch            = 8
	timedSide            = 32 // of the pictures that steps are timed at
)

// drawCost counts what a training step takes, and makes some steps to time them.
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

// time makes some steps, and returns what the quickest took.
func (s step) time(ctx context.Context, backend engine.Backend, steps int) (least time.Duration, err error) {
	machine, err := backend.Open(s.plan, engine.Options{})
	if err != nil {
		return 0, err
	}
	defer machine.Close()
	for _, p := range s.Params.All() {
		machine.Set(p.Node, p.Initial(figureSeed))
	}
	machine.SetScalars(adamW(1e-3).Scalars(0))
	for i := range steps {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		began := time.Now()
		if err := machine.RunAll(); err != nil {
			return 0, err
		}
		if took := time.Since(began); i == 0 || took < least {
			least = took
		}
	}
	return least, nil
}
