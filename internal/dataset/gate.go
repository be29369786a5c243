package dataset

import "sync"

// gate bounds what all goroutines together have of something, such as pixels being decoded.
type gate struct {
	mu    sync.Mutex
	moved sync.Cond
	room  int64
}

func newGate(room int64) *gate {
	g := &gate{room: room}
	g.moved.L = &g.mu
	return g
}

// enter waits until there is room for n, which is at most all that the gate has. What it returns gives the room back.
func (g *gate) enter(n int64) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.room < n {
		g.moved.Wait()
	}
	g.room -= n
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.room += n
		g.moved.Broadcast()
	}
}
