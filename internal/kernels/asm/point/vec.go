package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A writer writes functions for one instruction set. Its methods emit the instructions
// that differ between the two: whole registers, masked tails, constants.
type writer struct {
	name    string // AVX2 or AVX512
	lanes   int
	hoisted map[uint32]reg.VecVirtual // constants that live in registers
	label   int

	// Of the function being written:
	base map[string]reg.Register // where a slice parameter starts
	tail *tail                   // nil in whole-register loops
}

// tail is the mask of the last elements of a row, fewer than there are lanes.
type tail struct {
	k reg.Register // AVX-512: a mask register; AVX2: lanes of all ones
}

func (w *writer) wide() bool { return w.lanes == 16 }

// vec is a register of w.lanes floats.
func (w *writer) vec() reg.VecVirtual {
	if w.wide() {
		return ZMM()
	}
	return YMM()
}

func (w *writer) newLabel(s string) string {
	w.label++
	return fmt.Sprintf("%s%d", s, w.label)
}

// begin opens a function whose slice parameters are named; their addresses are loaded.
func (w *writer) begin(name, doc, signature string, slices ...string) {
	TEXT(name+w.name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(doc)
	w.hoisted = map[uint32]reg.VecVirtual{}
	w.base = map[string]reg.Register{}
	w.tail = nil
	for _, s := range slices {
		w.base[s] = Load(Param(s).Base(), GP64())
	}
}

func (w *writer) end() {
	VZEROUPPER()
	RET()
}

// globals are the constants in memory, eight copies each.
var globals = map[uint32]Mem{}

func global(f float32) Mem {
	bits := math.Float32bits(f)
	m, ok := globals[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("point%08x", bits), RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(bits))
		}
		globals[bits] = m
	}
	return m
}

// hoist loads constants into registers that live through the function. AVX2 has too few
// registers: there they stay in memory.
func (w *writer) hoist(constants ...float32) {
	if !w.wide() {
		return
	}
	for _, f := range constants {
		if bits := math.Float32bits(f); w.hoisted[bits] == nil {
			v := w.vec()
			VBROADCASTSS(global(f), v)
			w.hoisted[bits] = v
		}
	}
}

// c is a constant as the last source of an instruction: a register or memory.
func (w *writer) c(f float32) Op {
	if !w.wide() {
		return global(f)
	}
	v := w.hoisted[math.Float32bits(f)]
	if v == nil {
		panic(fmt.Sprintf("constant %v was not hoisted", f))
	}
	return v
}

// r is a constant in a register.
func (w *writer) r(f float32) reg.VecVirtual {
	if w.wide() {
		return w.c(f).(reg.VecVirtual)
	}
	v := w.vec()
	VMOVUPS(global(f), v)
	return v
}

// copyOf is a fresh register with the constant.
func (w *writer) copyOf(f float32) reg.VecVirtual {
	v := w.vec()
	VMOVUPS(w.c(f), v)
	return v
}

// scalar broadcasts a float32 parameter.
func (w *writer) scalar(name string) reg.VecVirtual {
	x := Load(Param(name), XMM())
	return w.broadcast(x)
}

func (w *writer) broadcast(x Op) reg.VecVirtual {
	v := w.vec()
	VBROADCASTSS(x, v)
	return v
}

func (w *writer) zero() reg.VecVirtual {
	v := w.vec()
	VXORPS(v, v, v)
	return v
}

// setTail makes the mask of the first count lanes, 0 < count < lanes.
func (w *writer) setTail(count reg.GPVirtual) *tail {
	if w.wide() {
		bits := GP32()
		MOVL(U32(1), bits)
		SHLXL(count.As32(), bits, bits)
		DECL(bits)
		k := K()
		KMOVW(bits, k)
		return &tail{k}
	}
	at, table := GP64(), GP64()
	MOVQ(U32(8), at)
	SUBQ(count, at)
	LEAQ(maskTable(), table)
	v := YMM()
	VMOVUPS(Mem{Base: table, Index: at, Scale: 4}, v)
	return &tail{v}
}

var table Mem

// maskTable is eight lanes of ones, eight of zeros.
func maskTable() Mem {
	if table.Symbol.Name == "" {
		table = GLOBL("pointTail", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(math.MaxUint32*uint32(1-i/8)))
		}
	}
	return table
}

// load reads lanes; those outside the tail are 0 and their memory is not touched.
func (w *writer) load(m Mem) reg.VecVirtual {
	v := w.vec()
	switch {
	case w.tail == nil:
		VMOVUPS(m, v)
	case w.wide():
		VMOVUPS_Z(m, w.tail.k, v)
	default:
		VMASKMOVPS(m, w.tail.k, v)
	}
	return v
}

