package kernels

import "unsafe"

//go:generate go run -C asm ./gemm -out ../gemm_amd64.s -stubs ../gemm_stubs_amd64.go -pkg kernels

// panelCols is the width of a panel of packed weights: 32 columns for each k, the last
// panel filled up with zeros. It is the same at every level, so a packed weight is too.
const panelCols = 32

// blockK is the length of the blocks in which a product sums over k. It decides the order
// of additions, hence bits. A block of a panel, 256·32 floats, is 32 KB and stays in the
// first-level cache while the rows pass by.
const blockK = 256

// A tile is one call of a tile kernel, which adds products of rows of A with columns of B:
//
//	sum[r,j] = Σ_{i2<n2} Σ_{i1<n1} Σ_{i<k} A[r; i2,i1,i] · B[i2,i1,i; j]      0 <= j < cols
//
// in this very order, one product after the other, and writes
//
//	C[r,j] = ((C[r,j] if add) + sum[r,j]) + bias[j] if bias
//
// The summed index has three levels so that one call can go over the taps of a
// convolution, or over the pixels of several images, without a copy. Rows come in three
// groups with an offset each. Element A[r; i2,i1,i] stands at
//
//	a[a0[r/group] + r%group·aRow + i·aK + i1·aStep1 + i2·aStep2]
//
// B at b[b0 + i·bK + i1·bStep1 + i2·bStep2 + j], C at c[c0[r/group] + r%group·cRow + j].
//
// B is read a whole vector at a time: unless cols is full, B must have so many columns
// (zeros, say) all the same. Of A and C nothing but what is named is touched. bias is
// cols long.
//
// The assembly reads the fields by their offsets: keep them in step with asm/gemm/tile.go.
type tile struct {
	a, b, c, bias []float32
	a0, c0        [3]int
	b0            int
	aRow, aK, bK  int
	cRow          int
	k, n1, n2     int // all positive
	cols          int
	add           int // 0 or 1

	// Set by run: what to add, in bytes, to an address behind a run of k, and behind one of n1.
	endA1, endB1, endA2, endB2 int

	aStep1, aStep2, bStep1, bStep2 int
	g                              geometry
}

// geometry is the shape of a level's largest tile.
type geometry struct {
	rows  int // in all
	group int // rows of a group; rows is three groups
	lanes int // floats a register; columns of a narrow tile, and half those of a wide one
}

func (g geometry) cols() int { return 2 * g.lanes }

// newTile is a tile for the level in use with a summed index of one level.
func newTile() tile {
	g := geometry{rows: 12, group: 4, lanes: 8}
	switch Level() {
	case AVX512:
		g = geometry{rows: 12, group: 4, lanes: 16}
	case AVX2:
		g = geometry{rows: 6, group: 2, lanes: 8}
	}
	return tile{n1: 1, n2: 1, g: g}
}

const (
	shortA = "kernels: product: a too short"
	shortB = "kernels: product: b too short"
	shortC = "kernels: product: c too short"
)

// run computes rows rows, at most g.rows, of at most g.cols columns.
func (t *tile) run(rows int) {
	t.check(rows)
	t.endA1, t.endB1 = 4*(t.aStep1-t.k*t.aK), 4*(t.bStep1-t.k*t.bK)
	t.endA2, t.endB2 = 4*(t.aStep2-t.n1*t.aStep1), 4*(t.bStep2-t.n1*t.bStep1)
	t.kernel(rows)
}

// check panics if a kernel would leave its slices: assembly has no bounds checks.
func (t *tile) check(rows int) {
	endA := (t.k-1)*t.aK + (t.n1-1)*t.aStep1 + (t.n2-1)*t.aStep2
	for r := 0; r < rows; r += t.g.group {
		last := min(rows-r, t.g.group) - 1
		if uint(t.a0[r/t.g.group]+last*t.aRow+endA) >= uint(len(t.a)) {
			panic(shortA)
		}
		if uint(t.c0[r/t.g.group]+last*t.cRow+t.cols) > uint(len(t.c)) {
			panic(shortC)
		}
	}
	wide := t.g.lanes
	if t.cols > wide {
		wide *= 2
	}
	if uint(t.b0+(t.k-1)*t.bK+(t.n1-1)*t.bStep1+(t.n2-1)*t.bStep2+wide) > uint(len(t.b)) {
		panic(shortB)
	}
	if t.bias != nil && len(t.bias) < t.cols {
		panic("kernels: product: bias too short")
	}
}

// rows computes m rows that lie evenly: A's first at offset a and on by aRow, C's at c and
// on by cRow.
func (t *tile) rows(m, a, c int) {
	for i := 0; i < m; i += t.g.rows {
		for p := range t.a0 {
			t.a0[p] = a + (i+p*t.g.group)*t.aRow
			t.c0[p] = c + (i+p*t.g.group)*t.cRow
		}
		t.run(min(m-i, t.g.rows))
	}
}

// generic is the tile kernel in plain Go: the definition of the assembly.
func (t *tile) generic(rows int) {
	wide := t.g.lanes
	if t.cols > wide {
		wide *= 2
	}
	for r := 0; r < rows; r += 4 {
		for j := 0; j < t.cols; j += 4 {
			t.generic4x4(r, min(4, rows-r), j)
		}
	}
}

// generic4x4 computes columns j … j+3 of n <= 4 rows from r. Rows that are not there
// repeat the last one.
func (t *tile) generic4x4(r, n, j int) {
	var at [4]int
	for i := range at {
		row := r + min(i, n-1)
		at[i] = t.a0[row/t.g.group] + row%t.g.group*t.aRow
	}
	var s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33 float32
	for i2 := range t.n2 {
		for i1 := range t.n1 {
			off := i2*t.aStep2 + i1*t.aStep1
			p0, p1, p2, p3 := at[0]+off, at[1]+off, at[2]+off, at[3]+off
			q := t.b0 + j + i2*t.bStep2 + i1*t.bStep1
			for range t.k {
				b := t.b[q : q+4 : q+4]
				b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
				a := t.a[p0]
				s00 += float32(a * b0)
				s01 += float32(a * b1)
				s02 += float32(a * b2)
				s03 += float32(a * b3)
				a = t.a[p1]
				s10 += float32(a * b0)
				s11 += float32(a * b1)
				s12 += float32(a * b2)
				s13 += float32(a * b3)
				a = t.a[p2]
				s20 += float32(a * b0)
				s21 += float32(a * b1)
				s22 += float32(a * b2)
				s23 += float32(a * b3)
				a = t.a[p3]
				s30 += float32(a * b0)
				s31 += float32(a * b1)
				s32 += float32(a * b2)
				s33 += float32(a * b3)
				p0, p1, p2, p3, q = p0+t.aK, p1+t.aK, p2+t.aK, p3+t.aK, q+t.bK
			}
		}
	}
	sums := [4][4]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}, {s20, s21, s22, s23}, {s30, s31, s32, s33}}
	for i := range n {
		c := t.c[t.c0[(r+i)/t.g.group]+(r+i)%t.g.group*t.cRow+j:]
		for l := range min(4, t.cols-j) {
			sum := sums[i][l]
			if t.add != 0 {
				sum = c[l] + sum
			}
			if t.bias != nil {
				sum += t.bias[j+l]
			}
			c[l] = sum
		}
	}
}

// pointer is the tile as the assembly's stubs take it.
func (t *tile) pointer() *byte { return (*byte)(unsafe.Pointer(t)) }
