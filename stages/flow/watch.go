package flow

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"lfm/internal/disk"
	"lfm/internal/engine"
	"lfm/internal/latent"
	"lfm/internal/metrics"
	"lfm/internal/path"
	"lfm/internal/picture"
	"lfm/internal/rng"
	"lfm/internal/train"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
)

// HeldOut is the loss on held-out latents, at fixed times with fixed noise, which is paired
// with them as in training, 64 at a time. Losses of models trained with other distributions of
// time can be compared by it; those of other couplings not, whose least loss is another.
type HeldOut struct {
	Rows  int       `json:"rows"`
	Times []float64 `json:"times"`         // t of each bin
	Raw   Loss      `json:"raw"`           // of the last weights
	EMA   *Loss     `json:"ema"`           // of their average; null where there is none
	Zero  float64   `json:"zero_velocity"` // what predicting nought costs
}

// Loss is a mean squared error of the velocity, or of the noise where that is predicted, and the
// same at each time.
type Loss struct {
	Mean float64   `json:"mean"`
	ByT  []float64 `json:"by_t"`
}

const (
	evaluations = 10 // during training
	timeBins    = 8  // t = (i+1/2)/8
	watchedRows = 64 // during training
	finalRows   = 256
	evalBatch   = 64

	previewColumns  = 4
	previewClasses  = 12 // rows of a preview at most
	previewSteps    = 10
	previewGuidance = 2
)

// watch measures a network while it learns, and shows what it draws.
type watch struct {
	stage   *stage
	fs      disk.FS // for previews
	set     *latent.Set
	spec    *Spec
	terms   terms
	rows    []int // held out
	fields  []network
	weights engine.Weights // that are watched during training
	listen  pipeline.Listener

	// For previews; nil where there are none.
	sampler *Sampler
	decoder *autoencoder.Coder
	size    int // of a picture
}

func (s *stage) newWatch(fsys disk.FS, in pipeline.Inputs, set *latent.Set, spec *Spec, terms terms, b engine.Backend, trained engine.Machine, l pipeline.Listener) (*watch, error) {
	w := &watch{stage: s, fs: fsys, set: set, spec: spec, terms: terms, rows: set.Rows(latent.Test), listen: l}
	if len(w.rows) == 0 {
		w.rows = set.Rows(latent.Train)
	}
	kinds := []engine.Weights{engine.Raw}
	if spec.Averaged {
		kinds = append(kinds, engine.Average)
	}
	w.weights = kinds[len(kinds)-1]
	for _, k := range kinds {
		f, err := newField(b, spec.Arch, evalBatch, 1, engine.Options{Share: trained, Weights: k})
		if err != nil {
			w.close()
			return nil, err
		}
		f.book = terms.book
		w.fields = append(w.fields, f)
	}
	if !s.config.Previews || s.env.OutDir == "" {
		return w, nil
	}
	if err := w.openPreview(in, b, trained); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// openPreview compiles what previews are drawn with.
func (w *watch) openPreview(in pipeline.Inputs, b engine.Backend, trained engine.Machine) error {
	ae, err := autoencoder.Open(in.Artifacts["autoencoder"])
	if err != nil {
		return err
	}
	w.size = ae.Arch.Size
	batch := min(len(w.spec.Classes), previewClasses) * previewColumns
	if w.decoder, err = ae.NewLatentDecoder(b, batch); err != nil {
		return err
	}
	scale := w.spec.Guidance(previewGuidance)
	f, err := newField(b, w.spec.Arch, batch, guidance(scale).halves(), engine.Options{Share: trained, Weights: w.weights})
	if err != nil {
		return err
	}
	if f.book, err = w.spec.book(); err != nil {
		f.Close()
		return err
	}
	w.sampler, err = newSampler(f, nil, w.spec, batch, SampleOptions{Guidance: scale, Steps: previewSteps, Solver: "euler"})
	return err
}

func (w *watch) close() {
	for _, f := range w.fields {
		f.Close()
	}
	if w.decoder != nil {
		w.decoder.Close()
	}
	if w.sampler != nil {
		w.sampler.Close()
	}
}

// during is the held-out loss of the weights that will be sampled, on a few rows. It also
// draws the preview; that there cannot be one, on a full disk say, ends no training.
func (w *watch) during(ctx context.Context, done int) (train.Figures, error) {
	if w.sampler != nil {
		err := w.preview(ctx, done)
		if ctx.Err() != nil { // also where the preview is whole: what follows it is not
			return nil, ctx.Err()
		}
		if err != nil {
			w.listen.Warn("there is no preview after %d steps: %v", done, err)
		}
	}
	loss, err := w.loss(ctx, w.fields[len(w.fields)-1], metrics.Spread(w.rows, watchedRows))
	return train.Figures{{Name: "heldout_loss", Value: loss.Mean}}, err
}

// final is the whole evaluation.
func (w *watch) final(ctx context.Context) (*HeldOut, error) {
	rows := metrics.Spread(w.rows, finalRows)
	zero, err := w.zero(rows)
	if err != nil {
		return nil, err
	}
	e := &HeldOut{Rows: len(rows), Zero: zero}
	for i := range timeBins {
		e.Times = append(e.Times, binTime(i))
	}
	for i, f := range w.fields {
		loss, err := w.loss(ctx, f, rows)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			e.Raw = loss
		} else {
			e.EMA = &loss
		}
	}
	return e, nil
}