// operand is memory as the last source of an instruction: itself, or a register in a tail.
func (w *writer) operand(m Mem) Op {
	if w.tail == nil {
		return m
	}
	return w.load(m)
}

// store writes lanes; those outside the tail are not touched.
func (w *writer) store(v Op, m Mem) {
	switch {
	case w.tail == nil:
		VMOVUPS(v, m)
	case w.wide():
		VMOVUPS(v, w.tail.k, m)
	default:
		VMASKMOVPS(v, w.tail.k, m)
	}
}

// clip makes the lanes of v outside the tail 0.
func (w *writer) clip(v reg.VecVirtual) {
	switch {
	case w.tail == nil:
	case w.wide():
		VMOVAPS_Z(v, w.tail.k, v)
	default:
		VANDPS(w.tail.k, v, v)
	}
}

// fill makes the lanes of v outside the tail those of other.
func (w *writer) fill(v, other reg.VecVirtual) reg.VecVirtual {
	if w.tail == nil {
		return v
	}
	out := w.vec()
	if w.wide() {
		VBLENDMPS(v, other, w.tail.k, out)
	} else {
		VBLENDVPS(w.tail.k, v, other, out)
	}
	return out
}

// Predicates of VCMPPS. The negated ones hold where an operand is NaN.
const (
	notLess = 5
	isLess  = 1
	isEqual = 0
	isLE    = 2
)

// keep makes the lanes of v 0 where "a predicate b" does not hold.
func (w *writer) keep(v reg.VecVirtual, predicate uint8, b Op, a reg.VecVirtual) {
	if w.wide() {
		k := K()
		VCMPPS(Imm(uint64(predicate)), b, a, k)
		VMOVAPS_Z(v, k, v)
		return
	}
	m := w.vec()
	VCMPPS(Imm(uint64(predicate)), b, a, m)
	VANDPS(m, v, v)
}

// choose is a fresh register with v where "a predicate b" holds, and other elsewhere.
func (w *writer) choose(v, other reg.VecVirtual, predicate uint8, b Op, a reg.VecVirtual) reg.VecVirtual {
	out := w.vec()
	if w.wide() {
		k := K()
		VCMPPS(Imm(uint64(predicate)), b, a, k)
		VBLENDMPS(v, other, k, out)
		return out
	}
	m := w.vec()
	VCMPPS(Imm(uint64(predicate)), b, a, m)
	VBLENDVPS(m, v, other, out)
	return out
}

// bits is a float32 constant by its bit pattern.
func bits(b uint32) float32 { return math.Float32frombits(b) }

// signBit flips a sign when added without carry.
var signBit = bits(1 << 31)

// fold adds the lanes of v: halves, quarters, …, in one order. Fold with VMAXPS takes the
// greatest. The result is the lowest lane of the returned register.
func (w *writer) fold(op func(...Op), v reg.VecVirtual) reg.VecVirtual {
	y, h := YMM(), YMM()
	if w.wide() {
		VEXTRACTF64X4(U8(1), v, h)
		op(h, v.AsY(), y)
	} else {
		VMOVAPS(v, y)
	}
	x, t := XMM(), XMM()
	VEXTRACTF128(U8(1), y, t)
	op(t, y.AsX(), x)
	VSHUFPS(U8(0b1110), x, x, t)
	op(t, x, x)
	VSHUFPS(U8(0b0001), x, x, t)
	op(t, x, x)
	return x
}

// add and maximum are operations for fold.
func add(ops ...Op)     { VADDPS(ops...) }
func maximum(ops ...Op) { VMAXPS(ops...) }

// over walks n elements: body with whole registers from element i on, then, if elements
// are left, once more with the tail set. at gives the memory of a slice at i.
func (w *writer) over(n reg.GPVirtual, body func(i reg.GPVirtual)) {
	i, last := GP64(), GP64()
	loop, rest, done := w.newLabel("loop"), w.newLabel("rest"), w.newLabel("done")
	XORQ(i, i)
	MOVQ(n, last)
	SUBQ(Imm(uint64(w.lanes)), last)
	Label(loop)
	CMPQ(i, last)
	JG(LabelRef(rest))
	body(i)
	ADDQ(Imm(uint64(w.lanes)), i)
	JMP(LabelRef(loop))
	Label(rest)
	count := GP64()
	MOVQ(n, count)
	SUBQ(i, count)
	JZ(LabelRef(done))
	w.tail = w.setTail(count)
	body(i)
	w.tail = nil
	Label(done)
}

// at is the memory of element i of a slice parameter.
func (w *writer) at(slice string, i reg.Register) Mem {
	return Mem{Base: w.base[slice], Index: i, Scale: 4}
}
