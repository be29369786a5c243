//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package latent

import (
	"os"
	"syscall"
	"unsafe"
)

// mapped is a flat file in the address space: the system reads what is touched and forgets it when memory runs short.
type mapped struct {
	resident
	bytes []byte
}

func mapFile(path string, size, rows int) (flatFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping outlives its file
	b, err := syscall.Mmap(int(f.Fd()), 0, 4*size*rows, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "map", Path: path, Err: err}
	}
	return &mapped{resident{size, unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), size*rows)}, b}, nil
}

func (m *mapped) close() error {
	m.all = nil
	return syscall.Munmap(m.bytes)
}
