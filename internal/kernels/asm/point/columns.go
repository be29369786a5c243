package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columnSums describes sums over rows, one for each column. Columns are taken four
// registers at a time, then two, then one; with two and one the rows are spread on two and
// four sets of sums (row r to set r mod 2 or 4), so that four additions are always under way.
type columnSums struct {
	name, doc string
	results   []string // one number a column
	walked    []string // rows ld apart
	constants []string // one number a column
	before    func(w *writer)
	// row adds to sum the terms of one row's registers.
	row func(sum []reg.VecVirtual, e columnElements)
}

// columnElements is what row sees: elements of walked slices and of the constants.
type columnElements struct {
	w           *writer
	row, column reg.GPVirtual // offset in bytes of the row's part; of the column
	block       int           // which register of the block
	walked      map[string]bool
}

func (e columnElements) memory(slice string) Mem {
	at := e.column
	if e.walked[slice] {
		at = e.row
	}
	return Mem{Base: e.w.base[slice], Index: at, Scale: 1, Disp: e.block * 4 * e.w.lanes}
}

func (e columnElements) load(slice string) reg.VecVirtual     { return e.w.load(e.memory(slice)) }
func (e columnElements) operand(slice string) Op              { return e.w.operand(e.memory(slice)) }
func (e columnElements) store(slice string, v reg.VecVirtual) { e.w.store(v, e.memory(slice)) }

func (w *writer) columnSums(s columnSums) {
	all := append(append(append([]string{}, s.results...), s.walked...), s.constants...)
	signature := "func("
	for i, name := range all {
		if i > 0 {
			signature += ", "
		}
		signature += name
	}
	w.begin(s.name, fmt.Sprintf("%s%s is, over count rows ld apart and for each column, %s.", s.name, w.name, s.doc),
		signature+" []float32, count, ld int)", all...)
	left := length(s.results[0])
	column, stride := GP64(), bytes(integer("ld"))
	XORQ(column, column)
	if s.before != nil {
		s.before(w)
	}
	done := w.newLabel("done")
	for _, width := range []int{4, 2, 1} {
		loop, next := w.newLabel("columns"), w.newLabel("next")
		Label(loop)
		CMPQ(left, U32(uint32(width*w.lanes)))
		JL(LabelRef(next))
		w.columnBlock(s, width, column, stride)
		ADDQ(U32(uint32(4*width*w.lanes)), column)
		SUBQ(U32(uint32(width*w.lanes)), left)
		JMP(LabelRef(loop))
		Label(next)
	}
	TESTQ(left, left)
	JZ(LabelRef(done))
	w.tail = w.setTail(left)
	w.columnBlock(s, 1, column, stride)
	w.tail = nil
	Label(done)
	w.end()
}

// columnBlock sums the rows of width registers of columns.
func (w *writer) columnBlock(s columnSums, width int, column, stride reg.GPVirtual) {
	sets := 4 / width
	acc := make([][]reg.VecVirtual, 4) // [set·width + block][result]
	for i := range acc {
		for range s.results {
			acc[i] = append(acc[i], w.zero())
		}
	}
	walked := map[string]bool{}
	for _, name := range s.walked {
		walked[name] = true
	}
	row, count := GP64(), GP64()
	MOVQ(column, row)
	Load(Param("count"), count)
	rows := func(sets int) {
		loop, next := w.newLabel("rows"), w.newLabel("next")
		Label(loop)
		CMPQ(count, Imm(uint64(sets)))
		JL(LabelRef(next))
		for set := range sets {
			for block := range width {
				s.row(acc[set*width+block], columnElements{w, row, column, block, walked})
			}
			ADDQ(stride, row)
		}
		SUBQ(Imm(uint64(sets)), count)
		JMP(LabelRef(loop))
		Label(next)
	}
	rows(sets)
	if sets > 1 {
		rows(1)
	}
	for r, name := range s.results {
		for block := range width {
			var list []reg.VecVirtual
			for set := range sets {
				list = append(list, acc[set*width+block][r])
			}
			w.combine(list)
			w.store(list[0], Mem{Base: w.base[name], Index: column, Scale: 1, Disp: block * 4 * w.lanes})
		}
	}
}

