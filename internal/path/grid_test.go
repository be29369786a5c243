package path

import (
	"math"
	"testing"
)

// TestKarras: on every path the times run from exactly 1 down to exactly 0, and between them are the noise levels of the
// paper above the one at the end.
func TestKarras(t *testing.T) {
	for _, p := range paths {
		for _, n := range []int{1, 2, 5, 50} {
			g := Karras(p, 7, n)
			if len(g) != n+1 || g[0] != 1 || g[n] != 0 {
				t.Errorf("%s: %d steps run from %v to %v in %d times", p.Name(), n, g[0], g[len(g)-1], len(g))
			}
			for i := range n {
				if !(g[i] > g[i+1]) {
					t.Errorf("%s: %d steps: time %d is %v, the next %v", p.Name(), n, i, g[i], g[i+1])
				}
			}
		}
		end := p.At(0).B / p.At(0).A
		g := Karras(p, 7, 18)
		for i := 1; i < 18; i++ {
			s, m := float64(i)/17, p.At(g[i])
			want := math.Pow((1-s)*math.Pow(80, 1./7)+s*math.Pow(end+0.002, 1./7), 7)
			near(t, p.Name()+": level", m.B/m.A/want, 1, 1e-9)
		}
	}
	// Of 18 steps (Karras et al. 2022, Table 1) the second begins at level 57.59.
	m := Cosine.At(Karras(Cosine, 7, 18)[1])
	near(t, "the second level", m.B/m.A, 57.586, 1e-3)
}
