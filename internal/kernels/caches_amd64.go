//go:build !noasm

package kernels

import "github.com/klauspost/cpuid/v2"

// firstCache is the size of a core's first-level cache of data in bytes, as the processor reports it.
func firstCache() int { return cpuid.CPU.Cache.L1D }

// secondCache is the size of a core's second-level cache in bytes, as the processor reports it.
func secondCache() int { return cpuid.CPU.Cache.L2 }
