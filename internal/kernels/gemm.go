package kernels

// GemmShape is the shape of a product c = op(a)·op(b) with c (M, N), op(a) (M, K) and
// op(b) (K, N). An LD is the distance between the starts of two rows as they are stored.
type GemmShape struct {
	M, N, K       int
	LDA, LDB, LDC int
	TransA        bool // a is stored (K, M)
	TransB        bool // b is stored (N, K)
	Accumulate    bool // c += instead of c =
}

// GemmScratch is the work memory of [Gemm] in floats.
func GemmScratch(s GemmShape) int { return min(s.K, blockK) * panelCols }

// Gemm computes c = op(a)·op(b), or adds it to c. It is meant for small products, such as
// those of attention: nothing but one panel of b is ever packed, and that only if b is
// transposed or does not fill the panel. The whole product is one work item.
func Gemm(c, a, b []float32, s GemmShape, scratch []float32) {
	gemm(c, a, b, s, scratch, region{})
}

// gemm is Gemm, and has what is needed next brought into the cache meanwhile.
func gemm(c, a, b []float32, s GemmShape, scratch []float32, next region) {
	if s.M <= 0 || s.N <= 0 {
		return
	}
	if s.K <= 0 {
		if !s.Accumulate {
			for i := range s.M {
				clear(c[i*s.LDC : i*s.LDC+s.N])
			}
		}
		return
	}
	var t tile
	t.init()
	t.aRow, t.aK, t.cRow = s.LDA, 1, s.LDC
	if s.TransA {
		t.aRow, t.aK = 1, s.LDA
	}
	t.fetch(next, t.g.steps(s.M, s.K, panels(s.N)))
	for i := 0; i < s.M; i += t.g.maxRows() {
		rows := min(t.g.maxRows(), s.M-i)
		t.lay(rows)
		for j := 0; j < s.N; j += panelCols {
			gemmPanel(&t, c[i*s.LDC:], a[i*t.aRow:], b, s, j, scratch)
		}
	}
}

// gemmPanel computes the rows that are laid out for the columns of a panel from j.
func gemmPanel(t *tile, c, a, b []float32, s GemmShape, j int, scratch []float32) {
	cols := min(panelCols, s.N-j)
	for k := 0; k < s.K; k += blockK {
		t.k = min(blockK, s.K-k)
		var from []float32
		switch {
		case s.TransB:
			packColumns(scratch, b[j*s.LDB+k:], t.k, s.LDB, cols)
			from, t.bK = scratch, panelCols
		case cols%t.g.lanes != 0:
			packRows(scratch, b[k*s.LDB:], t.k, s.LDB, j, cols)
			from, t.bK = scratch, panelCols
		default:
			from, t.bK = b[k*s.LDB+j:], s.LDB
		}
		t.a, t.add = a[k*t.aK:], k > 0 || s.Accumulate
		wide := t.g.cols()
		for jj := 0; jj < cols; jj += wide {
			t.b, t.c, t.cols = from[jj:], c[j+jj:], min(wide, cols-jj)
			t.run()
		}
	}
}
