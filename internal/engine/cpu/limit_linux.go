package cpu

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// adviseHuge asks for large pages: an arena is walked from end to end many times a step.
// It is advice; a kernel without them changes nothing.
func adviseHuge(b []byte) { _ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) }

// systemMemory is what this process may use in bytes: the machine's memory, or the
// container's share of it. 0 is unknown.
func systemMemory() int64 {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) != nil {
		return 0
	}
	total := int64(info.Totalram) * int64(info.Unit)
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return total
	}
	if share, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
		return min(total, share)
	}
	return total // "max"
}
