package kernels

// LinearShape is the shape of a linear layer y = x·wᵀ + b over N samples of Rows rows each:
// x (N·Rows, In), w (Out, In), b (Out), y (N·Rows, Out).
type LinearShape struct {
	N, Rows, In, Out int
	Accumulate       bool // Linear adds to y, LinearGradInput to dx, instead of overwriting it
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
	product(y, x, packed, b, s.N*s.Rows, s.Out, s.In, s.Accumulate, i0, i1)
}

// productItems is the number of work items of a product with m rows and n columns.
func productItems(m, n int) int { return (m + rowBlock - 1) / rowBlock * panels(n) }

// product is c = a·b + bias with a (m, k), c (m, n), and b in panels. An item is a block of
// rows by a panel; those of one block of rows follow each other.
func product(c, a, packed, bias []float32, m, n, k int, accumulate bool, i0, i1 int) {
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
			if p > 0 || accumulate {
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

// LinearGradInputPackSize is the length of a weight packed for [LinearGradInput].
func LinearGradInputPackSize(s LinearShape) int { return panels(s.In) * panelCols * s.Out }

// LinearGradInputPackItems is the number of work items of [LinearGradInputPack].
func LinearGradInputPackItems(s LinearShape) int { return panels(s.In) }

// LinearGradInputPack packs panels [i0, i1) of w (Out, In) for [LinearGradInput].
func LinearGradInputPack(packed, w []float32, s LinearShape, i0, i1 int) {
	for i := i0; i < i1; i++ {
		packRows(packed[i*panelCols*s.Out:], w, s.Out, s.In, i*panelCols, min(panelCols, s.In-i*panelCols))
	}
}

// LinearGradInputItems is the number of work items of [LinearGradInput].
func LinearGradInputItems(s LinearShape) int { return productItems(s.N*s.Rows, s.In) }

// LinearGradInputScratch is the work memory of [LinearGradInput] in floats.
func LinearGradInputScratch(s LinearShape) int { return 0 }

// LinearGradInput is dx = dy·w for work items [i0, i1), with w packed by
// [LinearGradInputPack]. See ref.LinearGradInput.
func LinearGradInput(dx, dy, packed []float32, s LinearShape, scratch []float32, i0, i1 int) {
	product(dx, dy, packed, nil, s.N*s.Rows, s.In, s.Out, s.Accumulate, i0, i1)
}

// gradWeight is the sum behind dw, and whether its rows are outputs (or inputs).
func (s LinearShape) gradWeight(dy, x []float32) (o outer, rowsOut bool) {
	o = outer{a: dy, b: x, aPixel: s.Out, bPixel: s.In, m: s.Out, n: s.In, height: 1, width: s.Rows}
	o.aSample, o.bSample = s.Rows*s.Out, s.Rows*s.In
	if preferB(s.In, s.Out) {
		return o, true
	}
	o.a, o.b, o.aPixel, o.bPixel, o.m, o.n = x, dy, s.In, s.Out, s.In, s.Out
	o.aSample, o.bSample = o.bSample, o.aSample
	return o, false
}

// LinearGradWeightItems is the number of work items of [LinearGradWeight]: blocks of dw,
// then of db.
func LinearGradWeightItems(s LinearShape) int {
	o, _ := s.gradWeight(nil, nil)
	return gradBlocks(o.m, o.n) + panels(s.Out)
}

// LinearGradWeightScratch is the work memory of [LinearGradWeight] in floats.
func LinearGradWeightScratch(s LinearShape) int { return gradScratch }

// LinearGradWeight is dw = dyᵀ·x (Out, In) and db = Σ dy (Out) by the rule of 16, for work
// items [i0, i1). db may be nil. See ref.LinearGradWeight.
func LinearGradWeight(dw, db, dy, x []float32, s LinearShape, scratch []float32, i0, i1 int) {
	o, rowsOut := s.gradWeight(dy, x)
	blocks := gradBlocks(o.m, o.n)
	for item := i0; item < i1; item++ {
		if item >= blocks {
			if db != nil {
				bias := outer{b: dy, bPixel: s.Out, bSample: s.Rows * s.Out, n: s.Out, height: 1, width: s.Rows}.sumOf()
				d, _, cols := bias.block(s.N, scratch, 0, item-blocks)
				copy(db[(item-blocks)*panelCols:], d[:cols])
			}
			continue
		}
		i, j := item/panels(o.n), item%panels(o.n)
		d, rows, cols := o.block(s.N, scratch, i, j)
		if rowsOut {
			for r := range rows {
				copy(dw[(i*gradRows+r)*s.In+j*panelCols:], d[r*panelCols:r*panelCols+cols])
			}
			continue
		}
		transpose(dw[j*panelCols*s.In+i*gradRows:], d, s.In, panelCols, rows, cols)
	}
}
