package latent

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"lfm/internal/disk"
)

// Row is one latent. Latent has h·w·C numbers; Label is the number of a class; Split is Train or Test. Caption and
// Properties are written where the header has them. Bytes of an ID or a caption that are not UTF-8 are written as U+FFFD.
type Row struct {
	ID     string
	Split  string
	Flip   bool
	Label  int
	Latent []float32

	Caption    string
	Properties []float32
}

// Writer fills a folder with the shards of a set whose number of rows is known beforehand. A shard appears under its
// name whole or not at all, so a writer that is opened again on the folder goes on behind the finished ones:
//
//	w, err := latent.NewWriter(disk.OS, dir, header, rows)
//	for s := range w.Shards() {
//		if done, _ := w.Finished(ctx, s); done {
//			continue
//		}
//		out, err := w.Create(s)
//		for i := range w.Rows(s) { // from, to
//			out.Append(row)
//		}
//		err = out.Close()
//	}
//	summary, err := w.Finish()
//
// It serves one goroutine, but a shard may be closed by another, while the next is begun.
type Writer struct {
	fs     disk.FS
	dir    string
	header Header
	rows   int
	done   []*Shard
}

// NewWriter returns the writer of a set of rows rows into dir, which exists.
func NewWriter(fsys disk.FS, dir string, h Header, rows int) (*Writer, error) {
	if err := h.validate(); err != nil {
		return nil, fmt.Errorf("write latents: %w", err)
	}
	if rows < 1 {
		return nil, errors.New("write latents: there are no rows")
	}
	return &Writer{fsys, dir, h, rows, make([]*Shard, (rows+ShardRows-1)/ShardRows)}, nil
}

// Shards returns how many shards there are.
func (w *Writer) Shards() int { return len(w.done) }

// Rows returns the numbers of the rows of a shard: from, up to but not including to.
func (w *Writer) Rows(shard int) (from, to int) {
	return shard * ShardRows, min((shard+1)*ShardRows, w.rows)
}

// Files returns the names of all files of the finished set, latents.json last.
func (w *Writer) Files() []string {
	var names []string
	for i := range w.done {
		names = append(names, ShardName(i))
	}
	return append(names, SummaryName)
}

// Finished reports whether a shard of this very set is there already, reading it in full. Where a file is there but is
// not that shard, why says what is wrong with it, and Create will replace it.
func (w *Writer) Finished(ctx context.Context, shard int) (done bool, why error) {
	from, to := w.Rows(shard)
	s, err := inspect(ctx, filepath.Join(w.dir, ShardName(shard)), w.header, to-from)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.done[shard] = s
	return true, nil
}

// Create begins a shard. The file has another name until Close.
func (w *Writer) Create(shard int) (*ShardWriter, error) {
	from, to := w.Rows(shard)
	path := filepath.Join(w.dir, ShardName(shard))
	s, err := createShard(w.fs, path, w.header, to-from)
	if err != nil {
		return nil, fmt.Errorf("write latents: %w", err)
	}
	s.finished = func(f *Shard) { w.done[shard] = f }
	return s, nil
}

// Finish writes latents.json once every shard is there, and returns what it says.
func (w *Writer) Finish() (Summary, error) {
	s := Summary{Format: Format, Version: Version, Header: w.header, Rows: w.rows}
	all := newTally(w.header)
	for i, d := range w.done {
		if d == nil {
			return s, fmt.Errorf("write latents: shard %s is missing", ShardName(i))
		}
		all.merge(d.tally)
		s.Shards = append(s.Shards, *d)
	}
	if all.train.n == 0 {
		return s, errors.New("write latents: no row is of split train, so there is nothing to normalise by")
	}
	s.Counts, s.Flips, s.Labels, s.Stats = all.counts, all.flips, all.labels, all.train.stats()
	text, err := s.encode()
	if err != nil {
		return s, fmt.Errorf("write latents: %w", err)
	}
	if err := disk.Replace(w.fs, w.dir, filepath.Join(w.dir, SummaryName), text); err != nil {
		return s, fmt.Errorf("write latents: %w", err)
	}
	return s, nil
}

// aside ends the name of a file that is not whole yet.
const aside = ".part"

// batchFloats is how many floats of latents a record batch holds at most (4 MiB): the memory that writing needs.
const batchFloats = 1 << 20

// batchRows returns how many rows a record batch has.
func batchRows(s Shape) int { return max(1, min(ShardRows, batchFloats/s.Size())) }

// ShardWriter writes one shard.
type ShardWriter struct {
	header   Header
	want     int
	path     string
	file     *disk.Draft
	out      *digester
	arrow    *ipc.FileWriter
	schema   *arrow.Schema
	words    [2]*array.String // dictionaries of split and label
	id       *array.StringBuilder
	split    *array.Int32Builder
	flip     *array.BooleanBuilder
	label    *array.Int32Builder
	caption  *array.StringBuilder
	floats   []float32 // latents of the batch
	numbers  []float32 // properties of the batch
	rows     int
	tally    *tally
	finished func(*Shard)
	failed   error
}

