package latent

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// batch is a record batch whose columns were checked. latents and properties are valid until the next batch.
type batch struct {
	id, caption         *array.String // caption is nil where there are none
	split, label        *array.Dictionary
	flip                *array.Boolean
	latents, properties []float32
}

func (b *batch) rows() int { return b.id.Len() }

// readShard goes through the record batches of a shard in order. It needs no more memory than the largest of them, and
// whatever the bytes are, it returns.
func readShard(ctx context.Context, r io.ReaderAt, size int64, h Header, rows int, each func(*batch) error) error {
	return guard(func() error {
		verifyFile(r, size)
		f, err := ipc.NewFileReader(io.NewSectionReader(r, 0, size))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := h.check(f.Schema()); err != nil {
			return err
		}
		seen := 0
		for i := range f.NumRecords() {
			if err := ctx.Err(); err != nil {
				return err
			}
			rec, err := f.RecordAt(i)
			if err != nil {
				return err
			}
			b := h.columns(rec)
			if seen += b.rows(); seen > rows {
				return fmt.Errorf("there are more than %d rows", rows)
			}
			if err := each(b); err != nil {
				return err
			}
		}
		if seen != rows {
			return fmt.Errorf("there are %d rows, want %d", seen, rows)
		}
		return nil
	})
}

// columns takes a record batch apart and panics unless every column has the right type, length and values. The schema
// was checked before.
func (h Header) columns(rec arrow.Record) *batch {
	rows := int(rec.NumRows())
	column := func(name string) arrow.Array {
		c := rec.Column(rec.Schema().FieldIndices(name)[0])
		if c.Len() != rows || c.NullN() != 0 {
			fail("column %s has %d values, %d of them null, in %d rows", name, c.Len(), c.NullN(), rows)
		}
		return c
	}
	words := func(name string, want []string) *array.Dictionary {
		d := column(name).(*array.Dictionary)
		if !isText(d.Dictionary(), want) {
			fail("the dictionary of column %s is %v, want %q", name, d.Dictionary(), want)
		}
		for i := range rows {
			if k := d.GetValueIndex(i); k < 0 || k >= len(want) {
				fail("column %s has word %d of %d", name, k, len(want))
			}
		}
		return d
	}
	b := &batch{
		id: column("id").(*array.String), flip: column("flip").(*array.Boolean),
		split: words("split", splits), label: words("label", h.Classes),
	}
	lists := func(name string, size int) []float32 {
		list := column(name).(*array.FixedSizeList)
		values := list.ListValues().(*array.Float32)
		if values.NullN() != 0 || values.Len() != rows*size || list.Offset() != 0 {
			fail("column %s has %d numbers in %d rows of %d", name, values.Len(), rows, size)
		}
		return values.Float32Values()
	}
	b.latents = lists("latent", h.Shape.Size())
	if h.Captioned {
		b.caption = column("caption").(*array.String)
	}
	if p := len(h.Properties); p > 0 {
		b.properties = lists("properties", p)
	}
	return b
}

// row returns row i. Its numbers are valid as long as the batch.
func (b *batch) row(i int) Row {
	size, p := len(b.latents)/b.rows(), len(b.properties)/b.rows()
	r := Row{
		ID: b.id.Value(i), Split: splits[b.split.GetValueIndex(i)], Flip: b.flip.Value(i), Label: b.label.GetValueIndex(i),
		Latent: b.latents[i*size : (i+1)*size], Properties: b.properties[i*p : (i+1)*p],
	}
	if b.caption != nil {
		r.Caption = b.caption.Value(i)
	}
	return r
}

// inspect reads a whole shard and returns what its writer knew of it when it was done.
func inspect(ctx context.Context, path string, h Header, rows int) (*Shard, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &Shard{Name: info.Name(), Rows: rows, Bytes: info.Size(), tally: newTally(h)}
	err = readShard(ctx, f, info.Size(), h, rows, func(b *batch) error {
		for i := range b.rows() {
			s.tally.add(b.row(i))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, bufio.NewReaderSize(f, 1<<18)); err != nil {
		return nil, err
	}
	s.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return s, nil
}
