package kernels

import (
	"slices"
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

// BenchmarkPeak says what multiply-adds on registers reach for a while, and what they do between products that keep the core
// busy: there are processors that lower their clock under products, but not under the register loop alone.
func BenchmarkPeak(b *testing.B) {
	s := LinearShape{N: 4, Rows: 64, In: 256, Out: 256}
	x, w, y := ramp(s.N*s.Rows*s.In), ramp(s.In*s.Out), ramp(s.N*s.Rows*s.Out)
	packed, scratch := make([]float32, LinearPackSize(s)), make([]float32, LinearScratch(s))
	LinearPack(packed, w, s, 0, LinearPackItems(s))
	for _, c := range []struct {
		name     string
		products int
	}{{"alone", 0}, {"between products", 1}} {
		b.Run(c.name, func(b *testing.B) {
			var rates []float64
			for b.Loop() {
				for range c.products {
					Linear(y, x, packed, nil, s, scratch, 0, LinearItems(s))
				}
				start := time.Now()
				flops := peakRound(20000)
				rates = append(rates, flops/time.Since(start).Seconds()/1e9)
			}
			slices.Sort(rates)
			b.ReportMetric(rates[len(rates)/2], "GFLOP/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
