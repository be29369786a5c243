package evaluate

import (
	"context"
	"math"

	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/metrics"
	"lfm/internal/train"
	"lfm/stages/classifier"
)

const (
	neighbours = 5   // k of precision, recall, density and coverage
	directions = 128 // that pictures are seen along
	casBatch   = 64
	viewedRows = 64 // pictures in memory at once while they are turned into views
)

// Measures are the figures of a set of pictures. One that cannot be had is null.
type Measures struct {
	N             int      `json:"n"`
	ClassAccuracy *float64 `json:"class_accuracy"` // part that shows the class asked for
	CAS           *float64 `json:"cas"`            // accuracy on test images of a classifier of these pictures
	FD            *float64 `json:"fd_cls"`         // Fréchet distance of the classifier's features from the test images'
	KID           *float64 `json:"kid_cls"`        // kernel distance of the same
	KIDError      *float64 `json:"kid_cls_error"`  // its standard error
	Precision     *float64 `json:"precision"`
	Recall        *float64 `json:"recall"`
	Density       *float64 `json:"density"`
	Coverage      *float64 `json:"coverage"`
	SW2           *float64 `json:"sw2"`       // sliced 2-Wasserstein distance of pixels in [-1, 1]
	Memorised     *float64 `json:"memorised"` // distance to the nearest training image, over that of a test image
}

