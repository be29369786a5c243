package kernels

import (
	"testing"
	"time"
)

// measure reports the speed of the quickest of a benchmark's iterations, of gflop each, and as
// a part of the peak at that moment. The quickest, because the machine may be shared.
func measure(b *testing.B, gflop float64, run func()) {
	best, times := time.Hour, 1
	for b.Loop() {
		start := time.Now()
		for range times {
			run()
		}
		took := time.Since(start)
		best = min(best, took/time.Duration(times))
		if took < 50*time.Microsecond {
			times *= 2
		}
	}
	speed := gflop / best.Seconds()
	b.ReportMetric(speed, "GFLOP/s")
	b.ReportMetric(speed/Peak(), "of-peak")
	b.ReportMetric(0, "ns/op")
}
