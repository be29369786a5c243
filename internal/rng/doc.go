// Package rng draws random numbers as pure functions: nothing is remembered between two draws, so a training that
// was killed goes on with exactly the numbers that it would have seen.
//
// A [Stream] is made from a seed and a [Purpose]. Every draw then names the step and the sample that it is for:
//
//	noise := rng.New(seed, rng.Noise)
//	noise.Normal(eps, step, sample) // always the same values for the same (seed, purpose, step, sample)
//
// A shorter draw is the beginning of a longer one, and no draw depends on the batch it is part of: a sample of a
// batch of 64 and the same sample drawn alone are equal.
//
// [Permutation] is a shuffle of 0…n-1 without memory, and [Order] strings one shuffle an epoch end to end: the item
// that each sample of each training step reads.
//
// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as easy as 1, 2, 3; SC 2011),
// a ten-round block cipher on a counter of four 32-bit words under a key of two:
//
//	+-----------+-----------+-----------+-----------+      +-----------------------------+
//	| block     | sample    | step low  | step high |  key | first 64 bits of SHA-256 of |
//	| 0, 1, 2 … |           |           |           |      | (seed, purpose)             |
//	+-----------+-----------+-----------+-----------+      +-----------------------------+
//
// Samples are hence numbered below 2^32 - 1 (the last number belongs to permutations), and one draw has at most 2^34
// words.
//
// Integers and uniform numbers are the same on every machine. Normal numbers pass through math.Log and math.Sincos,
// whose last bit may differ between architectures.
package rng
