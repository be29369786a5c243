package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// winogradInput transforms a line of tiles of 4x4 pixels that begin two pixels apart: Bᵀ d B.
func (w *writer) winogradInput() {
	w.begin("winogradInput", "winogradInput"+w.name+" is v[4r+s] = row r, column s of Bᵀ d B for each tile d, plane apart in v; d's lines are line apart.",
		"func(v, d []float32, tiles, channels, line, plane int)")
	size, line, plane := bytes(integer("channels")), bytes(integer("line")), bytes(integer("plane"))
	size3 := GP64()
	LEAQ(Mem{Base: size, Index: size, Scale: 2}, size3)
	w.over(integer("channels"), func(i reg.GPVirtual) {
		to, from, left := GP64(), GP64(), integer("tiles")
		w.start("v", i, to)
		w.start("d", i, from)
		loop, done := w.newLabel("tile"), w.newLabel("tiles")
		Label(loop)
		TESTQ(left, left)
		JZ(LabelRef(done))
		row := GP64()
		MOVQ(to, row)
		second, third := GP64(), GP64()
		LEAQ(Mem{Base: from, Index: line, Scale: 1}, second)
		LEAQ(Mem{Base: from, Index: line, Scale: 2}, third)
		store := func(v reg.VecVirtual) {
			w.store(v, Mem{Base: row})
			ADDQ(plane, row)
		}
		// combine is a line, plus or minus another, at the four columns.
		column := func(base reg.GPVirtual, j int) Mem {
			return []Mem{{Base: base}, {Base: base, Index: size, Scale: 1}, {Base: base, Index: size, Scale: 2}, {Base: base, Index: size3, Scale: 1}}[j]
		}
		combine := func(a, b reg.GPVirtual, op func(...Op)) (t [4]reg.VecVirtual) {
			for j := range t {
				t[j] = w.load(column(a, j))
				op(w.operand(column(b, j)), t[j], t[j])
			}
			return t
		}
		minus := func(o ...Op) { VSUBPS(o...) }
		for r := range 4 {
			var t [4]reg.VecVirtual
			switch r {
			case 0:
				t = combine(from, third, minus)
			case 1:
				t = combine(second, third, add)
			case 2:
				t = combine(third, second, minus)
			case 3:
				LEAQ(Mem{Base: second, Index: line, Scale: 2}, third) // the fourth
				t = combine(second, third, minus)
			}
			VSUBPS(t[2], t[0], t[0])
			store(t[0])
			sum := w.vec()
			VADDPS(t[2], t[1], sum)
			store(sum)
			VSUBPS(t[1], t[2], t[2])
			store(t[2])
			VSUBPS(t[3], t[1], t[1])
			store(t[1])
		}
		ADDQ(size, to)
		LEAQ(Mem{Base: from, Index: size, Scale: 2}, from)
		DECQ(left)
		JMP(LabelRef(loop))
		Label(done)
	})
	w.end()
}

// start is the address of element i of a slice parameter, for functions with few registers left.
func (w *writer) start(slice string, i, p reg.GPVirtual) {
	Load(Param(slice).Base(), p)
	LEAQ(Mem{Base: p, Index: i, Scale: 4}, p)
}

// winogradOutput transforms a line of products back: Aᵀ m A, two lines of pixels.
func (w *writer) winogradOutput() {
	w.begin("winogradOutput", "winogradOutput"+w.name+" is Aᵀ m A + bias for each tile m, whose 16 numbers are plane apart; pixels of y are step apart, its two lines line. It is added to y if add.",
		"func(y, m, bias []float32, tiles, plane, step, line int, add bool)")
	step, line, plane := bytes(integer("step")), bytes(integer("line")), bytes(integer("plane"))
	w.over(length("bias"), func(i reg.GPVirtual) {
		to, from, left := GP64(), GP64(), integer("tiles")
		w.start("bias", i, to)
		bias := w.load(Mem{Base: to})
		w.start("y", i, to)
		w.start("m", i, from)
		loop, done := w.newLabel("tile"), w.newLabel("tiles")
		Label(loop)
		TESTQ(left, left)
		JZ(LabelRef(done))
		row := GP64()
		MOVQ(from, row)
		var upper, lower [4]reg.VecVirtual // sums over the rows of m, at each column
		for r := range 4 {
			for j := range 4 {
				at := Mem{Base: row}
				switch r {
				case 0:
					upper[j] = w.load(at)
				case 1:
					lower[j] = w.load(at)
					VADDPS(lower[j], upper[j], upper[j])
				case 2:
					v := w.load(at)
					VADDPS(v, upper[j], upper[j])
					VSUBPS(v, lower[j], lower[j])
				case 3:
					VSUBPS(w.operand(at), lower[j], lower[j])
				}
				ADDQ(plane, row)
			}
		}
		below := GP64()
		LEAQ(Mem{Base: to, Index: line, Scale: 1}, below)
		for k, s := range [][4]reg.VecVirtual{upper, lower} {
			at := []reg.GPVirtual{to, below}[k]
			VADDPS(s[1], s[0], s[0])
			VADDPS(s[2], s[0], s[0])
			VSUBPS(s[2], s[1], s[1])
			VSUBPS(s[3], s[1], s[1])
			for l, m := range []Mem{{Base: at}, {Base: at, Index: step, Scale: 1}} {
				plain := w.newLabel("plain")
				VADDPS(bias, s[l], s[l])
				adds := GP8()
				Load(Param("add"), adds)
				TESTB(adds, adds)
				JZ(LabelRef(plain))
				VADDPS(w.operand(m), s[l], s[l])
				Label(plain)
				w.store(s[l], m)
			}
		}
		SUBQ(I8(-128), from)
		LEAQ(Mem{Base: to, Index: step, Scale: 2}, to)
		DECQ(left)
		JMP(LabelRef(loop))
		Label(done)
	})
	w.end()
}

// winogradWeights transforms weights in place: G g Gᵀ.
func (w *writer) winogradWeights() {
	const half = 0.5
	w.begin("winogradWeights", "winogradWeights"+w.name+" makes of nine vectors u[0:n], u[n:2n], …, the weights of 3x3 taps, the sixteen of G g Gᵀ.",
		"func(u []float32, n int)")
	w.hoist(half)
	n := integer("n")
	plane := bytes(n)
	w.over(n, func(i reg.GPVirtual) {
		p := GP64()
		w.start("u", i, p)
		var g [4][3]reg.VecVirtual
		for _, r := range []int{0, 1, 3} {
			for c := range g[r] {
				g[r][c] = w.load(Mem{Base: p})
				ADDQ(plane, p)
			}
		}
		// middle makes the two middle numbers of G times (a, b, c); b becomes the first of them.
		middle := func(a, b, c reg.VecVirtual) reg.VecVirtual {
			sum, difference := w.vec(), w.vec()
			VADDPS(c, a, sum)
			VSUBPS(b, sum, difference)
			VADDPS(b, sum, b)
			VMULPS(w.c(half), b, b)
			VMULPS(w.c(half), difference, difference)
			return difference
		}
		for c := range 3 {
			g[2][c] = middle(g[0][c], g[1][c], g[3][c])
		}
		w.start("u", i, p)
		for r := range g {
			difference := middle(g[r][0], g[r][1], g[r][2])
			for _, v := range []reg.VecVirtual{g[r][0], g[r][1], difference, g[r][2]} {
				w.store(v, Mem{Base: p})
				ADDQ(plane, p)
			}
		}
	})
	w.end()
}
