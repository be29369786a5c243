package autoencoder_test

import (
	"slices"
	"testing"

	"lfm/internal/engine/cpu"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
	"lfm/stages/autoencoder/autoencodertest"
)

// TestSameBits: what becomes of an image, or of a latent, does not depend on batch and threads.
func TestSameBits(t *testing.T) {
	m, err := autoencoder.Open(autoencodertest.Artifact(t, pipelinetest.New(t), autoencoder.Arch{Channels: 8, LatentChannels: 3, Downsample: 2, Size: 8}))
	if err != nil {
		t.Fatal(err)
	}
	const n = 5
	images := make([]float32, n*8*8*3)
	for i := range images {
		images[i] = float32(i%37)/18 - 1
	}
	var latents, back []float32
	for i, c := range []struct{ threads, batch int }{{1, n}, {1, 1}, {3, 2}, {2, 16}} {
		backend := cpu.Open(c.threads)
		defer backend.Close()
		encoder, err := m.NewImageEncoder(backend, c.batch)
		if err != nil {
			t.Fatal(err)
		}
		defer encoder.Close()
		decoder, err := m.NewLatentDecoder(backend, c.batch)
		if err != nil {
			t.Fatal(err)
		}
		defer decoder.Close()
		z, y := make([]float32, n*4*4*3), make([]float32, len(images))
		if err := encoder.Apply(z, images); err != nil {
			t.Fatal(err)
		}
		if err := decoder.Apply(y, z); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			latents, back = z, y
		}
		if !slices.Equal(z, latents) || !slices.Equal(y, back) {
			t.Errorf("other numbers in batches of %d on %d threads", c.batch, c.threads)
		}
	}
}
