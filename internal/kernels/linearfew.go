package kernels

// fewRows is the greatest number of rows for which whoever multiplies packs the weight, too. A weight that serves so few
// rows costs more to bring from memory than to multiply with, and if it were packed in a loop before, much of it would then
// go from one worker's cache to another's. With 1,024 rows this is as fast or slower, because then the rows travel.
const fewRows = 128

// fewPanels is how many panels of a weight are packed together, at most.
const fewPanels = 8

// Few says that the layer has so few rows that [LinearFew] and [LinearGradInputFew] are faster, unless the weight is packed
// already.
func (s LinearShape) Few() bool { return s.N*s.Rows <= fewRows }

// LinearFewItems is the number of work items of [LinearFew].
func LinearFewItems(s LinearShape) int { return panels(s.Out) }

// LinearFewScratch is the work memory of [LinearFew] in floats.
func LinearFewScratch(s LinearShape) int { return fewScratch(s.Out, s.In) }

// LinearFew is [Linear] of a layer with few rows, with w as it is, and with the same bits.
func LinearFew(y, x, w, b []float32, s LinearShape, scratch []float32, i0, i1 int) {
	pack := func(packed []float32, p, k, n int) {
		out := p * panelCols
		packColumns(packed, w[out*s.In+k:], n, s.In, min(panelCols, s.Out-out))
	}
	fewProduct(y, x, b, s.N*s.Rows, s.Out, s.In, s.Accumulate, pack, scratch, i0, i1)
}

// LinearGradInputFewItems is the number of work items of [LinearGradInputFew].
func LinearGradInputFewItems(s LinearShape) int { return panels(s.In) }

// LinearGradInputFewScratch is the work memory of [LinearGradInputFew] in floats.
func LinearGradInputFewScratch(s LinearShape) int { return fewScratch(s.In, s.Out) }

// LinearGradInputFew is [LinearGradInput] of a layer with few rows, with w as it is, and with the same bits.
func LinearGradInputFew(dx, dy, w []float32, s LinearShape, scratch []float32, i0, i1 int) {
	pack := func(packed []float32, p, k, n int) {
		in := p * panelCols
		packRows(packed, w[k*s.In:], n, s.In, in, min(panelCols, s.In-in))
	}
	fewProduct(dx, dy, nil, s.N*s.Rows, s.In, s.Out, s.Accumulate, pack, scratch, i0, i1)
}

// fewScratch is room for a block of the panels that are packed together.
func fewScratch(n, k int) int { return min(fewPanels, panels(n)) * min(k, blockK) * panelCols }

// fewProduct is c = a·b + bias for panels [i0, i1) of b, with a (m, k) and c (m, n). pack packs n numbers from k of panel p.
func fewProduct(c, a, bias []float32, m, n, k int, accumulate bool, pack func(packed []float32, p, k, n int), scratch []float32, i0, i1 int) {
	var t tile
	t.init()
	t.aK, t.bK, t.aRow, t.cRow = 1, panelCols, k, n
	wide := t.g.cols()
	for ; i0 < i1; i0 += fewPanels {
		end := min(i1, i0+fewPanels)
		for kk := 0; kk < k; kk += blockK {
			t.k, t.add = min(blockK, k-kk), kk > 0 || accumulate
			size := t.k * panelCols
			for p := i0; p < end; p++ {
				pack(scratch[(p-i0)*size:], p, kk, t.k)
			}
			for r := 0; r < m; r += t.g.maxRows() {
				t.lay(min(t.g.maxRows(), m-r))
				t.a = a[r*k+kk:]
				for j := i0 * panelCols; j < min(n, end*panelCols); j += wide {
					t.cols = min(wide, n-j)
					t.b = scratch[(j/panelCols-i0)*size+j%panelCols:]
					t.c = c[r*n+j:]
					t.bias = nil
					if bias != nil && kk+blockK >= k {
						t.bias = bias[j : j+t.cols]
					}
					t.run()
				}
			}
		}
	}
}
