package disktest

import (
	"strings"
	"testing"

	"lfm/internal/disk"
)

// An Outcome is what became of work that met a fault.
type Outcome struct {
	Fault Fault
	Dir   string // where it worked
	Err   error  // that it returned
}

// Everywhere does work with every fault at every call that it makes, each time in a folder
// that prepare filled on the real disk, and lets check look at what is left. When the faults
// have gone through all calls, the power fails once more just behind the last one; work must
// have returned nil then.
func Everywhere(t *testing.T, prepare func(dir string) error, work func(fsys disk.FS, dir string) error, check func(t *testing.T, o Outcome)) {
	t.Helper()
	for _, fault := range Faults {
		for n, hit := 1, true; hit; n++ {
			dir := t.TempDir()
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			f := New(t.TempDir(), n, fault)
			o := Outcome{fault, dir, work(f, dir)}
			name := fault.String() + " at " + strings.ReplaceAll(f.Hit(), dir, "")
			if hit = f.Hit() != ""; !hit {
				if o.Err != nil {
					t.Fatalf("without a fault: %v", o.Err)
				}
				f.PowerLoss()
				o.Fault, name = PowerLoss, "power loss at the end"
			}
			f.Free()
			t.Run(name, func(t *testing.T) { check(t, o) })
		}
	}
}
