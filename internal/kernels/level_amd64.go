//go:build !noasm

package kernels

import "golang.org/x/sys/cpu"

// supported is the best instruction set of this processor (and of its operating system,
// which has to save the registers).
func supported() ISA {
	x := &cpu.X86
	switch avx2 := x.HasAVX2 && x.HasFMA && x.HasBMI2; {
	case avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL:
		return AVX512
	case avx2:
		return AVX2
	}
	return Generic
}
