package kernels

import (
	"math"
	"testing"

	"lfm/internal/kernels/ref"
)

// sweepStep is how many float32 bit patterns lie between two that are tried: a prime, so
// that every exponent gets all kinds of mantissas.
const sweepStep = 1009

// TestWholeRange walks all of float32, infinities and NaN included, and holds the functions
// to the bounds in their comments.
func TestWholeRange(t *testing.T) {
	functions := []struct {
		name      string
		fast      func(y, x []float32)
		want      func(y, x []float64)
		allowance func(x, y float64) float64 // the greatest |error| where y is right
	}{
		{"Exp", Exp, ref.Exp[float64], func(_, y float64) float64 {
			return 1.1e-7*y + 0x1p-150 // half the spacing of denormal numbers
		}},
		{"SiLU", SiLU, ref.SiLU[float64], func(_, y float64) float64 { return max(2.5e-7*math.Abs(y), 1.5e-36) }},
		{"GELU", GELU, ref.GELU[float64], func(_, y float64) float64 { return 2e-7 * max(1, math.Abs(y)) }},
		{"SiLUGrad", gradientOf(SiLUGrad), gradientOf64(ref.SiLUGrad[float64]), func(_, y float64) float64 { return 2e-7 }},
		{"GELUGrad", gradientOf(GELUGrad), gradientOf64(ref.GELUGrad[float64]), func(_, y float64) float64 { return 2.5e-7 }},
	}
	const block = 1 << 12
	x, y := make([]float32, block), make([]float32, block)
	x64, want := make([]float64, block), make([]float64, block)
	atLevels(t, func(t *testing.T) {
		for _, f := range functions {
			worst, at := 0.0, float32(0)
			for first := uint64(0); first < 1<<32; first += block * sweepStep {
				for i := range x {
					x[i] = math.Float32frombits(uint32(first + uint64(i)*sweepStep))
					x64[i] = float64(x[i])
				}
				special := []float32{0, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 88.7228, 88.7229, -103.9, -104, -87, -87.01, math.MaxFloat32, -math.MaxFloat32}
				for i, v := range special {
					x[i], x64[i] = v, float64(v)
				}
				f.fast(y, x)
				f.want(want, x64)
				for i, w := range want {
					got := float64(y[i])
					switch over := math.Abs(w) > math.MaxFloat32; {
					case math.IsNaN(float64(x[i])):
						if !math.IsNaN(got) {
							t.Fatalf("%s(NaN) = %v", f.name, got)
						}
						continue
					case over || math.IsInf(w, 0):
						if !math.IsInf(got, int(math.Copysign(1, w))) {
							t.Fatalf("%s(%v) = %v, want %v", f.name, x[i], got, w)
						}
						continue
					}
					if e := math.Abs(got-w) / f.allowance(x64[i], w); !(e <= worst) {
						worst, at = e, x[i]
					}
				}
			}
			t.Logf("%s: %.2f of its bound, at %v", f.name, worst, at)
			if !(worst <= 1) {
				t.Errorf("%s(%v): error is %.2f of its bound", f.name, at, worst)
			}
		}
	})
}

// gradientOf is the derivative itself: the gradient for dy = 1.
func gradientOf(f func(dx, dy, x []float32)) func(y, x []float32) {
	return func(y, x []float32) {
		dy := make([]float32, len(x))
		for i := range dy {
			dy[i] = 1
		}
		f(y, dy, x)
	}
}

func gradientOf64(f func(dx, dy, x []float64)) func(y, x []float64) {
	return func(y, x []float64) {
		dy := make([]float64, len(x))
		for i := range dy {
			dy[i] = 1
		}
		f(y, dy, x)
	}
}
