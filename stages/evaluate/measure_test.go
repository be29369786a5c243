package evaluate

import (
	"math"
	"testing"

	"lfm/internal/checkpoint"
	"lfm/internal/dataset"
	"lfm/internal/disk"
	"lfm/internal/engine/cpu"
	"lfm/internal/rng"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/classifier"
)

// changed is pictures with other labels or other pixels.
type changed struct {
	classifier.Pictures
	order  []int // which pictures; nil for all
	label  func(i, label int) int
	pixels func(x []float32)
}

func (c changed) at(i int) int {
	if c.order != nil {
		return c.order[i]
	}
	return i
}

func (c changed) Len() int {
	if c.order != nil {
		return len(c.order)
	}
	return c.Pictures.Len()
}

func (c changed) Label(i int) int {
	label := c.Pictures.Label(c.at(i))
	if c.label != nil {
		return c.label(i, label)
	}
	return label
}

func (c changed) Read(x []float32, i int, flip bool) error {
	err := c.Pictures.Read(x, c.at(i), flip)
	if c.pixels != nil {
		c.pixels(x)
	}
	return err
}

// TestBadPictures: what real pictures have of every fault shows in the figure that is there for it. The
// pictures without a fault are training images that each pass themselves over, the floor.
func TestBadPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("trains long enough to be judged")
	}
	b := pipelinetest.New(t)
	in := data(t, b, 900, nil)
	model, err := classifier.Open(classifierOf(b, in, 200))
	if err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		t.Fatal(err)
	}
	backend := cpu.Open(1)
	defer backend.Close()
	train := classifier.Items(set, set.Train())
	y, err := newYardstick(t.Context(), backend, 0, model, 64, 100, 7, classifier.Items(set, set.Test()), train)
	if err != nil {
		t.Fatal(err)
	}
	defer y.close()
	const n = 240
	chosen, some := make([]int, n), []int(nil) // of all classes, and of two
	permutation := rng.New(1, rng.Shuffle).Permutation(0, train.Len())
	for i := range n {
		chosen[i] = permutation.At(i)
	}
	for i := 0; len(some) < n; i++ {
		if at := permutation.At(i); train.Label(at) != 2 {
			some = append(some, at)
		}
	}
	measure := func(p classifier.Pictures, except []int) Measures {
		m, err := y.measure(t.Context(), p, except, checkpoint.OpenSeries(disk.OS, t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	test := classifier.Items(set, set.Test())
	if m := measure(test, nil); *m.ClassAccuracy != *y.accuracy || *m.FD > 1e-9 || *m.Recall != 1 {
		t.Errorf("the test images themselves: %s, of which the judge knows %v", show(m), *y.accuracy)
	}
	floor := measure(changed{Pictures: train, order: chosen}, chosen)
	if *floor.ClassAccuracy < 0.8 || *floor.CAS < 0.5 || math.Abs(*floor.Memorised-1) > 0.1 || math.Abs(*floor.KID) > 3**floor.KIDError || *floor.Coverage < 0.8 {
		t.Errorf("floor: %s", show(floor))
	}

	copies := measure(changed{Pictures: train, order: chosen}, nil)
	if *copies.Memorised != 0 || *copies.FD != *floor.FD {
		t.Errorf("copies of training images: memorised %v, want 0", *copies.Memorised)
	}
	shuffled := measure(changed{Pictures: train, order: chosen, label: func(i, _ int) int { return train.Label(chosen[(i+97)%n]) }}, chosen)
	if math.Abs(*shuffled.ClassAccuracy-1./3) > 0.1 || *shuffled.CAS > 0.45 || *shuffled.FD != *floor.FD {
		t.Errorf("labels shuffled: class accuracy %v and cas %v, want a third", *shuffled.ClassAccuracy, *shuffled.CAS)
	}
	dropped := measure(changed{Pictures: train, order: some}, some)
	if *dropped.Coverage > *floor.Coverage-0.1 || *dropped.CAS > *floor.CAS-0.1 || *dropped.FD < 2**floor.FD {
		t.Errorf("a class dropped: %s, floor %s", show(dropped), show(floor))
	}
	pale := measure(changed{Pictures: train, order: chosen, pixels: func(x []float32) {
		for i := range x {
			x[i] = 0.6*x[i] + 0.2
		}
	}}, chosen)
	if *pale.SW2 < 2**floor.SW2 { // the norms of the classifier make up for the contrast
		t.Errorf("pale pictures: %s, floor %s", show(pale), show(floor))
	}
	one := measure(changed{Pictures: train, order: make([]int, n)}, nil)
	if *one.Coverage > 0.1 || *one.Recall > 0.1 || *one.FD < 5**floor.FD {
		t.Errorf("one picture again and again: %s, floor %s", show(one), show(floor))
	}
}

func show(m Measures) string { return (&Report{Floor: m}).table() }
