package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"lfm/artifacts"
	"lfm/internal/engine"
	"lfm/internal/metrics"
	"lfm/internal/picture"
	"lfm/internal/report"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/decode"
	"lfm/stages/flow"
)

// How many pictures a report draws: all of them cost seconds for a small model.
const (
	gridClasses = 10 // rows of the grids of samples at most
	gridColumns = 5
	stripRows   = 3 // of the strips of guidance and so on
	pathSteps   = 20
	between     = 9 // pictures from one noise to another
	neighbours  = 8 // samples whose nearest training image is looked for
	lookedAt    = 20000
	rebuilt     = 16 // images beside their reconstructions
	drawSteps   = 10
	drawSolver  = "heun"
	drawBatch   = 16
)

var (
	guidances = []float64{0, 1, 2, 3, 4, 6, 8}
	times     = []float64{1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0} // of the way from noise to image: most happens late
)

// pictures draws with what the run has learned. What cannot be drawn is noted and left out; an error
// is ctx's alone.
func (t *told) pictures(ctx context.Context, b engine.Backend) error {
	var exhibits []report.Exhibit
	show := func(what string, e report.Exhibit, err error) {
		if err != nil {
			t.leaveOut("%s: %v.", what, err)
		} else {
			exhibits = append(exhibits, e)
		}
	}
	flows, averaged := t.made(flow.Name, "Samples"), 0
	for _, m := range flows {
		prefix := ""
		if len(flows) > 1 {
			prefix = m.Name + ": "
		}
		s, err := t.newStudio(b, m)
		if err != nil {
			t.leaveOut("Samples of %s: %v.", m.Name, err)
			continue
		}
		if s.model.Averaged {
			averaged++
		}
		for _, part := range s.parts() {
			e, err := part.draw(ctx)
			e.Title = prefix + part.title
			show(e.Title, e, err)
			if ctx.Err() != nil {
				break
			}
		}
		s.decoder.Close()
	}
	for _, m := range t.made(autoencoder.Name, "Reconstructions") {
		if ctx.Err() == nil {
			e, err := t.reconstructions(b, m)
			show("Reconstructions of "+m.Name, e, err)
		}
	}
	weights := ""
	switch {
	case averaged == 0:
	case averaged == len(flows):
		weights = " and averaged weights"
	default:
		weights = " and averaged weights, where a flow has them"
	}
	if len(exhibits) > 0 {
		t.run.Sections = slices.Insert(t.run.Sections, 0, report.Section{Title: "Pictures", Exhibits: exhibits,
			Text: fmt.Sprintf("Drawn for this page with %d steps of %s%s, unless a caption says otherwise.", drawSteps, drawSolver, weights)})
	}
	return ctx.Err()
}

// studio is what pictures of a flow are drawn with.
type studio struct {
	told    *told
	backend engine.Backend
	flow    product
	model   *flow.Model
	coder   *autoencoder.Model
	decoder *autoencoder.Coder
	seed    uint64
	plain   flow.SampleOptions // how all is drawn where nothing else is said
	classes []int              // shown in grids
	few     []int              // shown in strips
}

func (t *told) newStudio(b engine.Backend, m product) (*studio, error) {
	fl, err := flow.Open(m.Artifact)
	if err != nil {
		return nil, err
	}
	id, err := artifacts.ParseID(fl.Autoencoder)
	if err != nil {
		return nil, err
	}
	art, err := t.store.Get(id)
	if err != nil {
		return nil, fmt.Errorf("its autoencoder: %w", err)
	}
	ae, err := autoencoder.Open(art)
	if err != nil {
		return nil, err
	}
	plain, err := t.sampling(m)
	if err != nil {
		return nil, err
	}
	s := &studio{told: t, backend: b, flow: m, model: fl, coder: ae, plain: plain}
	fl.Unguided = keyValue(m.Key, "with.condition_dropout") == "0"
	s.plain.Guidance = fl.Guidance(s.plain.Guidance)
	s.seed, _ = strconv.ParseUint(keyValue(m.Key, "seed"), 10, 64)
	all := make([]int, len(fl.Classes))
	for i := range all {
		all[i] = i
	}
	s.classes, s.few = metrics.Spread(all, gridClasses), metrics.Spread(all, stripRows)
	s.decoder, err = ae.NewLatentDecoder(b, drawBatch)
	return s, err
}

// sampling is how the decode stage of a flow draws, guidance and all, or the default, but with a solver and
// steps that are quick.
func (t *told) sampling(fl product) (o flow.SampleOptions, err error) {
	config := t.plannedDecode(fl.Name)
	for _, s := range t.record.Stages {
		if s.Kind != decode.Name || keyValue(s.Key, "input flow") != fl.ID.String() {
			continue
		}
		config = decode.DefaultConfig()
		if err := pipeline.ReadConfigText(config, s.Key); err != nil {
			return o, fmt.Errorf("the settings of %s are of another version of lfm: %w", s.Name, err)
		}
	}
	o = config.Options()
	o.Solver, o.Steps, o.RTol, o.ATol = drawSolver, drawSteps, 0, 0
	return o, nil
}

