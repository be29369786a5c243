package ode

import "math"

// Uniform returns the times from, …, to of equally long steps, both ends exact.
func Uniform(from, to float64, steps int) []float64 {
	if steps < 1 {
		panic("ode: a grid needs a step")
	}
	grid := make([]float64, steps+1)
	for i := range grid {
		s := float64(i) / float64(steps)
		grid[i] = (1-s)*from + s*to
	}
	return grid
}

// Shifted returns times from 1 to 0 that [Shift] makes of equally long steps: with shift > 1 steps are short near the
// noise, with shift < 1 near the data (Esser et al. 2024, section 5.3.2).
func Shifted(shift float64, steps int) []float64 {
	grid := Uniform(1, 0, steps)
	for i, t := range grid {
		grid[i] = Shift(shift, t)
	}
	return grid
}

// Shift sends t in [0, 1] to shift t / (1 + (shift-1) t), which leaves both ends where they are.
func Shift(shift, t float64) float64 { return shift * t / (1 + (shift-1)*t) }

// The noise levels b/a between which Karras et al. (2022) space their steps.
const karrasMin, karrasMax = 0.002, 80

// Karras returns times from 1 to 0 that are equally spaced in the rho-th root of the noise level t/(1-t), which runs from
// 80 to 0.002 (Karras et al. 2022, eq. 5; they use rho = 7). A larger rho makes shorter steps near the data. As the path
// begins at pure noise, the first time is 1 rather than that of level 80.
func Karras(rho float64, steps int) []float64 {
	if steps < 1 {
		panic("ode: a grid needs a step")
	}
	grid := make([]float64, steps+1)
	grid[0] = 1
	high, low := math.Pow(karrasMax, 1/rho), math.Pow(karrasMin, 1/rho)
	for i := 1; i < steps; i++ {
		s := float64(i) / float64(steps-1)
		level := math.Pow((1-s)*high+s*low, rho)
		grid[i] = level / (1 + level)
	}
	return grid
}
