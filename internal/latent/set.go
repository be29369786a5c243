package latent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lfm/internal/disk"
)

// DefaultMemory is how many bytes of latents a Set keeps in memory unless told otherwise.
const DefaultMemory = 16 << 20

// Options say how a set is held.
type Options struct {
	Memory int64   // bytes of latents to keep in memory; 0 is DefaultMemory. Larger sets are spilled to a file
	FS     disk.FS // writes that file; nil is disk.OS
	Work   string  // folder for that file, which a later Open finds again; without one, a larger set is an error
}

// Set is a set of latents opened for random access by row, 0 … Len()-1, in the order in which they were written. It may
// be used from any number of goroutines until it is closed.
type Set struct {
	summary Summary
	latents flatFile
	ids     []byte // end to end
	ends    []int64
	labels  []int32
	splits  []uint8
	flips   []bool

	captions   []string  // a mirrored row shares its image's; nil where there are none
	properties []float32 // (rows, properties)
}

// In names the files of a set that lies in a folder, for Open.
func In(dir string) func(name string) string {
	return func(name string) string { return filepath.Join(dir, name) }
}

// Open reads a set. path says where the file of a name lies (an artifact's Path, or In(dir)). The whole set is in memory
// afterwards, or, where it is larger than the options allow, in one flat file, and in memory there are an
// ID and some 14 bytes a row.
func Open(ctx context.Context, path func(name string) string, o Options) (*Set, error) {
	s, err := open(ctx, path, o)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("read latents: %w; if the files were damaged, remake them with `lfm resume --from` the stage that wrote them", err)
	}
	return s, err
}

func open(ctx context.Context, path func(string) string, o Options) (*Set, error) {
	text, err := readSmall(path(SummaryName))
	if err != nil {
		return nil, err
	}
	summary, err := decodeSummary(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path(SummaryName), err)
	}
	// Sizes first: nothing is allocated for rows that the files cannot hold.
	for _, sh := range summary.Shards {
		info, err := os.Stat(path(sh.Name))
		if err != nil {
			return nil, err
		}
		if info.Size() != sh.Bytes {
			return nil, fmt.Errorf("%s has %d bytes, want %d", path(sh.Name), info.Size(), sh.Bytes)
		}
	}
	s := &Set{
		summary: summary, ends: make([]int64, 0, summary.Rows), labels: make([]int32, 0, summary.Rows),
		splits: make([]uint8, 0, summary.Rows), flips: make([]bool, 0, summary.Rows),
	}
	sink, err := newSink(summary, o, sha256.Sum256(text))
	if err != nil {
		return nil, err
	}
	for _, sh := range summary.Shards {
		if err := s.load(ctx, path(sh.Name), sh, sink); err != nil {
			sink.abort()
			return nil, fmt.Errorf("%s: %w", path(sh.Name), err)
		}
	}
	s.latents, err = sink.finish()
	return s, err
}

// readSmall reads a file whose size is plausible for latents.json.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > 64<<20 {
		return nil, fmt.Errorf("%s has %d bytes; that is no summary of latents", path, info.Size())
	}
	return os.ReadFile(path)
}

// load appends the rows of a shard.
func (s *Set) load(ctx context.Context, path string, sh Shard, sink sink) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return readShard(ctx, f, sh.Bytes, s.summary.Header, sh.Rows, func(b *batch) error {
		for i := range b.rows() {
			s.ids = append(s.ids, b.id.Value(i)...)
			s.ends = append(s.ends, int64(len(s.ids)))
			s.splits = append(s.splits, uint8(b.split.GetValueIndex(i)))
			s.labels = append(s.labels, int32(b.label.GetValueIndex(i)))
			s.flips = append(s.flips, b.flip.Value(i))
			if b.caption != nil {
				s.captions = append(s.captions, s.shared(b.caption.Value(i)))
			}
		}
		s.properties = append(s.properties, b.properties...)
		return sink.write(b.latents)
	})
}

// shared returns a copy of a caption, which is no copy if the row before has the same.
func (s *Set) shared(caption string) string {
	if n := len(s.captions); n > 0 && s.captions[n-1] == caption {
		return s.captions[n-1]
	}
	return strings.Clone(caption)
}

// Summary returns what latents.json says.
func (s *Set) Summary() Summary { return s.summary }

// Shape returns (h, w, C).
func (s *Set) Shape() Shape { return s.summary.Shape }

// Classes returns the class names, in the order of labels.
func (s *Set) Classes() []string { return s.summary.Classes }

// Stats returns mean and standard deviation per channel of split=train.
func (s *Set) Stats() Stats { return s.summary.Stats }

// Len returns how many rows there are.
func (s *Set) Len() int { return len(s.ends) }

// Read sets dst, h·w·C numbers, to the latent of row i as the encoder made it.
func (s *Set) Read(dst []float32, i int) error {
	if len(dst) != s.summary.Shape.Size() {
		panic(fmt.Sprintf("latent: read: dst has %d numbers, a latent %d", len(dst), s.summary.Shape.Size()))
	}
	return s.latents.read(dst, i)
}

// Label returns the class number of row i.
func (s *Set) Label(i int) int { return int(s.labels[i]) }

// ID returns what picture row i comes from.
func (s *Set) ID(i int) string {
	from := int64(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	return string(s.ids[from:s.ends[i]])
}

// Caption returns what is said of row i, or nothing.
func (s *Set) Caption(i int) string {
	if s.captions == nil {
		return ""
	}
	return s.captions[i]
}

// Properties returns the numbers of row i, in the order of the header's names. They are not to be changed.
func (s *Set) Properties(i int) []float32 {
	p := len(s.summary.Properties)
	return s.properties[i*p : (i+1)*p : (i+1)*p]
}

// Split returns Train or Test.
func (s *Set) Split(i int) string { return splits[s.splits[i]] }

// Flip reports whether row i is of the mirrored picture.
func (s *Set) Flip(i int) bool { return s.flips[i] }

// Rows returns the rows of a split, in order.
func (s *Set) Rows(split string) []int {
	var rows []int
	for i, k := range s.splits {
		if splits[k] == split {
			rows = append(rows, i)
		}
	}
	return rows
}

// Close gives the latents back.
func (s *Set) Close() error {
	if s.latents == nil {
		return errors.New("latent: the set is closed already")
	}
	err := s.latents.close()
	s.latents = nil
	return err
}
