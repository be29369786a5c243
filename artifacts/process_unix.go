//go:build unix

package artifacts

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// processState says whether a process of this machine lives and, where /proc tells
// (Linux), when it started. A zombie is dead: it holds nothing any more.
func processState(pid int) (start string, c condition) {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return "", dead
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", alive
	}
	// pid (name) state …: the name may hold anything; the start is the 22nd field.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", alive
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", dead
	}
	return fields[19], alive
}
