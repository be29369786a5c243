package cpu

import (
	"runtime"
	"sync"

	"lfm/internal/engine"
	"lfm/internal/kernels"
)

// Backend runs machines on a pool of workers, one machine at a time.
type Backend struct {
	mu   sync.Mutex
	pool *pool
}

var _ engine.Backend = (*Backend)(nil)

// Open starts a back end of so many threads; 0 is as many as Go uses (GOMAXPROCS).
func Open(threads int) *Backend {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Backend{pool: newPool(threads)}
}

// Name says what decides the bits: "cpu avx512". Threads do not.
func (b *Backend) Name() string { return "cpu " + kernels.Level().String() }

// Threads is the number of workers.
func (b *Backend) Threads() int { return b.pool.workers }

// Close ends the workers. Machines opened here must not run afterwards.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.stop()
	return nil
}
