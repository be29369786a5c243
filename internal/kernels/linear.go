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

// LinearPiece is how many work items a call of [Linear] should have at least.
func LinearPiece(s LinearShape) int { return productPiece(s.Out) }

// LinearItems is the number of work items of [Linear].
func LinearItems(s LinearShape) int { return productItems(s.N*s.Rows, s.Out) }

// LinearScratch is the work memory of [Linear] in floats.
func LinearScratch(s LinearShape) int { return productScratch(s.In) }

// Linear is y = x·wᵀ + b for work items [i0, i1), with w packed by [LinearPack]. b may be nil.
// See ref.Linear.
func Linear(y, x, packed, b []float32, s LinearShape, scratch []float32, i0, i1 int) {
	product(y, x, packed, b, s.N*s.Rows, s.Out, s.In, s.Accumulate, scratch, i0, i1)
}

// productPiece is how many work items of a product with n columns a call should have at least: a quarter of those
// of a block of rows. With as many as there are, a worker waited for another for 4 % of a product of 1,024 rows.
func productPiece(n int) int { return max(1, panels(n)/4) }

// productItems is the number of work items of a product with m rows and n columns.
func productItems(m, n int) int { return divideUp(m, cut.rows) * panels(n) }

// productScratch is the work memory of a product whose rows of a are k long.
func productScratch(k int) int {
	if k <= blockK {
		return 0
	}
	return cut.rows * copiedStride
}

// copiedStride is the distance of rows in a copy of a block of a: off a power of two, so
// that they do not fall into the same few sets of the first-level cache.
const copiedStride = blockK + 16

// product is c = a·b + bias with a (m, k), c (m, n), and b in panels. An item is a block of
// rows by a panel; those of one block of rows follow each other and are computed together.
func product(c, a, packed, bias []float32, m, n, k int, accumulate bool, scratch []float32, i0, i1 int) {
	for i := i0; i < i1; {
		block := i / panels(n)
		end := min(i1, (block+1)*panels(n))
		row := block * cut.rows
		then := 0 // rows of a that come then
		if end < i1 {
			then = min(cut.rows, m-row-cut.rows)
		}
		productBlock(c, a, packed, bias, row, min(cut.rows, m-row), then, n, k, accumulate, scratch, i%panels(n), i%panels(n)+end-i)
		i = end
	}
}

// productBlock computes rows rows from row for panels [p0, p1). As many rows as then says come next.
func productBlock(c, a, packed, bias []float32, row, rows, then, n, k int, accumulate bool, scratch []float32, p0, p1 int) {
	var t tile
	t.init()
	t.aK, t.bK, t.aRow, t.cRow = 1, panelCols, k, n
	copied := k > blockK && p1-p0 > 2
	if copied {
		t.aRow = copiedStride
	}
	t.lay(rows)
	wide := t.g.cols()
	for kk := 0; kk < k; kk += blockK {
		t.k, t.add = min(blockK, k-kk), kk > 0 || accumulate
		t.a = a[row*k+kk:]
		if copied {
			for r := range rows {
				copy(scratch[r*copiedStride:], t.a[r*k:r*k+t.k])
			}
			t.a = scratch
		}
		var next region
		if from := kk + blockK; from < k {
			next = region{a[row*k+from:], rows, min(blockK, k-from), k}
		} else if then > 0 {
			next = region{a[(row+rows)*k:], then, min(blockK, k), k}
		}
		t.fetch(next, t.g.steps(rows, t.k, p1-p0))
		for j := p0 * panelCols; j < min(n, p1*panelCols); j += wide {
			t.cols = min(wide, n-j)
			t.b = packed[j/panelCols*panelCols*k+kk*panelCols+j%panelCols:]
			t.c = c[row*n+j:]
			t.bias = nil
			if bias != nil && kk+blockK >= k {
				t.bias = bias[j : j+t.cols]
			}
			t.run()
		}
	}
}

// LinearGradInputPackSize is the length of a weight packed for [LinearGradInput].
func LinearGradInputPackSize(s LinearShape) int { return panels(s.In) * panelCols * s.Out }

// packedRows is how many rows of a weight are packed together: the weight comes from memory, which likes to
// be read from end to end.
const packedRows = 32

// LinearGradInputPackItems is the number of work items of [LinearGradInputPack].
func LinearGradInputPackItems(s LinearShape) int { return divideUp(s.Out, packedRows) }

// LinearGradInputPack packs blocks of rows [i0, i1) of w (Out, In) for [LinearGradInput].
func LinearGradInputPack(packed, w []float32, s LinearShape, i0, i1 int) {
	row, full, size := i0*packedRows, s.In/panelCols, s.Out*panelCols
	rows := min(s.Out, i1*packedRows) - row
	if rows <= 0 {
		return
	}
	packed, w = packed[row*panelCols:], w[row*s.In:]
	copyPanels(packed, w, rows, s.In, full, size)
	if rest := s.In % panelCols; rest > 0 {
		packRows(packed[full*size:], w, rows, s.In, full*panelCols, rest)
	}
}

// LinearGradInputPiece is how many work items a call of [LinearGradInput] should have at least.
func LinearGradInputPiece(s LinearShape) int { return productPiece(s.In) }

// LinearGradInputItems is the number of work items of [LinearGradInput].
func LinearGradInputItems(s LinearShape) int { return productItems(s.N*s.Rows, s.In) }

// LinearGradInputScratch is the work memory of [LinearGradInput] in floats.
func LinearGradInputScratch(s LinearShape) int { return productScratch(s.Out) }

// LinearGradInput is dx = dy·w for work items [i0, i1), with w packed by
// [LinearGradInputPack]. See ref.LinearGradInput.
func LinearGradInput(dx, dy, packed []float32, s LinearShape, scratch []float32, i0, i1 int) {
	product(dx, dy, packed, nil, s.N*s.Rows, s.In, s.Out, s.Accumulate, scratch, i0, i1)
}

// conv is the layer as a convolution over images of one line.
func (s LinearShape) conv() ConvShape {
	return ConvShape{N: s.N, H: 1, W: s.Rows, Cin: s.In, Cout: s.Out, Kernel: 1, Stride: 1}
}

// LinearGradWeightItems is the number of work items of [LinearGradWeight].
func LinearGradWeightItems(s LinearShape) int { return Conv2dGradWeightItems(s.conv()) }

// LinearGradWeightPiece is how many work items a call of [LinearGradWeight] should have at least.
func LinearGradWeightPiece(s LinearShape) int { return Conv2dGradWeightPiece(s.conv()) }

// LinearGradWeightScratch is the work memory of [LinearGradWeight] in floats.
func LinearGradWeightScratch(s LinearShape) int { return Conv2dGradWeightScratch(s.conv()) }

// LinearGradWeight is dw = dyᵀ·x (Out, In) and db = Σ dy (Out) by the rule of 16, for work
// items [i0, i1). db may be nil. See ref.LinearGradWeight.
func LinearGradWeight(dw, db, dy, x []float32, s LinearShape, scratch []float32, i0, i1 int) {
	Conv2dGradWeight(dw, db, dy, x, s.conv(), scratch, i0, i1)
}
