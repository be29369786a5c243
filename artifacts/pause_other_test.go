//go:build !unix

package artifacts

import "testing"

func pause(t *testing.T, _ proc)  { t.Skip("no process can be stopped here") }
func resume(t *testing.T, _ proc) { t.Skip("no process can be stopped here") }
