//go:build !noasm

package kernels

import (
	"unsafe"

	"lfm/internal/kernels/ref"
)

// kernel runs the assembly of the level in use.
func (t *tile) kernel(first, count, rows int) {
	switch Level() {
	case AVX512:
		t.avx512(rows)
	case AVX2:
		t.avx2(rows)
	default:
		t.generic(first, count, rows)
	}
}

// avx512 calls the kernel of so many rows, narrow or wide. The calls are spelled out because
// an argument of a call through a table would escape to the heap.
func (t *tile) avx512(rows int) {
	p := (*byte)(unsafe.Pointer(&t.call))
	if t.cols <= 16 {
		switch rows {
		case 1:
			tile1x16AVX512(p)
		case 2:
			tile2x16AVX512(p)
		case 3:
			tile3x16AVX512(p)
		case 4:
			tile4x16AVX512(p)
		case 5:
			tile5x16AVX512(p)
		case 6:
			tile6x16AVX512(p)
		case 7:
			tile7x16AVX512(p)
		case 8:
			tile8x16AVX512(p)
		case 9:
			tile9x16AVX512(p)
		case 10:
			tile10x16AVX512(p)
		case 11:
			tile11x16AVX512(p)
		case 12:
			tile12x16AVX512(p)
		}
		return
	}
	switch rows {
	case 1:
		tile1x32AVX512(p)
	case 2:
		tile2x32AVX512(p)
	case 3:
		tile3x32AVX512(p)
	case 4:
		tile4x32AVX512(p)
	case 5:
		tile5x32AVX512(p)
	case 6:
		tile6x32AVX512(p)
	case 7:
		tile7x32AVX512(p)
	case 8:
		tile8x32AVX512(p)
	case 9:
		tile9x32AVX512(p)
	case 10:
		tile10x32AVX512(p)
	case 11:
		tile11x32AVX512(p)
	case 12:
		switch {
		case t.bK == panelCols && t.aK == 1:
			tile12x32RowsAVX512(p)
		case t.bK == panelCols && t.aK == panelCols:
			tile12x32PanelsAVX512(p)
		default:
			tile12x32AVX512(p)
		}
	}
}

// avx2 calls the kernel of so many rows, narrow or wide. The calls are spelled out because
// an argument of a call through a table would escape to the heap.
func (t *tile) avx2(rows int) {
	p := (*byte)(unsafe.Pointer(&t.call))
	if t.cols <= 8 {
		switch rows {
		case 1:
			tile1x8AVX2(p)
		case 2:
			tile2x8AVX2(p)
		case 3:
			tile3x8AVX2(p)
		case 4:
			tile4x8AVX2(p)
		case 5:
			tile5x8AVX2(p)
		case 6:
			tile6x8AVX2(p)
		}
		return
	}
	switch rows {
	case 1:
		tile1x16AVX2(p)
	case 2:
		tile2x16AVX2(p)
	case 3:
		tile3x16AVX2(p)
	case 4:
		tile4x16AVX2(p)
	case 5:
		tile5x16AVX2(p)
	case 6:
		switch {
		case t.bK == panelCols && t.aK == 1:
			tile6x16RowsAVX2(p)
		case t.bK == panelCols && t.aK == panelCols:
			tile6x16PanelsAVX2(p)
		default:
			tile6x16AVX2(p)
		}
	}
}

// addTo is y[i] += x[i] for i < n, a multiple of 16.
func addTo(y, x []float32, n int) {
	y, x = y[:n], x[:n]
	switch {
	case n == 0:
	case Level() == AVX512:
		addAVX512(&y[0], &x[0], n)
	case Level() == AVX2:
		addAVX2(&y[0], &x[0], n)
	default:
		addGeneric(y, x)
	}
}

// transpose8 is dst[j*dstStride+i] = src[i*srcStride+j] for i < 8, j < n, a multiple of 8.
func transpose8(dst, src []float32, dstStride, srcStride, n int) {
	if n == 0 {
		return
	}
	_, _ = dst[(n-1)*dstStride+7], src[7*srcStride+n-1]
	if Level() == Generic {
		transposeGeneric(dst, src, dstStride, srcStride, 8, n)
		return
	}
	transpose8AVX2(&dst[0], &src[0], dstStride, srcStride, n/8)
}

// copyPanels is dst[p*distance+i*32+j] = src[i*stride+p*32+j] for p < panels, i < n, j < 32.
func copyPanels(dst, src []float32, n, stride, panels, distance int) {
	if n == 0 || panels == 0 {
		return
	}
	_, _ = dst[(panels-1)*distance+n*panelCols-1], src[(n-1)*stride+panels*panelCols-1]
	switch Level() {
	case AVX512:
		copyPanelsAVX512(&dst[0], &src[0], n, stride, panels, distance)
	case AVX2:
		copyPanelsAVX2(&dst[0], &src[0], n, stride, panels, distance)
	default:
		copyPanelsGeneric(dst, src, n, stride, panels, distance)
	}
}

// sumRows is dst[p*32+j] = (dst[p*32+j] if add) + sum of src[i*stride+p*distance+j] over i < n, for
// j < 32 and as many panels p as eight vectors fill.
func sumRows(dst, src []float32, n, stride, distance int, add bool) {
	cols := 8 * currentGeometry().lanes
	_, _ = dst[cols-1], src[(n-1)*stride+(cols/panelCols-1)*distance+panelCols-1]
	switch Level() {
	case AVX512:
		sumRowsAVX512(&dst[0], &src[0], n, stride, distance, add)
	case AVX2:
		sumRowsAVX2(&dst[0], &src[0], n, stride, distance, add)
	default:
		for p := range cols / panelCols {
			sumRowsGeneric(dst[p*panelCols:], src[p*distance:], n, stride, panelCols, add)
		}
	}
}

// partsTree is dst[r*32+j] = the tree of the sums of a[i*32+r]·b[i*32+j] over the counts[p] rows i of each part p, which
// follow each other, for r < m <= 32, j < 32.
func partsTree(dst, a, b []float32, counts *[ref.Parts]int, m int) {
	n := 0
	for _, c := range counts {
		n += c
	}
	if m == 0 || n == 0 || Level() == Generic {
		partsTreeGeneric(dst, a, b, counts, m)
		return
	}
	_, _, _ = dst[m*panelCols-1], a[(n-1)*panelCols+m-1], b[n*panelCols-1]
	if Level() == AVX512 {
		partsTreeAVX512(&dst[0], &a[0], &b[0], counts, m)
		return
	}
	for j := 0; j < panelCols; j += 16 {
		partsTreeAVX2(&dst[j], &a[0], &b[j], counts, m)
	}
}

// gramTile is the size of the tiles of AddGram.
func gramTile() (rows, cols int) {
	if Level() == AVX512 {
		return 8, 16
	}
	return 4, 8
}

// addGramTile is c[i,j] += Σ_r a[r,i]·b[r,j] for the i and j of a tile and n > 0 rows r, all d apart.
func addGramTile(c, a, b []float64, n, d int) {
	rows, cols := gramTile()
	_, _, _ = c[(rows-1)*d+cols-1], a[(n-1)*d+rows-1], b[(n-1)*d+cols-1]
	switch Level() {
	case AVX512:
		addGramTileAVX512(&c[0], &a[0], &b[0], n, d)
	case AVX2:
		addGramTileAVX2(&c[0], &a[0], &b[0], n, d)
	default:
		addGramTileGeneric(c, a, b, n, d, rows, cols)
	}
}
