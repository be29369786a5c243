package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"lfm/internal/kernels/ref"
)

// TestTileOffsets holds the struct to the offsets in asm/gemm/tile.go.
func TestTileOffsets(t *testing.T) {
	var v tile
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"a", unsafe.Offsetof(v.a), 0},
		{"b", unsafe.Offsetof(v.b), 24},
		{"c", unsafe.Offsetof(v.c), 48},
		{"bias", unsafe.Offsetof(v.bias), 72},
		{"a0", unsafe.Offsetof(v.a0), 96},
		{"c0", unsafe.Offsetof(v.c0), 120},
		{"b0", unsafe.Offsetof(v.b0), 144},
		{"aRow", unsafe.Offsetof(v.aRow), 152},
		{"aK", unsafe.Offsetof(v.aK), 160},
		{"bK", unsafe.Offsetof(v.bK), 168},
		{"cRow", unsafe.Offsetof(v.cRow), 176},
		{"k", unsafe.Offsetof(v.k), 184},
		{"n1", unsafe.Offsetof(v.n1), 192},
		{"n2", unsafe.Offsetof(v.n2), 200},
		{"cols", unsafe.Offsetof(v.cols), 208},
		{"add", unsafe.Offsetof(v.add), 216},
		{"endA1", unsafe.Offsetof(v.endA1), 224},
		{"endB1", unsafe.Offsetof(v.endB1), 232},
		{"endA2", unsafe.Offsetof(v.endA2), 240},
		{"endB2", unsafe.Offsetof(v.endB2), 248},
	} {
		if unsafe.Sizeof(uintptr(0)) == 8 && f.got != f.want {
			t.Errorf("%s is at %d, the assembly reads it at %d", f.name, f.got, f.want)
		}
	}
}

// TestTile compares every tile kernel, each number of rows and of columns, with a summed index
// of three levels, a bias and a sum that goes on, against the plain loop in float64.
func TestTile(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		g := newTile().g
		for rows := 1; rows <= g.rows; rows++ {
			for cols := 1; cols <= g.cols(); cols++ {
				const k, n1, n2 = 3, 2, 4
				ti := newTile()
				ti.k, ti.n1, ti.n2, ti.cols = k, n1, n2, cols
				ti.aK, ti.aRow, ti.aStep1, ti.aStep2 = 2, 7, 91, 190
				ti.bK, ti.bStep1, ti.bStep2 = 33, 101, 205
				ti.cRow = cols + 3
				ti.a0 = [3]int{1, 41, 75}
				ti.c0 = [3]int{1, 4*ti.cRow + 5, 9 * ti.cRow}
				last := rows - 1
				a := randomGuarded(rng, ti.a0[last/g.group]+last%g.group*7+2*2+91+3*190+1)
				wide := g.lanes
				if cols > wide {
					wide *= 2
				}
				b := randomGuarded(rng, 5+2*33+101+3*205+wide)
				ti.b0 = 5
				c := randomGuarded(rng, ti.c0[last/g.group]+last%g.group*ti.cRow+cols)
				bias := randomGuarded(rng, cols)
				want := float64s(c.v)
				ti.add = rows & 1
				if cols&1 == 1 {
					ti.bias = bias.v
				}
				for r := range rows {
					for j := range cols {
						sum := 0.0
						for i2 := range n2 {
							for i1 := range n1 {
								for i := range k {
									sum += float64(a.v[ti.a0[r/g.group]+r%g.group*7+i*2+i1*91+i2*190]) * float64(b.v[5+i*33+i1*101+i2*205+j])
								}
							}
						}
						w := &want[ti.c0[r/g.group]+r%g.group*ti.cRow+j]
						if ti.add == 0 {
							*w = 0
						}
						*w += sum
						if ti.bias != nil {
							*w += float64(bias.v[j])
						}
					}
				}
				ti.a, ti.b, ti.c = a.v, b.v, c.v
				ti.run(rows)
				near(t, fmt.Sprintf("%dx%d", rows, cols), c.v, want)
				c.check(t, "c")
			}
		}
	})
}

// TestTileChecks: what would leave a slice panics.
func TestTileChecks(t *testing.T) {
	v := make([]float32, 64)
	whole := tile{a: v[:4], b: v, c: v[:32], k: 4, n1: 1, n2: 1, cols: 16, aK: 1, bK: 16, g: geometry{12, 4, 16}}
	whole.run(1)
	for name, spoil := range map[string]func(*tile){
		shortA: func(t *tile) { t.a = t.a[:3] },
		shortB: func(t *tile) { t.b = t.b[:63] },
		shortC: func(t *tile) { t.c = t.c[:15] },
	} {
		func() {
			defer func() {
				if got := recover(); got != name {
					t.Errorf("panic %v, want %v", got, name)
				}
			}()
			bad := whole
			spoil(&bad)
			bad.run(1)
		}()
	}
}

