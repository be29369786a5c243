package ref_test

import (
	"math"
	"testing"

	"lfm/internal/kernels/ref"
)

// TestSELUGolden holds SELU and its slope to PyTorch 1.13 in float64, whose exp(x) - 1 cancels: near 0 its own error
// is about 2⁻⁵³.
//
//	python3 -c "
//	import torch
//	x = torch.tensor([-1e3, -20, -5, -1, -.5, -.125, -1e-3, 0, 1e-3, .5, 1, 1e3], dtype=torch.float64, requires_grad=True)
//	y = torch.nn.functional.selu(x); y.sum().backward()
//	for v in zip(x.tolist(), y.tolist(), x.grad.tolist()): print('{%.17g, %.17g, %.17g},' % v)"
func TestSELUGolden(t *testing.T) {
	const tol = 1e-15
	for _, c := range []struct{ x, y, slope float64 }{
		{-1000, -1.7580993408473766, 0},
		{-20, -1.758099337223664, 3.6237128249944113e-09},
		{-5, -1.7462533606696198, 0.011845980177756718},
		{-1, -1.1113307378125625, 0.64676860303481398},
		{-0.5, -0.69175818780287135, 1.0663411530445053},
		{-0.125, -0.20658211811354782, 1.5515172227338287},
		{-0.001, -0.0017572205841202171, 1.7563421202632563},
		{0, 0, 1.7580993408473766},
		{0.001, 0.0010507009873554805, 1.0507009873554805},
		{0.5, 0.52535049367774023, 1.0507009873554805},
		{1, 1.0507009873554805, 1.0507009873554805},
		{1000, 1050.7009873554805, 1.0507009873554805},
	} {
		y, slope := []float64{0}, []float64{0}
		ref.SELU(y, []float64{c.x})
		ref.SELUGrad(slope, []float64{1}, []float64{c.x})
		if math.Abs(y[0]-c.y) > tol*max(1, math.Abs(c.y)) || math.Abs(slope[0]-c.slope) > tol {
			t.Errorf("SELU(%v) is %.17g with slope %.17g, want %.17g and %.17g", c.x, y[0], slope[0], c.y, c.slope)
		}
	}
}

// TestSELUKeepsMoments: of a number with distribution N(0, 1) SELU makes one of mean 0 and variance 1, which is what
// its two constants are chosen for. The integrals are by Simpson's rule on either side of the kink.
func TestSELUKeepsMoments(t *testing.T) {
	const far, n = 12, 2000 // beyond 12 deviations there is less than 1e-32
	var mean, square float64
	for _, side := range []float64{-1, 1} {
		for i := range n + 1 {
			x, y := side*far*float64(i)/n, []float64{0}
			weight := []float64{2, 4}[i%2]
			if i == 0 || i == n {
				weight = 1
			}
			ref.SELU(y, []float64{x})
			density := weight * far / (3 * n) * math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)
			mean, square = mean+density*y[0], square+density*y[0]*y[0]
		}
	}
	if math.Abs(mean) > 1e-9 || math.Abs(square-1) > 1e-9 {
		t.Errorf("mean %g and mean square %.12f, want 0 and 1", mean, square)
	}
}
