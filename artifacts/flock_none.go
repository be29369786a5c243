//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package artifacts

// flockWorks is false where the standard library has no flock: leases serve.
func flockWorks(string) (bool, error) { return false, nil }

func tryFlock(string, []byte) (*hold, []byte, error) {
	panic("artifacts: no flock on this system")
}