func TestGemm(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(2, 2))
		for _, s := range []GemmShape{
			{M: 1, N: 1, K: 1}, {M: 3, N: 5, K: 7}, {M: 13, N: 33, K: 31}, {M: 12, N: 32, K: 64}, {M: 25, N: 16, K: 9},
			{M: 64, N: 64, K: 64}, {M: 64, N: 8, K: 64}, {M: 8, N: 64, K: 64}, {M: 7, N: 70, K: 600}, {M: 5, N: 4, K: 0},
		} {
			for bits := range 8 {
				s.TransA, s.TransB, s.Accumulate = bits&1 != 0, bits&2 != 0, bits&4 != 0
				s.LDA, s.LDB, s.LDC = s.K+3, s.N+1, s.N+2
				rowsA, rowsB, wa, wb := s.M, s.K, s.K, s.N
				if s.TransA {
					s.LDA, rowsA, wa = s.M+3, s.K, s.M
				}
				if s.TransB {
					s.LDB, rowsB, wb = s.K+1, s.N, s.K
				}
				a := randomGuarded(rng, max(0, (rowsA-1)*s.LDA+wa))
				b := randomGuarded(rng, max(0, (rowsB-1)*s.LDB+wb))
				c := randomGuarded(rng, (s.M-1)*s.LDC+s.N)
				want := float64s(c.v)
				product := make([]float64, s.M*s.N)
				ref.MatMul(product, dense(a.v, rowsA, wa, s.LDA), dense(b.v, rowsB, wb, s.LDB), s.M, s.N, s.K, s.TransA, s.TransB)
				for i := range s.M {
					for j := range s.N {
						if !s.Accumulate {
							want[i*s.LDC+j] = 0
						}
						want[i*s.LDC+j] += product[i*s.N+j]
					}
				}
				scratch := blankGuarded(GemmScratch(s))
				Gemm(c.v, a.v, b.v, s, scratch.v)
				near(t, fmt.Sprintf("%+v", s), c.v, want)
				c.check(t, "c")
				scratch.check(t, "scratch")
			}
		}
	})
}

// dense is rows of width floats at a stride, put end to end, in float64.
func dense(v []float32, rows, width, stride int) []float64 {
	var d []float64
	for i := range rows {
		d = append(d, float64s(v[i*stride:i*stride+width])...)
	}
	return d
}

func TestTranspose(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 3))
		for _, s := range [][2]int{{1, 1}, {8, 8}, {7, 9}, {17, 23}, {32, 64}, {9, 3}} {
			m, n := s[0], s[1]
			src, dst := randomGuarded(rng, (m-1)*(n+5)+n), blankGuarded((n-1)*(m+2)+m)
			transpose(dst.v, src.v, m+2, n+5, m, n)
			for i := range m {
				for j := range n {
					if dst.v[j*(m+2)+i] != src.v[i*(n+5)+j] {
						t.Fatalf("%dx%d: element %d, %d", m, n, i, j)
					}
				}
			}
			dst.check(t, "dst")
			for i, v := range dst.v {
				if i%(m+2) >= m && v != -12345 {
					t.Fatalf("%dx%d: written between rows", m, n)
				}
			}
		}
	})
}

func TestAddTo(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(4, 4))
		for _, n := range []int{0, 16, 48, 160} {
			x, y := randomGuarded(rng, n), randomGuarded(rng, n)
			want := float64s(y.v)
			for i := range want {
				want[i] += float64(x.v[i])
			}
			addTo(y.v, x.v, n)
			near(t, fmt.Sprint(n), y.v, want)
			y.check(t, "y")
		}
	})
}

// BenchmarkGemm multiplies the matrices of one attention head of the reference model.
func BenchmarkGemm(b *testing.B) {
	for bits := range 4 {
		s := GemmShape{M: 64, N: 64, K: 64, LDA: 256, LDB: 256, LDC: 256, TransA: bits&1 != 0, TransB: bits&2 != 0}
		x, y, z := ramp(64*256), ramp(64*256), ramp(64*256)
		scratch := make([]float32, GemmScratch(s))
		b.Run(fmt.Sprintf("transA=%v,transB=%v", s.TransA, s.TransB), func(b *testing.B) {
			measure(b, 2e-9*64*64*64, func() {
				Gemm(z, x, y, s, scratch)
			})
		})
	}
}

// ramp is n small different floats.
func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i%31-15) / 16
	}
	return v
}
