// Package metrics measures how good pictures are. Slices in, numbers out.
//
// [PSNR] and [SSIM] compare one picture with another, on the bytes that a viewer sees: what rounding hides does not
// count. The rest compare a set of vectors, pictures or their features, with another:
//
//	Frechet             means and covariances               how far apart the two are, as Gaussians
//	Kernel              all pairs, with a standard error    the same without bias in small sets
//	Cover               neighbours                          precision, recall, density, coverage
//	SlicedWasserstein   one-dimensional views               needs no features
//	Wasserstein         the best pairing, exactly           small sets
//	MeanNearest         nearest training picture            whether samples are new or merely remembered
//	Views               products with random directions     a picture of any size in some hundred numbers
//
// A picture is (H, W, C) bytes, row-major; a set of vectors is one flat slice. Sets take memory with their numbers of
// vectors, never with the product of two. A [Crew] spreads the work over threads, and the result does not depend on how
// many; a [Reference] keeps what it costs to know the set that others are compared with.
package metrics
