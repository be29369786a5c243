//go:build unix

package dataset

import (
	"os"
	"syscall"
)

// pipe puts a named pipe in the place of a file.
func pipe(path string) error {
	os.Remove(path)
	return syscall.Mkfifo(path, 0o644)
}
