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

// Offsets of the fields of kernels.call, in bytes; a test there holds them to the struct. Strides
// are in bytes already.
const (
	offA            = 0
	offB            = 8
	offC            = 16
	offBias         = 24
	offFirst        = 32
	offCount        = 40
	offARow         = 48
	offAK           = 56
	offBK           = 64
	offCRow         = 72
	offK            = 80
	offN1           = 88
	offN2           = 96
	offEndA1        = 104
	offEndB1        = 112
	offEndA2        = 120
	offEndB2        = 128
	offCols         = 136
	offAdd          = 144
	offAhead        = 152
	offFetched      = 160
	offPace         = 168
	offPart         = 176
	offTurn         = 184
	offJump         = 192
	offLeft1        = 200
	offLeft2        = 208
	offFetching     = 216
	offLeftFetching = 224
	offLeftPlain    = 232
	offRowsC        = 240 // [12]int
	offStack        = 336
	offSpots        = 344

	spotA    = 0  // of kernels.spot: [3]int
	spotC    = 24 // [3]int
	spotSize = 48
)

// unroll is the number of steps of the summed index in a round of the largest tiles.
const unroll = 4

// panelRow is the distance of rows of packed B in bytes.
const panelRow = 4 * 32

// tile writes the kernel of rows × (vecs·lanes). Its definition is (*tile).generic in package
// kernels.
func (s *isa) tile(rows, vecs int) { s.kernel("", rows, vecs, 0) }

// largest writes a kernel of the largest tile that knows the distances of what it reads: B is in panels,
// and A has aK bytes from one step of the summed index to the next. It adds to its addresses once in four
// steps: as such an addition may be given the port of a multiply-add, this is time won.
func (s *isa) largest(of string, aK int) { s.kernel(of, s.rows, 2, aK) }

