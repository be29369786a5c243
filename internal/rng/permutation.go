package rng

import "math/bits"

// Permutation is a shuffle of 0…n-1 that is computed, not stored. It is a balanced Feistel network on the smallest
// even number of bits that holds n, and values outside are sent round again until they fall inside (Black and Rogaway:
// Ciphers with arbitrary finite domains, CT-RSA 2002). The domain has less than 4n values, so that takes less than
// four turns in the mean.
type Permutation struct {
	n    uint64
	half uint // bits of a half
	mask uint64
	keys [feistelRounds]uint32
}

// feistelRounds is twice what Luby and Rackoff (1988) ask for: the rounds are cheap and the halves short.
const feistelRounds = 8

// Permutation returns the shuffle of 0…n-1 that belongs to an epoch.
func (s Stream) Permutation(epoch uint64, n int) Permutation {
	if n < 1 {
		panic("rng: permutation of nothing")
	}
	half := uint(bits.Len64(uint64(n-1))+1) / 2
	p := Permutation{n: uint64(n), half: half, mask: 1<<half - 1}
	for i := 0; i < feistelRounds; i += 4 {
		b := s.block(uint32(i/4), epoch, lastSample)
		copy(p.keys[i:], b[:])
	}
	return p
}

// Len returns n.
func (p Permutation) Len() int { return int(p.n) }

// At returns where i is sent: a bijection of 0…n-1.
func (p Permutation) At(i int) int {
	if uint64(i) >= p.n {
		panic("rng: permutation index out of range")
	}
	x := p.turn(uint64(i))
	for x >= p.n {
		x = p.turn(x)
	}
	return int(x)
}

// turn is one pass through the network: a bijection of the numbers of 2·half bits.
func (p Permutation) turn(x uint64) uint64 {
	l, r := x>>p.half, x&p.mask
	for _, k := range p.keys {
		l, r = r, l^uint64(mix(uint32(r)^k))&p.mask
	}
	return l<<p.half | r
}

// mix spreads every bit over all: the finalizer of MurmurHash3.
func mix(x uint32) uint32 {
	x = (x ^ x>>16) * 0x85ebca6b
	x = (x ^ x>>13) * 0xc2b2ae35
	return x ^ x>>16
}

// Order says which item each sample of each training step reads. Epochs lie end to end, a new shuffle each: position
// p = step·batch + i is item At(p mod n) of the shuffle of epoch p / n. A step may hence straddle two epochs, and every
// item is read once an epoch whatever the batch.
type Order struct {
	stream Stream
	n      int
}

// NewOrder returns the order of n items under a seed.
func NewOrder(seed uint64, n int) Order {
	if n < 1 {
		panic("rng: order of no items")
	}
	return Order{New(seed, Shuffle), n}
}

// Index returns the item that sample i of a step reads, in 0…n-1, where a step has batch samples.
func (o Order) Index(step, batch, i int) int {
	p := step*batch + i
	return o.stream.Permutation(uint64(p/o.n), o.n).At(p % o.n)
}
