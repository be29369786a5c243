package bench

import (
	"runtime"
	"sync"

	"lfm/internal/kernels"
)

// Peak measures what so many threads can do at best now, all at once: GFLOP/s of
// multiply-adds on registers alone. More threads than Go runs at a time add nothing.
func Peak(threads int) float64 {
	rates := make([]float64, min(threads, runtime.GOMAXPROCS(0)))
	var all sync.WaitGroup
	for i := range rates {
		all.Add(1)
		go func() {
			defer all.Done()
			rates[i] = kernels.Peak()
		}()
	}
	all.Wait()
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return sum
}
