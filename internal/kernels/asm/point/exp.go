package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The exponential function: x = n·ln 2 + r with n whole and |r| ≤ ln 2/2, exp(x) =
// 2ⁿ·exp(r), and exp(r) by the polynomial of Moshier's Cephes library (expf), written
// out to 1 + r + r²·(…) in Horner's form.
const (
	log2e = 1.44269504088896341
	ln2hi = 0.693145751953125       // 15 bits: n·ln2hi is exact
	ln2lo = 1.42860682030941723e-06 // ln 2 - ln2hi

	// sigmoidLimit bounds the argument of exp in a sigmoid: exp(±87) is a normal number.
	sigmoidLimit = 87
	// expLow and expHigh: beyond them exp is 0 and +Inf.
	expLow, expHigh = -104, 89
	// flushed: below it exp(x) is too small for a normal number.
	flushed = -87.33
)

var horner = []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 1}

var expConstants = append([]float32{log2e, ln2hi, ln2lo}, horner[:7]...)

// polynomial is exp(r) with its n, for |x| < 2²⁰. x is overwritten.
func (w *writer) polynomial(x reg.VecVirtual) (p, n reg.VecVirtual) {
	n = w.reduce(x)
	return w.evaluate(horner, x), n
}

// reduce makes r of x, and returns n.
func (w *writer) reduce(x reg.VecVirtual) reg.VecVirtual {
	n := w.vec()
	VMULPS(w.c(log2e), x, n)
	if w.wide() {
		VRNDSCALEPS(U8(8), n, n)
	} else {
		VROUNDPS(U8(8), n, n)
	}
	VFNMADD231PS(w.c(ln2hi), n, x)
	VFNMADD231PS(w.c(ln2lo), n, x)
	return n
}

// evaluate is the polynomial with these coefficients, the highest power's first, at x. x is kept.
func (w *writer) evaluate(coefficients []float32, x reg.VecVirtual) reg.VecVirtual {
	p := w.copyOf(coefficients[0])
	for _, c := range coefficients[1:] {
		VFMADD213PS(w.c(c), x, p)
	}
	return p
}

// expNormal is exp(x) for flushed ≤ x ≤ 88. x is overwritten. NaN stays NaN.
func (w *writer) expNormal(x reg.VecVirtual) reg.VecVirtual {
	p, n := w.polynomial(x)
	if w.wide() {
		VSCALEFPS(n, p, p)
		return p
	}
	VCVTPS2DQ(n, n)
	VPSLLD(U8(23), n, n)
	VPADDD(n, p, p)
	return p
}

// exp is exp(x) for every x, denormal results included. x is overwritten.
func (w *writer) exp(x reg.VecVirtual) reg.VecVirtual {
	w.clamp(x, expLow, expHigh)
	p, n := w.polynomial(x)
	if w.wide() {
		VSCALEFPS(n, p, p)
		return p
	}
	// 2ⁿ may be out of range where 2ⁿ·p is not: multiply by its two halves.
	half := w.vec()
	VCVTPS2DQ(n, n)
	VPSRAD(U8(1), n, half)
	VPSUBD(half, n, n)
	for _, e := range []reg.VecVirtual{half, n} {
		VPSLLD(U8(23), e, e)
		VPADDD(w.c(1), e, e)
		VMULPS(e, p, p)
	}
	return p
}

// fullExpConstants are those of exp.
var fullExpConstants = append([]float32{expLow, expHigh}, expConstants...)

// clamp is x = min(max(x, lo), hi). NaN stays NaN: the instructions return their second
// source then.
func (w *writer) clamp(x reg.VecVirtual, lo, hi float32) {
	VMAXPS(x, w.r(lo), x)
	VMINPS(x, w.r(hi), x)
}

// expNegative is exp(x) for x ≤ 88 with results below 2⁻¹²⁶ made 0: denormal numbers
// would slow the products that follow. x is overwritten.
func (w *writer) expNegative(x reg.VecVirtual) reg.VecVirtual {
	arg := w.vec()
	VMAXPS(x, w.r(flushed), arg)
	p := w.expNormal(arg)
	w.keep(p, notLess, w.c(flushed), x)
	return p
}

