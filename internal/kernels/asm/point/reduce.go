package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sums is the number of registers that a sum over a slice is spread on; adding takes four
// cycles, so that fewer would wait for each other.
const sums = 4

// reduction writes a function that adds term over slices of one length. Register j takes
// the register-wide blocks j, j+4, …; what is left over goes to register 0.
func (w *writer) reduction(name, doc, slices string, before func(), term func(sum reg.VecVirtual, e elements)) {
	names := strings.Fields(slices)
	w.begin(name, name+w.name+" is "+doc+".", "func("+strings.Join(names, ", ")+" []float32) float32", names...)
	n := length(names[0])
	if before != nil {
		before()
	}
	var acc [sums]reg.VecVirtual
	for j := range acc {
		acc[j] = w.zero()
	}
	loop, rest := w.newLabel("blocks"), w.newLabel("rest")
	Label(loop)
	CMPQ(n, U32(uint32(sums*w.lanes)))
	JL(LabelRef(rest))
	for j := range acc {
		i := GP64()
		MOVQ(U32(uint32(j*w.lanes)), i)
		term(acc[j], elements{w, i})
	}
	for _, s := range names {
		ADDQ(U32(uint32(4*sums*w.lanes)), w.base[s])
	}
	SUBQ(U32(uint32(sums*w.lanes)), n)
	JMP(LabelRef(loop))
	Label(rest)
	w.over(n, func(i reg.GPVirtual) { term(acc[0], elements{w, i}) })
	w.combine(acc[:])
	x := w.fold(add, acc[0])
	Store(x.AsX(), ReturnIndex(0))
	w.end()
}

// combine adds registers into the first: (0+1) + (2+3).
func (w *writer) combine(acc []reg.VecVirtual) {
	for step := 1; step < len(acc); step *= 2 {
		for j := 0; j+step < len(acc); j += 2 * step {
			VADDPS(acc[j+step], acc[j], acc[j])
		}
	}
}

func (w *writer) reductions() {
	w.reduction("sumSquaredDifference", "Σ (a - b)²", "a b", nil, func(sum reg.VecVirtual, e elements) {
		v := e.load("a")
		VSUBPS(e.operand("b"), v, v)
		VFMADD231PS(v, v, sum)
	})
	w.reduction("sumAbsoluteDifference", "Σ |a - b|", "a b", func() { w.hoist(absBits) }, func(sum reg.VecVirtual, e elements) {
		v := e.load("a")
		VSUBPS(e.operand("b"), v, v)
		VANDPS(w.c(absBits), v, v)
		VADDPS(v, sum, sum)
	})
	w.reduction("sumKL", "Σ mean² + exp(logvar) - 1 - logvar", "mean logvar",
		func() { w.hoist(fullExpConstants...) }, func(sum reg.VecVirtual, e elements) {
			l, m := e.load("logvar"), e.load("mean")
			t := w.vec()
			VMOVAPS(l, t)
			v := w.exp(t)
			VSUBPS(w.c(1), v, v)
			VSUBPS(l, v, v)
			VFMADD231PS(m, m, v)
			w.clip(v)
			VADDPS(v, sum, sum)
		})
}

// absBits clears a sign.
var absBits = bits(1<<31 - 1)

// sumSquares writes Σ x² in float64: squares of float32 numbers are exact there.
func (w *writer) sumSquares() {
	w.begin("sumSquares", "sumSquares"+w.name+" is Σ x², in float64.", "func(x []float32) float64", "x")
	n := length("x")
	a, b := w.zero(), w.zero()
	w.over(n, func(i reg.GPVirtual) {
		v := w.load(w.at("x", i))
		for half, acc := range []reg.VecVirtual{a, b} {
			wide := w.vec()
			switch {
			case w.wide() && half == 0:
				VCVTPS2PD(v.AsY(), wide)
			case w.wide():
				y := YMM()
				VEXTRACTF64X4(U8(1), v, y)
				VCVTPS2PD(y, wide)
			case half == 0:
				VCVTPS2PD(v.AsX(), wide)
			default:
				x := XMM()
				VEXTRACTF128(U8(1), v, x)
				VCVTPS2PD(x, wide)
			}
			VFMADD231PD(wide, wide, acc)
		}
	})
	VADDPD(b, a, a)
	y := YMM()
	if w.wide() {
		h := YMM()
		VEXTRACTF64X4(U8(1), a, h)
		VADDPD(h, a.AsY(), y)
	} else {
		VMOVAPD(a, y)
	}
	x, t := XMM(), XMM()
	VEXTRACTF128(U8(1), y, t)
	VADDPD(t, y.AsX(), x)
	VPERMILPD(U8(1), x, t)
	VADDSD(t, x, x)
	Store(x, ReturnIndex(0))
	w.end()
}
