package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// elements is what the body of a point-wise function sees of its slices.
type elements struct {
	w *writer
	i reg.GPVirtual
}

func (e elements) load(slice string) reg.VecVirtual     { return e.w.load(e.w.at(slice, e.i)) }
func (e elements) operand(slice string) Op              { return e.w.operand(e.w.at(slice, e.i)) }
func (e elements) store(slice string, v reg.VecVirtual) { e.w.store(v, e.w.at(slice, e.i)) }

// fetch brings into the first-level cache what stands two kilobytes further on. Where a body computes long, few of its loads
// are under way at a time, and it would wait for memory again and again.
func (e elements) fetch(slices ...string) {
	for _, s := range slices {
		PREFETCHT0(Mem{Base: e.w.base[s], Index: e.i, Scale: 4, Disp: 2048})
	}
}

// pointwise writes a function over slices of one length, that of the first. before, which
// may be nil, loads what does not change.
func (w *writer) pointwise(name, doc, slices, scalars string, before func(), body func(e elements)) {
	names := strings.Fields(slices)
	signature := "func(" + strings.Join(names, ", ") + " []float32"
	if scalars != "" {
		signature += ", " + strings.Join(strings.Fields(scalars), ", ") + " float32"
	}
	w.begin(name, name+w.name+" is "+doc+".", signature+")", names...)
	n := length(names[0])
	if before != nil {
		before()
	}
	w.over(n, func(i reg.GPVirtual) { body(elements{w, i}) })
	w.end()
}

func (w *writer) pointwiseFunctions() {
	unary := func(name, doc string, constants []float32, f func(x reg.VecVirtual) reg.VecVirtual) {
		w.pointwise(name, doc, "y x", "", func() { w.hoist(constants...) }, func(e elements) {
			e.fetch("x", "y")
			e.store("y", f(e.load("x")))
		})
	}
	unary("exp", "y = exp(x)", fullExpConstants, w.exp)
	unary("silu", "y = x/(1 + exp(-x))", sigmoidConstants, w.silu)
	unary("gelu", "y = x/(1 + exp(-w)), w = 2√(2/π)·(x + 0.044715·x³)", geluConstants, w.gelu)
	unary("selu", "y = λ·x where x ≥ 0, λ·α·(exp(x) - 1) elsewhere", seluConstants, w.selu)

	slope := func(name, doc string, constants []float32, f func(x reg.VecVirtual) reg.VecVirtual) {
		w.pointwise(name, doc, "dx dy x", "", func() { w.hoist(constants...) }, func(e elements) {
			e.fetch("x", "dy", "dx")
			v := f(e.load("x"))
			VMULPS(e.operand("dy"), v, v)
			e.store("dx", v)
		})
	}
	slope("siluGrad", "dx = dy·silu'(x)", sigmoidConstants, w.siluSlope)
	slope("geluGrad", "dx = dy·gelu'(x)", geluConstants, w.geluSlope)
	slope("seluGrad", "dx = dy·selu'(x)", seluConstants, w.seluSlope)

	binary := func(name, doc string, op func(...Op)) {
		w.pointwise(name, doc, "dst a b", "", nil, func(e elements) {
			v := e.load("a")
			op(e.operand("b"), v, v)
			e.store("dst", v)
		})
	}
	binary("addSlices", "dst = a + b", func(o ...Op) { VADDPS(o...) })
	binary("subSlices", "dst = a - b", func(o ...Op) { VSUBPS(o...) })
	binary("mulSlices", "dst = a·b", func(o ...Op) { VMULPS(o...) })

	var c, lo, hi reg.VecVirtual
	w.pointwise("scale", "dst = c·a", "dst a", "c", func() { c = w.scalar("c") }, func(e elements) {
		v := w.vec()
		VMULPS(e.operand("a"), c, v)
		e.store("dst", v)
	})
	limits := func() { lo, hi = w.scalar("lo"), w.scalar("hi") }
	w.pointwise("clamp", "y = min(max(x, lo), hi)", "y x", "lo hi", limits, func(e elements) {
		v := e.load("x")
		VMAXPS(v, lo, v)
		VMINPS(v, hi, v)
		e.store("y", v)
	})
	w.pointwise("clampGrad", "dx = dy where lo ≤ x ≤ hi, else 0", "dx dy x", "lo hi", limits, func(e elements) {
		x, v := e.load("x"), e.load("dy")
		w.keep(v, isLE, x, lo) // lo ≤ x
		w.keep(v, isLE, hi, x)
		e.store("dx", v)
	})

	const half = 0.5
	w.pointwise("reparameterize", "z = mean + noise·exp(logvar/2)", "z mean logvar noise", "",
		func() { w.hoist(append(fullExpConstants, half)...) }, func(e elements) {
			v := e.load("logvar")
			VMULPS(w.c(half), v, v)
			s := w.exp(v)
			VFMADD213PS(e.operand("mean"), e.load("noise"), s)
			e.store("z", s)
		})
	w.pointwise("reparameterizeGrad", "dlogvar = dz·noise·exp(logvar/2)/2", "dlogvar dz logvar noise", "",
		func() { w.hoist(append(fullExpConstants, half)...) }, func(e elements) {
			v := e.load("logvar")
			VMULPS(w.c(half), v, v)
			s := w.exp(v)
			VMULPS(w.c(half), s, s)
			d := e.load("dz")
			VMULPS(e.operand("noise"), d, d)
			VMULPS(s, d, d)
			e.store("dlogvar", d)
		})

	w.pointwise("difference", "da = c·(a - b)", "da a b", "c", func() { c = w.scalar("c") }, func(e elements) {
		v := e.load("a")
		VSUBPS(e.operand("b"), v, v)
		VMULPS(c, v, v)
		e.store("da", v)
	})
	w.pointwise("signOfDifference", "da = c·sign(a - b), and NaN where a - b is", "da a b", "c", func() {
		w.hoist(signBit)
		c = w.scalar("c")
	}, func(e elements) {
		v, zero := e.load("a"), w.zero()
		VSUBPS(e.operand("b"), v, v)
		sign := w.vec()
		VANDPS(w.c(signBit), v, sign)
		VXORPS(c, sign, sign) // ±c
		// Where a - b is 0 nothing is left of ±c; where it is NaN, adding 0·(a-b) says so.
		w.keep(sign, 4, zero, v) // not equal
		nan := w.vec()
		VMOVAPS(v, nan)
		w.keep(nan, 3, v, v) // unordered
		VADDPS(nan, sign, sign)
		e.store("da", sign)
	})
	w.pointwise("klGrad", "dmean = c·mean, dlogvar = c/2·(exp(logvar) - 1)", "dmean dlogvar mean logvar", "c", func() {
		w.hoist(append(fullExpConstants, half)...)
		c = w.scalar("c")
	}, func(e elements) {
		v := w.exp(e.load("logvar"))
		VSUBPS(w.c(1), v, v)
		VMULPS(w.c(half), v, v)
		VMULPS(c, v, v)
		m := w.vec()
		VMULPS(e.operand("mean"), c, m)
		e.store("dlogvar", v)
		e.store("dmean", m)
	})
}