var negativeExpConstants = append([]float32{flushed}, expConstants...)

// sigmoidConstants are those of the functions below.
var sigmoidConstants = append([]float32{signBit, sigmoidLimit, -sigmoidLimit}, expConstants...)

// negativeExp is exp(-x) with x brought to ±sigmoidLimit. x is kept.
func (w *writer) negativeExp(x reg.VecVirtual) reg.VecVirtual {
	u := w.vec()
	VXORPS(w.c(signBit), x, u)
	w.clamp(u, -sigmoidLimit, sigmoidLimit)
	return w.expNormal(u)
}

// silu is x/(1 + exp(-x)). x is kept.
func (w *writer) silu(x reg.VecVirtual) reg.VecVirtual {
	e := w.negativeExp(x)
	VADDPS(w.c(1), e, e)
	y := w.vec()
	VDIVPS(e, x, y)
	w.keep(y, notLess, w.c(-sigmoidLimit), x)
	return y
}

// siluSlope is s + x·s·(1-s) = s·(1 + x·(e·s)) with e = exp(-x), s = 1/(1+e): e·s is 1-s
// without cancellation. x is kept.
func (w *writer) siluSlope(x reg.VecVirtual) reg.VecVirtual {
	u := w.vec()
	VMAXPS(x, w.r(-sigmoidLimit), u)
	VMINPS(u, w.r(sigmoidLimit), u)
	t := w.vec()
	VXORPS(w.c(signBit), u, t)
	e := w.expNormal(t)
	s := w.vec()
	VADDPS(w.c(1), e, s)
	VDIVPS(s, w.r(1), s)
	VMULPS(s, e, e)      // 1-s
	VMULPS(e, u, e)      // x·(1-s)
	VFMADD213PS(s, s, e) // s + x·s·(1-s)
	w.keep(e, notLess, w.c(-sigmoidLimit), x)
	return e
}

// GELU in its tanh form is x·σ(w) with w = 2√(2/π)·(x + 0.044715·x³) = x·(a + b·x²).
const (
	geluA = 1.5957691216057308
	geluB = 0.07135481627159119 // 0.044715·geluA
	// geluLimit: beyond it w passes ±sigmoidLimit.
	geluLimit = 11
)

var geluConstants = append([]float32{geluA, geluB, 3 * geluB, geluLimit, -geluLimit}, sigmoidConstants...)

// gelu is x/(1 + exp(-w)). x is kept.
func (w *writer) gelu(x reg.VecVirtual) reg.VecVirtual {
	u := w.vec()
	VMULPS(x, x, u)
	t := w.copyOf(geluA)
	VFMADD231PS(w.c(geluB), u, t)
	VMULPS(x, t, u)
	e := w.negativeExp(u)
	VADDPS(w.c(1), e, e)
	y := w.vec()
	VDIVPS(e, x, y)
	w.keep(y, notLess, w.c(-sigmoidLimit), u)
	return y
}

// geluSlope is s + x·w'·s·(1-s) with s = σ(w), w' = a + 3b·x². x is kept.
func (w *writer) geluSlope(x reg.VecVirtual) reg.VecVirtual {
	v := w.vec()
	VMAXPS(x, w.r(-geluLimit), v)
	VMINPS(v, w.r(geluLimit), v)
	square := w.vec()
	VMULPS(v, v, square)
	slope := w.copyOf(geluA)
	arg := w.copyOf(geluA)
	VFMADD231PS(w.c(3*geluB), square, slope)
	VFMADD231PS(w.c(geluB), square, arg)
	VMULPS(v, arg, arg)
	e := w.negativeExp(arg)
	s := w.vec()
	VADDPS(w.c(1), e, s)
	VDIVPS(s, w.r(1), s)
	VMULPS(s, e, e) // 1-s
	VMULPS(e, v, e)
	VMULPS(e, slope, e)  // x·w'·(1-s)
	VFMADD213PS(s, s, e) // s + x·w'·s·(1-s)
	w.keep(e, notLess, w.c(-sigmoidLimit), arg)
	return e
}

