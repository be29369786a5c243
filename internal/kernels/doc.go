// Package kernels computes on float32 slices, fast and on one core; one sum, [AddGram], is in float64.
//
// Package ref beside it says what each function computes; this one says how: blocked
// products, convolutions (direct, by Winograd's way, or with an upsampling folded in),
// fused norms and attention, in AVX-512 or AVX2+FMA assembly, with a plain Go version of
// everything for other processors and for builds with -tags noasm. [Level] tells which of
// the three is in use.
//
// # Work items
//
// A kernel X on a shape s is cut into XItems(s) independent work items, and
//
//	X(dst, src, s, scratch, i0, i1)
//
// computes items [i0, i1) with XScratch(s) floats of work memory. Package kernels starts
// no goroutines: whoever calls it splits the items over as many as there are cores. Neighbouring
// items of products and convolutions share copies, and a call should have whole groups of them: XPiece(s), and
// [PanelPiece] for convolutions.
//
//	n := kernels.LinearItems(s)
//	go kernels.Linear(y, x, packed, b, s, scratch[0], 0, n/2)
//	go kernels.Linear(y, x, packed, b, s, scratch[1], n/2, n)
//
// Weights come as PyTorch stores them and are packed once a call, by ranges too
// (XPackItems, XPack), into the panels that the products read. [LinearFew] takes one as it
// is and packs it on the way.
//
// Plain element-wise kernels (SiLU, Add, UpdateAdamW, …) take slices alone: every element is an
// item, and the caller cuts them where it likes. They may work in place.
//
// Any slice will do, but those that begin at a cache line (64 bytes) are quickest: a vector that
// lies over the end of one costs two loads.
//
// # Same bits
//
// However the items are split, the bits are the same. The additions behind an output
// element run in an order fixed by the shape of one sample: over the summed index in
// blocks of a fixed length, in order within a block, blocks added in order. Tiles,
// tails, batch and threads do not enter. A sum over samples is ref's rule of 16. The two
// assembly levels give the same bits for products and for element-wise kernels, and others in
// the sums of norms and losses, which are spread over as many lanes as a register has; the
// plain level, which rounds between multiply and add, gives others again.
//
// # Accuracy
//
// Comments bound errors in u = 2⁻²⁴, the relative error of one rounding; where a value is a denormal
// number half the spacing of these, 2⁻¹⁵⁰, comes on top. The bounds hold at every level and for every
// float32 number. Those of exp and the activations were found by going over all of them (make sweep)
// and rounding the greatest error up, those of sums by counting roundings. NaN gives NaN, and nothing
// else does but a difference of infinities.
//
// # Assembly
//
// The programs in folder asm (a module of its own, so that this one does not depend on
// the generator) write *_amd64.s and their stubs; go generate runs them. Assembly is
// called only from ordinary Go functions, whose stack check lets the runtime stop the
// goroutine, and for less than a millisecond a call.
package kernels
