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

// A tile multiplies some rows of A with at most g.cols() columns of B:
//
//	sum[r,j] = Σ_{i2<n2} Σ_{i1<n1} Σ_{i<k} A[r; i2,i1,i] · B[i2,i1,i; j]      0 <= j < cols
//
// in this very order, one product after the other, and writes
//
//	C[r,j] = ((C[r,j] if add) + sum[r,j]) + bias[j] if there is one
//
// If C is added to and more is not 0, so many further matrices lie behind C, stack floats apart; they are added before C is,
// the farthest first.
//
// The summed index has three levels so that one call can go over the taps of a
// convolution, or over the pixels of several images, without a copy.
//
// Rows are laid out first, by lay or place, and then run for as many A, B and C as one likes:
// the offsets of the rows are written down once. They come in tiles of g.rows rows, and a
// tile in three groups of g.group rows with an offset each, so that a tile of an image may
// go on in the image's next line. The element of row r of a group stands at
//
//	a[group.a + r·aRow + i·aK + i1·aStep1 + i2·aStep2]
//
// B at b[i·bK + i1·bStep1 + i2·bStep2 + j], C at c[group.c + r·cRow + j].
//
// B is read a whole vector at a time: unless cols is a multiple of g.lanes, B must have so many
// columns (zeros, say) all the same. Of A and C nothing but what is named is touched.
type tile struct {
	a, b, c, bias                  []float32 // bias may be nil
	aRow, aK, bK, cRow             int
	k, n1, n2                      int // all positive
	aStep1, aStep2, bStep1, bStep2 int
	cols                           int
	add                            bool
	more, stack                    int
	next                           region // to be fetched
	each                           int    // rounds for a row of it
	g                              geometry

	m            int // rows laid out
	lastA, lastC int // offsets of the farthest of them in A and C
	call
}

// A spot is where a tile's groups of rows begin in A and C.
type spot struct{ a, c [3]int }

// maxSpots is the number of tiles that can be laid out.
const maxSpots = 24

// A call is what the assembly reads: tiles of one height, distances in bytes. Keep it in step with
// asm/gemm/tile.go. The spots are part of it, and found by an offset, because a tile that
// held a pointer to itself would be allocated.
type call struct {
	atA, atB, atC, atBias      *float32
	first                      int // of the spots
	count                      int
	bytesARow, bytesAK         int
	bytesBK, bytesCRow         int
	times, times1, times2      int // k, n1, n2
	endA1, endB1, endA2, endB2 int // to add to an address behind a run of k, and behind one of n1
	width, adds                int
	ahead                      *float32 // the rows that are fetched
	fetched                    int      // how far, in bytes
	pace                       int      // bytes that a round which fetches moves on
	part, turn                 int      // how much of a row is fetched, and what a round adds to it, in 1/2³²
	jump                       int      // bytes from a row's end to the next row
	left1, left2               int      // of n1 and n2, to go
	fetching                   int      // how many of a tile's rounds fetch, its first
	leftFetching, leftPlain    int      // of these, to go in a tile; others, to go in a run of k
	rowsC                      [12]int  // where the rows of C are
	bytesStack                 int      // from C to what is added before it
	spots                      [maxSpots]spot
}

// geometry is the shape of a level's largest tile.
type geometry struct {
	rows  int // in all
	group int // rows of a group; three groups are a tile
	lanes int // floats a register: columns of a narrow tile, and half those of a wide one
}

func (g geometry) cols() int { return 2 * g.lanes }

// steps is how many steps of k the largest tiles take for so many rows and panels of columns.
func (g geometry) steps(rows, k, panels int) int {
	return rows / g.rows * k * panels * panelCols / g.cols()
}

// maxRows is the number of rows that can be laid out.
func (g geometry) maxRows() int { return maxSpots * g.rows }

// currentGeometry belongs to the level in use.
func currentGeometry() geometry {
	switch Level() {
	case AVX512:
		return geometry{rows: 12, group: 4, lanes: 16}
	case AVX2:
		return geometry{rows: 6, group: 2, lanes: 8}
	}
	return geometry{rows: 12, group: 4, lanes: 8}
}

