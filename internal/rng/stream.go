package rng

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// Purpose says what numbers are for. Streams of different purposes have nothing to do with each other, even under one
// seed. The text enters the key: changing it changes every number.
type Purpose string

// The purposes of this program.
const (
	Noise     Purpose = "noise"        // eps of training
	Sample    Purpose = "sample noise" // the noise that samples start from
	Times     Purpose = "times"        // t of training
	Drop      Purpose = "drop"         // conditions dropped for guidance
	Posterior Purpose = "posterior"    // noise of the autoencoder's sampled latents
	Flip      Purpose = "flip"         // augmentation
	Init      Purpose = "init"         // first weights
	Shuffle   Purpose = "shuffle"      // the order of training items
	HeldOut   Purpose = "held-out"     // noise of the held-out loss
	Coupling  Purpose = "coupling"     // pairings drawn from a soft plan
	Stir      Purpose = "stir"         // noise that a sampler adds on its way
	Probe     Purpose = "probe"        // signs that a divergence is estimated with
)

// Stream is a family of random numbers, told apart by step and sample. It is a small value without state: copy it,
// and use it from any number of goroutines.
type Stream struct{ k0, k1 uint32 }

// lastSample numbers the sample whose words key the permutations of a stream.
const lastSample = math.MaxUint32

// New returns the stream of a purpose under a seed.
func New(seed uint64, p Purpose) Stream {
	h := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), p...))
	return Stream{binary.LittleEndian.Uint32(h[0:]), binary.LittleEndian.Uint32(h[4:])}
}

// block returns four words of a sample of a step.
func (s Stream) block(i uint32, step, sample uint64) [4]uint32 {
	return philox([4]uint32{i, uint32(sample), uint32(step), uint32(step >> 32)}, s.k0, s.k1)
}

// check refuses samples that would share the words of another.
func check(sample uint64) {
	if sample >= lastSample {
		panic("rng: sample number is not below 2^32 - 1")
	}
}

// Uint32s fills dst with uniform 32-bit words.
func (s Stream) Uint32s(dst []uint32, step, sample uint64) {
	check(sample)
	for i := 0; i < len(dst); i += 4 {
		b := s.block(uint32(i/4), step, sample)
		copy(dst[i:], b[:])
	}
}

// Uniform fills dst with uniform numbers in [0, 1), multiples of 2^-24.
func (s Stream) Uniform(dst []float32, step, sample uint64) {
	check(sample)
	for i := 0; i < len(dst); i += 4 {
		b := s.block(uint32(i/4), step, sample)
		for j := i; j < min(i+4, len(dst)); j++ {
			dst[j] = float32(b[j-i]>>8) * 0x1p-24
		}
	}
}

// Float64 returns one uniform number in [0, 1), a multiple of 2^-53.
func (s Stream) Float64(step, sample uint64) float64 {
	check(sample)
	b := s.block(0, step, sample)
	return float64((uint64(b[0])<<32|uint64(b[1]))>>11) * 0x1p-53
}

// Normal fills dst with standard normal numbers, two for two words, by the polar form of Box and Muller (1958),
// computed in float64 and rounded:
//
//	r = sqrt(-2 ln((a + 1/2) / 2^32)), φ = 2π b / 2^32: r cos φ, r sin φ
//
// The largest magnitude is sqrt(66 ln 2) = 6.76.
func (s Stream) Normal(dst []float32, step, sample uint64) {
	check(sample)
	for i := 0; i < len(dst); i += 4 {
		b := s.block(uint32(i/4), step, sample)
		var z [4]float32
		z[0], z[1] = pair(b[0], b[1])
		z[2], z[3] = pair(b[2], b[3])
		copy(dst[i:], z[:])
	}
}

// pair makes two independent normal numbers from two uniform words.
func pair(a, b uint32) (x, y float32) {
	r := math.Sqrt(-2 * math.Log((float64(a)+0.5)*0x1p-32))
	sin, cos := math.Sincos(2 * math.Pi * float64(b) * 0x1p-32)
	return float32(r * cos), float32(r * sin)
}
