//go:build !linux

package bench

// resetPeakMemory and peakMemory know nothing of memory here.
func resetPeakMemory() {}

func peakMemory() int64 { return 0 }
