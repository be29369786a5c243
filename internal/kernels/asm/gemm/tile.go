package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An isa is an instruction set with the shape of its largest tile. The rows of a tile
// come in three groups, each with an address of its own, so that a tile of a
// convolution may go over the end of an image's row.
type isa struct {
	name  string
	lanes int // floats in a register
	group int // rows in a group
	rows  int // rows of the largest tile
	vec   func() reg.VecVirtual
}

// 12x32 uses 24 of 32 registers for sums; 6x16 uses 12 of 16. Per step of k that is 14
// loads for 24 multiply-adds and 8 for 12, and two loads a cycle go with two multiply-adds.
var (
	avx512 = &isa{"AVX512", 16, 4, 12, ZMM}
	avx2   = &isa{"AVX2", 8, 2, 6, YMM}
)

// Offsets of the fields of kernels.tile, in bytes; a test there holds them to the struct.
const (
	offA    = 0
	offB    = 24
	offC    = 48
	offBias = 72
	offA0   = 96  // [3]int
	offC0   = 120 // [3]int
	offB0   = 144
	offARow = 152
	offAK   = 160
	offBK   = 168
	offCRow = 176
	offK    = 184
	offN1   = 192
	offN2   = 200
	offCols = 208
	offAdd  = 216
	offStep = 224 // stepA1, stepB1, stepA2, stepB2, in bytes already
)

// tile writes the kernel of rows × (vecs·lanes). Its definition is (*tile).generic in
// package kernels.
func (s *isa) tile(rows, vecs int) {
	name := fmt.Sprintf("tile%dx%d%s", rows, vecs*s.lanes, s.name)
	TEXT(name, NOSPLIT, "func(t *byte)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is generic(%d) of the kernels.tile at t, for at most %d columns.", name, rows, vecs*s.lanes))
	t := Load(Param("t"), GP64())
	field := func(off int) Mem { return Mem{Base: t, Disp: off} }
	groups := (rows + s.group - 1) / s.group

	Comment("Addresses of A, one a group of rows, and of B; strides in bytes.")
	base, b := GP64(), GP64()
	var a []reg.GPVirtual
	MOVQ(field(offA), base)
	for g := range groups {
		p := GP64()
		MOVQ(field(offA0+8*g), p)
		LEAQ(Mem{Base: base, Index: p, Scale: 4}, p)
		a = append(a, p)
	}
	MOVQ(field(offB), base)
	MOVQ(field(offB0), b)
	LEAQ(Mem{Base: base, Index: b, Scale: 4}, b)
	stride := func(off int) reg.GPVirtual {
		r := GP64()
		MOVQ(field(off), r)
		SHLQ(Imm(2), r)
		return r
	}
	aRow, aK, bK := stride(offARow), stride(offAK), stride(offBK)
	aRow3 := GP64()
	if s.group > 3 && rows > 3 {
		LEAQ(Mem{Base: aRow, Index: aRow, Scale: 2}, aRow3)
	}
	// row is the address of row r of A, or of C with C's registers.
	row := func(p []reg.GPVirtual, one, three reg.GPVirtual, r int) Mem {
		m := Mem{Base: p[r/s.group]}
		switch r % s.group {
		case 1:
			m.Index, m.Scale = one, 1
		case 2:
			m.Index, m.Scale = one, 2
		case 3:
			m.Index, m.Scale = three, 1
		}
		return m
	}

	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		for range vecs {
			v := s.vec()
			s.zero(v)
			acc[r] = append(acc[r], v)
		}
	}

	n2, n1, k := GP64(), GP64(), GP64()
	MOVQ(field(offN2), n2)
	Label("outer")
	MOVQ(field(offN1), n1)
	Label("middle")
	MOVQ(field(offK), k)
	Label("inner")
	bv := make([]reg.VecVirtual, vecs)
	for v := range bv {
		bv[v] = s.vec()
		VMOVUPS(Mem{Base: b, Disp: 4 * s.lanes * v}, bv[v])
	}
	for r := range rows {
		x := s.vec()
		VBROADCASTSS(row(a, aRow, aRow3, r), x)
		for v := range vecs {
			VFMADD231PS(bv[v], x, acc[r][v]) // acc += B[k, v]·A[r, k]
		}
	}
	ADDQ(bK, b)
	for _, p := range a {
		ADDQ(aK, p)
	}
	DECQ(k)
	JNZ(LabelRef("inner"))
	ADDQ(field(offStep+8), b)
	for _, p := range a {
		ADDQ(field(offStep), p)
	}
	DECQ(n1)
	JNZ(LabelRef("middle"))
	ADDQ(field(offStep+24), b)
	for _, p := range a {
		ADDQ(field(offStep+16), p)
	}
	DECQ(n2)
	JNZ(LabelRef("outer"))

	Comment("Addresses of C; masks for its columns.")
	MOVQ(field(offC), base)
	for g, p := range a {
		MOVQ(field(offC0+8*g), p)
		LEAQ(Mem{Base: base, Index: p, Scale: 4}, p)
	}
	MOVQ(field(offCRow), aRow)
	SHLQ(Imm(2), aRow)
	if s.group > 3 && rows > 3 {
		LEAQ(Mem{Base: aRow, Index: aRow, Scale: 2}, aRow3)
	}
	m := s.masks(field(offCols), vecs)

	CMPQ(field(offAdd), Imm(0))
	JEQ(LabelRef("bias"))
	for r := range rows {
		for v := range vecs {
			x := s.vec()
			m.load(v, at(row(a, aRow, aRow3, r), 4*s.lanes*v), x)
			VADDPS(x, acc[r][v], acc[r][v])
		}
	}
	Label("bias")
	MOVQ(field(offBias), b)
	TESTQ(b, b)
	JEQ(LabelRef("store"))
	for v := range vecs {
		x := s.vec()
		m.load(v, Mem{Base: b, Disp: 4 * s.lanes * v}, x)
		for r := range rows {
			VADDPS(x, acc[r][v], acc[r][v])
		}
	}
	Label("store")
	for r := range rows {
		for v := range vecs {
			m.store(v, acc[r][v], at(row(a, aRow, aRow3, r), 4*s.lanes*v))
		}
	}
	VZEROUPPER()
	RET()
}

