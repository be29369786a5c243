package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowLoop runs body for count rows and moves the named slices on by stride bytes, those
// in singles by one float.
func (w *writer) rowLoop(count, stride reg.GPVirtual, rows, singles []string, body func()) {
	loop, done := w.newLabel("row"), w.newLabel("rows")
	Label(loop)
	TESTQ(count, count)
	JZ(LabelRef(done))
	body()
	for _, s := range rows {
		ADDQ(stride, w.base[s])
	}
	for _, s := range singles {
		ADDQ(Imm(4), w.base[s])
	}
	DECQ(count)
	JMP(LabelRef(loop))
	Label(done)
}

// bytes is the size of n floats.
func bytes(n reg.GPVirtual) reg.GPVirtual {
	b := GP64()
	MOVQ(n, b)
	SHLQ(U8(2), b)
	return b
}

// toFloat is n as float32, in all lanes of an XMM.
func toFloat(n reg.GPVirtual) reg.VecVirtual {
	x := XMM()
	VXORPS(x, x, x)
	VCVTSI2SSQ(n, x, x)
	return x
}

func length(slice string) reg.GPVirtual { return Load(Param(slice).Len(), GP64()).(reg.GPVirtual) }

func integer(name string) reg.GPVirtual { return Load(Param(name), GP64()).(reg.GPVirtual) }

func (w *writer) first(slice string) Mem { return Mem{Base: w.base[slice]} }

// layerNorm normalises rows. The mean comes first and the squares are taken about it: a
// second pass over a row in L1 for a variance that does not cancel.
func (w *writer) layerNorm() {
	w.begin("layerNorm", "layerNorm"+w.name+" is, for each of len(mean) rows of d numbers, mean, rstd = 1/√(variance + eps) and y = (x - mean)·rstd.",
		"func(y, mean, rstd, x []float32, d int, eps float32)", "y", "mean", "rstd", "x")
	w.normaliseRows([]string{"y", "x"}, func(d reg.GPVirtual, h func(i reg.GPVirtual) reg.VecVirtual) {
		w.over(d, func(i reg.GPVirtual) { w.store(h(i), w.at("y", i)) })
	})
	w.end()
}

// layerNormScaleShift is layerNorm with what modulates its result behind it.
func (w *writer) layerNormScaleShift() {
	w.begin("layerNormScaleShift", "layerNormScaleShift"+w.name+" is, for each of len(mean) rows of d numbers, mean, rstd = 1/√(variance + eps), h = (x - mean)·rstd, unless h is empty, and y = h·(1 + scale) + shift.",
		"func(y, h, mean, rstd, x, scale, shift []float32, d int, eps float32)", "y", "h", "mean", "rstd", "x", "scale", "shift")
	keep := length("h")
	w.hoist(1)
	w.normaliseRows([]string{"y", "h", "x"}, func(d reg.GPVirtual, h func(i reg.GPVirtual) reg.VecVirtual) {
		modulate := func(i reg.GPVirtual, v reg.VecVirtual) {
			t := w.load(w.at("scale", i))
			VADDPS(w.c(1), t, t)
			VFMADD213PS(w.operand(w.at("shift", i)), v, t)
			w.store(t, w.at("y", i))
		}
		alone, done := w.newLabel("alone"), w.newLabel("modulated")
		TESTQ(keep, keep)
		JZ(LabelRef(alone))
		w.over(d, func(i reg.GPVirtual) {
			v := h(i)
			w.store(v, w.at("h", i))
			modulate(i, v)
		})
		JMP(LabelRef(done))
		Label(alone)
		w.over(d, func(i reg.GPVirtual) { modulate(i, h(i)) })
		Label(done)
	})
	w.end()
}

