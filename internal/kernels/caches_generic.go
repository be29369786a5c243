//go:build noasm || !amd64

package kernels

// firstCache is 0: plain Go is too slow for it to matter.
func firstCache() int { return 0 }

// secondCache is 0: plain Go is too slow for it to matter.
func secondCache() int { return 0 }
