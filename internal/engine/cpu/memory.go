package cpu

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// memory is a block of zeroed floats outside of Go's heap, where the collector neither
// scans nor counts it. It is given back when its last user releases it.
type memory struct {
	floats []float32
	raw    []byte
	users  atomic.Int32

	version atomic.Uint64 // counts changes, where somebody keeps what he made of the floats
}

func newMemory(floats int) (*memory, error) {
	m := &memory{}
	m.users.Store(1)
	if floats == 0 {
		return m, nil
	}
	raw, err := mapBytes(4 * floats)
	if err != nil {
		return nil, fmt.Errorf("cpu: asking the system for %d MiB: %w", floats>>18, err)
	}
	m.raw = raw
	m.floats = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(raw))), floats)
	return m, nil
}

func (m *memory) retain() { m.users.Add(1) }

func (m *memory) release() {
	if m.users.Add(-1) == 0 && m.raw != nil {
		unmapBytes(m.raw)
		m.raw, m.floats = nil, nil
	}
}
