package classifier

import (
	"context"

	"gorgonia.org/gorgonia"

	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/optim"
	"lfm/internal/rng"
	"lfm/internal/train"
)

// Pictures are what a classifier learns from.
type Pictures interface {
	Len() int
	Label(i int) int
	// Read fills x (S, S, 3) with picture i in [-1, 1], mirrored if flip is set. It may be
	// called from another goroutine than the caller's.
	Read(x []float32, i int, flip bool) error
}

// Trained is a classifier in the memory of a back end.
type Trained struct {
	backend engine.Backend
	arch    Arch
	graph   *Training
	machine engine.Machine
	metrics []byte
}

// Train trains a classifier of pictures. What it comes to is a pure function of the
// architecture, the settings, the seed and the pictures; series keeps its checkpoints.
func Train(ctx context.Context, b engine.Backend, a Arch, settings train.Settings, hflip bool, seed uint64, p Pictures,
	series *checkpoint.Series, observe train.Observer) (*Trained, error) {
	graph, plan, err := compileTraining(a, settings.Batch)
	if err != nil {
		return nil, err
	}
	machine, err := b.Open(plan, engine.Options{})
	if err != nil {
		return nil, train.Fit(err, settings.Batch, func(batch int) (int64, error) {
			_, plan, err := compileTraining(a, batch)
			if err != nil {
				return 0, err
			}
			return plan.Peak(), nil
		})
	}
	d := &draw{pictures: p, batch: settings.Batch, hflip: hflip, order: rng.NewOrder(seed, p.Len()), flip: rng.New(seed, rng.Flip)}
	t := &Trained{backend: b, arch: a, graph: graph, machine: machine}
	t.metrics, err = train.Run(ctx, train.Job{
		Settings: settings, Seed: seed, Params: graph.Params, Machine: machine,
		Inputs: gorgonia.Nodes{graph.X, graph.Labels}, Draw: d.step,
		Series: series, Observe: observe,
	})
	if err != nil {
		machine.Close()
		return nil, err
	}
	return t, nil
}

// compileTraining plans a training step for a batch.
func compileTraining(a Arch, batch int) (*Training, *engine.Plan, error) {
	graph, err := NewTraining(a, batch)
	if err != nil {
		return nil, nil, err
	}
	plan, err := engine.Compile(graph.Graph, gorgonia.Nodes{graph.Loss}, optim.Updates(graph.Params.Nodes(), graph.Grads, false))
	return graph, plan, err
}

// NewJudge compiles a judge with the weights of t, for as long as t is open.
func (t *Trained) NewJudge(batch int) (*Judge, error) {
	return newJudge(t.backend, t.arch, batch, engine.Options{Share: t.machine})
}

// Close frees the machine.
func (t *Trained) Close() error { return t.machine.Close() }

// draw fills the training graph's inputs for a step.
type draw struct {
	pictures Pictures
	batch    int
	hflip    bool
	order    rng.Order
	flip     rng.Stream
}

// step fills images (N, S, S, 3) and labels (N).
func (d *draw) step(step int, inputs [][]float32) error {
	x, labels := inputs[0], inputs[1]
	pixels := len(x) / d.batch
	for i := range d.batch {
		item := d.order.Index(step, d.batch, i)
		mirrored := d.hflip && d.flip.Float64(uint64(step), uint64(i)) < 0.5
		labels[i] = float32(d.pictures.Label(item))
		if err := d.pictures.Read(x[i*pixels:(i+1)*pixels], item, mirrored); err != nil {
			return err
		}
	}
	return nil
}
