//go:build noasm || !amd64

package kernels

// secondCache is 0: plain Go is too slow for it to matter.
func secondCache() int { return 0 }
