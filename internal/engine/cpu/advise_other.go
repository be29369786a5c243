//go:build darwin || freebsd || netbsd || openbsd

package cpu

// adviseHuge does nothing where large pages are not asked for.
func adviseHuge([]byte) {}
