package encode

import (
	"context"
	"fmt"
	"time"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/latent"
	"lfm/internal/panics"
	"lfm/internal/trace"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
)

// Name is the stage's kind.
const Name = "encode"

// Kind is the stage's kind, computing on the back end that open gives.
func Kind(open engine.Open) pipeline.Kind {
	return pipeline.Kind{
		Name: Name, Version: 2,
		Inputs: []pipeline.Port{{Name: "autoencoder", Artifact: autoencoder.Output}},
		Data:   true,
		Output: latent.Kind,
		Config: func() any { return DefaultConfig() },
		Check: func(_ any, at func(...string) any) error {
			return sameSize(at("autoencoder", pipeline.DataPort).(*dataset.Config).Size, at(pipeline.DataPort).(*dataset.Config).Size)
		},
		Open: func(cfg any, env pipeline.Env) (pipeline.Stage, error) {
			return &stage{config: *cfg.(*Config), env: env, open: open}, nil
		},
	}
}

// sameSize refuses images of a size that the autoencoder was not trained on.
func sameSize(trained, images int) error {
	if trained == images {
		return nil
	}
	return fmt.Errorf("the autoencoder learns images of size %d, and those to encode have %d: give both stages the same data set, or both data sets one size", trained, images)
}

type stage struct {
	config Config
	env    pipeline.Env
	open   engine.Open
}

