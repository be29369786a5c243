package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/latent"
	"lfm/internal/optim"
	"lfm/internal/train"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
)

// basePort takes the latents that noise is made of under base empirical.
const basePort = "base"

// Name is the stage's kind.
const Name = "flow"

// Kind is the stage's kind, computing on the back end that open gives. The autoencoder
// behind the latents is there for preview pictures only.
func Kind(open engine.Open) pipeline.Kind {
	return pipeline.Kind{
		Name: Name, Version: 2,
		Inputs: []pipeline.Port{
			{Name: "encode", Artifact: latent.Kind},
			{Name: "autoencoder", Artifact: autoencoder.Output, Via: "encode"},
			{Name: basePort, Artifact: latent.Kind, Optional: true},
		},
		Output: Output,
		Config: func() any { return DefaultConfig() },
		Check: func(cfg any, at func(...string) any) error {
			images, ok := at("encode", pipeline.DataPort).(interface{ Captioned() bool })
			return cfg.(*Config).check(at(basePort) != nil, ok && !images.Captioned())
		},
		CheckData: func(cfg any, at func(...string) any) error {
			return cfg.(*Config).checkData(at("encode", pipeline.DataPort).(telling))
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

// Run trains the flow on the latents of the training split.
func (s *stage) Run(ctx context.Context, in pipeline.Inputs, work artifacts.Workspace, out *artifacts.Builder, l pipeline.Listener) error {
	hold := latent.Options{FS: work.FS, Work: work.Dir}
	set, err := latent.Open(ctx, in.Artifacts["encode"].Path, hold)
	if err != nil {
		return err
	}
	defer set.Close()
	spec := s.spec(set)
	if err := spec.learnCondition(ctx, &s.config, set); err != nil {
		return err
	}
	terms, err := newTerms(ctx, spec, set)
	if err != nil {
		return err
	}
	s.warn(set, spec, terms, l)
	base, err := s.fitBase(ctx, set, spec, in.Artifacts[basePort], hold)
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

	graph, plan, err := compileTraining(spec.Arch, s.config.Batch, spec.Averaged)
	if err != nil {
		return err
	}
	machine, err := backend.Open(plan, engine.Options{})
	if err != nil {
		return train.Fit(err, s.config.Batch, func(batch int) (int64, error) {
			_, plan, err := compileTraining(spec.Arch, batch, spec.Averaged)
			if err != nil {
				return 0, err
			}
			return plan.Peak(), nil
		})
	}
	defer machine.Close()

	watch, err := s.newWatch(work.FS, in, set, spec, terms, backend, machine, l)
	if err != nil {
		return err
	}
	defer watch.close()
	draw := newDraw(set, s.config, spec, terms, s.env.Seed)
	metrics, err := train.Run(ctx, train.Job{
		Settings: s.config.Settings, Seed: s.env.Seed, Params: graph.Params, Machine: machine,
		Inputs: gorgonia.Nodes{graph.Zt, graph.T, graph.Labels, graph.Target}, Draw: draw.step,
		Series:        checkpoint.OpenSeries(work.FS, work.Path("checkpoints")),
		Evaluate:      func(done int) (train.Figures, error) { return watch.during(ctx, done) },
		EvaluateEvery: max(1, s.config.Steps/evaluations),
		Observe:       train.Observer{Resumed: l.Resumed, Progress: l.Progress, Checkpoint: l.Checkpoint, Warn: l.Warn},
	})
	if err != nil {
		return err
	}
	evaluation, err := watch.final(ctx)
	if err != nil {
		return err
	}
	return publish(out, spec, base, machine, graph, metrics, evaluation)
}

// warn tells what settings and latents make of each other that is hardly meant.
func (s *stage) warn(set *latent.Set, spec *Spec, terms terms, l pipeline.Listener) {
	if terms.cut > 0 {
		l.Warn("%d captions have more than %d tokens, and what they say behind these is not seen: raise context_tokens, or vocabulary", terms.cut, spec.Arch.ContextTokens)
	}
	if n := mirrored(set); n > 0 && spec.Arch.Condition == byProperties {
		l.Warn("%d latents are of mirror images, and have the properties of the images as they are: one that tells left from right, such as x, is learned for both sides; if there is one, set hflip: false of the stage that encodes", n)
	}
	switch unseen := skews(s.config.Coupling) && spec.Conditional() && s.config.ConditionDropout < 1; {
	case unseen && spec.Arch.classed():
		l.Warn("coupling %s pairs noise and latents across classes: the noise that a class is trained from is then not the noise that it is sampled from; class-ot pairs within classes", s.config.Coupling)
	case unseen:
		l.Warn("coupling %s pairs noise and latents whatever is asked for: the noise that a condition is trained from is then not the noise that it is sampled from; independent keeps to it", s.config.Coupling)
	}
}

// mirrored is how many rows are of mirror images.
func mirrored(set *latent.Set) (n int) {
	for row := range set.Len() {
		if set.Flip(row) {
			n++
		}
	}
	return n
}

// spec is what sampling must know of the model to come.
func (s *stage) spec(set *latent.Set) *Spec {
	shape := set.Shape()
	spec := &Spec{
		Format: format,
		Arch:   s.config.arch(shape, len(set.Classes())),
		Latent: shape, Stats: set.Stats(), Classes: set.Classes(),
		Path: s.config.objective().Path.Name(), SigmaMin: s.config.SigmaMin, Averaged: s.config.EMA > 0,
		Unguided:    s.config.ConditionDropout == 0,
		Autoencoder: set.Summary().Autoencoder,
	}
	if s.config.Coupling != independent {
		spec.Coupling = s.config.Coupling
	}
	return spec
}

// compileTraining plans a training step for a batch.
func compileTraining(a Arch, batch int, average bool) (*Training, *engine.Plan, error) {
	graph, err := NewTraining(a, batch)
	if err != nil {
		return nil, nil, err
	}
	plan, err := engine.Compile(graph.Graph, gorgonia.Nodes{graph.Loss}, optim.Updates(graph.Params.Nodes(), graph.Grads, average))
	return graph, plan, err
}

// publish writes the model, the file of its base if it has one, and how it was learned.
func publish(out *artifacts.Builder, spec *Spec, base []byte, machine engine.Machine, graph *Training, metrics []byte, e *HeldOut) error {
	specText, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	evaluation, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	meta := map[string]string{"format": fmt.Sprint(format), "path": spec.Path}
	raw, _ := train.EncodeWeights(machine, graph.Params, engine.StateWeights, meta)
	err = errors.Join(
		out.WriteFile(specFile, append(specText, '\n')),
		out.WriteFile(evaluationFile, append(evaluation, '\n')),
		out.WriteFile(metricsFile, metrics),
		out.WriteFile(rawFile, raw),
	)
	if base != nil {
		err = errors.Join(err, out.WriteFile(baseFile, base))
	}
	if average, ok := train.EncodeWeights(machine, graph.Params, engine.StateAverage, meta); ok && spec.Averaged {
		err = errors.Join(err, out.WriteFile(averageFile, average))
	}
	return err
}
