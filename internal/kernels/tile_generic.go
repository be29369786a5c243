//go:build !amd64 || noasm

package kernels

import "lfm/internal/kernels/ref"

func (t *tile) kernel(first, count, rows int) { t.generic(first, count, rows) }

func addTo(y, x []float32, n int) { addGeneric(y[:n], x[:n]) }

func transpose8(dst, src []float32, dstStride, srcStride, n int) {
	transposeGeneric(dst, src, dstStride, srcStride, 8, n)
}

func copyPanels(dst, src []float32, n, stride, panels, distance int) {
	copyPanelsGeneric(dst, src, n, stride, panels, distance)
}

func partsTree(dst, a, b []float32, counts *[ref.Parts]int, m int) {
	partsTreeGeneric(dst, a, b, counts, m)
}

func sumRows(dst, src []float32, n, stride, distance int, add bool) {
	for p := range 8 * currentGeometry().lanes / panelCols {
		sumRowsGeneric(dst[p*panelCols:], src[p*distance:], n, stride, panelCols, add)
	}
}

func gramTile() (rows, cols int) { return 4, 8 }

func addGramTile(c, a, b []float64, n, d int) { addGramTileGeneric(c, a, b, n, d, 4, 8) }
