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
		Name: Name, Version: 6,
		Inputs: []pipeline.Port{
			{Name: "autoencoder", Artifact: autoencoder.Output},
			{Name: "flow", Artifact: flow.Output},
		},
		Output: Output,
		Config: func() any { return DefaultConfig() },
		Check:  func(cfg any, at func(...string) any) error { return cfg.(*Config).check(at("flow").(*flow.Config)) },
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
	backend, err := s.open(ctx, s.env.Device, s.env.Threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	out.Provenance("backend", backend.Name())

	if err := work.Claim(backend.Name(), s.env.AcceptInexact); err != nil {
		return err
	}
	r := s.request(fl)
	g := newGallery(s.config.PerClass, fl.Classes, work, out)
	kept, err := r.Keep(ctx, ae, fl, g.have)
	if err != nil {
		return err
	}
	if kept > 0 {
		l.Resumed(kept)
	}
	began, drawn := time.Now(), 0
	err = Generate(ctx, backend, ae, fl, r, func(d Drawn) error {
		if err := WritePicture(work.FS, g.path(d), d.Image, d.Text); err != nil {
			return err
		}
		if drawn++; drawn%s.config.Batch == 0 || kept+drawn == len(r.Labels) {
			l.Checkpoint(kept + drawn)
			l.Progress(kept+drawn, len(r.Labels), 0, float64(drawn)/time.Since(began).Seconds())
		}
		return g.add(d, d.Image)
	})
	if err != nil {
		return err
	}
	var grid bytes.Buffer
	if err := picture.Encode(&grid, picture.Grid(g.rows, ""), nil); err != nil {
		return err
	}
	if err := out.WriteFile(GridFile, grid.Bytes()); err != nil {
		return err
	}
	return s.writeSamples(out, fl, r)
}

// gallery gathers the pictures of a Run. Each is a file in the work area as soon as it is
// drawn, where a Run after a kill finds it, and one of the payload from then on.
type gallery struct {
	perClass int
	names    []string // of the classes' folders
	rows     []picture.Row
	work     artifacts.Workspace
	out      *artifacts.Builder
}

func newGallery(perClass int, classes []string, work artifacts.Workspace, out *artifacts.Builder) *gallery {
	g := &gallery{perClass: perClass, names: FileNames(classes), work: work, out: out}
	for _, c := range classes {
		g.rows = append(g.rows, picture.Row{Label: c, Images: make([]*picture.Image, min(perClass, GridColumns))})
	}
	return g
}

// name is a picture's file.
func (g *gallery) name(d Drawn) string {
	return fmt.Sprintf("%s/%04d.png", g.names[d.Index/g.perClass], d.Number)
}

func (g *gallery) path(d Drawn) string { return g.work.Path(g.name(d)) }

// have adds a picture if it is in the work area.
func (g *gallery) have(d Drawn) (bool, error) {
	m, ok := ReadPicture(g.path(d), d.Text)
	if !ok {
		return false, nil
	}
	return true, g.add(d, m)
}

// add adds a picture whose file is in the work area to payload and grid.
func (g *gallery) add(d Drawn, m *picture.Image) error {
	if row := g.rows[d.Index/g.perClass]; d.Number < len(row.Images) {
		row.Images[d.Number] = m
	}
	return g.out.AddFile(g.name(d), g.path(d))
}

// request asks for per_class pictures of each class, class after class.
func (s *stage) request(fl *flow.Model) Request {
	c := s.config
	r := Request{Seed: s.env.Seed, Batch: c.Batch, SampleOptions: c.Options()}
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
	said := map[string]any{
		"classes": fl.Classes, "per_class": s.config.PerClass, "guidance": fl.Guidance(r.Guidance),
		"steps": r.Steps, "solver": r.Solver, "weights": weightsName(fl, r.Weights), "seed": r.Seed,
		"flow": fl.ID, "autoencoder": fl.Autoencoder,
	}
	for _, t := range special(fl, r.SampleOptions) {
		said[t.Key] = t.Value
	}
	if r.Solver != flow.Dopri5 { // which evaluates the network as often as a batch needs: the pictures' files say it
		o := r.SampleOptions
		o.Guidance = fl.Guidance(o.Guidance)
		nfe, err := fl.Evaluations(o)
		if err != nil {
			return err
		}
		said["nfe"] = nfe
	}
	data, err := json.MarshalIndent(said, "", "  ")
	if err != nil {
		return err
	}
	return out.WriteFile(samplesFile, append(data, '\n'))
}
