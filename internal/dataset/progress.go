package dataset

import (
	"sync"
	"time"
)

// Progress is told how far Digest or Index came: what is being done with images, with how many of how many so far, and
// how many a second.
type Progress = func(doing string, done, total int, perSecond float64)

// What is done with images.
const (
	hashing  = "hashing"
	decoding = "decoding"
)

// progressEvery is the least time between two reports, so that sets that are ready at once report nothing.
const progressEvery = 500 * time.Millisecond

// meter counts images and reports, from several goroutines.
type meter struct {
	tell  Progress
	doing string
	total int
	every time.Duration

	mu          sync.Mutex
	done, known int // known: done before, by another process
	began, told time.Time
}

// newMeter counts up to total, of which known are done already, and reports at most so often. tell may be nil.
func newMeter(tell Progress, doing string, known, total int, every time.Duration) *meter {
	now := time.Now()
	return &meter{tell: tell, doing: doing, total: total, every: every, done: known, known: known, began: now, told: now}
}

// add counts one image more.
func (m *meter) add() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done++
	if now := time.Now(); m.tell != nil && now.Sub(m.told) >= m.every {
		m.told = now
		m.tell(m.doing, m.done, m.total, float64(m.done-m.known)/now.Sub(m.began).Seconds())
	}
}
