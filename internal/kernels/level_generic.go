//go:build !amd64 || noasm

package kernels

// supported is the best instruction set of this build.
func supported() ISA { return Generic }
