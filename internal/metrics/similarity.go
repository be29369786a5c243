package metrics

import "math"

// PSNR returns the peak signal-to-noise ratio of two pictures of one size in decibels, -10 log10 of the mean squared
// difference where white is 1. Equal pictures have 100 dB: the mean is held above 1e-10.
func PSNR(a, b []uint8) float64 {
	if len(a) != len(b) || len(a) == 0 {
		panic("metrics: psnr: pictures differ in size or are empty")
	}
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return -10 * math.Log10(max(sum/float64(len(a))/(255*255), 1e-10))
}

// Constants of Wang et al. (2004): window, its deviation, and (0.01 L)², (0.03 L)² with peak L = 1.
const (
	window      = 11
	windowSigma = 1.5
	c1, c2      = 1e-4, 9e-4
)

// SSIM returns the structural similarity of two (h, w, c) pictures (Wang et al. 2004): 1 for equal ones. It is taken on
// the mean of the channels, under an 11x11 Gaussian window of deviation 1.5, and averaged over the places where the
// window lies inside. In a picture smaller than the window, the window is cut to the largest odd size that fits.
func SSIM(a, b []uint8, h, w, c int) float64 {
	if h < 1 || w < 1 || c < 1 || len(a) != h*w*c || len(b) != h*w*c {
		panic("metrics: ssim: pictures do not have the stated size")
	}
	g := gaussian(min(window, (h-1)|1, (w-1)|1))
	x, y := grey(a, c), grey(b, c)
	product := func(p, q []float64) []float64 {
		r := make([]float64, len(p))
		for i := range p {
			r[i] = p[i] * q[i]
		}
		return r
	}
	mx, my := blur(x, h, w, g), blur(y, h, w, g)
	xx, yy, xy := blur(product(x, x), h, w, g), blur(product(y, y), h, w, g), blur(product(x, y), h, w, g)
	var sum float64
	for i := range mx {
		vx, vy, cov := xx[i]-mx[i]*mx[i], yy[i]-my[i]*my[i], xy[i]-mx[i]*my[i]
		sum += (2*mx[i]*my[i] + c1) * (2*cov + c2) / ((mx[i]*mx[i] + my[i]*my[i] + c1) * (vx + vy + c2))
	}
	return sum / float64(len(mx))
}

// gaussian returns n weights that add up to one.
func gaussian(n int) []float64 {
	g := make([]float64, n)
	var sum float64
	for i := range g {
		d := float64(i - n/2)
		g[i] = math.Exp(-d * d / (2 * windowSigma * windowSigma))
		sum += g[i]
	}
	for i := range g {
		g[i] /= sum
	}
	return g
}

// grey returns the mean of the channels, white being 1.
func grey(a []uint8, c int) []float64 {
	out := make([]float64, len(a)/c)
	for i := range out {
		for _, v := range a[i*c : (i+1)*c] {
			out[i] += float64(v)
		}
		out[i] /= 255 * float64(c)
	}
	return out
}

// blur weighs an (h, w) picture with g along both axes, where it lies inside: (h-n+1, w-n+1).
func blur(a []float64, h, w int, g []float64) []float64 {
	n := len(g)
	oh, ow := h-n+1, w-n+1
	rows := make([]float64, h*ow)
	for y := range h {
		for x := range ow {
			for k, v := range g {
				rows[y*ow+x] += v * a[y*w+x+k]
			}
		}
	}
	out := make([]float64, oh*ow)
	for y := range oh {
		for x := range ow {
			for k, v := range g {
				out[y*ow+x] += v * rows[(y+k)*ow+x]
			}
		}
	}
	return out
}