// plannedDecode is what the pipeline file says of the decode stage of a flow, for a run that did not come to it, or
// the default.
func (t *told) plannedDecode(name string) *decode.Config {
	config := decode.DefaultConfig()
	if t.graph != nil {
		for _, n := range t.graph.Nodes {
			if c, ok := n.Config.(*decode.Config); ok && n.Needs["flow"].Name == name {
				config = c
			}
		}
	}
	return config
}

// part is an exhibit to be drawn.
type part struct {
	title string
	draw  func(context.Context) (report.Exhibit, error)
}

func (s *studio) parts() []part {
	grid := func(w engine.Weights) func(context.Context) (report.Exhibit, error) {
		return func(ctx context.Context) (report.Exhibit, error) { return s.grid(ctx, w) }
	}
	parts := []part{{"Samples, averaged weights", grid(engine.Average)}, {"Samples, last weights", grid(engine.Raw)}}
	if !s.model.Averaged {
		parts = []part{{"Samples", grid(engine.Raw)}}
	}
	if s.model.Conditional() {
		parts = append(parts, part{"Guidance", s.guided})
	}
	return append(parts, part{"From noise to image", s.path}, part{"From one noise to another", s.interpolation}, part{"Nearest training images", s.nearest})
}

func (s *studio) options(w engine.Weights) flow.SampleOptions {
	o := s.plain
	o.Weights = w
	return o
}

// drawn are pictures of classes, columns of each.
func (s *studio) drawn(ctx context.Context, o flow.SampleOptions, classes []int, columns int) ([]decode.Drawn, error) {
	r := decode.Request{Seed: s.seed, Batch: drawBatch, SampleOptions: o}
	for _, c := range classes {
		for i := range columns {
			r.Labels, r.Numbers = append(r.Labels, s.model.Label(c)), append(r.Numbers, i)
		}
	}
	var all []decode.Drawn
	err := decode.Generate(ctx, s.backend, s.coder, s.model, r, func(d decode.Drawn) error {
		all = append(all, d)
		return nil
	})
	return all, err
}

// grid is a row of samples for each class.
func (s *studio) grid(ctx context.Context, w engine.Weights) (report.Exhibit, error) {
	all, err := s.drawn(ctx, s.options(w), s.classes, gridColumns)
	e := report.Exhibit{Text: fmt.Sprintf("Guidance %g.", s.plain.Guidance)}
	if !s.model.Conditional() {
		e.Text = ""
	}
	if err != nil {
		return e, err
	}
	if len(s.classes) < len(s.model.Classes) {
		e.Text += fmt.Sprintf(" %d of %d classes.", len(s.classes), len(s.model.Classes))
	}
	e.Gallery = &report.Gallery{}
	for i, c := range s.classes {
		row := report.Strip{Label: s.model.Classes[c]}
		for _, d := range all[i*gridColumns : (i+1)*gridColumns] {
			row.Pictures = append(row.Pictures, shot(d.Image, fmt.Sprintf("%s %d", d.Class, d.Number)))
		}
		e.Gallery.Rows = append(e.Gallery.Rows, row)
	}
	return e, nil
}

// shot is a picture for the page.
func shot(m *picture.Image, title string) report.Picture {
	var file bytes.Buffer
	picture.Encode(&file, m, nil) // a bytes.Buffer takes everything
	return report.Picture{PNG: file.Bytes(), Title: title}
}

// strips is a gallery of rows by the classes of s.few.
func (s *studio) strips() *report.Gallery {
	g := &report.Gallery{}
	for _, c := range s.few {
		g.Rows = append(g.Rows, report.Strip{Label: s.model.Classes[c]})
	}
	return g
}

// guided shows the same noise at several scales of guidance.
func (s *studio) guided(ctx context.Context) (report.Exhibit, error) {
	e := report.Exhibit{Gallery: s.strips(), Wide: true, Text: "v = v(null) + w (v(class) - v(null)) from the same noise: w = 0 knows no class, 1 is plainly conditional."}
	if s.model.Unguided {
		return e, errors.New("the flow never saw a sample without its condition (condition_dropout: 0)")
	}
	for _, w := range guidances {
		o := s.options(engine.Average)
		o.Guidance = w
		all, err := s.drawn(ctx, o, s.few, 1)
		if err != nil {
			return e, err
		}
		e.Gallery.Heads = append(e.Gallery.Heads, fmt.Sprintf("w = %g", w))
		for i, d := range all {
			e.Gallery.Rows[i].Pictures = append(e.Gallery.Rows[i].Pictures, shot(d.Image, fmt.Sprintf("%s, w = %g", d.Class, w)))
		}
	}
	return e, nil
}

