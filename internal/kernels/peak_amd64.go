//go:build !noasm

package kernels

// peakRound does about n rounds of 16 multiply-adds and returns the operations done.
func peakRound(n int) (flops float64) {
	switch Level() {
	case AVX512:
		peakAVX512(n)
		return float64(n) * 16 * 16 * 2
	case AVX2:
		peakAVX2(n)
		return float64(n) * 16 * 8 * 2
	}
	return peakGeneric(n)
}
