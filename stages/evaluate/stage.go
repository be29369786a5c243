package evaluate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/dataset"
	"lfm/internal/disk"
	"lfm/internal/engine"
	"lfm/internal/picture"
	"lfm/internal/rng"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/classifier"
	"lfm/stages/decode"
	"lfm/stages/flow"
)

// Name is the stage's kind.
const Name = "evaluate"

// Output is the kind of the artifact that the stage makes.
const Output = "evaluation"

// The files of its payload.
const (
	ReportFile = "evaluate.json" // Report
	TableFile  = "evaluate.txt"  // the same for people
)

// format is the version of the report's layout.
const format = 1

// Kind is the stage's kind, computing on the back end that open gives.
func Kind(open engine.Open) pipeline.Kind {
	return pipeline.Kind{
		Name: Name, Version: 3,
		Inputs: []pipeline.Port{
			{Name: "classifier", Artifact: classifier.Output},
			{Name: "autoencoder", Artifact: autoencoder.Output},
			{Name: "flow", Artifact: flow.Output},
		},
		Data:   true,
		Output: Output,
		Config: func() any { return DefaultConfig() },
		Check: func(cfg any, at func(...string) any) error {
			size := func(ports ...string) int { return at(append(ports, pipeline.DataPort)...).(*dataset.Config).Size }
			return cmp.Or(cfg.(*Config).check(at("flow").(*flow.Config)), sameSize(size(), size("classifier"), size("autoencoder")))
		},
		CheckData: func(cfg any, at func(...string) any) error {
			images := at(pipeline.DataPort).(*dataset.Facts)
			judged, drawn := at("classifier", pipeline.DataPort).(*dataset.Facts), at("flow", "encode", pipeline.DataPort).(*dataset.Facts)
			return cmp.Or(sameClasses(images.Classes, judged.Classes, drawn.Classes), cfg.(*Config).checkImages(images.Train))
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

// Run measures floor, ceiling, and every row of the sweep.
func (s *stage) Run(ctx context.Context, in pipeline.Inputs, work artifacts.Workspace, out *artifacts.Builder, l pipeline.Listener) error {
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		return err
	}
	m, err := openModels(in, set)
	if err != nil {
		return err
	}
	if t := len(set.Test()); !enough(t) {
		l.Warn("the data set has %d test images, and fewer than %d say nothing: all figures but class_accuracy are left out (set test_fraction, or add a test folder)", t, neighbours+1)
	}
	if err := s.config.checkImages(len(set.Train())); err != nil {
		return err
	}
	n := min(s.config.Samples, len(set.Train()))
	if n < s.config.Samples {
		l.Warn("the data set has %d training images, so that is how many pictures each set has, and not samples: %d", n, s.config.Samples)
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
	e := &evaluation{stage: s, models: m, set: set, backend: backend, work: work, listen: l, began: time.Now()}
	report, err := e.run(ctx, n)
	if err != nil {
		return err
	}
	report.Data = in.Data.ID
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	table := report.table()
	l.Note(table)
	return errors.Join(out.WriteFile(ReportFile, append(text, '\n')), out.WriteFile(TableFile, []byte(table)))
}

// models are what is measured, and what with.
type models struct {
	classifier  *classifier.Model
	autoencoder *autoencoder.Model
	flow        *flow.Model
}

// openModels reads the models and refuses what does not belong together.
func openModels(in pipeline.Inputs, set *dataset.Set) (m models, err error) {
	if m.classifier, err = classifier.Open(in.Artifacts["classifier"]); err != nil {
		return m, err
	}
	if m.autoencoder, err = autoencoder.Open(in.Artifacts["autoencoder"]); err != nil {
		return m, err
	}
	if m.flow, err = flow.Open(in.Artifacts["flow"]); err != nil {
		return m, err
	}
	switch {
	case m.flow.Autoencoder != m.autoencoder.ID.String():
		return m, fmt.Errorf("evaluate: the flow was trained on latents of autoencoder %.12s, not of %s: name that one under needs", m.flow.Autoencoder, m.autoencoder.ID.Short())
	case m.flow.Arch.Condition != "":
		return m, fmt.Errorf("evaluate: the flow is conditioned on %s, and evaluate asks for classes: give it a flow with condition: class", m.flow.Arch.Condition)
	}
	if err := sameSize(set.Size(), m.classifier.Arch.Size, m.autoencoder.Arch.Size); err != nil {
		return m, fmt.Errorf("evaluate: %w", err)
	}
	return m, sameClasses(set.Classes(), m.classifier.Classes, m.flow.Classes)
}

// sameSize refuses images of different sizes: the data set's, the classifier's and the autoencoder's.
func sameSize(images, classifier, autoencoder int) error {
	if classifier == images && autoencoder == images {
		return nil
	}
	return fmt.Errorf("images of the data set have size %d, of the classifier %d, of the autoencoder %d: all want to be of one data set", images, classifier, autoencoder)
}

// sameClasses refuses different classes: the data set's, the classifier's and the flow's.
func sameClasses(images, classifier, flow []string) error {
	if slices.Equal(classifier, images) && slices.Equal(flow, images) {
		return nil
	}
	return fmt.Errorf("evaluate: the classes of the data set are %q, of the classifier %q, of the flow %q: all want to be of one data set", images, classifier, flow)
}

// evaluation is a Run at work.
type evaluation struct {
	*stage
	models
	set     *dataset.Set
	backend engine.Backend
	work    artifacts.Workspace
	listen  pipeline.Listener

	yardstick *yardstick
	chosen    []int // places in set.Train() of the images behind floor, ceiling and the samples' classes
	labels    []int // of these

	began          time.Time
	done, steps    int    // pictures of all sets together, and test images whose likelihood is measured
	parts          []part // of the steps, in order
	measured, sets int    // sets of pictures
	drawn          int    // in this process
}

// run measures sets of n pictures.
func (e *evaluation) run(ctx context.Context, n int) (*Report, error) {
	train := e.set.Train()
	order := rng.New(e.env.Seed, rng.HeldOut).Permutation(0, len(train))
	for i := range n {
		e.chosen = append(e.chosen, order.At(i))
		e.labels = append(e.labels, e.set.Item(train[order.At(i)]).Label)
	}
	sweep := e.config.sweep(e.flow)
	sets := []pictureSet{{"floor", e.chosen, nil}, {"reconstructions", e.chosen, e.reconstruct}}
	for i, o := range sweep {
		sets = append(sets, pictureSet{fmt.Sprintf("samples-%04d", i), nil, func(ctx context.Context, s *shelf) error { return e.draw(ctx, s, o) }})
	}
	nfe := make([]int, len(sweep))
	for i, o := range sweep {
		var err error
		if nfe[i], err = e.flow.Evaluations(o); err != nil {
			return nil, err // before anything is drawn
		}
	}
	weights := e.weightsOf(sweep)
	e.parts = []part{{e.images() * len(weights), following * float64(cmp.Or(e.config.LikelihoodProbes, e.flow.Latent.Size()))}, {2 * n, making}}
	for _, evaluations := range nfe {
		e.parts = append(e.parts, part{n, float64(evaluations)})
	}
	for _, p := range e.parts {
		e.steps += p.pictures
	}
	e.sets = len(sets)
	e.resume(weights, sets)
	likelihood, err := e.likelihoods(ctx, weights)
	if err != nil {
		return nil, err
	}
	if e.yardstick, err = newYardstick(ctx, e.backend, e.env.Threads, e.classifier, e.config.Batch, e.config.CASSteps, e.env.Seed,
		classifier.Items(e.set, e.set.Test()), classifier.Items(e.set, train)); err != nil {
		return nil, err
	}
	defer e.yardstick.close()
	measured := make([]Measures, len(sets))
	for i, s := range sets {
		if measured[i], err = e.figures(ctx, s); err != nil {
			return nil, err
		}
	}

	r := &Report{Format: format, Seed: e.env.Seed, TestImages: len(e.set.Test()), Judge: e.yardstick.accuracy, CASSteps: e.config.CASSteps, Neighbours: neighbours, Directions: directions,
		Classifier: e.classifier.ID, Autoencoder: e.autoencoder.ID, Flow: e.flow.ID, Floor: measured[0], Ceiling: measured[1], Likelihood: likelihood}
	r.Rows = append(r.Rows, Row{Set: "reconstructions", Measures: r.Ceiling})
	for i, o := range sweep {
		d := &Drawing{Guidance: o.Guidance, Interval: o.Interval, Rescale: o.Rescale, Clip: o.Clip, Steps: o.Steps, Grid: o.Grid, Shift: o.Shift, Rho: o.Rho,
			Solver: o.Solver, Weights: weightsName(o.Weights), NFE: nfe[i], Seed: e.env.Seed}
		r.Rows = append(r.Rows, Row{Set: "samples", Drawing: d, Measures: measured[2+i]})
	}
	return r, nil
}

func weightsName(w engine.Weights) string {
	if w == engine.Average {
		return "ema"
	}
	return "raw"
}

// pictureSet is a set that is measured.
type pictureSet struct {
	name   string                              // in the work area
	except []int                               // the training image that each picture was made of; nil for samples
	fill   func(context.Context, *shelf) error // makes the pictures; nil: they are the chosen training images themselves
}

// resume says where an earlier Run was, if it left anything.
func (e *evaluation) resume(weights []engine.Weights, sets []pictureSet) {
	done := 0
	for _, w := range weights {
		done += e.tallied(w).Images
	}
	for _, s := range sets {
		if _, ok := e.known(s.name); !ok {
			done += e.shelf(s.name).kept()
			break
		}
		done += len(e.labels)
	}
	if done > 0 {
		e.listen.Resumed(done)
	}
}

func (e *evaluation) shelf(name string) *shelf {
	return &shelf{fs: e.work.FS, dir: e.work.Path(name), size: e.set.Size(), labels: e.labels}
}

// known reads the figures of a set that was measured before.
func (e *evaluation) known(name string) (m Measures, ok bool) {
	ok = e.read(name, &m)
	return m, ok
}

// read reads what was measured before.
func (e *evaluation) read(name string, into any) bool {
	text, err := os.ReadFile(e.work.Path(name + ".json"))
	return err == nil && json.Unmarshal(text, into) == nil
}

// keep writes what was measured, for read, and says so.
func (e *evaluation) keep(name string, measured any) error {
	text, err := json.Marshal(measured)
	if err != nil {
		return err
	}
	if err := disk.Replace(e.work.FS, e.work.Dir, e.work.Path(name+".json"), text); err != nil {
		return err
	}
	e.listen.Checkpoint(e.done)
	return nil
}

// items are the chosen training images, by their numbers in the data set.
func (e *evaluation) items() []int {
	items, train := make([]int, len(e.chosen)), e.set.Train()
	for i, at := range e.chosen {
		items[i] = train[at]
	}
	return items
}

// figures are those of a set, which are kept when they are known; its pictures are not.
func (e *evaluation) figures(ctx context.Context, set pictureSet) (Measures, error) {
	s := e.shelf(set.name)
	m, ok := e.known(set.name)
	if ok {
		e.done += len(e.labels)
		e.measured++
		e.tell()
		return m, s.remove()
	}
	m, err := e.measure(ctx, set, s)
	if err != nil {
		return m, err
	}
	e.measured++
	e.tell()
	if err := e.keep(set.name, m); err != nil {
		return m, err
	}
	return m, s.remove()
}

// measure makes the pictures of a set that are not on its shelf, and measures all of them.
func (e *evaluation) measure(ctx context.Context, set pictureSet, s *shelf) (Measures, error) {
	if err := disk.MkdirAll(s.fs, s.dir); err != nil {
		return Measures{}, err
	}
	series := checkpoint.OpenSeries(e.work.FS, e.work.Path(set.name+"/cas"))
	if set.fill == nil {
		e.step(len(e.labels))
		return e.yardstick.measure(ctx, classifier.Items(e.set, e.items()), set.except, series)
	}
	kept := s.kept()
	e.done += kept
	if kept < len(e.labels) {
		if err := set.fill(ctx, s); err != nil {
			return Measures{}, err
		}
	}
	p, err := s.open()
	if err != nil {
		return Measures{}, err
	}
	defer p.Close()
	return e.yardstick.measure(ctx, p, set.except, series)
}

// step says that so many pictures more are there.
func (e *evaluation) step(pictures int) {
	e.done += pictures
	e.drawn += pictures
	e.tell()
}

// tell says how far it is.
func (e *evaluation) tell() {
	e.listen.UnequalProgress(e.done, e.steps, e.share(), float64(e.drawn)/time.Since(e.began).Seconds())
}

// part is a number of pictures in a row that are as much work each, in evaluations of the flow's network.
type part struct {
	pictures int
	work     float64
}

// What else is done, in evaluations of the flow's network; by these the time left is foretold, and nothing else.
const (
	making    = 1   // a picture that is not drawn
	looking   = 1   // at a picture
	learning  = 0.6 // from a picture, for cas
	following = 500 // a latent by one probe: there and back, with gradients
)

// share is how much of the work is done.
func (e *evaluation) share() float64 {
	each := looking * float64(len(e.labels)) // of a set
	if enough(len(e.set.Test())) {
		each += learning * float64(casBatch*e.config.CASSteps)
	}
	done, all := float64(e.measured)*each, float64(e.sets)*each
	left := e.done
	for _, p := range e.parts {
		n := min(left, p.pictures)
		done, all = done+float64(n)*p.work, all+float64(p.pictures)*p.work
		left -= n
	}
	return done / all
}

// reconstruct makes the chosen training images anew from their latents.
func (e *evaluation) reconstruct(ctx context.Context, s *shelf) error {
	encoder, err := e.autoencoder.NewImageEncoder(e.backend, e.config.Batch)
	if err != nil {
		return err
	}
	defer encoder.Close()
	decoder, err := e.autoencoder.NewLatentDecoder(e.backend, e.config.Batch)
	if err != nil {
		return err
	}
	defer decoder.Close()
	side, train, pixels := e.autoencoder.Arch.LatentSize(), e.set.Train(), s.bytes()
	latent := side * side * e.autoencoder.Arch.LatentChannels
	batch := e.config.Batch
	x, z := make([]float32, batch*pixels), make([]float32, batch*latent)
	w := e.writer(s)
	for from := w.first; from < len(e.chosen); from += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batch, len(e.chosen)-from)
		for i := range n {
			if err := e.set.Read(x[i*pixels:(i+1)*pixels], train[e.chosen[from+i]], false); err != nil {
				return err
			}
		}
		if err := encoder.Apply(z[:n*latent], x[:n*pixels]); err != nil {
			return err
		}
		if err := decoder.Apply(x[:n*pixels], z[:n*latent]); err != nil {
			return err
		}
		for i := range n {
			if err := w.add(picture.FromFloats(x[i*pixels:(i+1)*pixels], s.size, s.size)); err != nil {
				return err
			}
		}
	}
	return nil
}

// draw makes samples of the classes of the chosen training images.
func (e *evaluation) draw(ctx context.Context, s *shelf, o flow.SampleOptions) error {
	w := e.writer(s)
	r := decode.Request{Seed: e.env.Seed, Batch: e.config.Batch, SampleOptions: o, Skip: make([]bool, len(s.labels))}
	count := make([]int, len(e.set.Classes()))
	for i, class := range s.labels {
		r.Labels, r.Numbers = append(r.Labels, e.flow.Label(class)), append(r.Numbers, count[class])
		r.Skip[i] = i < w.first
		count[class]++
	}
	return decode.Generate(ctx, e.backend, e.autoencoder, e.flow, r, func(d decode.Drawn) error { return w.add(d.Image) })
}

// writer puts pictures on a shelf, in order, a file at a time.
type writer struct {
	*evaluation
	shelf  *shelf
	first  int // picture of the file to come
	pixels []byte
}

// writer goes on behind what is there.
func (e *evaluation) writer(s *shelf) *writer {
	return &writer{evaluation: e, shelf: s, first: s.kept(), pixels: make([]byte, 0, perFile*s.bytes())}
}

func (w *writer) add(m *picture.Image) error {
	w.pixels = append(w.pixels, m.Pix...)
	n := len(w.pixels) / w.shelf.bytes()
	if n < perFile && w.first+n < len(w.shelf.labels) {
		return nil
	}
	if err := w.shelf.put(w.first, w.pixels); err != nil {
		return err
	}
	w.first, w.pixels = w.first+n, w.pixels[:0]
	w.step(n)
	w.listen.Checkpoint(w.done)
	return nil
}
