package kernels

// LinearShape is the shape of a linear layer y = x·wᵀ + b over N samples of Rows rows each:
// x (N·Rows, In), w (Out, In), b (Out), y (N·Rows, Out).
type LinearShape struct {
	N, Rows, In, Out int
}

// GFLOP is the work of the layer, multiply-adds counted as two; each gradient costs as much.
func (s LinearShape) GFLOP() float64 {
	return 2e-9 * float64(s.N*s.Rows) * float64(s.In*s.Out)
}

// rowBlock is the number of rows of a work item: at 96 rows of 256 floats they
// stay in the second-level cache while all panels of the weight pass by.
const rowBlock = 96

// LinearPackSize is the length of a weight packed for [Linear].
func LinearPackSize(s LinearShape) int { return panels(s.Out) * panelCols * s.In }

// LinearPackItems is the number of work items of [LinearPack].
func LinearPackItems(s LinearShape) int { return panels(s.Out) }

// LinearPack packs panels [i0, i1) of w (Out, In) for [Linear].
func LinearPack(packed, w []float32, s LinearShape, i0, i1 int) {
	for i := i0; i < i1; i++ {
		packColumns(packed[i*panelCols*s.In:], w[i*panelCols*s.In:], s.In, s.In, min(panelCols, s.Out-i*panelCols))
	}
}

// LinearItems is the number of work items of [Linear].
func LinearItems(s LinearShape) int { return productItems(s.N*s.Rows, s.Out) }

// LinearScratch is the work memory of [Linear] in floats.
func LinearScratch(s LinearShape) int { return 0 }

// Linear is y = x·wᵀ + b for work items [i0, i1), with w packed by [LinearPack]. b may be nil.
// See ref.Linear.
func Linear(y, x, packed, b []float32, s LinearShape, scratch []float32, i0, i1 int) {
	product(y, x, packed, b, s.N*s.Rows, s.Out, s.In, i0, i1)
}

// productItems is the number of work items of a product with m rows and n columns.
func productItems(m, n int) int { return (m + rowBlock - 1) / rowBlock * panels(n) }

// product is c = a·b + bias with a (m, k), c (m, n), and b in panels. An item is a block of
// rows by a panel; those of one block of rows follow each other.
func product(c, a, packed, bias []float32, m, n, k, i0, i1 int) {
	t := newTile()
	t.a, t.b, t.c = a, packed, c
	t.aRow, t.aK, t.bK, t.cRow = k, 1, panelCols, n
	wide := t.g.cols()
	for i := i0; i < i1; i++ {
		row, panel := i/panels(n)*rowBlock, i%panels(n)
		rows := min(rowBlock, m-row)
		for p := 0; p < k; p += blockK {
			t.k = min(blockK, k-p)
			t.add = 0
			if p > 0 {
				t.add = 1
			}
			for j := panel * panelCols; j < min(n, (panel+1)*panelCols); j += wide {
				t.cols = min(wide, n-j)
				t.b0 = panel*panelCols*k + p*panelCols + j%panelCols
				if bias != nil && p+blockK >= k {
					t.bias = bias[j : j+t.cols]
				} else {
					t.bias = nil
				}
				t.rows(rows, row*k+p, row*n+j)
			}
		}
	}
}