func at(m Mem, disp int) Mem {
	m.Disp += disp
	return m
}

func (s *isa) zero(v reg.VecVirtual) {
	if s == avx512 {
		VPXORD(v, v, v)
		return
	}
	VXORPS(v, v, v)
}

// masks reads and writes the first cols columns of a tile's row.
type masks struct {
	load  func(v int, m Mem, x reg.VecVirtual)
	store func(v int, x reg.VecVirtual, m Mem)
}

// masks computes them: opmask registers of ones for AVX-512; for AVX2 a vector of ones and
// zeros from a table, where all but the last vector of a row are whole.
func (s *isa) masks(cols Mem, vecs int) masks {
	n := GP64()
	MOVQ(cols, n)
	if s == avx512 {
		bits := GP64()
		MOVQ(I32(-1), bits)
		BZHIQ(n, bits, bits)
		k := make([]reg.OpmaskVirtual, vecs)
		for v := range k {
			k[v] = K()
			KMOVW(bits.As32(), k[v])
			if v < vecs-1 {
				SHRQ(Imm(16), bits)
			}
		}
		return masks{
			load:  func(v int, m Mem, x reg.VecVirtual) { VMOVUPS_Z(m, k[v], x) },
			store: func(v int, x reg.VecVirtual, m Mem) { VMOVUPS(x, k[v], m) },
		}
	}
	table, mask := GP64(), YMM()
	LEAQ(maskTable(), table)
	NEGQ(n)
	// The last vector holds n - lanes·(vecs-1) columns: as many ones end at the table's middle.
	VMOVUPS(Mem{Base: table, Index: n, Scale: 4, Disp: 4 * (s.lanes + s.lanes*(vecs-1))}, mask)
	return masks{
		load: func(v int, m Mem, x reg.VecVirtual) {
			if v < vecs-1 {
				VMOVUPS(m, x)
				return
			}
			VMASKMOVPS(m, mask, x)
		},
		store: func(v int, x reg.VecVirtual, m Mem) {
			if v < vecs-1 {
				VMOVUPS(x, m)
				return
			}
			VMASKMOVPS(x, mask, m)
		},
	}
}

var maskTableMem *Mem

// maskTable is 8 words of ones and 8 of zeros.
func maskTable() Mem {
	if maskTableMem == nil {
		m := GLOBL("maskTable", RODATA|NOPTR)
		for i := range 16 {
			if i < 8 {
				DATA(4*i, U32(0xffffffff))
			} else {
				DATA(4*i, U32(0))
			}
		}
		maskTableMem = &m
	}
	return *maskTableMem
}
