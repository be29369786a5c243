package kernels

import "testing"

// atEachLevel runs a test at every instruction set that is available here.
func atEachLevel(t *testing.T, f func(t *testing.T)) {
	for _, l := range Levels() {
		t.Run(l.String(), func(t *testing.T) {
			before := SetLevel(l)
			defer SetLevel(before)
			f(t)
		})
	}
}

func TestChooseLevel(t *testing.T) {
	for _, c := range []struct {
		wish string
		best ISA
		want ISA
		note bool
	}{
		{"", AVX512, AVX512, false},
		{"", Generic, Generic, false},
		{"generic", AVX512, Generic, false},
		{"avx2", AVX512, AVX2, false},
		{"avx512", AVX2, AVX2, true},
		{"sse", AVX2, AVX2, true},
	} {
		got, note := chooseLevel(c.wish, c.best)
		if got != c.want || (note != "") != c.note {
			t.Errorf("LFM_CPU=%q on %v: %v, %q", c.wish, c.best, got, note)
		}
	}
}

func TestPeak(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		p := Peak()
		t.Logf("%.1f GFLOP/s", p)
		if p <= 0 {
			t.Errorf("peak is %v", p)
		}
	})
}
