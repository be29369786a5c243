package path

import "math"

// The noise levels between which Karras et al. (2022) space their steps.
const karrasMin, karrasMax = 0.002, 80

// Karras returns times from 1 to 0 that are equally spaced in the rho-th root of the noise level B/A of a path, which runs
// from 80 down to 0.002 more than there is at t = 0 (Karras et al. 2022, eq. 5; they use rho = 7). A larger rho makes
// shorter steps near the data. The first time is 1, where paths begin, rather than that of level 80.
func Karras(p Path, rho float64, steps int) []float64 {
	if steps < 1 {
		panic("path: a grid needs a step")
	}
	grid := make([]float64, steps+1)
	grid[0] = 1
	end := p.At(0)
	high, low := math.Pow(karrasMax, 1/rho), math.Pow(end.B/end.A+karrasMin, 1/rho)
	for i := 1; i < steps; i++ {
		s := float64(i) / float64(steps-1)
		grid[i] = p.AtLevel(math.Pow((1-s)*high+s*low, rho))
	}
	return grid
}