func binTime(i int) float64 { return (float64(i) + 0.5) / timeBins }

// loss measures rows at every time.
func (w *watch) loss(ctx context.Context, f network, rows []int) (Loss, error) {
	size := w.spec.Latent.Size()
	objective := w.spec.objective()
	x, eps, labels := make([]float32, evalBatch*size), make([]float32, evalBatch*size), make([]float32, evalBatch)
	zt, target, v := make([]float32, evalBatch*size), make([]float32, evalBatch*size), make([]float32, evalBatch*size)
	total := Loss{ByT: make([]float64, timeBins)}
	for from := 0; from < len(rows); from += evalBatch {
		n := min(evalBatch, len(rows)-from)
		if err := w.pairs(rows, from, x[:n*size], eps[:n*size], labels[:n]); err != nil {
			return total, err
		}
		if err := f.condition(labels); err != nil {
			return total, err
		}
		for bin := range timeBins {
			if err := ctx.Err(); err != nil {
				return total, err
			}
			t := binTime(bin)
			objective.Interpolate(zt[:n*size], target[:n*size], x[:n*size], eps[:n*size], float32(t))
			if err := f.velocity(v, zt, t); err != nil {
				return total, err
			}
			total.ByT[bin] += squares(v[:n*size], target[:n*size]) / float64(len(rows)*size)
		}
	}
	for _, loss := range total.ByT {
		total.Mean += loss / timeBins
	}
	return total, nil
}

// zero is the loss of predicting nought: the mean square of x - eps, or of eps.
func (w *watch) zero(rows []int) (float64, error) {
	size := w.spec.Latent.Size()
	x, eps, labels := make([]float32, evalBatch*size), make([]float32, evalBatch*size), make([]float32, evalBatch)
	var sum float64
	for from := 0; from < len(rows); from += evalBatch {
		n := min(evalBatch, len(rows)-from)
		if err := w.pairs(rows, from, x[:n*size], eps[:n*size], labels[:n]); err != nil {
			return 0, err
		}
		if w.spec.objective().Predicts == path.Noise {
			clear(x)
		}
		for i := range n {
			sum += squares(x[i*size:(i+1)*size], eps[i*size:(i+1)*size])
		}
	}
	return sum / float64(len(rows)*size), nil
}

// pairs reads held-out latents x (N, h, w, C), rows[from] the first of them, and their labels (N), and draws the noise
// that goes with them as in training.
func (w *watch) pairs(rows []int, from int, x, eps, labels []float32) error {
	size, seed := w.spec.Latent.Size(), w.stage.env.Seed
	noise := newDraws(seed, rng.HeldOut)
	for i := range labels {
		row := rows[from+i]
		if err := w.set.Read(x[i*size:(i+1)*size], row); err != nil {
			return err
		}
		label := w.terms.label(row)
		labels[i] = float32(label)
		w.spec.law().Draw(eps[i*size:(i+1)*size], noise, 0, uint64(from+i), label)
	}
	w.spec.Stats.Normalize(x, x)
	// Step 0 of the stream is the noise's.
	return newCoupling(&w.stage.config, noise.pick).pair(uint64(1+from), x, eps, labels)
}

// squares is the sum of (a-b)².
func squares(a, b []float32) (sum float64) {
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return sum
}

// preview draws a few samples of each class and tells where they are.
func (w *watch) preview(ctx context.Context, done int) error {
	classes := min(len(w.spec.Classes), previewClasses)
	var labels, numbers []int
	for c := range classes {
		for i := range previewColumns {
			labels, numbers = append(labels, w.spec.Label(c)), append(numbers, i)
		}
	}
	latents := make([]float32, len(labels)*w.sampler.Size())
	if _, err := w.sampler.Draw(ctx, latents, labels, numbers, w.stage.env.Seed); err != nil {
		return err
	}
	size := w.size
	images := make([]float32, len(labels)*size*size*3)
	if err := w.decoder.Apply(images, latents); err != nil {
		return err
	}
	rows := make([]picture.Row, classes)
	for i := range labels {
		row := &rows[i/previewColumns]
		row.Label = w.spec.Classes[i/previewColumns]
		row.Images = append(row.Images, picture.FromFloats(images[i*size*size*3:(i+1)*size*size*3], size, size))
	}
	var file bytes.Buffer
	if err := picture.Encode(&file, picture.Grid(rows, fmt.Sprintf("after %d steps", done)), nil); err != nil {
		return err
	}
	name := filepath.Join(w.stage.env.OutDir, fmt.Sprintf("preview-%06d.png", done))
	if err := disk.Place(w.fs, name, file.Bytes()); err != nil {
		return err
	}
	w.listen.Picture("preview", name)
	return nil
}
