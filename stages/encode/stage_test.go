package encode

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/internal/disk"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/internal/panics"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
	"lfm/stages/autoencoder/autoencodertest"
)

var arch = autoencoder.Arch{Channels: 4, LatentChannels: 2, Downsample: 2, Size: 4}

// inputs are an untrained autoencoder and so many critters, very small ones.
func inputs(t *testing.T, b *pipelinetest.Bench, count int) pipeline.Inputs {
	t.Helper()
	c := dataset.Default()
	c.Source, c.Count, c.Size = "critters", count, arch.Size
	src, err := dataset.Open(c, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Inputs{
		Artifacts: map[string]*artifacts.Artifact{"autoencoder": autoencodertest.Artifact(t, b, arch)},
		Data:      b.Data(src), Source: src,
	}
}

func read(t *testing.T, a *artifacts.Artifact) *latent.Set {
	t.Helper()
	set, err := latent.Open(t.Context(), a.Path, latent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

// TestRows: rows stand in the index's order, with hflip the mirror image of each training
// image, and of no other, behind it; and each is what the autoencoder makes of its image.
func TestRows(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, 50)
	images, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		t.Fatal(err)
	}
	if len(images.Test()) == 0 {
		t.Fatal("there are no test images")
	}
	model, err := autoencoder.Open(in.Artifacts["autoencoder"])
	if err != nil {
		t.Fatal(err)
	}
	backend := cpu.Open(1)
	defer backend.Close()
	coder, err := model.NewImageEncoder(backend, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer coder.Close()
	for _, hflip := range []bool{false, true} {
		set := read(t, b.Run(Kind(pipelinetest.CPU), &Config{HFlip: hflip, Batch: 7}, in))
		row := 0
		pixels, want, got := make([]float32, 4*4*3), make([]float32, 2*2*2), make([]float32, 2*2*2)
		for i := range images.Len() {
			item := images.Item(i)
			for _, flip := range []bool{false, true} {
				if flip && (!hflip || item.Split == dataset.Test) {
					continue
				}
				if set.ID(row) != item.ID || set.Split(row) != item.Split || set.Label(row) != item.Label || set.Flip(row) != flip {
					t.Fatalf("row %d is %s of %s, flip %v; want %s of %s, %v", row, set.ID(row), set.Split(row), set.Flip(row), item.ID, item.Split, flip)
				}
				if err := errors.Join(images.Read(pixels, i, flip), coder.Apply(want, pixels), set.Read(got, row)); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("row %d is %v, want %v", row, got, want)
				}
				row++
			}
		}
		s := set.Summary()
		if row != set.Len() || s.Autoencoder != model.ID.String() || s.Dataset != in.Data.ID.String() || !slices.Equal(s.Classes, images.Classes()) {
			t.Errorf("%d rows, want %d; summary %+v", set.Len(), row, s)
		}
	}
}

// TestCaptions: a row has the caption and the properties of its image, mirrored or not.
func TestCaptions(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, 30)
	c := dataset.Default()
	c.Source, c.Count, c.Size, c.Captions = "critters", 30, arch.Size, "drawn"
	src, err := dataset.Open(c, "", "")
	if err != nil {
		t.Fatal(err)
	}
	in.Data, in.Source = b.Data(src), src
	images, err := dataset.Load(in.Data, src)
	if err != nil {
		t.Fatal(err)
	}
	set := read(t, b.Run(Kind(pipelinetest.CPU), &Config{HFlip: true, Batch: 7}, in))
	said := map[string]int{}
	for i := range images.Len() {
		said[images.Item(i).ID] = i
	}
	for row := range set.Len() {
		i := said[set.ID(row)]
		if set.Caption(row) == "" || set.Caption(row) != images.Caption(i) || !slices.Equal(set.Properties(row), images.Numbers(i)) {
			t.Errorf("row %d says %q %v, its image %q %v", row, set.Caption(row), set.Properties(row), images.Caption(i), images.Numbers(i))
		}
	}
	if s := set.Summary(); !s.Captioned || !slices.Equal(s.Properties, images.Properties()) || set.Len() <= images.Len() {
		t.Errorf("%d rows of %d images, properties %q", set.Len(), images.Len(), s.Properties)
	}
}

