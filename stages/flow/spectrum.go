package flow

import (
	"context"
	"fmt"
	"math"

	"lfm/internal/checkpoint"
	"lfm/internal/latent"
)

// leastVariance is the least that a fitted base knows, where normalised latents have one: directions in which latents
// do not vary at all would have no density.
const leastVariance = 1e-6

// spectrum is the base correlated: a Gaussian field on the torus of places, stationary, of mean nought, whose channels
// know nothing of each other. Its covariance is diagonal in the Hartley transform H, which is real, symmetric and its
// own inverse but for the number N of places, so with n ~ N(0, I)
//
//	eps = H(deviation · n)/√N        Cov = H deviation² H/N
type spectrum struct {
	shape     latent.Shape
	deviation []float32 // (h, w, C)
	hartley   *hartley
}

func readSpectrum(shape latent.Shape, f *checkpoint.File) (Base, error) {
	deviation, err := finite(f, deviationTensor, shape.H, shape.W, shape.C)
	if err != nil {
		return nil, err
	}
	for i, v := range deviation {
		if v <= 0 {
			return nil, fmt.Errorf("flow: base %s: number %d of tensor %q is %v, want more than 0", correlated, i, deviationTensor, v)
		}
	}
	return &spectrum{shape, deviation, newHartley(shape.H, shape.W)}, nil
}

func (s *spectrum) Draw(eps []float32, d Draws, step, sample uint64, _ int) {
	d.normal.Normal(eps, step, sample)
	for i, v := range s.deviation {
		eps[i] *= v
	}
	s.transform(eps)
}

func (s *spectrum) LogDensity(eps []float32, _ int) (float64, error) {
	a := append([]float32(nil), eps...)
	s.transform(a)
	log := -float64(len(eps)) * math.Log(2*math.Pi) / 2
	for i, v := range s.deviation {
		u := float64(a[i]) / float64(v)
		log -= u*u/2 + math.Log(float64(v))
	}
	return log, nil
}

// transform sets x (h, w, C) to H x/√N in each channel.
func (s *spectrum) transform(x []float32) {
	n := s.shape.H * s.shape.W
	one, scale := make([]float64, n), 1/math.Sqrt(float64(n))
	for c := range s.shape.C {
		for i := range one {
			one[i] = float64(x[i*s.shape.C+c])
		}
		for i, v := range s.hartley.apply(one) {
			x[i*s.shape.C+c] = float32(v * scale)
		}
	}
}

// fitSpectrum is the power of latents at each frequency, the mean of |F|²/N where F is the Fourier transform:
// |F(k)|² = (H(k)² + H(-k)²)/2. Over all frequencies it sums to N times the variance.
func fitSpectrum(ctx context.Context, l *learned) ([]checkpoint.Tensor, error) {
	shape := l.set.Shape()
	s := spectrum{shape: shape, hartley: newHartley(shape.H, shape.W)}
	power := make([]float64, shape.Size())
	err := l.each(ctx, func(x []float32, _ int) {
		s.transform(x)
		for i, v := range x {
			power[i] += float64(v) * float64(v) / float64(len(l.rows))
		}
	})
	if err != nil {
		return nil, err
	}
	deviation := make([]float32, len(power))
	for y := range shape.H {
		for x := range shape.W {
			for c := range shape.C {
				k := (y*shape.W+x)*shape.C + c
				minus := ((shape.H-y)%shape.H*shape.W+(shape.W-x)%shape.W)*shape.C + c
				deviation[k] = float32(math.Sqrt(max(leastVariance, (power[k]+power[minus])/2)))
			}
		}
	}
	return []checkpoint.Tensor{{Name: deviationTensor, Shape: []int{shape.H, shape.W, shape.C}, Data: deviation}}, nil
}

// hartley is the two-dimensional Hartley transform (Bracewell 1983), with cas a = cos a + sin a:
//
//	H(u, v) = Σ_yx f(y, x) cas(2π(u y/h + v x/w))
//
// As cas(a + b) = cos a cas b + sin a cas(-b), rows come first and columns then.
type hartley struct {
	h, w        int
	cos, sin    []float64 // of 2πk/h
	plus, minus []float64 // cas of 2πk/w, and of -2πk/w
}

func newHartley(h, w int) *hartley {
	t := &hartley{h: h, w: w}
	for k := range h {
		s, c := math.Sincos(2 * math.Pi * float64(k) / float64(h))
		t.cos, t.sin = append(t.cos, c), append(t.sin, s)
	}
	for k := range w {
		s, c := math.Sincos(2 * math.Pi * float64(k) / float64(w))
		t.plus, t.minus = append(t.plus, c+s), append(t.minus, c-s)
	}
	return t
}

// apply transforms f (h, w).
func (t *hartley) apply(f []float64) []float64 {
	n := t.h * t.w
	plus, minus, out := make([]float64, n), make([]float64, n), make([]float64, n)
	for y := range t.h {
		for v := range t.w {
			for x, k := 0, 0; x < t.w; x, k = x+1, (k+v)%t.w {
				plus[y*t.w+v] += float64(f[y*t.w+x] * t.plus[k])
				minus[y*t.w+v] += float64(f[y*t.w+x] * t.minus[k])
			}
		}
	}
	for u := range t.h {
		for y, k := 0, 0; y < t.h; y, k = y+1, (k+u)%t.h {
			for v := range t.w {
				out[u*t.w+v] += float64(t.cos[k]*plus[y*t.w+v]) + float64(t.sin[k]*minus[y*t.w+v])
			}
		}
	}
	return out
}
