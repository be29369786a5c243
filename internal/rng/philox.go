package rng

import "math/bits"

// Multipliers and key increments of Philox4x32: Salmon et al. (2011), section 5.
const (
	mul0, mul1   = 0xd2511f53, 0xcd9e8d57
	weyl0, weyl1 = 0x9e3779b9, 0xbb67ae85
	rounds       = 10
)

// philox enciphers one counter under a key. A round multiplies words 0 and 2 into 64 bits each, crosses the halves
// over, and mixes in the key and the words 1 and 3:
//
//	(c0, c1, c2, c3) ← (hi(m1·c2)^c1^k0, lo(m1·c2), hi(m0·c0)^c3^k1, lo(m0·c0))
func philox(c [4]uint32, k0, k1 uint32) [4]uint32 {
	for range rounds {
		h0, l0 := bits.Mul32(mul0, c[0])
		h1, l1 := bits.Mul32(mul1, c[2])
		c = [4]uint32{h1 ^ c[1] ^ k0, l1, h0 ^ c[3] ^ k1, l0}
		k0, k1 = k0+weyl0, k1+weyl1
	}
	return c
}
