package main

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/latent"
	"lfm/internal/path"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
	"lfm/stages/encode"
	"lfm/stages/flow"
)

// TestBatches: what training reads, told by the numbers that reach the engine: in each epoch
// every training image once, in the flow's case its mirror image too, and in no epoch a test
// image; also where a run dies between two checkpoints and another goes on. Latents are
// normalised by training images alone.
func TestBatches(t *testing.T) {
	t.Parallel()
	const batch, epochs = 7, 5
	b := pipelinetest.New(t)
	in, images := someCritters(t, b, 60, 8)

	items := map[string]string{} // ID by pixels, of both mirror images
	pixels := make([]float32, 8*8*3)
	for i := range images.Len() {
		for _, flip := range []bool{false, true} {
			if err := images.Read(pixels, i, flip); err != nil {
				t.Fatal(err)
			}
			items[fmt.Sprint(pixels)] = images.Item(i).ID
		}
	}
	if len(items) != 2*images.Len() || len(images.Test()) == 0 {
		t.Fatalf("%d different pictures of %d images, %d test images", len(items), images.Len(), len(images.Test()))
	}
	var train []string
	for _, i := range images.Train() {
		train = append(train, images.Item(i).ID)
	}
	ac := autoencoder.DefaultConfig()
	ac.Channels, ac.LatentChannels, ac.HFlip = 4, 2, true
	ac.Batch, ac.Steps, ac.CheckpointEvery = batch, epochs*len(train)/batch, 10
	ae := checkBatches(t, b, autoencoder.Kind, ac, in, train, func(inputs map[string][]float32) (read []string) {
		for x := range slices.Chunk(inputs["x"], len(pixels)) {
			read = append(read, items[fmt.Sprint(x)])
		}
		return read
	})

	in.Artifacts = map[string]*artifacts.Artifact{"autoencoder": ae}
	encoded := b.Run(encode.Kind(pipelinetest.CPU), &encode.Config{HFlip: true, Batch: 16}, in)
	set, err := latent.Open(t.Context(), encoded.Path, latent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	checkStats(t, set)

	var rows []string
	for _, i := range set.Rows(latent.Train) {
		rows = append(rows, rowName(set, i))
	}
	if len(rows) != 2*len(train) {
		t.Fatalf("%d training rows of %d images and their mirror images", len(rows), len(train))
	}
	fc := flow.DefaultConfig()
	fc.Width, fc.Heads, fc.ContextTokens, fc.Previews = 16, 2, 2, false
	fc.Batch, fc.Steps, fc.CheckpointEvery = batch, epochs*len(rows)/batch, 10
	latents := pipeline.Inputs{Artifacts: map[string]*artifacts.Artifact{"encode": encoded}}
	checkBatches(t, b, flow.Kind, fc, latents, rows, func(inputs map[string][]float32) (read []string) {
		size := set.Shape().Size()
		x := make([]float32, size)
		for i, time := range inputs["t"] {
			path.Straight{SigmaMin: float32(fc.SigmaMin)}.Data(x, inputs["zt"][i*size:(i+1)*size], inputs["target"][i*size:(i+1)*size], time)
			read = append(read, rowName(set, nearest(t, set, x)))
		}
		return read
	})
}

// someCritters are inputs of a stage that learns so many critters of a size.
func someCritters(t *testing.T, b *pipelinetest.Bench, count, size int) (pipeline.Inputs, *dataset.Set) {
	t.Helper()
	c := dataset.Default()
	c.Source, c.Count, c.Size = "critters", count, size
	src, err := dataset.Open(c, "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := pipeline.Inputs{Data: b.Data(src), Source: src}
	set, err := dataset.Load(in.Data, src)
	if err != nil {
		t.Fatal(err)
	}
	return in, set
}

// checkBatches trains a stage twice, straight and with a death in the midst, and holds what
// its steps read, by name, to epochs of all names. A death leaves no more than kill -9 does:
// nothing is saved on the way out.
func checkBatches(t *testing.T, b *pipelinetest.Bench, kind func(engine.Open) pipeline.Kind, cfg any, in pipeline.Inputs,
	names []string, readBy func(inputs map[string][]float32) []string) *artifacts.Artifact {
	t.Helper()
	const death, saved = 17, 10 // steps done; checkpoints are written every ten
	var log [][]string          // by step
	w := &watch{before: func(inputs map[string][]float32) { log = append(log, readBy(inputs)) }}
	k := kind(w.open)
	a := b.Run(k, cfg, in)
	straight := log
	want := slices.Sorted(slices.Values(names))
	for epoch := range slices.Chunk(slices.Concat(straight...), len(names)) {
		for _, name := range epoch {
			if !slices.Contains(names, name) {
				t.Errorf("%s: reads %q", k.Name, name)
			}
		}
		if slices.Sort(epoch); len(epoch) == len(want) && !slices.Equal(epoch, want) {
			t.Errorf("%s: an epoch reads %q, want %q", k.Name, epoch, want)
		}
	}

	log = nil
	w.after = func() {
		if len(log) == death {
			panic("death")
		}
	}
	func() {
		defer func() {
			if p := recover(); p != "death" {
				t.Fatalf("%s: ended with %v before its death", k.Name, p)
			}
		}()
		b.Run(k, cfg, in)
	}()
	w.after = nil
	again := b.Run(k, cfg, in)
	lost := slices.Concat(straight[:death], straight[saved:])
	if again.ID != a.ID || !slices.EqualFunc(log, lost, slices.Equal[[]string]) {
		t.Errorf("%s: after a death in step %d, %d steps in all and output %s, want %d and %s", k.Name, death, len(log), again.ID.Short(), len(lost), a.ID.Short())
	}
	return a
}

// checkStats holds a set's statistics to the training rows.
func checkStats(t *testing.T, set *latent.Set) {
	t.Helper()
	const channels = 2
	var n, sum, squares [channels]float64
	x := make([]float32, set.Shape().Size())
	for _, i := range set.Rows(latent.Train) {
		if err := set.Read(x, i); err != nil {
			t.Fatal(err)
		}
		for j, v := range x {
			n[j%channels]++
			sum[j%channels] += float64(v)
			squares[j%channels] += float64(v) * float64(v)
		}
	}
	for k := range channels {
		mean := sum[k] / n[k]
		std := math.Sqrt(squares[k]/n[k] - mean*mean)
		if got := set.Stats(); math.Abs(got.Mean[k]-mean) > 1e-9 || math.Abs(got.Std[k]-std) > 1e-9 {
			t.Errorf("channel %d: mean %v and deviation %v, of the training rows %v and %v", k, got.Mean[k], got.Std[k], mean, std)
		}
	}
}

// rowName tells a row of latents from all others.
func rowName(set *latent.Set, i int) string {
	return fmt.Sprintf("%s %s flip %v", set.Split(i), set.ID(i), set.Flip(i))
}

// nearest is the row whose normalised latent is x, up to rounding.
func nearest(t *testing.T, set *latent.Set, x []float32) int {
	t.Helper()
	z, row, first, second := make([]float32, len(x)), -1, math.Inf(1), math.Inf(1)
	for i := range set.Len() {
		if err := set.Read(z, i); err != nil {
			t.Fatal(err)
		}
		set.Stats().Normalize(z, z)
		var far float64
		for j, v := range z {
			far = max(far, math.Abs(float64(v-x[j])))
		}
		if far < first {
			row, first, second = i, far, first
		} else {
			second = min(second, far)
		}
	}
	if first > 1e-4 || second < 10*first {
		t.Fatalf("a latent is %g from row %d, and %g from another", first, row, second)
	}
	return row
}