// figure is v, or null where it is not finite.
func figure(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// yardstick holds what sets are measured with and held to.
type yardstick struct {
	backend  engine.Backend
	model    *classifier.Model
	judge    *classifier.Judge
	threads  int
	casSteps int
	seed     uint64
	along    []float32 // directions (directions, S·S·3)

	test       classifier.Pictures // fewer than neighbours + 1: nothing to be held to
	accuracy   *float64            // of the judge on the test images
	features   []float32           // of the test images (T, F)
	reference  *metrics.Reference  // of the features
	views      []float32           // of the test images (T, directions)
	trainViews []float32           // of the training images
	testMemory float64             // mean distance from a test image to the nearest training image
}

// newYardstick looks at the test and the training images.
func newYardstick(ctx context.Context, b engine.Backend, threads int, m *classifier.Model, batch, casSteps int, seed uint64, test, train classifier.Pictures) (*yardstick, error) {
	judge, err := m.NewJudge(b, batch)
	if err != nil {
		return nil, err
	}
	pixels := m.Arch.Size * m.Arch.Size * 3
	y := &yardstick{backend: b, model: m, judge: judge, threads: threads, casSteps: casSteps, seed: seed, test: test,
		along: metrics.Directions(pixels, directions, seed)}
	if !y.comparable() {
		return y, nil
	}
	var predicted []int
	if predicted, y.features, y.views, err = y.look(ctx, test); err == nil {
		y.accuracy = accuracy(predicted, test)
		v := y.newViewer(train.Len())
		err = v.all(ctx, train)
		y.trainViews = v.views
	}
	if err == nil {
		crew := y.crew(ctx)
		y.reference = crew.Reference(y.features, m.Arch.Features, neighbours)
		y.testMemory = crew.MeanNearest(y.views, y.trainViews, directions, nil)
		err = ctx.Err()
	}
	if err != nil {
		judge.Close()
		return nil, err
	}
	return y, nil
}

// enough says whether there are test images enough to be compared with.
func enough(test int) bool { return test > neighbours }

func (y *yardstick) comparable() bool { return enough(y.test.Len()) }

// crew measures until ctx ends.
func (y *yardstick) crew(ctx context.Context) metrics.Crew {
	return metrics.Crew{Threads: y.threads, Done: ctx.Done()}
}

func (y *yardstick) close() error { return y.judge.Close() }

// look gives the classes that the judge sees, its features (n, F) and the views (n, directions) of
// pictures, each of which is read once.
func (y *yardstick) look(ctx context.Context, p classifier.Pictures) (predicted []int, features, views []float32, err error) {
	n := p.Len()
	predicted, features = make([]int, n), make([]float32, n*y.model.Arch.Features)
	v := y.newViewer(n)
	err = y.judge.Verdicts(ctx, predicted, features, func(x []float32, i int) error {
		if err := p.Read(x, i, false); err != nil {
			return err
		}
		v.add(x)
		return nil
	})
	v.flush()
	return predicted, features, v.views, err
}

// accuracy is the part of pictures whose class was predicted.
func accuracy(predicted []int, p classifier.Pictures) *float64 {
	right := 0
	for i, c := range predicted {
		if c == p.Label(i) {
			right++
		}
	}
	return figure(float64(right) / float64(p.Len()))
}

// measure gives the figures of a set. except, where it is not nil, names for each picture the training
// image that it was made of. series keeps the checkpoints of the classifier that learns from it.
func (y *yardstick) measure(ctx context.Context, p classifier.Pictures, except []int, series *checkpoint.Series) (Measures, error) {
	m := Measures{N: p.Len()}
	predicted, features, views, err := y.look(ctx, p)
	if err != nil {
		return m, err
	}
	m.ClassAccuracy = accuracy(predicted, p)
	if !y.comparable() {
		return m, nil
	}
	width, crew := y.model.Arch.Features, y.crew(ctx)
	steps := []func(){
		func() { m.FD = figure(crew.Frechet(features, y.features, width)) },
		func() {
			kid, e := crew.Kernel(y.reference, features)
			m.KID, m.KIDError = figure(kid), figure(e)
		},
		func() {
			s := crew.Cover(y.reference, features)
			m.Precision, m.Recall, m.Density, m.Coverage = figure(s.Precision), figure(s.Recall), figure(s.Density), figure(s.Coverage)
		},
		func() { m.SW2 = figure(crew.SlicedViews(views, y.views, directions)) },
		func() {
			m.Memorised = figure(crew.MeanNearest(views, y.trainViews, directions, except) / y.testMemory)
		},
	}
	for _, step := range steps {
		step()
		if err := ctx.Err(); err != nil {
			return m, err // and not what was left off half way
		}
	}
	m.CAS, err = y.cas(ctx, p, series)
	return m, err
}

// cas trains a classifier of the judge's architecture on pictures and asks it for the classes of the test images.
func (y *yardstick) cas(ctx context.Context, p classifier.Pictures, series *checkpoint.Series) (*float64, error) {
	if y.casSteps == 0 {
		return nil, nil
	}
	settings := train.DefaultSettings()
	settings.Steps, settings.Batch, settings.LearningRate = y.casSteps, casBatch, 2e-3
	t, err := classifier.Train(ctx, y.backend, y.model.Arch, settings, y.model.HFlip, y.seed, p, series, train.Observer{})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	judge, err := t.NewJudge(y.judge.Batch())
	if err != nil {
		return nil, err
	}
	defer judge.Close()
	a, err := judge.Accuracy(ctx, y.test)
	return figure(a.Accuracy), err
}

// viewer turns pictures into views, some at a time.
type viewer struct {
	crew   metrics.Crew
	along  []float32
	pixels int
	block  []float32 // pictures that wait
	views  []float32
}

func (y *yardstick) newViewer(n int) *viewer {
	pixels := y.model.Arch.Size * y.model.Arch.Size * 3
	return &viewer{crew: metrics.Crew{Threads: y.threads}, along: y.along, pixels: pixels,
		block: make([]float32, 0, viewedRows*pixels), views: make([]float32, 0, n*directions)}
}

func (v *viewer) add(x []float32) {
	v.block = append(v.block, x...)
	if len(v.block) == cap(v.block) {
		v.flush()
	}
}

func (v *viewer) flush() {
	if len(v.block) > 0 {
		v.views = append(v.views, v.crew.Views(v.block, v.along, v.pixels)...)
		v.block = v.block[:0]
	}
}

// all adds every picture.
func (v *viewer) all(ctx context.Context, p classifier.Pictures) error {
	x := make([]float32, v.pixels)
	for i := range p.Len() {
		if i%viewedRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := p.Read(x, i, false); err != nil {
			return err
		}
		v.add(x)
	}
	v.flush()
	return nil
}
