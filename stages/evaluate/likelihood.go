package evaluate

import (
	"context"
	"encoding/json"
	"math"

	"lfm/internal/disk"
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
	Evaluations float64 `json:"evaluations"`        // of the network, in the mean over images
}

// likelihoods measures every kind of weights of the sweep.
func (e *evaluation) likelihoods(ctx context.Context, sweep []flow.SampleOptions) (all []Likelihood, err error) {
	if e.images() == 0 {
		return nil, nil
	}
	seen := map[engine.Weights]bool{}
	for _, o := range sweep {
		if seen[o.Weights] {
			continue
		}
		seen[o.Weights] = true
		l, err := e.likelihood(ctx, o.Weights)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// images is how many test images are measured.
func (e *evaluation) images() int { return min(e.config.LikelihoodImages, len(e.set.Test())) }

// likelihood measures one kind of weights, or reads what was measured before.
func (e *evaluation) likelihood(ctx context.Context, w engine.Weights) (l Likelihood, err error) {
	name := "likelihood-" + weightsName(w)
	if e.read(name, &l) {
		e.done += l.Images
		return l, nil
	}
	if l, err = e.bits(ctx, w); err != nil {
		return l, err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return l, err
	}
	if err := disk.Replace(e.work.FS, e.work.Dir, e.work.Path(name+".json"), text); err != nil {
		return l, err
	}
	e.listen.Checkpoint(e.done)
	return l, nil
}

// bits measures test images drawn without repetition.
func (e *evaluation) bits(ctx context.Context, w engine.Weights) (l Likelihood, err error) {
	l = Likelihood{Weights: weightsName(w), Images: e.images(), Probes: e.config.LikelihoodProbes}
	size := e.flow.Latent.Size()
	rows := e.config.LikelihoodProbes
	if rows == 0 {
		rows = size
	}
	density, err := e.flow.NewLikelihood(e.backend, min(rows, e.config.Batch), flow.LikelihoodOptions{Probes: l.Probes, Seed: e.env.Seed, Weights: w})
	if err != nil {
		return l, err
	}
	defer density.Close()
	encoder, err := e.autoencoder.NewImageEncoder(e.backend, 1)
	if err != nil {
		return l, err
	}
	defer encoder.Close()
	test := e.set.Test()
	order := rng.New(e.env.Seed, rng.HeldOut).Permutation(1, len(test))
	x, z := make([]float32, e.set.Size()*e.set.Size()*3), make([]float32, size)
	var sum, squares float64
	for i := range l.Images {
		item := test[order.At(i)]
		if err := e.set.Read(x, item, false); err != nil {
			return l, err
		}
		if err := encoder.Apply(z, x); err != nil {
			return l, err
		}
		d, err := density.Of(ctx, z, e.flow.Label(e.set.Item(item).Label), i)
		if err != nil {
			return l, err
		}
		sum += d.BitsPerDim
		squares += d.BitsPerDim * d.BitsPerDim
		l.Evaluations += float64(d.NetworkCalls)
		e.step(1)
	}
	n := float64(l.Images)
	l.BitsPerDim, l.Evaluations = sum/n, l.Evaluations/n
	if n > 1 {
		l.Error = math.Sqrt(max(0, squares/n-l.BitsPerDim*l.BitsPerDim) / (n - 1))
	}
	return l, nil
}
