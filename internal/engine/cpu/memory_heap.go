//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package cpu

import "unsafe"

// mapBytes takes the block from Go's heap, where the system has no mmap that the standard
// library reaches. As it holds no pointers the collector does not scan it either. It is
// made of words so that floats in it are aligned.
func mapBytes(n int) ([]byte, error) {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n), nil
}

func unmapBytes([]byte) {}
