package kernels

// Weights are packed into panels: for 32 columns of B, k rows of 32 floats.
//
//	panel[p][k·32 + j] = B[k, 32p + j], zero beyond the last column

// panels is the number of panels of n columns.
func panels(n int) int { return (n + panelCols - 1) / panelCols }

// PanelPiece is how many work items a call of a convolution with n channels should have at least: those of all panels,
// which share what is copied or transformed of an image.
func PanelPiece(n int) int { return panels(n) }

// packRows packs columns [j, j+cols) of k rows that lie row after row at a stride.
func packRows(dst, src []float32, k, stride, j, cols int) {
	if cols == panelCols {
		copyPanels(dst, src[j:], k, stride, 1, 0)
		return
	}
	for p := range k {
		row := dst[p*panelCols : (p+1)*panelCols]
		clear(row[copy(row, src[p*stride+j:p*stride+j+cols]):])
	}
}

// packColumns packs cols columns that lie column after column: column j, of length k, is
// src[j*stride : j*stride+k].
func packColumns(dst, src []float32, k, stride, cols int) {
	transpose(dst, src, panelCols, stride, cols, k)
	if cols < panelCols {
		for p := range k {
			clear(dst[p*panelCols+cols : (p+1)*panelCols])
		}
	}
}

// transpose is dst[j*dstStride+i] = src[i*srcStride+j] for i < m, j < n.
func transpose(dst, src []float32, dstStride, srcStride, m, n int) {
	n8 := n &^ 7
	i := 0
	for ; i+8 <= m; i += 8 {
		transpose8(dst[i:], src[i*srcStride:], dstStride, srcStride, n8)
	}
	if n8 < n && i > 0 {
		transposeGeneric(dst[n8*dstStride:], src[n8:], dstStride, srcStride, i, n-n8)
	}
	if i < m {
		transposeGeneric(dst[i:], src[i*srcStride:], dstStride, srcStride, m-i, n)
	}
}

// transposeGeneric is transpose in plain Go.
func transposeGeneric(dst, src []float32, dstStride, srcStride, m, n int) {
	for i := range m {
		for j, v := range src[i*srcStride : i*srcStride+n] {
			dst[j*dstStride+i] = v
		}
	}
}

// addGeneric is y[i] += x[i].
func addGeneric(y, x []float32) {
	for i, v := range x {
		y[i] += v
	}
}

// copyPanelsGeneric is copyPanels in plain Go.
func copyPanelsGeneric(dst, src []float32, n, stride, panels, distance int) {
	for p := range panels {
		for i := range n {
			*(*[panelCols]float32)(dst[p*distance+i*panelCols:]) = *(*[panelCols]float32)(src[i*stride+p*panelCols:])
		}
	}
}

// sumRowsGeneric is sumRows in plain Go, for cols columns next to each other.
func sumRowsGeneric(dst, src []float32, n, stride, cols int, add bool) {
	for j := range cols {
		var sum float32
		for i := range n {
			sum += src[i*stride+j]
		}
		if add {
			sum = dst[j] + sum
		}
		dst[j] = sum
	}
}
