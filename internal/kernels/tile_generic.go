//go:build !amd64 || noasm

package kernels

func (t *tile) kernel(rows int) { t.generic(rows) }

func addTo(y, x []float32, n int) { addGeneric(y[:n], x[:n]) }

func transpose8(dst, src []float32, dstStride, srcStride, n int) {
	transposeGeneric(dst, src, dstStride, srcStride, 8, n)
}
