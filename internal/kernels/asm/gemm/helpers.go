package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// add writes y[i] += x[i] for n floats, n a multiple of the lanes.
func (s *isa) add() {
	TEXT("add"+s.name, NOSPLIT, "func(y, x *float32, n int)")
	Pragma("noescape")
	Doc("add" + s.name + " is y[i] += x[i] for i < n; n is a positive multiple of 16.")
	y, x, n := Load(Param("y"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
	Label("loop")
	for i := range 16 / s.lanes {
		v := s.vec()
		VMOVUPS(Mem{Base: y, Disp: 4 * s.lanes * i}, v)
		VADDPS(Mem{Base: x, Disp: 4 * s.lanes * i}, v, v)
		VMOVUPS(v, Mem{Base: y, Disp: 4 * s.lanes * i})
	}
	ADDQ(Imm(64), y)
	ADDQ(Imm(64), x)
	SUBQ(Imm(16), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// panels writes the copy of rows to panels of 32 columns, a row after the other.
func (s *isa) panels() {
	TEXT("copyPanels"+s.name, NOSPLIT, "func(dst, src *float32, n, stride, panels, distance int)")
	Pragma("noescape")
	Doc("copyPanels"+s.name+" is dst[p*distance+i*32+j] = src[i*stride+p*32+j] for p < panels, i < n, j < 32;",
		"panels and n > 0.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	n, stride, distance := Load(Param("n"), GP64()), Load(Param("stride"), GP64()), Load(Param("distance"), GP64())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), distance)
	Label("row")
	to, from, panels := GP64(), GP64(), Load(Param("panels"), GP64())
	MOVQ(dst, to)
	MOVQ(src, from)
	Label("panel")
	for i := range 32 / s.lanes {
		v := s.vec()
		VMOVUPS(Mem{Base: from, Disp: 4 * s.lanes * i}, v)
		VMOVUPS(v, Mem{Base: to, Disp: 4 * s.lanes * i})
	}
	SUBQ(I8(-128), from)
	ADDQ(distance, to)
	DECQ(panels)
	JNZ(LabelRef("panel"))
	ADDQ(stride, src)
	SUBQ(I8(-128), dst)
	DECQ(n)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// sumRows writes the sum of rows of eight vectors, in order.
func (s *isa) sumRows() {
	TEXT("sumRows"+s.name, NOSPLIT, "func(dst, src *float32, n, stride, distance int, add bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("sumRows%s is dst[p*32+j] = (dst[p*32+j] if add) + sum of src[i*stride+p*distance+j] over i < n, for p < %d, j < 32; n > 0.", s.name, s.lanes/4))
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	n, stride, distance := Load(Param("n"), GP64()), Load(Param("stride"), GP64()), Load(Param("distance"), GP64())
	add := Load(Param("add"), GP8())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), distance)
	distance3 := GP64()
	LEAQ(Mem{Base: distance, Index: distance, Scale: 2}, distance3)
	panels := []Mem{{Base: src}, {Base: src, Index: distance, Scale: 1}, {Base: src, Index: distance, Scale: 2}, {Base: src, Index: distance3, Scale: 1}}
	var acc [8]reg.VecVirtual
	for i := range acc {
		acc[i] = s.vec()
		s.zero(acc[i])
	}
	Label("row")
	for i := range acc {
		VADDPS(at(panels[i*s.lanes/32], 4*s.lanes*i%panelRow), acc[i], acc[i])
	}
	ADDQ(stride, src)
	DECQ(n)
	JNZ(LabelRef("row"))
	TESTB(add, add)
	JEQ(LabelRef("store"))
	for i := range acc {
		VADDPS(Mem{Base: dst, Disp: 4 * s.lanes * i}, acc[i], acc[i])
	}
	Label("store")
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: dst, Disp: 4 * s.lanes * i})
	}
	VZEROUPPER()
	RET()
}

// partsTree writes the products of few rows by the rule of 16: sixteen sums and their tree, in registers.
func (s *isa) partsTree() {
	const parts, vecs = 16, 2
	TEXT("partsTree"+s.name, NOSPLIT, "func(dst, a, b *float32, counts *[16]int, m int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("partsTree%s is dst[r*32+j] = the tree of Σ a[i*32+r]*b[i*32+j] over the counts[p] rows i of part p, for r < m, j < %d; m > 0.", s.name, vecs*s.lanes))
	dst, a, b := Load(Param("dst"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64())
	counts, m := Load(Param("counts"), GP64()), Load(Param("m"), GP64())
	var stack [5][vecs]reg.VecVirtual
	for d := range stack {
		for v := range vecs {
			stack[d][v] = s.vec()
		}
	}
	Label("row")
	rowA, rowB := GP64(), GP64()
	MOVQ(a, rowA)
	MOVQ(b, rowB)
	for p := range parts {
		depth := bits.OnesCount(uint(p))
		sum, n := stack[depth], GP64()
		for _, v := range sum {
			s.zero(v)
		}
		MOVQ(Mem{Base: counts, Disp: 8 * p}, n)
		TESTQ(n, n)
		JZ(LabelRef(fmt.Sprintf("summed%d", p)))
		Label(fmt.Sprintf("part%d", p))
		x := s.vec()
		VBROADCASTSS(Mem{Base: rowA}, x)
		for v := range vecs {
			VFMADD231PS(Mem{Base: rowB, Disp: 4 * s.lanes * v}, x, sum[v])
		}
		SUBQ(I8(-128), rowA)
		SUBQ(I8(-128), rowB)
		DECQ(n)
		JNZ(LabelRef(fmt.Sprintf("part%d", p)))
		Label(fmt.Sprintf("summed%d", p))
		for range bits.TrailingZeros(^uint(p)) {
			for v := range vecs {
				VADDPS(stack[depth][v], stack[depth-1][v], stack[depth-1][v])
			}
			depth--
		}
	}
	for v := range vecs {
		VMOVUPS(stack[0][v], Mem{Base: dst, Disp: 4 * s.lanes * v})
	}
	ADDQ(Imm(4), a)
	SUBQ(I8(-128), dst)
	DECQ(m)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// transpose writes an 8-row transposition, for both instruction sets: halves of two rows
// are joined while they are loaded, so that a block of 8x8 costs 16 shuffles.
func transpose() {
	TEXT("transpose8AVX2", NOSPLIT, "func(dst, src *float32, dstStride, srcStride, n int)")
	Pragma("noescape")
	Doc("transpose8AVX2 is dst[j*dstStride+i] = src[i*srcStride+j] for i < 8, j < 8n; n > 0.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	ds, ss := Load(Param("dstStride"), GP64()), Load(Param("srcStride"), GP64())
	n := Load(Param("n"), GP64())
	SHLQ(Imm(2), ds)
	SHLQ(Imm(2), ss)
	ss3, ds3 := GP64(), GP64()
	LEAQ(Mem{Base: ss, Index: ss, Scale: 2}, ss3)
	LEAQ(Mem{Base: ds, Index: ds, Scale: 2}, ds3)
	src4, dst4 := GP64(), GP64()
	LEAQ(Mem{Base: src, Index: ss, Scale: 4}, src4)
	LEAQ(Mem{Base: dst, Index: ds, Scale: 4}, dst4)
	row := func(p, one, three reg.Register, r int) Mem {
		return []Mem{{Base: p}, {Base: p, Index: one, Scale: 1}, {Base: p, Index: one, Scale: 2}, {Base: p, Index: three, Scale: 1}}[r]
	}
	Label("block")
	for half := range 2 {
		Comment([]string{"Columns 0-3: v[i] = row i | row i+4.", "Columns 4-7."}[half])
		v := make([]reg.VecVirtual, 4)
		for i := range v {
			v[i] = YMM()
			VMOVUPS(at(row(src, ss, ss3, i), 16*half), v[i].AsX())
			VINSERTF128(Imm(1), at(row(src4, ss, ss3, i), 16*half), v[i], v[i])
		}
		lo01, hi01, lo23, hi23 := YMM(), YMM(), YMM(), YMM()
		VUNPCKLPS(v[1], v[0], lo01) // a0 b0 a1 b1
		VUNPCKHPS(v[1], v[0], hi01) // a2 b2 a3 b3
		VUNPCKLPS(v[3], v[2], lo23) // c0 d0 c1 d1
		VUNPCKHPS(v[3], v[2], hi23) // c2 d2 c3 d3
		p := []reg.Register{dst, dst4}[half]
		for i, pair := range [][2]reg.VecVirtual{{lo01, lo23}, {hi01, hi23}} {
			even, odd := YMM(), YMM()
			VSHUFPS(Imm(0x44), pair[1], pair[0], even) // a0 b0 c0 d0
			VSHUFPS(Imm(0xee), pair[1], pair[0], odd)  // a1 b1 c1 d1
			VMOVUPS(even, row(p, ds, ds3, 2*i))
			VMOVUPS(odd, row(p, ds, ds3, 2*i+1))
		}
	}
	ADDQ(Imm(32), src)
	ADDQ(Imm(32), src4)
	LEAQ(Mem{Base: dst, Index: ds, Scale: 8}, dst)
	LEAQ(Mem{Base: dst4, Index: ds, Scale: 8}, dst4)
	DECQ(n)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// gram writes a tile of xᵀ·x in float64, two vectors wide.
func (s *isa) gram() {
	rows, lanes := 2*s.group, s.lanes/2
	TEXT("addGramTile"+s.name, NOSPLIT, "func(c, a, b *float64, n, d int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("addGramTile%s is c[i*d+j] += Σ a[r*d+i]*b[r*d+j] over r < n, for i < %d, j < %d; n > 0.", s.name, rows, 2*lanes))
	c, a, b := Load(Param("c"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64())
	n, d := Load(Param("n"), GP64()), Load(Param("d"), GP64())
	SHLQ(Imm(3), d)
	acc := make([][2]reg.VecVirtual, rows)
	for i := range acc {
		for v := range acc[i] {
			acc[i][v] = s.vec()
			s.zero(acc[i][v])
		}
	}
	y := [2]reg.VecVirtual{s.vec(), s.vec()}
	Label("row")
	for v := range y {
		VMOVUPD(Mem{Base: b, Disp: 8 * lanes * v}, y[v])
	}
	for i := range acc {
		x := s.vec()
		VBROADCASTSD(Mem{Base: a, Disp: 8 * i}, x)
		for v := range y {
			VFMADD231PD(x, y[v], acc[i][v])
		}
	}
	ADDQ(d, a)
	ADDQ(d, b)
	DECQ(n)
	JNZ(LabelRef("row"))
	for i := range acc {
		for v := range y {
			VADDPD(Mem{Base: c, Disp: 8 * lanes * v}, acc[i][v], acc[i][v])
			VMOVUPD(acc[i][v], Mem{Base: c, Disp: 8 * lanes * v})
		}
		ADDQ(d, c)
	}
	VZEROUPPER()
	RET()
}
