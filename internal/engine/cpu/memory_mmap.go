//go:build linux || darwin || freebsd || netbsd || openbsd

package cpu

import "syscall"

func mapBytes(n int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		adviseHuge(b)
	}
	return b, err
}

// unmapBytes cannot fail for what mapBytes gave.
func unmapBytes(b []byte) { _ = syscall.Munmap(b) }