// adamwNumbers is how many numbers an optimizer step has; see adamwStep in package kernels.
const adamwNumbers = 11

// adamw writes the optimizer step, with and without the average of the weights.
func (w *writer) adamw(name string, average bool) {
	slices := []string{"w", "m", "v", "grad"}
	if average {
		slices = append(slices, "ema")
	}
	w.begin(name, name+w.name+" is one step of AdamW on each element; p holds the numbers of adamwStep.",
		fmt.Sprintf("func(%s []float32, p [%d]float32)", strings.Join(slices, ", "), adamwNumbers), slices...)
	n := length("w")
	number := func(i int) reg.VecVirtual {
		p, err := Param("p").Index(i).Resolve()
		if err != nil {
			panic(err)
		}
		return w.broadcast(p.Addr)
	}
	clip, keep1, new1, keep2, new2 := number(0), number(1), number(2), number(3), number(4)
	decay, root, eps, rate := number(5), number(6), number(7), number(8)
	w.over(n, func(i reg.GPVirtual) {
		e := elements{w, i}
		e.fetch(slices...)
		grad := w.vec()
		VMULPS(e.operand("grad"), clip, grad)
		m := w.vec()
		VMULPS(new1, grad, m)
		VFMADD231PS(e.operand("m"), keep1, m)
		VMULPS(grad, grad, grad)
		v := w.vec()
		VMULPS(new2, grad, v)
		VFMADD231PS(e.operand("v"), keep2, v)
		e.store("m", m)
		e.store("v", v)
		VSQRTPS(v, v)
		VFMADD213PS(eps, root, v) // √v/√Correct2 + Eps
		VDIVPS(v, m, m)
		x := w.vec()
		VMULPS(e.operand("w"), decay, x)
		VFNMADD231PS(rate, m, x)
		e.store("w", x)
		if average {
			// These two from memory: AVX2 has no registers left.
			old, new := number(9), number(10)
			VMULPS(new, x, x)
			VFMADD231PS(e.operand("ema"), old, x)
			e.store("ema", x)
		}
	})
	w.end()
}