// init prepares a tile for the level in use, with a summed index of one level.
func (t *tile) init() {
	t.n1, t.n2, t.g = 1, 1, currentGeometry()
}

// lay lays out m rows that follow each other evenly, at most g.maxRows().
func (t *tile) lay(m int) {
	t.m = m
	g := t.g
	for i := 0; i < m; i += g.rows {
		s := &t.spots[i/g.rows]
		for p := range 3 {
			r := i + p*g.group
			s.a[p], s.c[p] = r*t.aRow, r*t.cRow
		}
	}
	t.lastA, t.lastC = (m-1)*t.aRow, (m-1)*t.cRow
}

// layPanels lays out m rows of an A whose columns are packed in panels of gradPanel floats, from the one
// with a number: aRow is 1 and aK is panelCols. No group of rows goes over the end of a panel if the number
// is a multiple of its height.
func (t *tile) layPanels(row, m int) {
	t.m = m
	g := t.g
	at := func(r int) int { return int(uint(r)/panelCols*gradPanel + uint(r)%panelCols) }
	for i := 0; i < m; i += g.rows {
		s := &t.spots[i/g.rows]
		for p := range 3 {
			r := i + p*g.group
			s.a[p], s.c[p] = at(row+r), r*t.cRow
		}
	}
	t.lastA, t.lastC = at(row+m-1), (m-1)*t.cRow
}

const (
	shortA    = "kernels: product: a too short"
	shortB    = "kernels: product: b too short"
	shortC    = "kernels: product: c too short"
	shortBias = "kernels: product: bias too short"
)

// A region is rows of v, so wide and at such a distance.
type region struct {
	v                   []float32
	rows, width, stride int
}

// Largest tiles take the summed index in rounds of so many steps.
const (
	roundSteps = 4   // unroll in asm/gemm/tile.go
	roundBytes = 128 // that a round fetches of what is ahead, at most
)

// fetch has largest tiles bring a region into the second-level cache while they take so many steps of the summed
// index: an equal part in each, in its first rounds. It changes no result, and smaller tiles do not do it.
func (t *tile) fetch(r region, steps int) {
	t.fetched, t.part, t.next = 0, 0, region{}
	if r.rows <= 0 || r.width <= 0 || steps <= 0 {
		return
	}
	if r.stride == r.width {
		r.rows, r.width = 1, r.rows*r.width
	}
	t.next, t.each = r, max(1, steps/(roundSteps*r.rows))
}

// setPace lets the first rounds of a tile fetch, two for each of its rows or more if the region needs them; the rest only
// multiply and add, which is faster.
func (t *tile) setPace() {
	rounds := divideUp(t.k, roundSteps) * t.n1 * t.n2
	t.fetching = 2 * t.g.rows
	t.ahead, t.pace, t.turn, t.jump = t.atA, 0, 0, 0 // A is in the cache
	r := t.next
	if r.rows == 0 {
		return
	}
	t.fetching = min(rounds, max(t.fetching, divideUp(rounds*divideUp(4*r.width, roundBytes), t.each)))
	t.ahead = &r.v[0]
	// A row of the region takes each·fetching/rounds of the rounds that fetch: one at least.
	fetches := t.each * t.fetching
	if r.rows > 1 && fetches == rounds {
		t.pace = 4 * r.stride
		return
	}
	t.pace = divideUp(4*r.width*rounds, fetches)
	if r.rows > 1 {
		t.turn = rounds << 32 / fetches
		t.jump = 4*r.stride - (t.pace*fetches+rounds/2)/rounds
	}
}

// callWork bounds the steps of the summed index of a call of assembly, which nothing can
// interrupt: 32768 steps of a 12x32 tile are about 0.1 ms.
const callWork = 1 << 15