// normaliseRows writes mean and rstd of each row of x, and has finish do the rest of a row, for which h
// is (x - mean)·rstd. Slices named in rows have rows like x.
func (w *writer) normaliseRows(rows []string, finish func(d reg.GPVirtual, h func(i reg.GPVirtual) reg.VecVirtual)) {
	count, d := length("mean"), integer("d")
	stride, size := bytes(d), toFloat(d)
	eps := Load(Param("eps"), XMM())
	w.rowLoop(count, stride, rows, []string{"mean", "rstd"}, func() {
		sum := w.zero()
		w.over(d, func(i reg.GPVirtual) {
			elements{w, i}.fetch(rows...)
			VADDPS(w.operand(w.at("x", i)), sum, sum)
		})
		m := w.fold(add, sum).AsX()
		VDIVSS(size, m, m)
		VMOVSS(m, w.first("mean"))
		mean := w.broadcast(m)
		squares := w.zero()
		w.over(d, func(i reg.GPVirtual) {
			v := w.load(w.at("x", i))
			VSUBPS(mean, v, v)
			w.clip(v)
			VFMADD231PS(v, v, squares)
		})
		r := w.fold(add, squares).AsX()
		VDIVSS(size, r, r)
		VADDSS(eps, r, r)
		VSQRTSS(r, r, r)
		one := XMM()
		VMOVSS(global(1), one)
		VDIVSS(r, one, r)
		VMOVSS(r, w.first("rstd"))
		rstd := w.broadcast(r)
		finish(d, func(i reg.GPVirtual) reg.VecVirtual {
			v := w.load(w.at("x", i))
			VSUBPS(mean, v, v)
			VMULPS(rstd, v, v)
			return v
		})
	})
}

func (w *writer) layerNormGrad() {
	w.begin("layerNormGrad", "layerNormGrad"+w.name+" is dx = rstd·(dy - average(dy) - h·average(dy·h)), h = (x - mean)·rstd, for each of len(mean) rows of d numbers.",
		"func(dx, dy, x, mean, rstd []float32, d int)", "dx", "dy", "x", "mean", "rstd")
	count, d := length("mean"), integer("d")
	stride, size := bytes(d), toFloat(d)
	w.rowLoop(count, stride, []string{"dx", "dy", "x"}, []string{"mean", "rstd"}, func() {
		mean, rstd := w.broadcast(w.first("mean")), w.broadcast(w.first("rstd"))
		a, b := w.zero(), w.zero()
		w.over(d, func(i reg.GPVirtual) {
			v, dy := w.load(w.at("x", i)), w.load(w.at("dy", i))
			VSUBPS(mean, v, v)
			VADDPS(dy, a, a)
			VFMADD231PS(dy, v, b) // dy is 0 outside a tail
		})
		x := w.fold(add, a).AsX()
		VDIVSS(size, x, x)
		a1 := w.broadcast(x) // average of dy
		x = w.fold(add, b).AsX()
		VDIVSS(size, x, x)
		b1 := w.broadcast(x)
		VMULPS(rstd, b1, b1)
		VMULPS(rstd, b1, b1) // average of dy·h, times rstd
		w.over(d, func(i reg.GPVirtual) {
			v, dy := w.load(w.at("x", i)), w.load(w.at("dy", i))
			VSUBPS(mean, v, v)
			VSUBPS(a1, dy, dy)
			VFNMADD231PS(b1, v, dy)
			VMULPS(rstd, dy, dy)
			w.store(dy, w.at("dx", i))
		})
	})
	w.end()
}

func (w *writer) dotRows() {
	w.begin("dotRows", "dotRows"+w.name+" is dst = Σ a·b for each of len(dst) rows of d numbers, which start ld apart.",
		"func(dst, a, b []float32, d, ld int)", "dst", "a", "b")
	count, d := length("dst"), integer("d")
	stride := bytes(integer("ld"))
	w.rowLoop(count, stride, []string{"a", "b"}, []string{"dst"}, func() {
		sum := w.zero()
		w.over(d, func(i reg.GPVirtual) {
			v := w.load(w.at("a", i))
			VFMADD231PS(w.operand(w.at("b", i)), v, sum)
		})
		VMOVSS(w.fold(add, sum).AsX(), w.first("dst"))
	})
	w.end()
}

