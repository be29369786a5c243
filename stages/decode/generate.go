package decode

import (
	"context"
	"fmt"
	"strconv"

	"lfm/internal/engine"
	"lfm/internal/picture"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// Request says which pictures are wanted and how they are drawn.
type Request struct {
	Labels  []int // class of each picture; flow.Spec.Null for none
	Numbers []int // and its number within the class, which picks its noise
	Seed    uint64
	Batch   int
	flow.SampleOptions
}

// Drawn is one picture.
type Drawn struct {
	Index  int // in the Request
	Label  int
	Class  string
	Number int
	Image  *picture.Image
	Text   []picture.Text // the settings that made it, for its file
}

// Generate draws pictures and hands them to each in the order of the request. The
// autoencoder must be the one behind the flow's latents.
func Generate(ctx context.Context, b engine.Backend, ae *autoencoder.Model, fl *flow.Model, r Request, each func(Drawn) error) error {
	if err := match(ae, fl); err != nil {
		return err
	}
	r.Guidance = fl.Guidance(r.Guidance)
	batch := max(1, min(r.Batch, len(r.Labels)))
	sampler, err := fl.NewSampler(b, batch, r.SampleOptions)
	if err != nil {
		return err
	}
	defer sampler.Close()
	decoder, err := ae.NewLatentDecoder(b, batch)
	if err != nil {
		return err
	}
	defer decoder.Close()

	size := ae.Arch.Size
	latents := make([]float32, batch*sampler.Size())
	images := make([]float32, batch*size*size*3)
	for from := 0; from < len(r.Labels); from += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batch, len(r.Labels)-from)
		z, x := latents[:n*sampler.Size()], images[:n*size*size*3]
		nfe, err := sampler.Draw(ctx, z, r.Labels[from:from+n], r.Numbers[from:from+n], r.Seed)
		if err != nil {
			return err
		}
		if err := decoder.Apply(x, z); err != nil {
			return err
		}
		for i := range n {
			label, number := r.Labels[from+i], r.Numbers[from+i]
			d := Drawn{Index: from + i, Label: label, Class: className(fl, label), Number: number,
				Image: picture.FromFloats(x[i*size*size*3:(i+1)*size*size*3], size, size)}
			d.Text = settings(ae, fl, r, d, nfe)
			if err := each(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// match refuses an autoencoder that did not make the latents the flow was trained on.
func match(ae *autoencoder.Model, fl *flow.Model) error {
	if got := ae.ID.String(); got != fl.Autoencoder {
		return fmt.Errorf("decode: the flow was trained on latents of autoencoder %.12s, not of %.12s: name that one under needs", fl.Autoencoder, got)
	}
	return nil
}

// className is the name of a label. The null one has none, but where there is a single class:
// then it is what all pictures are of.
func className(fl *flow.Model, label int) string {
	switch {
	case label < len(fl.Classes):
		return fl.Classes[label]
	case !fl.Conditional():
		return fl.Classes[0]
	}
	return ""
}

// weightsName says which weights draw: the last ones, too, where no average was kept.
func weightsName(fl *flow.Model, w engine.Weights) string {
	if w == engine.Raw || !fl.Averaged {
		return "raw"
	}
	return "ema"
}

// settings are the text chunks of a picture's file.
func settings(ae *autoencoder.Model, fl *flow.Model, r Request, d Drawn, nfe int) []picture.Text {
	return []picture.Text{
		{Key: "Software", Value: "lfm"},
		{Key: "lfm:class", Value: d.Class},
		{Key: "lfm:number", Value: strconv.Itoa(d.Number)},
		{Key: "lfm:seed", Value: strconv.FormatUint(r.Seed, 10)},
		{Key: "lfm:guidance", Value: strconv.FormatFloat(r.Guidance, 'g', -1, 64)},
		{Key: "lfm:steps", Value: strconv.Itoa(r.Steps)},
		{Key: "lfm:solver", Value: r.Solver},
		{Key: "lfm:nfe", Value: strconv.Itoa(nfe)},
		{Key: "lfm:weights", Value: weightsName(fl, r.Weights)},
		{Key: "lfm:flow", Value: fl.ID.String()},
		{Key: "lfm:autoencoder", Value: ae.ID.String()},
	}
}
