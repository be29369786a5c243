package ode

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
