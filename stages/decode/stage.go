package decode

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lfm/artifacts"
	"lfm/internal/engine"
	"lfm/internal/picture"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// Name is the stage's kind.
const Name = "decode"

// Output is the kind of the artifact that the stage makes.
const Output = "samples"

// The files of its payload, beside CLASS/0000.png and so on.
const (
	GridFile    = "grid.png"     // a row of pictures a class
	samplesFile = "samples.json" // how they were drawn
)

// GridColumns is how many pictures of a class a grid shows at most.
const GridColumns = 16

// Kind is the stage's kind, computing on the back end that open gives.
func Kind(open engine.Open) pipeline.Kind {
	return pipeline.Kind{
		Name: Name, Version: 1,
		Inputs: []pipeline.Port{
			{Name: "autoencoder", Artifact: autoencoder.Output},
			{Name: "flow", Artifact: flow.Output},
		},
		Output: Output,
		Config: func() any { return DefaultConfig() },
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

// Run draws per_class pictures of each class.
func (s *stage) Run(ctx context.Context, in pipeline.Inputs, work artifacts.Workspace, out *artifacts.Builder, l pipeline.Listener) error {
	ae, err := autoencoder.Open(in.Artifacts["autoencoder"])
	if err != nil {
		return err
	}
	fl, err := flow.Open(in.Artifacts["flow"])
	if err != nil {
		return err
	}
	backend, err := s.open(s.env.Device, s.env.Threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	out.Provenance("backend", backend.Name())

	r := s.request(fl)
	rows, names := make([]picture.Row, len(fl.Classes)), FileNames(fl.Classes)
	began := time.Now()
	err = Generate(ctx, backend, ae, fl, r, func(d Drawn) error {
		var file bytes.Buffer
		if err := picture.Encode(&file, d.Image, d.Text); err != nil {
			return err
		}
		class := d.Index / s.config.PerClass
		if err := out.WriteFile(fmt.Sprintf("%s/%04d.png", names[class], d.Number), file.Bytes()); err != nil {
			return err
		}
		if row := &rows[class]; len(row.Images) < GridColumns {
			row.Label = fl.Classes[class]
			row.Images = append(row.Images, d.Image)
		}
		done := d.Index + 1
		l.Progress(done, len(r.Labels), 0, float64(done)/time.Since(began).Seconds())
		return nil
	})
	if err != nil {
		return err
	}
	var grid bytes.Buffer
	if err := picture.Encode(&grid, picture.Grid(rows, ""), nil); err != nil {
		return err
	}
	if err := out.WriteFile(GridFile, grid.Bytes()); err != nil {
		return err
	}
	return s.writeSamples(out, fl, r)
}

// request asks for per_class pictures of each class, class after class.
func (s *stage) request(fl *flow.Model) Request {
	c := s.config
	r := Request{Seed: s.env.Seed, Batch: c.Batch,
		SampleOptions: flow.SampleOptions{Guidance: c.Guidance, Steps: c.Steps, Solver: c.Solver, Weights: engine.Average}}
	if c.Weights == "raw" {
		r.Weights = engine.Raw
	}
	for class := range fl.Classes {
		label := fl.Label(class)
		for i := range c.PerClass {
			r.Labels, r.Numbers = append(r.Labels, label), append(r.Numbers, i)
		}
	}
	return r
}

// writeSamples writes down how the pictures were drawn.
func (s *stage) writeSamples(out *artifacts.Builder, fl *flow.Model, r Request) error {
	data, err := json.MarshalIndent(map[string]any{
		"classes": fl.Classes, "per_class": s.config.PerClass, "guidance": fl.Guidance(r.Guidance),
		"steps": r.Steps, "solver": r.Solver, "weights": weightsName(fl, r.Weights), "seed": r.Seed,
		"flow": fl.ID, "autoencoder": fl.Autoencoder,
	}, "", "  ")
	if err != nil {
		return err
	}
	return out.WriteFile(samplesFile, append(data, '\n'))
}