// SELU is λ·x, and λ·α·(exp(x) - 1) below 0.
const (
	seluScale   = 1.0507009873554805             // λ
	seluDepth   = seluScale * 1.6732632423543772 // λ·α
	seluScaleHi = 1.050700902938842773           // the greatest float32 below λ: both parts have its sign, as sums of 0 and of Inf want
	seluScaleLo = seluScale - seluScaleHi
)

var seluConstants = append([]float32{seluScale, seluScaleHi, seluScaleLo, seluDepth, -sigmoidLimit}, expConstants...)

// expm1 is exp(x) - 1 for -sigmoidLimit ≤ x ≤ 0, as 2ⁿ·(exp(r) - 1) + (2ⁿ - 1) with exp(r) - 1 = r + r²·(…): for
// n = 0 nothing cancels, and for n < 0 the result is far from 0. x is overwritten.
func (w *writer) expm1(x reg.VecVirtual) reg.VecVirtual {
	n := w.reduce(x)
	p := w.evaluate(horner[:6], x)
	square := w.vec()
	VMULPS(x, x, square)
	VFMADD213PS(x, square, p) // exp(r) - 1
	if w.wide() {
		VSCALEFPS(n, w.r(1), n)
	} else {
		VCVTPS2DQ(n, n)
		VPSLLD(U8(23), n, n)
		VPADDD(w.c(1), n, n)
	}
	below := w.vec()
	VSUBPS(w.r(1), n, below) // 2ⁿ - 1
	VFMADD213PS(below, n, p)
	return p
}

// selu is λ·α·(exp(x) - 1) where x < 0, else λ·x, NaN and the sign of 0 included. x is kept.
func (w *writer) selu(x reg.VecVirtual) reg.VecVirtual {
	u, y := w.vec(), w.vec()
	VMAXPS(x, w.r(-sigmoidLimit), u)
	e := w.expm1(u)
	VMULPS(w.c(seluDepth), e, e)
	VMULPS(w.c(seluScaleLo), x, y)
	VFMADD231PS(w.c(seluScaleHi), x, y) // overflows where λ·x does
	return w.choose(e, y, isLess, w.zero(), x)
}

// seluSlope is λ where x > 0, else λ·α·exp(x). x is kept.
func (w *writer) seluSlope(x reg.VecVirtual) reg.VecVirtual {
	u := w.vec()
	VMAXPS(x, w.r(-sigmoidLimit), u)
	e := w.expNormal(u)
	VMULPS(w.c(seluDepth), e, e)
	w.keep(e, notLess, w.c(-sigmoidLimit), x)
	return w.choose(w.r(seluScale), e, isLess, x, w.zero())
}

// The logarithm: x = 2ᵉ·m with √½ ≤ m < √2, and log(m) by the polynomial of Cephes (logf).
var (
	sqrtHalf = bits(0x3f3504f3)
	logs     = []float32{7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1}
)

const logLow = -0.5

var logConstants = append([]float32{sqrtHalf, 1, logLow, ln2hi, ln2lo}, logs...)

// log is log(x) of a normal number; NaN stays NaN. x is kept.
func (w *writer) log(x reg.VecVirtual) reg.VecVirtual {
	e, f := w.vec(), w.vec()
	VPSUBD(w.r(sqrtHalf), x, e)
	VPSRAD(U8(23), e, e)
	VPSLLD(U8(23), e, f)
	VPSUBD(f, x, f) // m
	VSUBPS(w.r(1), f, f)
	VCVTDQ2PS(e, e)
	p := w.copyOf(logs[0])
	for _, c := range logs[1:] {
		VFMADD213PS(w.c(c), f, p)
	}
	square := w.vec()
	VMULPS(f, f, square)
	VMULPS(f, p, p)
	VFMADD231PS(w.c(ln2lo), e, f)
	VADDPS(w.c(logLow), p, p) // -½ + f·P
	VFMADD231PS(p, square, f)
	VFMADD231PS(w.c(ln2hi), e, f)
	nan := w.vec()
	VSUBPS(x, x, nan)
	VADDPS(nan, f, f)
	return f
}
