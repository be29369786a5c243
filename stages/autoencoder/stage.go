package autoencoder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/optim"
	"lfm/internal/rng"
	"lfm/internal/train"
	"lfm/pipeline"
)

// Name is the stage's kind.
const Name = "autoencoder"

// Kind is the stage's kind, computing on the back end that open gives.
func Kind(open engine.Open) pipeline.Kind {
	return pipeline.Kind{
		Name: Name, Version: 3,
		Data:   true,
		Output: Output,
		Config: func() any { return DefaultConfig() },
		Check: func(cfg any, at func(...string) any) error {
			return cfg.(*Config).divides(at(pipeline.DataPort).(*dataset.Config).Size)
		},
		Open: func(cfg any, env pipeline.Env) (pipeline.Stage, error) {
			return &stage{config: *cfg.(*Config), env: env, open: open}, nil
		},
	}
}

type stage struct {
	config Config
	env    pipeline.Env
	open   engine.Open
}

// Run trains the autoencoder on the training split and measures it on the held-out one.
func (s *stage) Run(ctx context.Context, in pipeline.Inputs, work artifacts.Workspace, out *artifacts.Builder, l pipeline.Listener) error {
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		return err
	}
	if err := s.config.divides(set.Size()); err != nil {
		return err
	}
	arch := s.config.arch(set.Size())
	backend, err := s.open(ctx, s.env.Device, s.env.Threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	out.Provenance("backend", backend.Name())
	if err := work.Claim(backend.Name(), s.env.AcceptInexact); err != nil {
		return err
	}

	graph, plan, err := compileTraining(arch, s.config.Batch)
	if err != nil {
		return err
	}
	machine, err := backend.Open(plan, engine.Options{})
	if err != nil {
		return train.Fit(err, s.config.Batch, func(batch int) (int64, error) {
			_, plan, err := compileTraining(arch, batch)
			if err != nil {
				return 0, err
			}
			return plan.Peak(), nil
		})
	}
	defer machine.Close()
	draw := newDraw(set, s.config, s.env.Seed)
	metrics, err := train.Run(ctx, train.Job{
		Settings: s.config.Settings, Seed: s.env.Seed, Params: graph.Params, Machine: machine,
		Inputs: gorgonia.Nodes{graph.X, graph.Noise}, Draw: draw.step,
		Series:  checkpoint.OpenSeries(work.FS, work.Path("checkpoints")),
		Observe: train.Observer{Resumed: l.Resumed, Progress: l.Progress, Checkpoint: l.Checkpoint, Warn: l.Warn},
	})
	if err != nil {
		return err
	}
	if err := publish(out, arch, machine, graph, metrics); err != nil {
		return err
	}
	return measure(ctx, out, set, backend, machine, arch, s.config.Batch)
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

// publish writes the model and how it was learned.
func publish(out *artifacts.Builder, arch Arch, machine engine.Machine, graph *Training, metrics []byte) error {
	spec, err := json.MarshalIndent(Spec{Format: format, Arch: arch}, "", "  ")
	if err != nil {
		return err
	}
	weights, _ := train.EncodeWeights(machine, graph.Params, engine.StateWeights, map[string]string{"format": fmt.Sprint(format)})
	return errors.Join(
		out.WriteFile(specFile, append(spec, '\n')),
		out.WriteFile(weightsFile, weights),
		out.WriteFile(metricsFile, metrics),
	)
}

// draw fills the training graph's inputs for a step.
type draw struct {
	set         *dataset.Set
	items       []int // of the training split
	batch       int
	hflip       bool
	order       rng.Order
	noise, flip rng.Stream
}

func newDraw(set *dataset.Set, c Config, seed uint64) *draw {
	items := set.Train()
	return &draw{set: set, items: items, batch: c.Batch, hflip: c.HFlip,
		order: rng.NewOrder(seed, len(items)), noise: rng.New(seed, rng.Posterior), flip: rng.New(seed, rng.Flip)}
}

// step fills images (N, S, S, 3) and noise (N, s, s, C).
func (d *draw) step(step int, inputs [][]float32) error {
	x, noise := inputs[0], inputs[1]
	pixels, latent := len(x)/d.batch, len(noise)/d.batch
	for i := range d.batch {
		mirrored := d.hflip && d.flip.Float64(uint64(step), uint64(i)) < 0.5
		item := d.items[d.order.Index(step, d.batch, i)]
		if err := d.set.Read(x[i*pixels:(i+1)*pixels], item, mirrored); err != nil {
			return err
		}
		d.noise.Normal(noise[i*latent:(i+1)*latent], uint64(step), uint64(i))
	}
	return nil
}
