package flow

import (
	"math"
	"slices"
	"testing"
)

// TestPositions: on a square grid the first half of a token's channels is that of its row and
// the second that of its column; no two places are alike, and every number is a sine or a
// cosine.
func TestPositions(t *testing.T) {
	for _, c := range []struct{ tokens, width int }{{64, 128}, {16, 8}, {9, 10}, {1, 8}, {6, 16}} {
		p := positions(c.tokens, c.width)
		if len(p) != c.tokens*c.width {
			t.Fatalf("%+v: %d numbers", c, len(p))
		}
		side, half := int(math.Sqrt(float64(c.tokens))), c.width/2
		square := side*side == c.tokens
		for i := range c.tokens {
			a := p[i*c.width : (i+1)*c.width]
			for j := range i {
				b := p[j*c.width : (j+1)*c.width]
				if slices.Equal(a, b) {
					t.Errorf("%+v: tokens %d and %d stand in one place", c, i, j)
				}
				if square && (slices.Equal(a[:half], b[:half]) != (i/side == j/side) || slices.Equal(a[half:], b[half:]) != (i%side == j%side)) {
					t.Errorf("%+v: rows and columns of tokens %d and %d are mixed up", c, i, j)
				}
			}
			for k := range half / 2 {
				if r := math.Hypot(float64(a[k]), float64(a[k+half/2])); math.Abs(r-1) > 1e-6 {
					t.Errorf("%+v: token %d, frequency %d: sin² + cos² = %v", c, i, k, r*r)
				}
			}
		}
	}
	// The first frequency is one radian a place.
	if p := positions(4, 8); p[0] != 0 || p[2] != 1 || math.Abs(float64(p[3*8])-math.Sin(1)) > 1e-7 || math.Abs(float64(p[3*8+6])-math.Cos(1)) > 1e-7 {
		t.Errorf("positions of a grid of 2 by 2: %v", p)
	}
}
