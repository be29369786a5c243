package kernels

import (
	"runtime"
	"time"
)

//go:generate go run -C asm ./peak -out ../peak_amd64.s -stubs ../peak_stubs_amd64.go -pkg kernels

// Peak measures what one core can do at best now: GFLOP/s of multiply-adds (counted as
// two) on registers alone, at the current [Level]. It takes a few milliseconds, during which
// nothing else should run on this core.
//
// The best of many short rounds is taken, as the machine may be shared.
func Peak() float64 {
	const rounds, n = 64, 20000
	best := 0.0
	for range rounds {
		start := time.Now()
		flops := peakRound(n)
		best = max(best, flops/time.Since(start).Seconds()/1e9)
	}
	return best
}

// peakGeneric is the plain version of the loop: n rounds of 16 multiply-adds.
func peakGeneric(n int) (flops float64) {
	var a, b, c, d, e, f, g, h float32
	x := float32(0.5)
	for range 2 * n {
		a = float32(a*x) + x
		b = float32(b*x) + x
		c = float32(c*x) + x
		d = float32(d*x) + x
		e = float32(e*x) + x
		f = float32(f*x) + x
		g = float32(g*x) + x
		h = float32(h*x) + x
	}
	runtime.KeepAlive(a + b + c + d + e + f + g + h) // or the compiler drops the loop
	return float64(n) * 16 * 2
}