// kernel writes the kernel of rows × (vecs·lanes), for A and B at known distances if knownAK is not 0.
//
// The largest tiles bring memory into the cache in their first rounds, their rows of C and what the caller says
// is needed next; the rounds behind those do nothing but multiply and add. Other tiles are called too seldom for it
// to matter.
func (s *isa) kernel(of string, rows, vecs, knownAK int) {
	known := knownAK != 0
	fetches := rows == s.rows && vecs == 2
	paced := fetches && known && s == avx512 // C, too: twice the lines of AVX2's, which come at once
	name := fmt.Sprintf("tile%dx%d%s%s", rows, vecs*s.lanes, of, s.name)
	TEXT(name, NOSPLIT, "func(c *byte)")
	Pragma("noescape")
	doc := fmt.Sprintf("%s does the kernels.call at c: tiles of %d rows and at most %d columns", name, rows, vecs*s.lanes)
	if known {
		doc += fmt.Sprintf(", with bytesAK = %d and bytesBK = %d", knownAK, panelRow)
	}
	Doc(doc + ".")
	call := Load(Param("c"), GP64())
	field := func(off int) Mem { return Mem{Base: call, Disp: off} }
	load := func(off int) reg.GPVirtual {
		r := GP64()
		MOVQ(field(off), r)
		return r
	}
	groups := (rows + s.group - 1) / s.group
	m := s.masks(load(offCols), vecs)
	spot := load(offFirst)
	LEAQ(Mem{Base: call, Index: spot, Scale: 1, Disp: offSpots}, spot)
	var aK, bK reg.GPVirtual
	if !known {
		aK, bK = load(offAK), load(offBK)
	}
	a := make([]reg.GPVirtual, groups)
	for g := range a {
		a[g] = GP64()
	}
	aRow, aRow3 := GP64(), GP64()
	// addresses sets a to where the rows of a matrix begin, aRow and aRow3 to their distances.
	addresses := func(offBase, offRow, inSpot int) {
		base := load(offBase)
		for g, p := range a {
			MOVQ(Mem{Base: spot, Disp: inSpot + 8*g}, p)
			LEAQ(Mem{Base: base, Index: p, Scale: 4}, p)
		}
		MOVQ(field(offRow), aRow)
		if s.group > 3 && rows > 3 {
			LEAQ(Mem{Base: aRow, Index: aRow, Scale: 2}, aRow3)
		}
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

	var ahead, part, rowC reg.GPVirtual
	if fetches {
		ahead, part = load(offAhead), load(offPart)
		ADDQ(field(offFetched), ahead)
	}

	Label("tile")
	// rowOfC fetches the row of C at m.
	rowOfC := func(m Mem) {
		for v := 0; v < 4*s.lanes*vecs; v += 64 {
			PREFETCHT0(at(m, v))
		}
	}
	if fetches {
		addresses(offC, offCRow, spotC)
	}
	switch {
	case paced:
		Comment("Where the rows of C are.")
		for r := range rows {
			p := GP64()
			LEAQ(row(a, aRow, aRow3, r), p)
			MOVQ(p, field(offRowsC+8*r))
		}
		rowC = GP64()
		XORQ(rowC, rowC)
	case fetches:
		Comment("C is fetched while the sums are made.")
		for r := range rows {
			rowOfC(row(a, aRow, aRow3, r))
		}
	}
	Comment("Addresses of A, one a group of rows, and of B.")
	addresses(offA, offARow, spotA)
	b := load(offB)
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		for range vecs {
			v := s.vec()
			s.zero(v)
			acc[r] = append(acc[r], v)
		}
	}

	// again sets a counter, in memory as registers are scarce, to its start.
	again := func(off, offLeft int) {
		MOVQ(load(off), field(offLeft))
	}
	again(offN2, offLeft2)
	if fetches {
		again(offFetching, offLeftFetching)
	}
	Label("outer")
	again(offN1, offLeft1)
	Label("middle")
	// step adds the products of a step, so many behind the present addresses.
	step := func(behind int) {
		bv := make([]reg.VecVirtual, vecs)
		for v := range bv {
			bv[v] = s.vec()
			VMOVUPS(Mem{Base: b, Disp: behind*panelRow + 4*s.lanes*v}, bv[v])
		}
		for r := range rows {
			x := s.vec()
			VBROADCASTSS(at(row(a, aRow, aRow3, r), behind*knownAK), x)
			for v := range vecs {
				VFMADD231PS(bv[v], x, acc[r][v]) // acc += B[k, v]·A[r, k]
			}
		}
	}
	// forward goes on by so many steps.
	forward := func(steps int) {
		if known {
			ADDQ(I32(steps*panelRow), b)
		} else {
			ADDQ(bK, b)
		}
		for _, p := range a {
			if known {
				ADDQ(I32(steps*knownAK), p)
			} else {
				ADDQ(aK, p)
			}
		}
	}
	// round writes a round at the head of a loop, with labels where it may be begun late.
	round := func(loop string) {
		for i := range unroll {
			if i == 0 {
				Label(loop)
			} else {
				Label(fmt.Sprintf("%s%d", loop, i))
			}
			if known {
				step(i)
				continue
			}
			step(0)
			forward(1)
		}
		if known {
			forward(unroll)
		}
	}
	k := load(offK)
	if !fetches {
		Label("inner")
		step(0)
		forward(1)
		DECQ(k)
		JNZ(LabelRef("inner"))
	} else {
		Comment("The first round begins late if the number of steps is no multiple of a round.")
		late := GP64()
		XORQ(late, late)
		SUBQ(k, late)
		ANDQ(Imm(unroll-1), late)
		ADDQ(Imm(unroll-1), k)
		SHRQ(Imm(2), k)
		if known {
			back := GP64()
			MOVQ(late, back)
			SHLQ(Imm(7), back)
			SUBQ(back, b)
			IMUL3Q(Imm(uint64(knownAK)), late, back)
			for _, p := range a {
				SUBQ(back, p)
			}
		}
		// begin jumps into the first round of a loop.
		begin := func(loop string) {
			CMPQ(late, Imm(2))
			JA(LabelRef(loop + "3"))
			JEQ(LabelRef(loop + "2"))
			CMPQ(late, Imm(0))
			JNE(LabelRef(loop + "1"))
			JMP(LabelRef(loop))
		}
		Comment("As many of these rounds fetch as the tile has fetching rounds left.")
		n := load(offLeftFetching)
		CMPQ(n, k)
		CMOVQGT(k, n)
		SUBQ(n, field(offLeftFetching))
		SUBQ(n, k)
		MOVQ(k, field(offLeftPlain))
		TESTQ(n, n)
		JNZ(LabelRef("some"))
		MOVQ(k, n)
		begin("plain")
		Label("some")
		begin("fetching")

		round("fetching")
		Comment("What is needed next is fetched.")
		PREFETCHT1(Mem{Base: ahead})
		PREFETCHT1(Mem{Base: ahead, Disp: 64})
		ADDQ(field(offPace), ahead)
		jump := GP64()
		ADDL(field(offTurn), part.As32()) // carries at the end of a row
		SBBQ(jump, jump)
		ANDQ(field(offJump), jump)
		ADDQ(jump, ahead)
		if paced {
			Comment("A row of C is fetched.")
			p := GP64()
			MOVQ(Mem{Base: call, Index: rowC, Scale: 8, Disp: offRowsC}, p)
			rowOfC(Mem{Base: p})
			CMPQ(rowC, Imm(uint64(rows-1))) // carries before the last row
			ADCQ(Imm(0), rowC)
		}
		DECQ(n)
		JNZ(LabelRef("fetching"))
		MOVQ(field(offLeftPlain), n)
		TESTQ(n, n)
		JZ(LabelRef("summed"))
		round("plain")
		DECQ(n)
		JNZ(LabelRef("plain"))
		Label("summed")
	}
	next := func(offA, offB, offLeft int, label string) {
		ADDQ(field(offB), b)
		for _, p := range a {
			ADDQ(field(offA), p)
		}
		DECQ(field(offLeft))
		JNZ(LabelRef(label))
	}
	next(offEndA1, offEndB1, offLeft1, "middle")
	next(offEndA2, offEndB2, offLeft2, "outer")

	Comment("Addresses of C.")
	addresses(offC, offCRow, spotC)
	sums := load(offAdd)
	TESTQ(sums, sums)
	JEQ(LabelRef("bias"))
	Comment("They are added to sums of which the last is where C is, the first farthest behind.")
	behind := GP64()
	LEAQ(Mem{Base: sums, Disp: -1}, behind)
	IMULQ(field(offStack), behind)
	for _, p := range a {
		ADDQ(behind, p)
	}
	Label("add")
	for r := range rows {
		for v := range vecs {
			m.add(v, at(row(a, aRow, aRow3, r), 4*s.lanes*v), acc[r][v])
		}
	}
	DECQ(sums)
	JEQ(LabelRef("bias"))
	for _, p := range a {
		SUBQ(field(offStack), p)
	}
	JMP(LabelRef("add"))
	Label("bias")
	bias := load(offBias)
	TESTQ(bias, bias)
	JEQ(LabelRef("store"))
	for v := range vecs {
		x := s.vec()
		m.load(v, Mem{Base: bias, Disp: 4 * s.lanes * v}, x)
		for r := range rows {
			VADDPS(x, acc[r][v], acc[r][v])
		}
	}
	Label("store")
	if s == avx2 {
		Comment("Whole rows are stored without a mask, with which a store is slow on some processors.")
		CMPQ(field(offCols), Imm(uint64(s.lanes*vecs)))
		JNE(LabelRef("masked"))
		for r := range rows {
			for v := range vecs {
				VMOVUPS(acc[r][v], at(row(a, aRow, aRow3, r), 4*s.lanes*v))
			}
		}
		JMP(LabelRef("stored"))
		Label("masked")
	}
	for r := range rows {
		for v := range vecs {
			m.store(v, acc[r][v], at(row(a, aRow, aRow3, r), 4*s.lanes*v))
		}
	}
	if s == avx2 {
		Label("stored")
	}
	ADDQ(Imm(spotSize), spot)
	DECQ(field(offCount))
	JNZ(LabelRef("tile"))
	if fetches {
		SUBQ(field(offAhead), ahead)
		MOVQ(ahead, field(offFetched))
		MOVQ(part, field(offPart))
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
	add   func(v int, m Mem, x reg.VecVirtual) // x += m
	store func(v int, x reg.VecVirtual, m Mem)
}

// masks computes them for n columns, and clobbers n: opmask registers of ones for AVX-512; for AVX2 a vector of ones and
// zeros from a table, where all but the last vector of a row are whole.
func (s *isa) masks(n reg.Register, vecs int) masks {
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
			add:   func(v int, m Mem, x reg.VecVirtual) { VADDPS(m, x, k[v], x) },
			store: func(v int, x reg.VecVirtual, m Mem) { VMOVUPS(x, k[v], m) },
		}
	}
	table, mask := GP64(), YMM()
	LEAQ(maskTable(), table)
	NEGQ(n)
	// The last vector holds n - lanes·(vecs-1) columns: as many ones end at the table's middle.
	VMOVUPS(Mem{Base: table, Index: n, Scale: 4, Disp: 4 * (s.lanes + s.lanes*(vecs-1))}, mask)
	load := func(v int, m Mem, x reg.VecVirtual) {
		if v < vecs-1 {
			VMOVUPS(m, x)
			return
		}
		VMASKMOVPS(m, mask, x)
	}
	return masks{
		load: load,
		add: func(v int, m Mem, x reg.VecVirtual) {
			y := s.vec()
			load(v, m, y)
			VADDPS(y, x, x)
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
