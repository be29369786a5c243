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
	t := newTile()
	t.a, t.c = a, c
	t.aRow, t.aK, t.cRow = s.LDA, 1, s.LDC
	if s.TransA {
		t.aRow, t.aK = 1, s.LDA
	}
	wide := t.g.cols()
	for j := 0; j < s.N; j += panelCols {
		cols := min(panelCols, s.N-j)
		for k := 0; k < s.K; k += blockK {
			t.k = min(blockK, s.K-k)
			switch {
			case s.TransB:
				packColumns(scratch, b[j*s.LDB+k:], t.k, s.LDB, cols)
				t.b, t.b0, t.bK = scratch, 0, panelCols
			case cols%t.g.lanes != 0:
				packRows(scratch, b[k*s.LDB:], t.k, s.LDB, j, cols)
				t.b, t.b0, t.bK = scratch, 0, panelCols
			default:
				t.b, t.b0, t.bK = b, k*s.LDB+j, s.LDB
			}
			t.add = 1
			if k == 0 && !s.Accumulate {
				t.add = 0
			}
			for jj := 0; jj < cols; jj += wide {
				t.cols = min(wide, cols-jj)
				t.rows(s.M, k*t.aK, j+jj)
				t.b0 += wide
			}
		}
	}
}
