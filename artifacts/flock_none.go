//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package artifacts

import "lfm/internal/disk"

// flockWorks is false where the standard library has no flock: leases serve.
func flockWorks(disk.FS, string) (bool, error) { return false, nil }

func tryFlock(disk.FS, string, []byte) (*hold, []byte, error) {
	panic("artifacts: no flock on this system")
}
