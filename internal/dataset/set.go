package dataset

import (
	"fmt"
	"io"
	"sync/atomic"

	"lfm/artifacts"
)

// Set reads the images of an index. It is safe for concurrent use.
type Set struct {
	listed      *listing
	origin      origin
	kept        *kept
	at          []atomic.Int64 // where images are kept, plus one; 0: nowhere
	buffers     chan []byte    // for readers; not a sync.Pool, which forgets them at every collection
	train, test []int
	told        *told // nil where there are no captions
}

// Load returns the set that an index artifact lists, read from the source that it was made from.
func Load(index *artifacts.Artifact, src *Source) (*Set, error) {
	// The set keeps the file open; it is closed when nobody has the set any more.
	f, err := index.Open(indexFile)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("dataset: %w", err)
	}
	s, err := load(f, info.Size(), src)
	if err != nil {
		return nil, err
	}
	s.told, err = readTold(index, s.Len())
	return s, err
}

func load(index io.ReaderAt, size int64, src *Source) (*Set, error) {
	kept := src.keeping()
	found := kept.scan()
	var at []int64
	x, err := readListing(index, size, func(i int, digest artifacts.ID) {
		place, ok := found[tableKey(digest)]
		if !ok {
			place = -1
		}
		at = append(at, place)
	})
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", indexFile, err)
	}
	c := src.cfg
	if x.size != c.Size || !c.generated() && (x.fit != c.Fit || x.background != colorText(c.Background)) {
		return nil, fmt.Errorf("dataset: the index was made for images of %d pixels (%s, %s), the source is set to %d (%s, %s)",
			x.size, x.fit, x.background, c.Size, c.Fit, colorText(c.Background))
	}
	s := &Set{listed: x, origin: src.origin, kept: kept, at: make([]atomic.Int64, x.len()), buffers: make(chan []byte, 4)}
	for i, test := range x.test {
		s.at[i].Store(at[i] + 1)
		if test {
			s.test = append(s.test, i)
		} else {
			s.train = append(s.train, i)
		}
	}
	return s, nil
}

// Classes returns the names of the classes, by label.
func (s *Set) Classes() []string { return s.listed.classes }

// Size returns the width and height of the images in pixels.
func (s *Set) Size() int { return s.listed.size }

// Len returns the number of images.
func (s *Set) Len() int { return s.listed.len() }

// Train returns the numbers of the training images, ascending.
func (s *Set) Train() []int { return s.train }

// Test returns the numbers of the test images, ascending.
func (s *Set) Test() []int { return s.test }

// Split returns Train or Test.
func (s *Set) Split(i int) string { return s.listed.split(i) }

// Item describes image i.
func (s *Set) Item(i int) Item { return s.listed.item(i) }

// Read sets dst, (H, W, 3), to image i, mirrored left to right if flip is set. A byte b becomes b/127.5 - 1. The values
// depend on the image and the settings alone.
func (s *Set) Read(dst []float32, i int, flip bool) error {
	size := s.listed.size
	if len(dst) != size*size*channels {
		panic(fmt.Sprintf("dataset: read: dst has %d values, an image %d", len(dst), size*size*channels))
	}
	buf := s.buffer()
	defer s.giveBack(buf)
	pix, err := s.bytes(i, buf)
	if err != nil {
		return err
	}
	if !flip {
		for j, b := range pix {
			dst[j] = unit[b]
		}
		return nil
	}
	for row := 0; row < len(pix); row += size * channels {
		for x := range size {
			from := row + (size-1-x)*channels
			to := row + x*channels
			dst[to], dst[to+1], dst[to+2] = unit[pix[from]], unit[pix[from+1]], unit[pix[from+2]]
		}
	}
	return nil
}

// buffer is one for bytes.
func (s *Set) buffer() []byte {
	select {
	case buf := <-s.buffers:
		return buf
	default:
		return make([]byte, s.kept.room())
	}
}

func (s *Set) giveBack(buf []byte) {
	select {
	case s.buffers <- buf:
	default: // there are enough
	}
}

// bytes returns the pixels of image i, (H, W, 3): those that are kept, in buf and without another allocation, or made anew.
func (s *Set) bytes(i int, buf []byte) ([]byte, error) {
	digest, err := s.listed.digest(i, buf)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if at := s.at[i].Load(); at > 0 {
		if v, ok := s.kept.get(at-1, digest, buf); ok && v.pix != nil {
			return v.pix, nil
		}
	}
	pix, err := s.origin.pixels(i, s.listed.id(i), digest)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", s.listed.id(i), err)
	}
	if at, ok := s.kept.put(digest, verdict{pix: pix}); ok {
		s.at[i].Store(at + 1)
	}
	return pix, nil
}

// unit maps bytes to -1 … 1.
var unit = func() (u [256]float32) {
	for b := range u {
		u[b] = float32(b)/127.5 - 1
	}
	return u
}()
