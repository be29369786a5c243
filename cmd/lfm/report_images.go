package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/metrics"
	"lfm/internal/picture"
	"lfm/internal/report"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
)

// What a report shows beside images of the data set: the training images nearest to samples, and reconstructions.

// nearest shows samples above the training images that are nearest to them.
func (s *studio) nearest(ctx context.Context) (report.Exhibit, error) {
	e := report.Exhibit{Wide: true}
	encode := s.told.maker(keyValue(s.flow.Key, "input encode")) // not the autoencoder's data, which may be others
	if encode == nil {
		return e, errors.New("the run's record does not say which latents the flow learned from")
	}
	set, err := s.told.dataSet(encode)
	if err != nil {
		return e, err
	}
	drawn, err := s.drawn(ctx, s.options(engine.Average), metrics.Spread(s.classes, neighbours), 1)
	if err != nil {
		return e, err
	}
	samples, tests := &search{}, &search{}
	for _, d := range drawn {
		x := make([]float32, len(d.Image.Pix))
		for i, v := range d.Image.Pix {
			x[i] = float32(v)/127.5 - 1
		}
		samples.add(x)
	}
	for _, item := range metrics.Spread(set.Test(), 4*neighbours) {
		x, err := pixels(set, item)
		if err != nil {
			return e, err
		}
		tests.add(x)
	}
	train := metrics.Spread(set.Train(), lookedAt)
	if err := look(ctx, set, train, samples, tests); err != nil {
		return e, err
	}
	e.Text = fmt.Sprintf("By the distance of pixels, among %d training images, samples of guidance %g. The mean distance of a pixel's colours, where black to white is 2, is %.3f",
		len(train), s.plain.Guidance, samples.mean())
	if len(tests.x) > 0 {
		e.Text += fmt.Sprintf("; that of %d test images, which nobody could have copied, is %.3f", len(tests.x), tests.mean())
	}
	e.Text += "."
	e.Gallery = &report.Gallery{Rows: []report.Strip{{Label: "sample"}, {Label: "nearest"}}}
	above, below := &e.Gallery.Rows[0], &e.Gallery.Rows[1]
	for i, d := range drawn {
		item := set.Item(samples.nearest[i])
		x, err := pixels(set, samples.nearest[i])
		if err != nil {
			return e, err
		}
		above.Pictures = append(above.Pictures, shot(d.Image, d.Class))
		below.Pictures = append(below.Pictures, shot(picture.FromFloats(x, set.Size(), set.Size()), fmt.Sprintf("%s: %s", set.Classes()[item.Label], item.ID)))
		e.Gallery.Heads = append(e.Gallery.Heads, fmt.Sprintf("%.3f", samples.distance(i)))
	}
	return e, nil
}

// pixels are an image of a data set, (S, S, 3).
func pixels(set *dataset.Set, item int) ([]float32, error) {
	x := make([]float32, set.Size()*set.Size()*3)
	return x, set.Read(x, item, false)
}

// search looks for the image nearest to each of some pictures (S, S, 3).
type search struct {
	x       [][]float32
	nearest []int     // number in the data set
	best    []float64 // Euclidean distance to it
}

func (s *search) add(x []float32) {
	s.x, s.nearest, s.best = append(s.x, x), append(s.nearest, -1), append(s.best, math.Inf(1))
}

// distance is the root mean square over pixels and colours.
func (s *search) distance(i int) float64 { return s.best[i] / math.Sqrt(float64(len(s.x[i]))) }

func (s *search) mean() (sum float64) {
	for i := range s.x {
		sum += s.distance(i) / float64(len(s.x))
	}
	return sum
}

// look reads each of items once and shows it to the searches.
func look(ctx context.Context, set *dataset.Set, items []int, searches ...*search) error {
	x := make([]float32, set.Size()*set.Size()*3)
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := set.Read(x, item, false); err != nil {
			return err
		}
		for _, s := range searches {
			for i := range s.x {
				if _, d := metrics.Nearest(s.x[i], x); d < s.best[i] {
					s.best[i], s.nearest[i] = d, item
				}
			}
		}
	}
	return nil
}

// dataSet opens the data set that a stage read.
func (t *told) dataSet(reader *pipeline.StageRecord) (*dataset.Set, error) {
	data := keyValue(reader.Key, "data")
	if t.graph == nil {
		return nil, fmt.Errorf("%s, which says where the images are, cannot be read", shown(t.record.File))
	}
	for i := range t.record.Stages {
		s := &t.record.Stages[i]
		if !s.IsSource() || s.Output.String() != data {
			continue
		}
		node, err := t.graph.Node(s.Name)
		if err != nil {
			return nil, err
		}
		config, ok := node.Config.(*dataset.Config)
		if !ok {
			return nil, fmt.Errorf("%s is a data set no longer", s.Name)
		}
		source, err := dataset.Open(config, t.graph.Dir, t.store.Cache())
		if err != nil {
			return nil, err
		}
		index, err := t.store.Get(s.Output)
		if err != nil {
			return nil, err
		}
		return dataset.Load(index, source)
	}
	return nil, fmt.Errorf("the run's record does not say which images it was")
}

// reconstructions shows held-out images above what becomes of them in an autoencoder.
func (t *told) reconstructions(b engine.Backend, m product) (report.Exhibit, error) {
	e := report.Exhibit{Title: m.Name + ": reconstructions", Text: "Held-out images above what the autoencoder makes of their latents: no sample can be sharper.", Wide: true}
	ae, err := autoencoder.Open(m.Artifact)
	if err != nil {
		return e, err
	}
	set, err := t.dataSet(m.StageRecord)
	if err != nil {
		return e, err
	}
	items := set.Test()
	if len(items) == 0 {
		items = set.Train()
	}
	items = metrics.Spread(items, rebuilt)
	size, side := ae.Arch.Size, ae.Arch.LatentSize()
	x, y, z := make([]float32, len(items)*size*size*3), make([]float32, len(items)*size*size*3), make([]float32, len(items)*side*side*ae.Arch.LatentChannels)
	for i, item := range items {
		if err := set.Read(x[i*size*size*3:(i+1)*size*size*3], item, false); err != nil {
			return e, err
		}
	}
	encoder, err := ae.NewImageEncoder(b, len(items))
	if err != nil {
		return e, err
	}
	defer encoder.Close()
	decoder, err := ae.NewLatentDecoder(b, len(items))
	if err != nil {
		return e, err
	}
	defer decoder.Close()
	if err := encoder.Apply(z, x); err != nil {
		return e, err
	}
	if err := decoder.Apply(y, z); err != nil {
		return e, err
	}
	e.Gallery = &report.Gallery{}
	for from := 0; from < len(items); from += rebuilt / 2 {
		to := min(from+rebuilt/2, len(items))
		for _, half := range []struct {
			label  string
			pixels []float32
		}{{"original", x}, {"rebuilt", y}} {
			row := report.Strip{Label: half.label}
			for i := from; i < to; i++ {
				title := half.label + ": " + set.Item(items[i]).ID
				row.Pictures = append(row.Pictures, shot(picture.FromFloats(half.pixels[i*size*size*3:(i+1)*size*size*3], size, size), title))
			}
			e.Gallery.Rows = append(e.Gallery.Rows, row)
		}
	}
	return e, nil
}