// from draws latents from given noise and shows each batch on its way to passing.
func (s *studio) from(ctx context.Context, o flow.SampleOptions, batch int, noise func(*flow.Sampler) (z []float32, labels []int),
	passing func(t float64, latents []float32)) ([]float32, error) {
	sampler, err := s.model.NewSampler(s.backend, batch, o)
	if err != nil {
		return nil, err
	}
	defer sampler.Close()
	z, labels := noise(sampler)
	latents := make([]float32, len(z))
	_, err = sampler.DrawFrom(ctx, latents, z, labels, passing)
	return latents, err
}

// images decodes latents.
func (s *studio) images(latents []float32) ([]*picture.Image, error) {
	size, latent := s.coder.Arch.Size, s.model.Latent.Size()
	pixels := make([]float32, len(latents)/latent*size*size*3)
	if err := s.decoder.Apply(pixels, latents); err != nil {
		return nil, err
	}
	var all []*picture.Image
	for x := range slices.Chunk(pixels, size*size*3) {
		all = append(all, picture.FromFloats(x, size, size))
	}
	return all, nil
}

// path shows what noise passes on its way to an image.
func (s *studio) path(ctx context.Context) (report.Exhibit, error) {
	e := report.Exhibit{Gallery: s.strips(), Wide: true,
		Text: fmt.Sprintf("The latent z_t, decoded, on the way of %d Euler steps from t = 1 to 0. The decoder was never shown noise: what is half way is not an image yet.", pathSteps)}
	o := s.options(engine.Average)
	o.Solver, o.Steps = "euler", pathSteps
	var passed []state
	last, err := s.from(ctx, o, len(s.few), func(sampler *flow.Sampler) (z []float32, labels []int) {
		size := sampler.Size()
		z = make([]float32, len(s.few)*size)
		for i, c := range s.few {
			labels = append(labels, s.model.Label(c))
			sampler.Noise(z[i*size:(i+1)*size], s.seed, labels[i], 0)
		}
		return z, labels
	}, func(t float64, latents []float32) { passed = append(passed, state{t, slices.Clone(latents)}) })
	if err != nil {
		return e, err
	}
	passed = append(passed, state{0, last})
	for _, want := range times {
		near := closest(passed, want)
		images, err := s.images(near.latents)
		if err != nil {
			return e, err
		}
		e.Gallery.Heads = append(e.Gallery.Heads, fmt.Sprintf("t = %.2g", near.t))
		for i, m := range images {
			row := &e.Gallery.Rows[i]
			row.Pictures = append(row.Pictures, shot(m, fmt.Sprintf("%s at t = %.2g", row.Label, near.t)))
		}
	}
	return e, nil
}

// state is what a batch has become at a time on its way.
type state struct {
	t       float64
	latents []float32
}

// closest is the state at about a time, of equals the last: what is seen at t = 0 is finished after that.
func closest(passed []state, t float64) (near state) {
	near.t = math.Inf(1)
	for _, s := range passed {
		if math.Abs(s.t-t) <= math.Abs(near.t-t) {
			near = s
		}
	}
	return near
}

// interpolation shows what lies between two samples of a class.
func (s *studio) interpolation(ctx context.Context) (report.Exhibit, error) {
	e := report.Exhibit{Gallery: s.strips(), Wide: true, Text: "Each picture starts between two noises, on the arc from the one at the left to the one at the right."}
	last, err := s.from(ctx, s.options(engine.Average), drawBatch, func(sampler *flow.Sampler) (z []float32, labels []int) {
		size := sampler.Size()
		a, b := make([]float32, size), make([]float32, size)
		for _, c := range s.few {
			label := s.model.Label(c)
			sampler.Noise(a, s.seed, label, 0)
			sampler.Noise(b, s.seed, label, 1)
			for k := range between {
				z = append(z, slerp(a, b, float64(k)/(between-1))...)
				labels = append(labels, label)
			}
		}
		return z, labels
	}, nil)
	if err != nil {
		return e, err
	}
	images, err := s.images(last)
	if err != nil {
		return e, err
	}
	for i, m := range images {
		row := &e.Gallery.Rows[i/between]
		row.Pictures = append(row.Pictures, shot(m, fmt.Sprintf("%s, %d/%d of the way", row.Label, i%between, between-1)))
	}
	return e, nil
}

// slerp is the point at a part of the way from a to b on the great circle through them (Shoemake 1985): unlike
// a straight line it keeps the length that noise has.
//
//	sin((1-part) θ)/sin θ a + sin(part θ)/sin θ b        θ the angle between a and b
func slerp(a, b []float32, part float64) []float32 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	u, v := 1-part, part
	if angle := math.Acos(min(1, max(-1, ab/math.Sqrt(aa*bb)))); math.Sin(angle) > 1e-6 {
		u, v = math.Sin((1-part)*angle)/math.Sin(angle), math.Sin(part*angle)/math.Sin(angle)
	}
	z := make([]float32, len(a))
	for i := range z {
		z[i] = float32(u*float64(a[i]) + v*float64(b[i]))
	}
	return z
}
