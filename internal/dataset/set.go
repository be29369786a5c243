package dataset

import (
	"fmt"
	"sync/atomic"

	"lfm/artifacts"
)

// keepBytes bounds the decoded pixels that a source holds in memory. Images beyond it are decoded at every reading.
const keepBytes = 256 << 20

// Set reads the images of an index. It is safe for concurrent use.
type Set struct {
	index       *Index
	origin      origin
	pictures    *pictures
	train, test []int
}

// Load returns the set that an index artifact lists, read from the source that it was made from.
func Load(index *artifacts.Artifact, src *Source) (*Set, error) {
	data, err := index.ReadFile(indexFile)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return load(data, src)
}

func load(data []byte, src *Source) (*Set, error) {
	x, err := decodeIndex(data)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", indexFile, err)
	}
	c := src.cfg
	if x.Size != c.Size || !c.generated() && (x.Fit != c.Fit || x.Background != colorText(c.Background)) {
		return nil, fmt.Errorf("dataset: the index was made for images of %d pixels (%s, %s), the source is set to %d (%s, %s)",
			x.Size, x.Fit, x.Background, c.Size, c.Fit, colorText(c.Background))
	}
	s := &Set{index: x, origin: src.origin, pictures: src.share(data, x)}
	for i, it := range x.Items {
		if it.Split == Train {
			s.train = append(s.train, i)
		} else {
			s.test = append(s.test, i)
		}
	}
	return s, nil
}

// share returns the decoded pixels that all sets of one index have in common, beginning with those that x brings.
func (s *Source) share(data []byte, x *Index) *pictures {
	id := artifacts.HashText(string(data))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pictures == nil || s.indexed != id {
		s.indexed, s.pictures = id, newPictures(len(x.Items), 3*x.Size*x.Size)
		for i, pix := range x.decoded {
			if pix != nil {
				s.pictures.keep(i, pix)
			}
		}
		x.decoded = nil
	}
	return s.pictures
}

// Classes returns the names of the classes, by label.
func (s *Set) Classes() []string { return s.index.Classes }

// Size returns the width and height of the images in pixels.
func (s *Set) Size() int { return s.index.Size }

// Len returns the number of images.
func (s *Set) Len() int { return len(s.index.Items) }

// Train returns the numbers of the training images, ascending.
func (s *Set) Train() []int { return s.train }

// Test returns the numbers of the test images, ascending.
func (s *Set) Test() []int { return s.test }

// Item describes image i.
func (s *Set) Item(i int) Item { return s.index.Items[i] }

// Read sets dst, (H, W, 3), to image i, mirrored left to right if flip is set. A byte b becomes b/127.5 - 1. The values
// depend on the image and the settings alone.
func (s *Set) Read(dst []float32, i int, flip bool) error {
	size := s.index.Size
	if len(dst) != size*size*channels {
		panic(fmt.Sprintf("dataset: read: dst has %d values, an image %d", len(dst), size*size*channels))
	}
	pix, err := s.bytes(i)
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

// bytes returns the pixels of image i, (H, W, 3).
func (s *Set) bytes(i int) ([]byte, error) {
	if pix := s.pictures.get(i); pix != nil {
		return pix, nil
	}
	pix, err := s.origin.pixels(s.index, i)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", s.index.Items[i].ID, err)
	}
	s.pictures.keep(i, pix)
	return pix, nil
}

// unit maps bytes to -1 … 1.
var unit = func() (u [256]float32) {
	for b := range u {
		u[b] = float32(b)/127.5 - 1
	}
	return u
}()

// pictures holds decoded images up to keepBytes. Which ones it holds depends on who reads first; what a reader gets
// does not.
type pictures struct {
	at   []atomic.Pointer[[]byte]
	size int64
	room atomic.Int64
}

func newPictures(n, size int) *pictures {
	p := &pictures{at: make([]atomic.Pointer[[]byte], n), size: int64(size)}
	p.room.Store(keepBytes)
	return p
}

func (p *pictures) get(i int) []byte {
	if pix := p.at[i].Load(); pix != nil {
		return *pix
	}
	return nil
}

// keep remembers an image if there is room.
func (p *pictures) keep(i int, pix []byte) {
	if p.room.Add(-p.size) < 0 || !p.at[i].CompareAndSwap(nil, &pix) {
		p.room.Add(p.size)
	}
}
