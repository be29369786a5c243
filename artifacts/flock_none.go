//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package artifacts

// flockWorks is false where the standard library has no flock: leases serve.
func flockWorks(string) bool { return false }

func tryFlock(string, []byte) (func(), []byte, error) { panic("artifacts: no flock on this system") }