// run multiplies the rows that are laid out.
func (t *tile) run() {
	t.check()
	t.atA, t.atB, t.atC, t.atBias = &t.a[0], &t.b[0], &t.c[0], nil
	t.bytesARow, t.bytesAK, t.bytesBK, t.bytesCRow = 4*t.aRow, 4*t.aK, 4*t.bK, 4*t.cRow
	t.times, t.times1, t.times2 = t.k, t.n1, t.n2
	t.endA1, t.endB1 = 4*(t.aStep1-t.k*t.aK), 4*(t.bStep1-t.k*t.bK)
	t.endA2, t.endB2 = 4*(t.aStep2-t.n1*t.aStep1), 4*(t.bStep2-t.n1*t.bStep1)
	t.width, t.adds = t.cols, 0
	t.setPace()
	if t.bias != nil {
		t.atBias = &t.bias[0]
	}
	if t.add {
		t.adds = 1 + t.more
	}
	t.bytesStack = 4 * t.stack
	full := t.m / t.g.rows
	most := max(1, callWork/(t.k*t.n1*t.n2))
	for i := 0; i < full; i += most {
		t.tiles(i, min(most, full-i), t.g.rows)
	}
	if rest := t.m % t.g.rows; rest > 0 {
		t.tiles(full, 1, rest)
	}
}

// tiles runs count tiles of rows rows from the one with number first.
func (t *tile) tiles(first, count, rows int) {
	t.first, t.count = first*int(unsafe.Sizeof(spot{})), count
	t.kernel(first, count, rows)
}

// check panics if a kernel would leave its slices: assembly has no bounds checks.
func (t *tile) check() {
	if t.m > t.g.maxRows() || t.k <= 0 || t.n1 <= 0 || t.n2 <= 0 {
		panic("kernels: product: bad tile")
	}
	if len(t.b) <= (t.k-1)*t.bK+(t.n1-1)*t.bStep1+(t.n2-1)*t.bStep2+t.wide()-1 {
		panic(shortB)
	}
	if t.bias != nil && len(t.bias) < t.cols {
		panic(shortBias)
	}
	if t.lastA < 0 || t.lastA+(t.k-1)*t.aK+(t.n1-1)*t.aStep1+(t.n2-1)*t.aStep2 >= len(t.a) {
		panic(shortA)
	}
	if t.lastC < 0 || t.more < 0 || t.stack < 0 || t.lastC+t.more*t.stack+t.cols > len(t.c) {
		panic(shortC)
	}
}

// wide is the number of columns that are read of B.
func (t *tile) wide() int {
	if t.cols > t.g.lanes {
		return 2 * t.g.lanes
	}
	return t.g.lanes
}

// generic is the tile kernel in plain Go, and the definition of the assembly.
func (t *tile) generic(first, count, rows int) {
	for i := first; i < first+count; i++ {
		for r := 0; r < rows; r += 4 {
			for j := 0; j < t.cols; j += 4 {
				t.generic4x4(&t.spots[i], r, min(4, rows-r), j)
			}
		}
	}
}

// generic4x4 computes columns j … j+3 of n <= 4 rows from r of a tile. Rows that are not there
// repeat the last one.
func (t *tile) generic4x4(s *spot, r, n, j int) {
	var at [4]int
	for i := range at {
		row := r + min(i, n-1)
		at[i] = s.a[row/t.g.group] + row%t.g.group*t.aRow
	}
	var s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33 float32
	for i2 := range t.n2 {
		for i1 := range t.n1 {
			off := i2*t.aStep2 + i1*t.aStep1
			p0, p1, p2, p3 := at[0]+off, at[1]+off, at[2]+off, at[3]+off
			q := j + i2*t.bStep2 + i1*t.bStep1
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
		row := r + i
		c := t.c[s.c[row/t.g.group]+row%t.g.group*t.cRow+j:]
		for l := range min(4, t.cols-j) {
			sum := sums[i][l]
			if t.add {
				for d := t.more; d >= 0; d-- {
					sum = c[d*t.stack+l] + sum
				}
			}
			if t.bias != nil {
				sum += t.bias[j+l]
			}
			c[l] = sum
		}
	}
}
