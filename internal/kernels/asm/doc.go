// Package asm holds the programs that write the assembly of package kernels.
//
// Each folder is one program and writes one file of assembly and one of stubs into the
// folder above, by the go:generate lines there:
//
//	peak       the register-only loop that speeds are compared with
//	point      point-wise functions, sums, norms, softmax and the optimizer
//	gemm       the tile kernels of products and convolutions, and the transposing pack
//
// This is a module of its own, so that lfm itself does not depend on the generator.
//
// What bites: constants are U32(math.Float32bits(f)), never F32(f), which the
// assembler takes for an integer; no parameter may be called g; Imm takes what fits in
// 8 bits, U32 the rest; operands of VSUBPS and its like stand reversed (VSUBPS b, a, d is
// d = a-b).
package asm