// Run writes the shards that are not there yet, then latents.json.
func (s *stage) Run(ctx context.Context, in pipeline.Inputs, work artifacts.Workspace, out *artifacts.Builder, l pipeline.Listener) error {
	set, err := dataset.Load(in.Data, in.Source.(*dataset.Source))
	if err != nil {
		return err
	}
	model, err := autoencoder.Open(in.Artifacts["autoencoder"])
	if err != nil {
		return err
	}
	if err := sameSize(model.Arch.Size, set.Size()); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	backend, err := s.open(ctx, s.env.Device, s.env.Threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	out.Provenance("backend", backend.Name())
	if err := work.Claim(backend.Name(), s.env.AcceptInexact); err != nil {
		return err
	}
	coder, err := model.NewImageEncoder(backend, s.config.Batch)
	if err != nil {
		return err
	}
	defer coder.Close()

	side := model.Arch.LatentSize()
	shape := latent.Shape{H: side, W: side, C: model.Arch.LatentChannels}
	e := &encoding{set: set, coder: coder, rows: rowsOf(set, s.config.HFlip),
		pixels: set.Size() * set.Size() * 3, size: shape.Size(), listen: l, began: time.Now()}
	e.writer, err = latent.NewWriter(work.FS, work.Dir, latent.Header{
		Shape:       shape,
		Classes:     set.Classes(),
		Autoencoder: in.Artifacts["autoencoder"].ID.String(),
		Dataset:     in.Data.ID.String(),
		Captioned:   set.Captioned(),
		Properties:  set.Properties(),
	}, len(e.rows))
	if err != nil {
		return err
	}
	traced := trace.From(ctx)
	e.track, e.reading, e.committing = traced.Track("encoding"), traced.Track("reading ahead"), traced.Track("shards")
	defer e.settle() // should the rest panic
	err = e.shards(ctx)
	if failed := e.settle(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	if _, err := e.writer.Finish(); err != nil {
		return err
	}
	for _, name := range e.writer.Files() {
		if err := ctx.Err(); err != nil {
			return err // hashing many shards takes its time
		}
		if err := out.AddFile(name, work.Path(name)); err != nil {
			return err
		}
	}
	return nil
}

// row is an image of the data set, as it is or mirrored.
type row struct {
	item int32
	flip bool
}

// rowsOf lists the rows in order: each image, and behind a training image its mirror image.
func rowsOf(set *dataset.Set, hflip bool) []row {
	n := set.Len()
	if hflip {
		n += len(set.Train())
	}
	rows := make([]row, 0, n)
	for i := range set.Len() {
		rows = append(rows, row{item: int32(i)})
		if hflip && set.Split(i) == dataset.Train {
			rows = append(rows, row{item: int32(i), flip: true})
		}
	}
	return rows
}

// encoding is the work of one Run.
type encoding struct {
	set    *dataset.Set
	coder  *autoencoder.Coder
	writer *latent.Writer
	rows   []row
	pixels int // floats of an image
	size   int // floats of a latent
	listen pipeline.Listener
	began  time.Time
	done   int // rows encoded since then

	commit *commit // the shard that is being made durable, if any

	// Of the encoder's loop, of reading ahead, of making shards durable.
	track, reading, committing *trace.Track
}

// shards writes the shards that are missing.
func (e *encoding) shards(ctx context.Context) error {
	resumed := false
	for shard := range e.writer.Shards() {
		finished, why := e.writer.Finished(ctx, shard)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if why != nil {
			e.listen.Warn("encode: %s is written again: %v", latent.ShardName(shard), why)
		}
		if finished {
			_, to := e.writer.Rows(shard)
			resumed = true
			if shard == e.writer.Shards()-1 {
				e.listen.Resumed(to)
			}
			continue
		}
		if resumed {
			from, _ := e.writer.Rows(shard)
			e.listen.Resumed(from)
			resumed = false
		}
		if err := e.shard(ctx, shard); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// shard encodes one shard, reading images ahead of the encoder.
func (e *encoding) shard(ctx context.Context, shard int) error {
	from, to := e.writer.Rows(shard)
	w, err := e.writer.Create(shard)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	size := e.size
	latents := make([]float32, e.coder.Batch()*size)
	at := from
	batches := e.read(ctx, from, to)
	for {
		span := e.track.Wait("images")
		images, more := <-batches
		span.End()
		if !more {
			break
		}
		images.panic.Rethrow()
		if images.err != nil {
			w.Abort()
			return images.err
		}
		n := len(images.pixels) / e.pixels
		span = e.track.Begin("encode")
		err := e.coder.Apply(latents[:n*size], images.pixels)
		span.End()
		if err == nil {
			err = e.settle() // rows count once the shards before them are durable
		}
		if err != nil {
			w.Abort()
			return err
		}
		span = e.track.Begin("append rows")
		for i := range n {
			if err := w.Append(e.latentRow(at+i, latents[i*size:(i+1)*size])); err != nil {
				w.Abort()
				return err
			}
		}
		span.End()
		at += n
		e.done += n
		e.listen.Progress(at, len(e.rows), 0, float64(e.done)/time.Since(e.began).Seconds())
	}
	if err := ctx.Err(); err != nil {
		w.Abort()
		return err
	}
	e.close(w, to)
	return nil
}

// commit is a shard on its way to the disk.
type commit struct {
	ended chan struct{} // closed when it is durable, or err or panic says why not
	err   error
	panic *panics.Panic
}

// close makes a shard durable while the next is begun, and tells of it: rows up to to are there.
func (e *encoding) close(w *latent.ShardWriter, to int) {
	c := &commit{ended: make(chan struct{})}
	e.commit = c
	go func() {
		defer close(c.ended)
		defer e.committing.Begin("make durable").End()
		c.panic = panics.Catch(func() {
			if c.err = w.Close(); c.err == nil {
				e.listen.Checkpoint(to)
			}
		})
	}()
}

// settle waits for the shard that is being made durable.
func (e *encoding) settle() error {
	c := e.commit
	if c == nil {
		return nil
	}
	span := e.track.Wait("a shard")
	<-c.ended
	span.End()
	e.commit = nil
	c.panic.Rethrow()
	return c.err
}

func (e *encoding) latentRow(at int, values []float32) latent.Row {
	r := e.rows[at]
	item := e.set.Item(int(r.item))
	return latent.Row{ID: item.ID, Split: item.Split, Flip: r.flip, Label: item.Label, Latent: values,
		Caption: e.set.Caption(int(r.item)), Properties: e.set.Numbers(int(r.item))}
}

// images is a batch on its way to the encoder.
type images struct {
	pixels []float32 // (n, S, S, 3)
	err    error
	panic  *panics.Panic
}

// readAhead is how many batches wait for the encoder at most.
const readAhead = 2

// read gives the images of rows from … to in batches.
func (e *encoding) read(ctx context.Context, from, to int) <-chan images {
	batches := make(chan images, readAhead)
	go func() {
		defer close(batches)
		for ; from < to; from += e.coder.Batch() {
			n := min(e.coder.Batch(), to-from)
			b := images{pixels: make([]float32, n*e.pixels)}
			span := e.reading.Begin("read")
			b.panic = panics.Catch(func() { b.err = e.fill(b.pixels, e.rows[from:from+n]) })
			span.End()
			span = e.reading.Wait("the encoder")
			select {
			case batches <- b:
				span.End()
			case <-ctx.Done():
				return
			}
		}
	}()
	return batches
}

// fill reads the images of rows.
func (e *encoding) fill(pixels []float32, rows []row) error {
	for i, r := range rows {
		if err := e.set.Read(pixels[i*e.pixels:(i+1)*e.pixels], int(r.item), r.flip); err != nil {
			return err
		}
	}
	return nil
}
