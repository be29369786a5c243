package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCopyPanels(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(14, 14))
		for _, c := range []struct{ n, panels int }{{1, 1}, {5, 1}, {7, 3}, {0, 2}, {3, 0}} {
			stride, distance := c.panels*panelCols+5, c.n*panelCols+3
			src := randomGuarded(rng, max(0, (c.n-1)*stride+c.panels*panelCols))
			dst := blankGuarded(max(0, (c.panels-1)*distance+c.n*panelCols))
			copyPanels(dst.v, src.v, c.n, stride, c.panels, distance)
			for p := range c.panels {
				for i := range c.n {
					sameBits(t, fmt.Sprint(c), dst.v[p*distance+i*panelCols:][:panelCols], src.v[i*stride+p*panelCols:][:panelCols])
				}
			}
			dst.check(t, "dst")
		}
	})
}

// TestSumRows: columns next to each other, and panels of them apart.
func TestSumRows(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(16, 16))
		cols := 8 * currentGeometry().lanes
		for _, n := range []int{1, 2, 33} {
			for _, apart := range []bool{false, true} {
				for _, add := range []bool{false, true} {
					stride, distance := cols+3, panelCols
					if apart {
						stride, distance = panelCols+1, n*(panelCols+1)+5
					}
					src := randomGuarded(rng, (n-1)*stride+(cols/panelCols-1)*distance+panelCols)
					dst := randomGuarded(rng, cols)
					want := float64s(dst.v)
					for j := range want {
						if !add {
							want[j] = 0
						}
						for i := range n {
							want[j] += float64(src.v[i*stride+j/panelCols*distance+j%panelCols])
						}
					}
					sumRows(dst.v, src.v, n, stride, distance, add)
					near(t, fmt.Sprint(n, apart, add), dst.v, want)
					dst.check(t, "dst")
				}
			}
		}
	})
}

// TestAddGram: xᵀ·x is added on and above the diagonal, exactly where numbers are small and whole, and the assembly levels
// give the same bits of others.
func TestAddGram(t *testing.T) {
	last := map[string][]float64{}
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(18, 18))
		for _, s := range []struct{ n, d int }{{0, 16}, {1, 16}, {3, 32}, {64, 48}, {257, 64}, {gramRows + 1, 16}} {
			for _, whole := range []bool{true, false} {
				x, c := make([]float64, s.n*s.d), make([]float64, s.d*s.d+1)
				for _, v := range [][]float64{x, c} {
					for i := range v {
						if v[i] = rng.NormFloat64(); whole {
							v[i] = float64(rng.IntN(201) - 100)
						}
					}
				}
				want := slices.Clone(c)
				for i := range s.d {
					for j := i; j < s.d; j++ {
						for r := range s.n {
							want[i*s.d+j] += x[r*s.d+i] * x[r*s.d+j]
						}
					}
				}
				AddGram(c[:s.d*s.d], x, s.d)
				if c[s.d*s.d] != want[s.d*s.d] {
					t.Errorf("%+v: wrote behind c", s)
				}
				tol := 0.
				if !whole {
					tol = float64(s.n+1) * 0x1p-53 * 10 * float64(s.n+1)
				}
				var upper []float64
				for i := range s.d {
					for j := i; j < s.d; j++ {
						upper = append(upper, c[i*s.d+j])
						if math.Abs(c[i*s.d+j]-want[i*s.d+j]) > tol {
							t.Fatalf("%+v: c[%d,%d] = %v, not %v", s, i, j, c[i*s.d+j], want[i*s.d+j])
						}
					}
				}
				key := fmt.Sprint(s, whole)
				if before, ok := last[key]; ok && Level() != Generic && !slices.Equal(upper, before) {
					t.Errorf("%+v: %v gives other bits than the level before", s, Level())
				}
				if Level() != Generic {
					last[key] = upper
				}
			}
		}
	})
}

// TestProductsDoNotAllocate: a training step makes no garbage.
func TestProductsDoNotAllocate(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 17))
		for _, l := range layers(2) {
			x, w, b, dy := normals(rng, 2*l.x), normals(rng, l.w), normals(rng, l.out), normals(rng, 2*l.y)
			y, dx, dw, db := make([]float32, 2*l.y), make([]float32, 2*l.x), make([]float32, l.w), make([]float32, l.out)
			calls, scratch := l.with(2), make([]float32, 1<<20)
			run := func(n, _ int, run func([]float32, int, int)) { run(scratch, 0, n) }
			if n := testing.AllocsPerRun(2, func() {
				calls.forward(run, y, x, w, b)
				calls.gradInput(run, dx, dy, w)
				calls.gradWeight(run, dw, db, dy, x)
			}); n > 3 { // the three closures of the test itself
				t.Errorf("%s: %v allocations", l.name, n)
			}
		}
	})
}
