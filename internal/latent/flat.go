package latent

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"lfm/internal/disk"
)

// flatFile is all latents end to end, wherever they are.
type flatFile interface {
	row(i int) []float32
	close() error
}

// sink takes the latents in order.
type sink interface {
	write(latents []float32) error
	finish() (flatFile, error)
	abort()
}

// newSink decides where the latents of a set go. digest is of its latents.json, which holds the digests of the shards:
// a spilled file of that name holds these very latents.
func newSink(s Summary, o Options, digest [32]byte) (sink, error) {
	size, bytes := s.Shape.Size(), int64(s.Rows)*int64(s.Shape.Size())*4
	if limit := o.Memory; bytes <= limit || limit == 0 && bytes <= DefaultMemory {
		return &resident{size: size, all: make([]float32, 0, bytes/4)}, nil
	}
	if o.FS == nil {
		o.FS = disk.OS
	}
	dir := o.Work
	if dir == "" {
		dir = os.TempDir()
	}
	path := filepath.Join(dir, "latents-"+hex.EncodeToString(digest[:8])+".f32")
	if info, err := os.Stat(path); err == nil && info.Size() == bytes {
		return &spilled{path: path, size: size, rows: s.Rows}, nil
	}
	f, err := disk.Create(o.FS, filepath.Join(dir, "latents-"+rand.Text()+".f32"+aside), path)
	if err != nil {
		return nil, fmt.Errorf("spill latents: %w", err)
	}
	return &spill{spilled{path: path, size: size, rows: s.Rows}, f, bufio.NewWriterSize(f, 1<<20)}, nil
}

// resident holds latents in memory.
type resident struct {
	size int
	all  []float32
}

func (m *resident) write(l []float32) error   { m.all = append(m.all, l...); return nil }
func (m *resident) finish() (flatFile, error) { return m, nil }
func (m *resident) abort()                    {}
func (m *resident) close() error              { m.all = nil; return nil }
func (m *resident) row(i int) []float32       { return m.all[i*m.size : (i+1)*m.size : (i+1)*m.size] }

// spilled is a flat file of latents that is there already; it takes no more.
type spilled struct {
	path       string
	size, rows int
}

func (s *spilled) write([]float32) error { return nil }
func (s *spilled) abort()                {}

func (s *spilled) finish() (flatFile, error) {
	f, err := mapFile(s.path, s.size, s.rows)
	if err != nil {
		return nil, fmt.Errorf("open spilled latents: %w", err)
	}
	return f, nil
}

// spill writes latents to a flat file of the machine's own float32.
type spill struct {
	spilled
	file *disk.Draft
	out  *bufio.Writer
}

func (s *spill) write(l []float32) error {
	_, err := s.out.Write(bytesOf(l))
	if err != nil {
		err = fmt.Errorf("spill latents: %w", err)
	}
	return err
}

func (s *spill) abort() { s.file.Abort() }

func (s *spill) finish() (flatFile, error) {
	s.out.Flush() // Commit returns its error
	if err := s.file.Commit(); err != nil {
		return nil, fmt.Errorf("spill latents: %w", err)
	}
	return s.spilled.finish()
}

// bytesOf returns the memory of floats.
func bytesOf(f []float32) []byte {
	if len(f) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))
}
