package evaluate

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"lfm/internal/engine"
	"lfm/internal/rng"
	"lfm/stages/flow"
)

// Likelihood says how well a flow foretells the latents of test images: bits for each number of a latent under their
// class, fewer is better. They are of the autoencoder's own latents, so that flows of one autoencoder can be compared.
type Likelihood struct {
	Weights     string  `json:"weights"` // ema or raw
	Images      int     `json:"images"`
	Probes      int     `json:"probes"` // 0: exact divergence
	BitsPerDim  float64 `json:"bits_per_dim"`
	Error       float64 `json:"bits_per_dim_error"` // standard error of the mean over images
	Evaluations float64 `json:"probe_evaluations"`  // of the network that an image cost, one for each probe; the mean
}

// A tally is kept in the work area at every so many images, and behind the image at which so long has passed: a kill loses
// no more than that, or one image that takes longer.
const (
	tallyEvery = 4
	tallyAfter = 30 * time.Second
)

// tally is what the images measured so far come to.
type tally struct {
	Images      int     `json:"images"`
	Bits        float64 `json:"bits"`    // sum of bits a number
	Squares     float64 `json:"squares"` // sum of their squares
	Evaluations int     `json:"evaluations"`
}

func (t *tally) add(d flow.Density) {
	t.Images++
	t.Bits += d.BitsPerDim
	t.Squares += float64(d.BitsPerDim * d.BitsPerDim)
	t.Evaluations += d.Evaluations
}

// likelihood is the tally of all images.
func (t *tally) likelihood(w engine.Weights, probes int) Likelihood {
	n := float64(t.Images)
	l := Likelihood{Weights: weightsName(w), Images: t.Images, Probes: probes, BitsPerDim: t.Bits / n, Evaluations: float64(t.Evaluations) / n}
	if n > 1 {
		l.Error = math.Sqrt(max(0, t.Squares/n-l.BitsPerDim*l.BitsPerDim) / (n - 1))
	}
	return l
}

// weightsOf are the kinds of weights of a sweep, each once, or none if no likelihood is asked for.
func (e *evaluation) weightsOf(sweep []flow.SampleOptions) (all []engine.Weights) {
	if e.images() == 0 {
		return nil
	}
	for _, o := range sweep {
		if !slices.Contains(all, o.Weights) {
			all = append(all, o.Weights)
		}
	}
	return all
}

// images is how many test images are measured.
func (e *evaluation) images() int { return min(e.config.LikelihoodImages, len(e.set.Test())) }

// tallied is the tally that an earlier Run kept.
func (e *evaluation) tallied(w engine.Weights) (t tally) {
	e.read(tallyName(w), &t)
	return t
}

func tallyName(w engine.Weights) string { return "likelihood-" + weightsName(w) }

// likelihoods measures the images with each kind of weights.
func (e *evaluation) likelihoods(ctx context.Context, weights []engine.Weights) (all []Likelihood, err error) {
	for _, w := range weights {
		t := e.tallied(w)
		e.done += t.Images
		if t.Images < e.images() {
			if err := e.measureLikelihood(ctx, w, &t); err != nil {
				return nil, err
			}
		}
		all = append(all, t.likelihood(w, e.config.LikelihoodProbes))
	}
	return all, nil
}

// measureLikelihood adds the images that are not in the tally, which are drawn without repetition.
func (e *evaluation) measureLikelihood(ctx context.Context, w engine.Weights, t *tally) error {
	size := e.flow.Latent.Size()
	rows := cmp.Or(e.config.LikelihoodProbes, size)
	density, err := e.flow.NewLikelihood(e.backend, min(rows, e.config.Batch), flow.LikelihoodOptions{Probes: e.config.LikelihoodProbes, Seed: e.env.Seed, Weights: w})
	if err != nil {
		return err
	}
	defer density.Close()
	encoder, err := e.autoencoder.NewImageEncoder(e.backend, 1)
	if err != nil {
		return err
	}
	defer encoder.Close()
	test := e.set.Test()
	order := rng.New(e.env.Seed, rng.HeldOut).Permutation(1, len(test))
	x, z := make([]float32, e.set.Size()*e.set.Size()*3), make([]float32, size)
	kept := time.Now()
	for i := t.Images; i < e.images(); i++ {
		item := test[order.At(i)]
		if err := e.set.Read(x, item, false); err != nil {
			return err
		}
		if err := encoder.Apply(z, x); err != nil {
			return err
		}
		d, err := density.Of(ctx, z, e.flow.Label(e.set.Item(item).Label), i)
		if err != nil {
			return err
		}
		t.add(d)
		e.step(1)
		if t.Images%tallyEvery == 0 || t.Images == e.images() || time.Since(kept) > tallyAfter {
			if err := e.keep(tallyName(w), t); err != nil {
				return err
			}
			kept = time.Now()
		}
	}
	return nil
}
