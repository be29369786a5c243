package autoencoder

import (
	"bytes"
	"context"
	"encoding/json"
	"math"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/metrics"
	"lfm/internal/picture"
)

// Evaluation is how good a trained autoencoder is.
type Evaluation struct {
	Train   Fidelity `json:"train"`
	HeldOut Fidelity `json:"held_out"` // of the test split; of the training split where there is none

	// Mean and standard deviation of each latent channel over the images measured. A channel
	// whose deviation is far below the others' carries nothing.
	LatentMean []float64 `json:"latent_mean"`
	LatentStd  []float64 `json:"latent_std"`
}

// Fidelity compares reconstructions (of the latents' means, in 8 bits) with originals.
type Fidelity struct {
	Images int     `json:"images"`
	PSNR   float64 `json:"psnr"` // dB, mean over images
	SSIM   float64 `json:"ssim"`
}

const (
	measuredImages = 1000 // of each split at most
	shownImages    = 40   // in the picture
	shownColumns   = 8    // pairs in a row
)

// measure writes the evaluation and the picture of reconstructions.
func measure(ctx context.Context, out *artifacts.Builder, set *dataset.Set, b engine.Backend, trained engine.Machine, arch Arch, batch int) error {
	m, err := newMeter(set, b, trained, arch, batch)
	if err != nil {
		return err
	}
	defer m.close()
	heldOut := set.Test()
	if len(heldOut) == 0 {
		heldOut = set.Train()
	}
	var e Evaluation
	if e.Train, err = m.fidelity(ctx, metrics.Spread(set.Train(), measuredImages)); err != nil {
		return err
	}
	m.latents = moments{}
	if e.HeldOut, err = m.fidelity(ctx, metrics.Spread(heldOut, measuredImages)); err != nil {
		return err
	}
	e.LatentMean, e.LatentStd = m.latents.stats()
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	if err := out.WriteFile(evaluationFile, append(data, '\n')); err != nil {
		return err
	}
	pairs, err := m.pairs(metrics.Spread(heldOut, shownImages))
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := picture.Encode(&file, picture.Pairs(pairs, shownColumns), nil); err != nil {
		return err
	}
	return out.WriteFile(picturesFile, file.Bytes())
}

// meter takes images through both halves of an autoencoder.
type meter struct {
	set              *dataset.Set
	arch             Arch
	encoder, decoder *Coder
	latents          moments
}

// newMeter compiles both halves with the weights of the machine that was trained.
func newMeter(set *dataset.Set, b engine.Backend, trained engine.Machine, arch Arch, batch int) (*meter, error) {
	m := &meter{set: set, arch: arch}
	e, err := NewEncoding(arch, batch)
	if err != nil {
		return nil, err
	}
	if m.encoder, err = newCoder(b, e.Graph, e.Params, e.X, e.Mean, engine.Options{Share: trained}); err != nil {
		return nil, err
	}
	d, err := NewDecoding(arch, batch)
	if err == nil {
		m.decoder, err = newCoder(b, d.Graph, d.Params, d.Z, d.Images, engine.Options{Share: trained})
	}
	if err != nil {
		m.encoder.Close()
		return nil, err
	}
	return m, nil
}

func (m *meter) close() {
	m.encoder.Close()
	m.decoder.Close()
}

// reconstruct reads items and gives originals and reconstructions, (n, S, S, 3) each.
func (m *meter) reconstruct(items []int) (x, y []float32, err error) {
	pixels := m.arch.Size * m.arch.Size * 3
	x, y = make([]float32, len(items)*pixels), make([]float32, len(items)*pixels)
	for i, item := range items {
		if err := m.set.Read(x[i*pixels:(i+1)*pixels], item, false); err != nil {
			return nil, nil, err
		}
	}
	side := m.arch.LatentSize()
	z := make([]float32, len(items)*side*side*m.arch.LatentChannels)
	if err := m.encoder.Apply(z, x); err != nil {
		return nil, nil, err
	}
	m.latents.add(z, m.arch.LatentChannels)
	return x, y, m.decoder.Apply(y, z)
}

// fidelity measures items batch by batch.
func (m *meter) fidelity(ctx context.Context, items []int) (Fidelity, error) {
	f := Fidelity{Images: len(items)}
	s := m.arch.Size
	for from := 0; from < len(items); from += m.encoder.Batch() {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		some := items[from:min(from+m.encoder.Batch(), len(items))]
		x, y, err := m.reconstruct(some)
		if err != nil {
			return f, err
		}
		for i := range some {
			a := picture.FromFloats(x[i*s*s*3:(i+1)*s*s*3], s, s)
			b := picture.FromFloats(y[i*s*s*3:(i+1)*s*s*3], s, s)
			f.PSNR += metrics.PSNR(a.Pix, b.Pix) / float64(len(items))
			f.SSIM += metrics.SSIM(a.Pix, b.Pix, s, s, 3) / float64(len(items))
		}
	}
	return f, nil
}

// pairs are originals, each with its reconstruction.
func (m *meter) pairs(items []int) ([][2]*picture.Image, error) {
	x, y, err := m.reconstruct(items)
	if err != nil {
		return nil, err
	}
	s := m.arch.Size
	pairs := make([][2]*picture.Image, len(items))
	for i := range pairs {
		from, to := i*s*s*3, (i+1)*s*s*3
		pairs[i] = [2]*picture.Image{picture.FromFloats(x[from:to], s, s), picture.FromFloats(y[from:to], s, s)}
	}
	return pairs, nil
}

// moments gathers mean and deviation of each channel.
type moments struct {
	n          float64
	sum, squar []float64
}

func (m *moments) add(z []float32, channels int) {
	if m.sum == nil {
		m.sum, m.squar = make([]float64, channels), make([]float64, channels)
	}
	for i, v := range z {
		m.sum[i%channels] += float64(v)
		m.squar[i%channels] += float64(v) * float64(v)
	}
	m.n += float64(len(z) / channels)
}

func (m *moments) stats() (mean, std []float64) {
	for c := range m.sum {
		mu := m.sum[c] / m.n
		mean = append(mean, mu)
		std = append(std, math.Sqrt(max(0, m.squar[c]/m.n-mu*mu)))
	}
	return mean, std
}
