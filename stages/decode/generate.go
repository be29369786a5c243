package decode

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"lfm/internal/engine"
	"lfm/internal/picture"
	"lfm/internal/trace"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// Request says which pictures are wanted and how they are drawn.
type Request struct {
	Labels  []int  // class of each picture; flow.Spec.Null for none
	Numbers []int  // and its number within the class, which picks its noise
	Skip    []bool // which are not to be drawn: see Keep; nil for none
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

// Keep has the pictures skipped that have says are there already, and returns how many. It is
// asked of each, in order, with what a Drawn says of it before it is drawn: no Image, and a
// Text without the number of evaluations.
func (r *Request) Keep(ctx context.Context, ae *autoencoder.Model, fl *flow.Model, have func(Drawn) (bool, error)) (kept int, err error) {
	r.Skip = make([]bool, len(r.Labels))
	for i := range r.Labels {
		if err := ctx.Err(); err != nil {
			return kept, err
		}
		ok, err := have(r.describe(ae, fl, i, 0))
		if err != nil {
			return kept, err
		}
		if r.Skip[i] = ok; ok {
			kept++
		}
	}
	return kept, nil
}

// missing are the numbers in the request of the pictures to be drawn.
func (r *Request) missing() []int {
	var missing []int
	for i := range r.Labels {
		if r.Skip == nil || !r.Skip[i] {
			missing = append(missing, i)
		}
	}
	return missing
}

// describe is a picture of the request without its pixels. nfe is 0 if it is not known.
func (r *Request) describe(ae *autoencoder.Model, fl *flow.Model, i, nfe int) Drawn {
	d := Drawn{Index: i, Label: r.Labels[i], Class: className(fl, r.Labels[i]), Number: r.Numbers[i]}
	d.Text = settings(ae, fl, r, d, nfe)
	return d
}

// Generate draws the pictures that are not skipped and hands them to each in the order of the
// request. The autoencoder must be the one behind the flow's latents. While each is at work on
// the pictures of a batch, on a goroutine that has ended when Generate returns, the next batch
// is drawn. When ctx ends, what is drawn is still handed over.
func Generate(ctx context.Context, b engine.Backend, ae *autoencoder.Model, fl *flow.Model, r Request, each func(Drawn) error) (err error) {
	if err := match(ae, fl); err != nil {
		return err
	}
	missing := r.missing()
	if len(missing) == 0 {
		return nil
	}
	o := r.SampleOptions
	o.Guidance = fl.Guidance(o.Guidance)
	sampler, err := fl.NewSampler(b, max(1, min(r.Batch, len(missing))), o)
	if err != nil {
		return err
	}
	defer sampler.Close()
	batch := sampler.Batch()
	decoder, err := ae.NewLatentDecoder(b, batch)
	if err != nil {
		return err
	}
	defer decoder.Close()

	size := ae.Arch.Size
	latents := make([]float32, batch*sampler.Size())
	images := make([]float32, batch*size*size*3)
	labels, numbers := make([]int, batch), make([]int, batch)
	track := trace.From(ctx).Track("sampling")
	out := newDelivery(each, trace.From(ctx).Track("pictures"))
	defer func() {
		if err = out.end(err); err == nil {
			err = ctx.Err()
		}
	}()
	for now := range slices.Chunk(missing, batch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := len(now)
		for i, index := range now {
			labels[i], numbers[i] = r.Labels[index], r.Numbers[index]
		}
		z, x := latents[:n*sampler.Size()], images[:n*size*size*3]
		span := track.Begin("draw latents")
		nfe, err := sampler.Draw(ctx, z, labels[:n], numbers[:n], r.Seed)
		span.End()
		if err != nil {
			return err
		}
		span = track.Begin("decode")
		err = decoder.Apply(x, z)
		span.End()
		if err != nil {
			return err
		}
		drawn := make([]Drawn, n)
		for i, index := range now {
			drawn[i] = r.describe(ae, fl, index, nfe)
			drawn[i].Image = picture.FromFloats(x[i*size*size*3:(i+1)*size*size*3], size, size)
		}
		span = track.Wait("the batch before")
		ok := out.hand(drawn)
		span.End()
		if !ok {
			return nil // out knows why
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

// asked says what the name of a picture's class is: that of a class, or else what was asked for.
func asked(fl *flow.Model) string {
	if fl.Arch.Condition == "" {
		return "class"
	}
	return "prompt"
}

// weightsName says which weights draw: the last ones, too, where no average was kept.
func weightsName(fl *flow.Model, w engine.Weights) string {
	if w == engine.Raw || !fl.Averaged {
		return "raw"
	}
	return "ema"
}

// settings are the text chunks of a picture's file. The number of evaluations follows from
// the others and is left out while it is not known.
func settings(ae *autoencoder.Model, fl *flow.Model, r *Request, d Drawn, nfe int) []picture.Text {
	texts := []picture.Text{
		{Key: "Software", Value: "lfm"},
		{Key: "lfm:" + asked(fl), Value: d.Class},
		{Key: "lfm:number", Value: strconv.Itoa(d.Number)},
		{Key: "lfm:seed", Value: strconv.FormatUint(r.Seed, 10)},
		{Key: "lfm:guidance", Value: strconv.FormatFloat(fl.Guidance(r.Guidance), 'g', -1, 64)},
		{Key: "lfm:steps", Value: strconv.Itoa(r.Steps)},
		{Key: "lfm:solver", Value: r.Solver},
	}
	for _, t := range special(fl, r.SampleOptions) {
		texts = append(texts, picture.Text{Key: "lfm:" + t.Key, Value: t.Value})
	}
	if nfe > 0 {
		texts = append(texts, picture.Text{Key: "lfm:nfe", Value: strconv.Itoa(nfe)})
	}
	return append(texts,
		picture.Text{Key: "lfm:weights", Value: weightsName(fl, r.Weights)},
		picture.Text{Key: "lfm:flow", Value: fl.ID.String()},
		picture.Text{Key: "lfm:autoencoder", Value: ae.ID.String()},
	)
}

// special are the options of sampling that are not as they are by default and make a difference.
func special(fl *flow.Model, o flow.SampleOptions) (texts []picture.Text) {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	say := func(key, value string) { texts = append(texts, picture.Text{Key: key, Value: value}) }
	switch o.Grid {
	case flow.ShiftedGrid:
		say("grid", o.Grid+" "+number(o.Shift))
	case flow.EDMGrid:
		say("grid", o.Grid+" "+number(o.Rho))
	}
	if o.Clip != 0 {
		say("clip_data", number(o.Clip))
	}
	if o.Solver == flow.Dopri5 {
		say("tolerance", number(o.RTol)+" "+number(o.ATol))
	}
	if !fl.Conditional() {
		return texts // there is no guidance
	}
	if o.Interval != (flow.Interval{}) {
		say("guidance_interval", number(o.Interval[0])+" "+number(o.Interval[1]))
	}
	if o.Rescale != 0 {
		say("guidance_rescale", number(o.Rescale))
	}
	return texts
}
