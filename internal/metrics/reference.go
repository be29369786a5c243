package metrics

// A Reference is a set of vectors that others are compared with. What of its own that takes, which is most of it where the
// others are smaller, is worked out once.
type Reference struct {
	x     []float32
	d, k  int
	cloud *cloud
	balls []float64 // squared distance from each vector to its k-th nearest
	sums  []float64 // of the kernel, of each vector with every other
}

// Reference makes one of real vectors of d numbers, at least three and at least k + 1 of them, with balls to the
// k-th neighbour.
func (c Crew) Reference(real []float32, d, k int) *Reference {
	if k < 1 {
		panic("metrics: reference: k is below one")
	}
	checkVectors("reference", real, d, max(k+1, 3))
	// Distances do not depend on the origin; products round the less, the nearer it is.
	cloud := around(real, mean(real, d))
	return &Reference{x: real, d: d, k: k, cloud: cloud, balls: c.balls(cloud, k), sums: c.kernelSums(real, real, d, true)}
}
