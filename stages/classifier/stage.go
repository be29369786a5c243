package classifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/metrics"
	"lfm/internal/train"
	"lfm/pipeline"
)

// Name is the stage's kind.
const Name = "classifier"

// Kind is the stage's kind, computing on the back end that open gives.
func Kind(open engine.Open) pipeline.Kind {
	return pipeline.Kind{
		Name: Name, Version: 2,
		Data:   true,
		Output: Output,
		Config: func() any { return DefaultConfig() },
		CheckData: func(_ any, at func(...string) any) error {
			return tellable(at(pipeline.DataPort).(*dataset.Facts).Classes)
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

// tellable refuses a single class. There is no data set without any.
func tellable(classes []string) error {
	if len(classes) > 1 {
		return nil
	}
	return fmt.Errorf("classifier: all images of the data set are of one class, %q, and there is nothing to tell apart: take the stage out, or put the images into a folder for each class", classes[0])
}

// Run trains the classifier on the training split and measures it on the held-out one.
func (s *stage) Run(ctx context.Context, in pipeline.Inputs, work artifacts.Workspace, out *artifacts.Builder, l pipeline.Listener) error {
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		return err
	}
	if err := tellable(set.Classes()); err != nil {
		return err
	}
	if len(set.Test()) == 0 {
		l.Warn("the data set has no test images: the held-out accuracy is left out (set test_fraction, or add a test folder)")
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
	arch := Arch{Channels: s.config.Channels, Features: s.config.Features, Classes: len(set.Classes()), Size: set.Size()}
	trained, err := Train(ctx, backend, arch, s.config.Settings, s.config.HFlip, s.env.Seed, Items(set, set.Train()),
		checkpoint.OpenSeries(work.FS, work.Path("checkpoints")),
		train.Observer{Resumed: l.Resumed, Progress: l.Progress, Checkpoint: l.Checkpoint, Warn: l.Warn})
	if err != nil {
		return err
	}
	defer trained.Close()
	evaluation, err := measure(ctx, trained, set, s.config.Batch)
	if err != nil {
		return err
	}
	return publish(out, Spec{Format: format, Arch: arch, Classes: set.Classes(), HFlip: s.config.HFlip}, trained, evaluation)
}

// publish writes the model and how it was learned.
func publish(out *artifacts.Builder, spec Spec, t *Trained, e *Evaluation) error {
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	measured, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	weights, _ := train.EncodeWeights(t.machine, t.graph.Params, engine.StateWeights, map[string]string{"format": fmt.Sprint(format)})
	return errors.Join(
		out.WriteFile(specFile, append(text, '\n')),
		out.WriteFile(weightsFile, weights),
		out.WriteFile(metricsFile, t.metrics),
		out.WriteFile(evaluationFile, append(measured, '\n')),
	)
}

// measuredTrain is how many training images are measured at most.
const measuredTrain = 1000

// measure tells the classes of some training images and of all test images.
func measure(ctx context.Context, t *Trained, set *dataset.Set, batch int) (*Evaluation, error) {
	judge, err := t.NewJudge(batch)
	if err != nil {
		return nil, err
	}
	defer judge.Close()
	e := &Evaluation{}
	if e.Train, err = judge.Accuracy(ctx, Items(set, metrics.Spread(set.Train(), measuredTrain))); err != nil {
		return nil, err
	}
	if len(set.Test()) > 0 {
		a, err := judge.Accuracy(ctx, Items(set, set.Test()))
		if err != nil {
			return nil, err
		}
		e.HeldOut = &a
	}
	return e, nil
}

// Accuracy says how many of pictures show the class of their label.
func (j *Judge) Accuracy(ctx context.Context, p Pictures) (Accuracy, error) {
	predicted := make([]int, p.Len())
	err := j.Verdicts(ctx, predicted, nil, func(x []float32, i int) error { return p.Read(x, i, false) })
	if err != nil {
		return Accuracy{}, err
	}
	a := Accuracy{Images: len(predicted), ByClass: make([]float64, j.arch.Classes)}
	right, all := 0, make([]float64, j.arch.Classes)
	for i, c := range predicted {
		label := p.Label(i)
		all[label]++
		if c == label {
			right++
			a.ByClass[label]++
		}
	}
	a.Accuracy = float64(right) / float64(len(predicted))
	for c := range a.ByClass {
		a.ByClass[c] /= max(1, all[c])
	}
	return a, nil
}

// Items are images of a data set, by their numbers, as Pictures.
func Items(set *dataset.Set, items []int) Pictures { return picked{set, items} }

type picked struct {
	set   *dataset.Set
	items []int
}

func (p picked) Len() int                                 { return len(p.items) }
func (p picked) Label(i int) int                          { return p.set.Item(p.items[i]).Label }
func (p picked) Read(x []float32, i int, flip bool) error { return p.set.Read(x, p.items[i], flip) }
