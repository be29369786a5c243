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
	read(dst []float32, i int) error
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
	if o.Work == "" {
		return nil, fmt.Errorf("%d MiB of latents are more than is kept in memory, and no folder is given to spill them to", bytes>>20)
	}
	if o.FS == nil {
		o.FS = disk.OS
	}
	path := filepath.Join(o.Work, "latents-"+hex.EncodeToString(digest[:8])+".f32")
	if info, err := os.Stat(path); err == nil && info.Size() == bytes {
		return &spilled{path, size}, nil
	}
	f, err := disk.Create(o.FS, filepath.Join(o.Work, "latents-"+rand.Text()+".f32"+aside), path)
	if err != nil {
		return nil, fmt.Errorf("spill latents: %w", err)
	}
	return &spill{spilled{path, size}, f, bufio.NewWriterSize(f, 1<<20)}, nil
}

// resident holds latents in memory.
type resident struct {
	size int
	all  []float32
}

func (m *resident) write(l []float32) error { m.all = append(m.all, l...); return nil }

func (m *resident) finish() (flatFile, error) { return m, nil }

func (m *resident) abort() {}

func (m *resident) close() error { m.all = nil; return nil }

func (m *resident) read(dst []float32, i int) error {
	copy(dst, m.all[i*m.size:(i+1)*m.size])
	return nil
}

// spilled is a flat file of latents that is there already; it takes no more.
type spilled struct {
	path string
	size int
}

func (s *spilled) write([]float32) error { return nil }
func (s *spilled) abort()                {}

func (s *spilled) finish() (flatFile, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("open spilled latents: %w", err)
	}
	return &onDisk{f, s.size}, nil
}

// onDisk reads a row when it is asked for. The file is not mapped: what is mapped and touched counts as memory of the
// process, and a disk that fails would end it.
type onDisk struct {
	file *os.File
	size int
}

func (d *onDisk) read(dst []float32, i int) error {
	if _, err := d.file.ReadAt(bytesOf(dst), 4*int64(d.size)*int64(i)); err != nil {
		return fmt.Errorf("read spilled latents: row %d: %w", i, err)
	}
	return nil
}

func (d *onDisk) close() error { return d.file.Close() }

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