func createShard(fsys disk.FS, path string, h Header, rows int) (*ShardWriter, error) {
	f, err := disk.Create(fsys, path+aside, path)
	if err != nil {
		return nil, err
	}
	mem := memory.DefaultAllocator
	w := &ShardWriter{
		header: h, want: rows, path: path, file: f, out: newDigester(f), schema: h.schema(),
		words: [2]*array.String{text(splits), text(h.Classes)},
		id:    array.NewStringBuilder(mem), split: array.NewInt32Builder(mem),
		flip: array.NewBooleanBuilder(mem), label: array.NewInt32Builder(mem), caption: array.NewStringBuilder(mem),
		tally: newTally(h),
	}
	if w.arrow, err = ipc.NewFileWriter(w.out, ipc.WithSchema(w.schema)); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// Append adds the next row. It fails for a row that does not fit the header, and for latents that are not finite: those
// come from an autoencoder that has diverged.
func (w *ShardWriter) Append(r Row) error {
	err := w.append(r)
	if err != nil && w.failed == nil {
		w.failed = fmt.Errorf("write latents: %s: row %d (%s): %w", filepath.Base(w.path), w.rows, r.ID, err)
	}
	return w.failed
}

func (w *ShardWriter) append(r Row) error {
	split := -1
	for i, s := range splits {
		if s == r.Split {
			split = i
		}
	}
	switch {
	case w.failed != nil:
		return w.failed
	case w.rows == w.want:
		return fmt.Errorf("the shard has its %d rows already", w.want)
	case split < 0:
		return fmt.Errorf("split is %q, want one of %q", r.Split, splits)
	case r.Label < 0 || r.Label >= len(w.header.Classes):
		return fmt.Errorf("label is %d, but there are %d classes", r.Label, len(w.header.Classes))
	case len(r.Latent) != w.header.Shape.Size():
		return fmt.Errorf("the latent has %d numbers, shape %v has %d", len(r.Latent), w.header.Shape, w.header.Shape.Size())
	}
	if len(r.Properties) != len(w.header.Properties) {
		return fmt.Errorf("the row has %d properties, the header names %d", len(r.Properties), len(w.header.Properties))
	}
	for i, v := range r.Latent {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("number %d of the latent is %v: the autoencoder has diverged; train it again with a lower lr", i, v)
		}
	}
	w.id.Append(strings.ToValidUTF8(r.ID, "\uFFFD"))
	w.split.Append(int32(split))
	w.flip.Append(r.Flip)
	w.label.Append(int32(r.Label))
	if w.header.Captioned {
		w.caption.Append(strings.ToValidUTF8(r.Caption, "\uFFFD"))
	}
	w.floats = append(w.floats, r.Latent...)
	w.numbers = append(w.numbers, r.Properties...)
	w.tally.add(r)
	w.rows++
	if w.id.Len() == batchRows(w.header.Shape) {
		return w.flush()
	}
	return nil
}

// flush writes the rows gathered as one record batch.
func (w *ShardWriter) flush() error {
	n := w.id.Len()
	if n == 0 {
		return nil
	}
	column := func(b *array.Int32Builder, words *array.String) arrow.Array {
		return array.NewDictionaryArray(dictionaryOf, b.NewArray(), words)
	}
	columns := []arrow.Array{
		w.id.NewArray(), column(w.split, w.words[0]), w.flip.NewArray(), column(w.label, w.words[1]), lists(n, w.floats),
	}
	if w.header.Captioned {
		columns = append(columns, w.caption.NewArray())
	}
	if len(w.header.Properties) > 0 {
		columns = append(columns, lists(n, w.numbers))
	}
	err := w.arrow.Write(array.NewRecord(w.schema, columns, int64(n)))
	w.floats, w.numbers = w.floats[:0], w.numbers[:0]
	return err
}

// lists is a column of rows rows, each of as many of the values.
func lists(rows int, values []float32) arrow.Array {
	flat := array.NewData(arrow.PrimitiveTypes.Float32, len(values), []*memory.Buffer{nil, memory.NewBufferBytes(bytesOf(values))}, nil, 0, 0)
	return array.MakeFromData(array.NewData(numbers(len(values)/rows), rows, []*memory.Buffer{nil}, []arrow.ArrayData{flat}, 0, 0))
}

// Close ends the shard and gives the file its name. If a row is missing or anything failed before, there is no file.
func (w *ShardWriter) Close() error {
	err := w.failed
	if err == nil && w.rows != w.want {
		err = fmt.Errorf("the shard has %d rows, want %d", w.rows, w.want)
	}
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = w.arrow.Close()
	}
	if err == nil {
		err = w.out.Flush()
	}
	if err == nil {
		err = w.file.Commit()
	}
	if err != nil {
		w.file.Abort()
		if err == w.failed {
			return err
		}
		return fmt.Errorf("write latents: %s: %w", filepath.Base(w.path), err)
	}
	s := &Shard{Name: filepath.Base(w.path), Rows: w.rows, Bytes: w.out.n, SHA256: hex.EncodeToString(w.out.sum.Sum(nil)), tally: w.tally}
	w.finished(s)
	return nil
}

// Abort gives the shard up and removes what was written of it.
func (w *ShardWriter) Abort() { w.file.Abort() }

// digester hashes and counts what is written. It is a WriteSeeker because ipc.NewFileWriter asks for one, though all it
// ever seeks is where it stands.
type digester struct {
	*bufio.Writer
	sum hash.Hash
	n   int64
}

func newDigester(w io.Writer) *digester {
	return &digester{bufio.NewWriterSize(w, 1<<18), sha256.New(), 0}
}

func (d *digester) Write(p []byte) (int, error) {
	n, err := d.Writer.Write(p)
	d.sum.Write(p[:n])
	d.n += int64(n)
	return n, err
}

func (d *digester) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.New("a stream cannot seek")
	}
	return d.n, nil
}
