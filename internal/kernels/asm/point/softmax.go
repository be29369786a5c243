package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// softmaxColumns has one query in each lane and the keys below each other, so that no lane
// waits for another: greatest, sum and logarithm cost one instruction for all of them.
func (w *writer) softmaxColumns() {
	w.begin("softmaxColumns", "softmaxColumns"+w.name+" is, for each of len(lse) columns of m numbers, lse = log Σ exp(c·s) and s = exp(c·s - lse), in place.",
		"func(s, lse []float32, m int, c float32)", "s", "lse")
	columns, m := length("lse"), integer("m")
	stride := bytes(columns)
	c := w.scalar("c")
	w.hoist(negativeExpConstants...)
	w.hoist(logConstants...)
	w.over(columns, func(i reg.GPVirtual) {
		column := GP64()
		LEAQ(w.at("s", i), column)
		greatest := w.vec()
		VBROADCASTSS(global(bits(0xff800000)), greatest) // -Inf
		w.down(column, stride, m, func(at Mem) {
			VMAXPS(w.load(at), greatest, greatest)
		})
		total := w.zero()
		w.down(column, stride, m, func(at Mem) {
			v := w.load(at)
			VSUBPS(greatest, v, v)
			VMULPS(c, v, v)
			p := w.expNegative(v)
			VADDPS(p, total, total)
			w.store(p, at)
		})
		lse := w.log(total)
		VFMADD231PS(greatest, c, lse)
		w.store(lse, w.at("lse", i))
		inverse := w.vec()
		VDIVPS(total, w.r(1), inverse)
		w.down(column, stride, m, func(at Mem) {
			v := w.load(at)
			VMULPS(inverse, v, v)
			w.store(v, at)
		})
	})
	w.end()
}

// softmaxBlock is a step of a softmax whose rows come in blocks: it keeps the greatest number of
// each column so far, and the sum of the exponentials relative to it.
func (w *writer) softmaxBlock() {
	w.begin("softmaxBlock", "softmaxBlock"+w.name+" is, for each of len(top) columns of m numbers, old = top, top = max(old, s), s = exp(c·(s - top)), factor = exp(c·(old - top)), total = total·factor + Σ s.",
		"func(s, top, total, factor []float32, m int, c float32)", "s", "top", "total", "factor")
	columns, m := length("top"), integer("m")
	stride := bytes(columns)
	c := w.scalar("c")
	w.hoist(negativeExpConstants...)
	w.over(columns, func(i reg.GPVirtual) {
		column := GP64()
		LEAQ(w.at("s", i), column)
		greatest := w.load(w.at("top", i))
		w.down(column, stride, m, func(at Mem) {
			VMAXPS(w.load(at), greatest, greatest)
		})
		// relative is exp(c·(v - greatest)); v is overwritten.
		relative := func(v reg.VecVirtual) reg.VecVirtual {
			VSUBPS(greatest, v, v)
			VMULPS(c, v, v)
			return w.expNegative(v)
		}
		total := w.zero()
		w.down(column, stride, m, func(at Mem) {
			p := relative(w.load(at))
			VADDPS(p, total, total)
			w.store(p, at)
		})
		factor := relative(w.load(w.at("top", i)))
		w.store(factor, w.at("factor", i))
		VFMADD231PS(w.load(w.at("total", i)), factor, total)
		w.store(total, w.at("total", i))
		w.store(greatest, w.at("top", i))
	})
	w.end()
}

// down walks count rows from start on.
func (w *writer) down(start, stride, count reg.GPVirtual, body func(at Mem)) {
	at, left := GP64(), GP64()
	loop, done := w.newLabel("down"), w.newLabel("bottom")
	MOVQ(start, at)
	MOVQ(count, left)
	TESTQ(left, left)
	JZ(LabelRef(done))
	Label(loop)
	body(Mem{Base: at})
	ADDQ(stride, at)
	DECQ(left)
	JNZ(LabelRef(loop))
	Label(done)
}
