package train

import "testing"

// FuzzWindow: the running sums of a checkpoint are refused, or come back to the bit when they are written and read
// again.
func FuzzWindow(f *testing.F) {
	f.Add(window{steps: 3, skipped: 1, loss: 0.1, norm: 1e300, rate: 5e-324}.text())
	f.Add("1 2 NaN -Inf 0x1p-1074")
	f.Add("1 2 3")
	f.Add("99999999999999999999 0 0 0 0")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := parseWindow(text)
		if err != nil {
			return
		}
		if again, err := parseWindow(w.text()); err != nil || again.text() != w.text() {
			t.Fatalf("%q is %+v, then %+v (%v)", text, w, again, err)
		}
	})
}