func (w *writer) columnFunctions() {
	list := func(s ...string) []string { return s }
	w.columnSums(columnSums{
		name: "momentSums", doc: "sum = Σ (x - shift) and squares = Σ (x - shift)²",
		results: list("sum", "squares"), walked: list("x"), constants: list("shift"),
		row: func(sum []reg.VecVirtual, e columnElements) {
			v := e.load("x")
			VSUBPS(e.operand("shift"), v, v)
			VADDPS(v, sum[0], sum[0])
			VFMADD231PS(v, v, sum[1])
		},
	})
	w.columnSums(columnSums{
		name: "gradientSums", doc: "a = Σ dy and b = Σ dy·(x - mean)",
		results: list("a", "b"), walked: list("dy", "x"), constants: list("mean"),
		row: func(sum []reg.VecVirtual, e columnElements) {
			v, dy := e.load("x"), e.load("dy")
			VSUBPS(e.operand("mean"), v, v)
			VADDPS(dy, sum[0], sum[0])
			VFMADD231PS(dy, v, sum[1])
		},
	})
	w.columnSums(columnSums{
		name: "gradientSumsSiLU", doc: "du = dy·silu'((x - mean)·scale + shift), a = Σ du and b = Σ du·(x - mean)",
		results: list("a", "b"), walked: list("du", "dy", "x"), constants: list("mean", "scale", "shift"),
		before: func(w *writer) { w.hoist(sigmoidConstants...) },
		row: func(sum []reg.VecVirtual, e columnElements) {
			v := e.load("x")
			VSUBPS(e.operand("mean"), v, v)
			u := e.load("scale")
			VFMADD213PS(e.operand("shift"), v, u)
			du := e.w.siluSlope(u)
			VMULPS(e.operand("dy"), du, du)
			e.store("du", du)
			// x - mean once more: its register was needed meanwhile.
			v = e.load("x")
			VSUBPS(e.operand("mean"), v, v)
			VADDPS(du, sum[0], sum[0])
			VFMADD231PS(du, v, sum[1])
		},
	})
	w.columnSums(columnSums{
		name: "scaleShiftGrad", doc: "dscale = Σ dy·x, dshift = Σ dy, and dx = dy·(1 + scale)",
		results: list("dscale", "dshift"), walked: list("dx", "dy", "x"), constants: list("scale"),
		before: func(w *writer) { w.hoist(1) },
		row: func(sum []reg.VecVirtual, e columnElements) {
			v, dy := e.load("x"), e.load("dy")
			VFMADD231PS(dy, v, sum[0])
			VADDPS(dy, sum[1], sum[1])
			t := e.load("scale")
			VADDPS(e.w.c(1), t, t)
			VMULPS(dy, t, t)
			e.store("dx", t)
		},
	})
	w.columnSums(columnSums{
		name: "gateGrad", doc: "dgate = Σ dy·h, and dh = gate·dy",
		results: list("dgate"), walked: list("dh", "dy", "h"), constants: list("gate"),
		row: func(sum []reg.VecVirtual, e columnElements) {
			v, dy := e.load("h"), e.load("dy")
			VFMADD231PS(dy, v, sum[0])
			VMULPS(e.operand("gate"), dy, dy)
			e.store("dh", dy)
		},
	})
}

// squares sums squares of four: a column of sums of two rows is kept for the square after.
func (w *writer) squares() {
	w.begin("squares", "squares"+w.name+" is y[j] = ((a[j] + b[j]) + (a[j+1] + b[j+1])) + bias for pixels j of len(bias) numbers, step apart in y and ld in a and b.",
		"func(y, a, b, bias []float32, pixels, ld, step int)", "y", "a", "b", "bias")
	ld, step := bytes(integer("ld")), bytes(integer("step"))
	w.over(length("bias"), func(i reg.GPVirtual) {
		bias := w.load(w.at("bias", i))
		to, a, b, left := GP64(), GP64(), GP64(), integer("pixels")
		LEAQ(w.at("y", i), to)
		LEAQ(w.at("a", i), a)
		LEAQ(w.at("b", i), b)
		// column moves on to the next pixel and adds its two rows.
		column := func() reg.VecVirtual {
			v := w.load(Mem{Base: a})
			VADDPS(w.operand(Mem{Base: b}), v, v)
			ADDQ(ld, a)
			ADDQ(ld, b)
			return v
		}
		sum := column()
		loop, done := w.newLabel("pixel"), w.newLabel("pixels")
		Label(loop)
		TESTQ(left, left)
		JZ(LabelRef(done))
		next := column()
		VADDPS(next, sum, sum)
		VADDPS(bias, sum, sum)
		w.store(sum, Mem{Base: to})
		VMOVAPS(next, sum)
		ADDQ(step, to)
		DECQ(left)
		JMP(LabelRef(loop))
		Label(done)
	})
	w.end()
}
