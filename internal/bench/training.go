package bench

import (
	"context"
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/optim"
	"lfm/internal/rng"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// The settings of both training cases, which are the peer's.
const (
	rate        = 1e-4
	weightDecay = 0.01
	averaging   = 0.999 // of the flow's weights
)

// Losses are compared over so many steps at that batch.
const (
	lossSteps = 20
	lossBatch = 64
)

// seed of everything that is drawn.
const seed = 0

// training is a training graph on a machine, stepped as package train does, but for its
// inputs, which are drawn within the step.
type training struct {
	machine engine.Machine
	adam    optim.AdamW
	inputs  gorgonia.Nodes
	values  [][]float32
	draw    draw
	done    int // steps
}

// draw fills the inputs of a step, which hold what they held after the step before.
type draw func(step int, inputs [][]float32)

// weights gives the first values of a parameter.
type weights func(p *nn.Param) []float32

// initial are the weights that the stages start from.
func initial(p *nn.Param) []float32 { return p.Initial(seed) }

// model is what one must know of a training graph.
type model struct {
	graph  *gorgonia.ExprGraph
	params *nn.Params
	loss   *gorgonia.Node
	grads  gorgonia.Nodes
	inputs gorgonia.Nodes
	ema    float64 // decay of the moving average; 0 for none
}

// openAutoencoder opens a case that trains the autoencoder: images, noise.
func openAutoencoder(b engine.Backend, batch int, w weights, d draw) (*training, error) {
	t, err := autoencoder.NewTraining(autoencoder.R1, batch)
	if err != nil {
		return nil, err
	}
	return open(b, model{t.Graph, t.Params, t.Loss, t.Grads, gorgonia.Nodes{t.X, t.Noise}, 0}, w, d)
}

// openFlow opens a case that trains the flow: z_t, times, labels, velocities.
func openFlow(b engine.Backend, a flow.Arch, batch int, w weights, d draw) (*training, error) {
	t, err := flow.NewTraining(a, batch)
	if err != nil {
		return nil, err
	}
	return open(b, model{t.Graph, t.Params, t.Loss, t.Grads, gorgonia.Nodes{t.Zt, t.T, t.Labels, t.Target}, averaging}, w, d)
}

func open(b engine.Backend, m model, w weights, d draw) (*training, error) {
	plan, err := engine.Compile(m.graph, gorgonia.Nodes{m.loss}, optim.Updates(m.params.Nodes(), m.grads, m.ema > 0))
	if err != nil {
		return nil, err
	}
	machine, err := b.Open(plan, engine.Options{})
	if err != nil {
		return nil, err
	}
	for _, p := range m.params.All() {
		machine.Set(p.Node, w(p))
	}
	t := &training{machine: machine, adam: optim.AdamW{Rate: rate, WeightDecay: weightDecay, EMA: m.ema}, inputs: m.inputs, draw: d}
	for _, n := range m.inputs {
		t.values = append(t.values, make([]float32, n.Shape().TotalSize()))
	}
	return t, nil
}

func (t *training) step(context.Context) error {
	t.draw(t.done, t.values)
	for i, n := range t.inputs {
		t.machine.Set(n, t.values[i])
	}
	t.machine.SetScalars(t.adam.Scalars(t.done))
	if err := t.machine.RunAll(); err != nil {
		return err
	}
	if r := t.machine.Report(); r.Skipped {
		return fmt.Errorf("step %d: loss %g, norm of gradients %g: not finite, first in %s", t.done, r.Loss, r.GradNorm, t.machine.Blame())
	}
	t.done++
	return nil
}

func (t *training) Close() error { return t.machine.Close() }

// losses are those before each of 20 updates.
func (t *training) losses(ctx context.Context) ([]float64, error) {
	var losses []float64
	for range lossSteps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.step(ctx); err != nil {
			return nil, err
		}
		losses = append(losses, t.machine.Report().Loss)
	}
	return losses, nil
}

func autoencoderLosses(ctx context.Context, b engine.Backend) ([]float64, error) {
	t, err := openAutoencoder(b, lossBatch, fillWeights, fillImages)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return t.losses(ctx)
}

func flowLosses(ctx context.Context, b engine.Backend) ([]float64, error) {
	t, err := openFlow(b, flow.R1, lossBatch, fillWeights, fillLatents)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return t.losses(ctx)
}

// noisyImages draws what the autoencoder's stage draws, around one batch of images.
func noisyImages(batch int) draw {
	images := normal("images", batch*imageSize)
	posterior := rng.New(seed, rng.Posterior)
	return func(step int, inputs [][]float32) {
		copy(inputs[0], images)
		noise := inputs[1]
		for i := range batch {
			posterior.Normal(item(noise, i, latentSize), uint64(step), uint64(i))
		}
	}
}

// noisyLatents draws what the flow's stage draws, around one batch of latents.
func noisyLatents(a flow.Arch, batch int) draw {
	size := a.Tokens * a.Channels
	x, classes := normal("latents", batch*size), labels(batch)
	noising := flow.NewNoising(flow.DefaultConfig(), a.Classes, seed)
	return func(step int, inputs [][]float32) {
		err := noising.Fill(step, inputs, func(i int, dst []float32) (int, error) {
			copy(dst, item(x, i, size))
			return classes[i], nil
		})
		if err != nil {
			panic(err) // these latents are numbers
		}
	}
}