// channelRows writes a function over rows of len(first constant) numbers: body sees
// elements of the walked slices and the row's constants, slices of one row.
func (w *writer) channelRows(name, doc, signature string, walked, constants []string, before func(), body func(e elements)) {
	w.begin(name, name+w.name+" is "+doc+" for each of count rows.", signature, append(walked, constants...)...)
	count, d := integer("count"), length(constants[0])
	stride := bytes(d)
	if before != nil {
		before()
	}
	w.rowLoop(count, stride, walked, nil, func() {
		w.over(d, func(i reg.GPVirtual) { body(elements{w, i}) })
	})
	w.end()
}

func (w *writer) channelFunctions() {
	list := func(s ...string) []string { return s }
	normalise := func(e elements) reg.VecVirtual {
		v := e.load("x")
		VSUBPS(e.operand("mean"), v, v)
		t := e.load("scale")
		VFMADD213PS(e.operand("shift"), t, v)
		return v
	}
	w.channelRows("normalise", "y = (x - mean)·scale + shift", "func(y, x, mean, scale, shift []float32, count int)",
		list("y", "x"), list("mean", "scale", "shift"), nil, func(e elements) { e.store("y", normalise(e)) })
	w.channelRows("normaliseSiLU", "y = silu((x - mean)·scale + shift)", "func(y, x, mean, scale, shift []float32, count int)",
		list("y", "x"), list("mean", "scale", "shift"), func() { w.hoist(sigmoidConstants...) },
		func(e elements) { e.store("y", w.silu(normalise(e))) })
	w.channelRows("normaliseGrad", "dx = a·dy + b·(x - mean) + c", "func(dx, dy, x, mean, a, b, c []float32, count int)",
		list("dx", "dy", "x"), list("mean", "a", "b", "c"), nil, func(e elements) {
			v := e.load("x")
			VSUBPS(e.operand("mean"), v, v)
			t := e.load("b")
			VFMADD213PS(e.operand("c"), t, v)
			t = e.load("a")
			VFMADD231PS(e.operand("dy"), t, v)
			e.store("dx", v)
		})
	w.channelRows("scaleShift", "y = x·(1 + scale) + shift", "func(y, x, scale, shift []float32, count int)",
		list("y", "x"), list("scale", "shift"), func() { w.hoist(1) }, func(e elements) {
			v := e.load("scale")
			VADDPS(w.c(1), v, v)
			t := e.load("x")
			VFMADD213PS(e.operand("shift"), t, v)
			e.store("y", v)
		})
	// Scores are kept with the keys as rows and the queries as columns: see attention.
	var c reg.VecVirtual
	w.channelRows("probabilities", "s = exp(c·s - lse)", "func(s, lse []float32, c float32, count int)",
		list("s"), list("lse"), func() {
			c = w.scalar("c")
			w.hoist(negativeExpConstants...)
		}, func(e elements) {
			v := e.load("s")
			VFMSUB213PS(e.operand("lse"), c, v)
			e.store("s", w.expNegative(v))
		})
	w.channelRows("scoreGrad", "ds = c·p·(ds - delta)", "func(ds, p, delta []float32, c float32, count int)",
		list("ds", "p"), list("delta"), func() { c = w.scalar("c") }, func(e elements) {
			v := e.load("ds")
			VSUBPS(e.operand("delta"), v, v)
			VMULPS(e.operand("p"), v, v)
			VMULPS(c, v, v)
			e.store("ds", v)
		})
	w.channelRows("gate", "y = x + gate·h", "func(y, x, h, gate []float32, count int)",
		list("y", "x", "h"), list("gate"), nil, func(e elements) {
			v := e.load("gate")
			VFMADD213PS(e.operand("x"), e.load("h"), v)
			e.store("y", v)
		})
}