// TestResume: interrupted within a shard, encoding goes on behind the finished ones, and ends
// in the bytes of a straight run with other batches and other threads.
func TestResume(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, 2250) // some 4,270 rows: more than a shard
	k := Kind(pipelinetest.CPU)
	want := b.Run(k, &Config{HFlip: true, Batch: 64}, in)
	if set := read(t, want); set.Len() <= latent.ShardRows {
		t.Fatalf("%d rows are one shard", set.Len())
	}
	b.Env.Threads = 3
	got, resumed := b.Interrupted(k, &Config{HFlip: true, Batch: 50}, in, pipeline.StageProgress, latent.ShardRows+50)
	if got.ID != want.ID || resumed != latent.ShardRows {
		t.Errorf("resumed at row %d: output %s, want %s", resumed, got.ID.Short(), want.ID.Short())
	}
	if got, resumed := b.Interrupted(k, &Config{HFlip: true, Batch: 64}, in, pipeline.StageProgress, 640); got.ID != want.ID || resumed != 0 {
		t.Errorf("interrupted in the first shard, resumed at row %d: output %s, want %s", resumed, got.ID.Short(), want.ID.Short())
	}
}

// renamed is a back end that says it is another.
type renamed struct{ engine.Backend }

func (renamed) Name() string { return "abacus" }

// TestReadPanics: a panic in the goroutine that reads images is the stage's.
func TestReadPanics(t *testing.T) {
	b := pipelinetest.New(t)
	model, err := autoencoder.Open(autoencodertest.Artifact(t, b, arch))
	if err != nil {
		t.Fatal(err)
	}
	backend := cpu.Open(1)
	defer backend.Close()
	coder, err := model.NewImageEncoder(backend, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer coder.Close()
	side := arch.LatentSize()
	e := &encoding{coder: coder, rows: make([]row, 2), pixels: 3 * arch.Size * arch.Size, size: side * side * arch.LatentChannels}
	h := latent.Header{Shape: latent.Shape{H: side, W: side, C: arch.LatentChannels}, Classes: []string{"cat"}, Autoencoder: "a", Dataset: "d"}
	if e.writer, err = latent.NewWriter(disk.OS, t.TempDir(), h, len(e.rows)); err != nil {
		t.Fatal(err)
	}
	// There is no set to read from.
	caught := panics.Catch(func() { err = e.shard(t.Context(), 0) })
	if caught == nil || !strings.Contains(caught.Stack, "(*encoding).fill") {
		t.Errorf("error %v, caught %v", err, caught)
	}
}

// TestOtherBackend: shards of two back ends are put together only if that is accepted.
func TestOtherBackend(t *testing.T) {
	b := pipelinetest.New(t)
	in, c := inputs(t, b, 20), DefaultConfig()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.Start(ctx, Kind(pipelinetest.CPU), c, in, func(e pipeline.Event) {
		if e.Event == pipeline.StageCheckpoint { // the shard is finished, latents.json is not there
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted, it returned %v", err)
	}
	other := Kind(func(ctx context.Context, device string, threads int) (engine.Backend, error) {
		backend, err := pipelinetest.CPU(ctx, device, threads)
		return renamed{backend}, err
	})
	if _, err := b.Start(t.Context(), other, c, in, nil); err == nil || !strings.Contains(err.Error(), `"abacus"`) || !strings.Contains(err.Error(), "--accept-inexact") {
		t.Errorf("another back end went on: %v", err)
	}
	b.Env.AcceptInexact = true
	if _, err := b.Start(t.Context(), other, c, in, nil); err != nil {
		t.Errorf("accepted, it failed: %v", err)
	}
}

// TestWrongSize: an autoencoder of other images is refused.
func TestWrongSize(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, 20)
	big := arch
	big.Size = 8
	in.Artifacts["autoencoder"] = autoencodertest.Artifact(t, b, big)
	if _, err := b.Start(t.Context(), Kind(pipelinetest.CPU), DefaultConfig(), in, nil); err == nil || !strings.Contains(err.Error(), "size 8") {
		t.Errorf("it encoded images of size 4: %v", err)
	}
}
