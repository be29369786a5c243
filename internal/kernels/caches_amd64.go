//go:build !noasm

package kernels

import "github.com/klauspost/cpuid/v2"

// secondCache is the size of a core's second-level cache in bytes, as the processor reports it.
func secondCache() int { return cpuid.CPU.Cache.L2 }
