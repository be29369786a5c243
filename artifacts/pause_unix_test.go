//go:build unix

package artifacts

import (
	"syscall"
	"testing"
)

// pause stops a process where it stands.
func pause(t *testing.T, p proc) { signal(t, p, syscall.SIGSTOP) }

// resume lets it go on.
func resume(t *testing.T, p proc) { signal(t, p, syscall.SIGCONT) }

func signal(t *testing.T, p proc, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
