//go:build !amd64 || noasm

package kernels

// peakRound does n rounds of 16 multiply-adds and returns the operations done.
func peakRound(n int) (flops float64) { return peakGeneric(n) }
