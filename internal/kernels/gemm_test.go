package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"lfm/internal/kernels/ref"
)

// TestCallOffsets holds the structs to the offsets in asm/gemm/tile.go.
func TestCallOffsets(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the assembly is for 64 bits")
	}
	var v call
	var s spot
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"a", unsafe.Offsetof(v.atA), 0},
		{"b", unsafe.Offsetof(v.atB), 8},
		{"c", unsafe.Offsetof(v.atC), 16},
		{"bias", unsafe.Offsetof(v.atBias), 24},
		{"first", unsafe.Offsetof(v.first), 32},
		{"count", unsafe.Offsetof(v.count), 40},
		{"aRow", unsafe.Offsetof(v.bytesARow), 48},
		{"aK", unsafe.Offsetof(v.bytesAK), 56},
		{"bK", unsafe.Offsetof(v.bytesBK), 64},
		{"cRow", unsafe.Offsetof(v.bytesCRow), 72},
		{"k", unsafe.Offsetof(v.times), 80},
		{"n1", unsafe.Offsetof(v.times1), 88},
		{"n2", unsafe.Offsetof(v.times2), 96},
		{"endA1", unsafe.Offsetof(v.endA1), 104},
		{"endB1", unsafe.Offsetof(v.endB1), 112},
		{"endA2", unsafe.Offsetof(v.endA2), 120},
		{"endB2", unsafe.Offsetof(v.endB2), 128},
		{"cols", unsafe.Offsetof(v.width), 136},
		{"add", unsafe.Offsetof(v.adds), 144},
		{"ahead", unsafe.Offsetof(v.ahead), 152},
		{"fetched", unsafe.Offsetof(v.fetched), 160},
		{"pace", unsafe.Offsetof(v.pace), 168},
		{"part", unsafe.Offsetof(v.part), 176},
		{"turn", unsafe.Offsetof(v.turn), 184},
		{"jump", unsafe.Offsetof(v.jump), 192},
		{"left1", unsafe.Offsetof(v.left1), 200},
		{"left2", unsafe.Offsetof(v.left2), 208},
		{"fetching", unsafe.Offsetof(v.fetching), 216},
		{"leftFetching", unsafe.Offsetof(v.leftFetching), 224},
		{"leftPlain", unsafe.Offsetof(v.leftPlain), 232},
		{"rowsC", unsafe.Offsetof(v.rowsC), 240},
		{"stack", unsafe.Offsetof(v.bytesStack), 336},
		{"spots", unsafe.Offsetof(v.spots), 344},
		{"spot.a", unsafe.Offsetof(s.a), 0},
		{"spot.c", unsafe.Offsetof(s.c), 24},
		{"spot", unsafe.Sizeof(s), 48},
	} {
		if f.got != f.want {
			t.Errorf("%s is at %d, the assembly reads it at %d", f.name, f.got, f.want)
		}
	}
}

// TestTile compares every tile kernel, each number of rows and of columns, also at the distances for
// which there are kernels of their own, with a summed index of three levels, groups of rows in odd
// places, a bias and a sum that goes on, against the plain loop in float64. One more full tile goes
// before the one with that number of rows.
func TestTile(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		g := currentGeometry()
		for i := range 6 * g.rows * g.cols() {
			rows, cols := i/6/g.cols()+1, i/6%g.cols()+1
			const n1, n2 = 2, 4
			d := []struct{ k, aK, bK int }{{3, 2, 33}, {5, 2, 33}, {3, 1, 32}, {4, 1, 32}, {5, 32, 32}, {6, 32, 32}}[i%6]
			k := d.k
			var ti tile
			ti.init()
			ti.k, ti.n1, ti.n2, ti.cols = k, n1, n2, cols
			ti.aK, ti.aRow, ti.aStep1, ti.aStep2 = d.aK, 7, 91, 190
			ti.bK, ti.bStep1, ti.bStep2 = d.bK, 101, 205
			ti.cRow = cols + 3
			ti.fetch(region{make([]float32, 100), 10, 5, 10}, 30)
			ti.m = g.rows + rows
			ti.spots[0] = spot{a: [3]int{1, 141, 75}, c: [3]int{1, 4*ti.cRow + 5, 9 * ti.cRow}}
			ti.spots[1] = spot{a: [3]int{0, 31, 65}, c: [3]int{14 * ti.cRow, 19*ti.cRow + 5, 25 * ti.cRow}}
			place := func(r int) (a, c int) {
				s := ti.spots[r/g.rows]
				r %= g.rows
				return s.a[r/g.group] + r%g.group*ti.aRow, s.c[r/g.group] + r%g.group*ti.cRow
			}
			lastA, lastC := 0, 0
			for r := range ti.m {
				a, c := place(r)
				lastA, lastC = max(lastA, a), max(lastC, c)
			}
			ti.lastA, ti.lastC = lastA, lastC
			a := randomGuarded(rng, lastA+(k-1)*d.aK+91+3*190+1)
			b := randomGuarded(rng, (k-1)*d.bK+101+3*205+ti.wide())
			ti.add = rows&1 == 1
			if ti.add {
				ti.more, ti.stack = rows/2%4, lastC+cols+3
			}
			c := randomGuarded(rng, lastC+cols+ti.more*ti.stack)
			bias := randomGuarded(rng, cols)
			want := float64s(c.v)
			if cols&1 == 1 {
				ti.bias = bias.v
			}
			for r := range ti.m {
				atA, atC := place(r)
				for j := range cols {
					sum := 0.0
					for i2 := range n2 {
						for i1 := range n1 {
							for i := range k {
								sum += float64(a.v[atA+i*d.aK+i1*91+i2*190]) * float64(b.v[i*d.bK+i1*101+i2*205+j])
							}
						}
					}
					w := &want[atC+j]
					if !ti.add {
						*w = 0
					}
					for d := range ti.more {
						*w += want[atC+j+(d+1)*ti.stack]
					}
					*w += sum
					if ti.bias != nil {
						*w += float64(bias.v[j])
					}
				}
			}
			ti.a, ti.b, ti.c = a.v, b.v, c.v
			ti.run()
			near(t, fmt.Sprintf("%dx%d %v", rows, cols, d), c.v, want)
			c.check(t, "c")
		}
	})
}

// TestTileRounds: largest tiles sum all rounds, those that fetch and those behind them, whether the change comes within
// a run of k or between two, and wherever the first round begins; what they fetch changes nothing.
func TestTileRounds(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		g := currentGeometry()
		for _, d := range []struct{ aRow, aK, bK int }{{310, 2, 33}, {150, 1, 32}, {1, 32, 32}} {
			for _, n := range []struct{ k, n1, n2 int }{{133, 1, 1}, {134, 1, 1}, {135, 1, 1}, {136, 1, 1}, {5, 1, 13}, {6, 13, 1}, {7, 3, 5}, {8, 2, 7}, {61, 2, 2}, {62, 2, 2}, {63, 2, 2}} {
				for _, r := range []region{{}, {make([]float32, 300), 10, 5, 30}, {make([]float32, 300), 1, 300, 0}} {
					var ti tile
					ti.init()
					ti.aRow, ti.aK, ti.aStep1, ti.aStep2 = d.aRow, d.aK, 3, 5
					ti.bK, ti.bStep1, ti.bStep2 = d.bK, 7, 11
					ti.k, ti.n1, ti.n2, ti.cols, ti.cRow = n.k, n.n1, n.n2, g.cols(), g.cols()
					m := 2 * g.rows
					ti.lay(m)
					ti.fetch(r, m/g.rows*n.k*n.n1*n.n2)
					a := randomGuarded(rng, (m-1)*d.aRow+(n.k-1)*d.aK+(n.n1-1)*3+(n.n2-1)*5+1)
					b := randomGuarded(rng, (n.k-1)*d.bK+(n.n1-1)*7+(n.n2-1)*11+g.cols())
					c := randomGuarded(rng, m*g.cols())
					want := make([]float64, len(c.v))
					for i := range want {
						row, col := i/g.cols(), i%g.cols()
						for i2 := range n.n2 {
							for i1 := range n.n1 {
								for k := range n.k {
									want[i] += float64(a.v[row*d.aRow+k*d.aK+i1*3+i2*5]) * float64(b.v[k*d.bK+i1*7+i2*11+col])
								}
							}
						}
					}
					ti.a, ti.b, ti.c = a.v, b.v, c.v
					ti.run()
					near(t, fmt.Sprint(d, n, r.rows), c.v, want)
					c.check(t, "c")
				}
			}
		}
	})
}

// TestFetch: what is fetched moves on by a row in as many rounds of four steps as there are for one, whether tiles fetch in
// all of their rounds or in some.
func TestFetch(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		if Level() == Generic {
			t.Skip("plain Go fetches nothing")
		}
		const tiles = 8
		g := currentGeometry()
		for _, k := range []int{16, 63, 256, 600} {
			for _, r := range []region{{rows: 200, width: 64, stride: 64 + 256}, {rows: 11, width: 256, stride: 300}, {rows: 7, width: 40, stride: 50}, {rows: 3, width: 16, stride: 1000}, {rows: 30, width: 20, stride: 20}} {
				r.v = make([]float32, r.rows*r.stride)
				var ti tile
				ti.init()
				ti.aRow, ti.aK, ti.bK = k, 1, panelCols
				ti.k, ti.cols, ti.cRow = k, g.cols(), g.cols()
				ti.lay(tiles * g.rows)
				ti.fetch(r, tiles*k)
				ti.a, ti.b, ti.c = make([]float32, tiles*g.rows*k), make([]float32, k*panelCols), make([]float32, tiles*g.rows*g.cols())
				ti.run()
				row := r.stride
				if r.stride == r.width {
					row *= r.rows
				}
				got, want := float64(ti.fetched)/float64(4*row), float64(tiles*divideUp(k, 4))/float64(ti.each)
				if math.Abs(got-want) > 1.5 {
					t.Errorf("k = %d, %d rows of %d: went over %.2f rows, want %.2f", k, r.rows, r.width, got, want)
				}
			}
		}
	})
}

// TestFarthestRows: each layout says where the farthest of its rows are, for that is what the bounds are checked by.
func TestFarthestRows(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		check := func(name string, ti *tile) {
			t.Helper()
			var lastA, lastC int
			for r := range ti.m {
				s, in := &ti.spots[r/ti.g.rows], r%ti.g.rows
				lastA = max(lastA, s.a[in/ti.g.group]+in%ti.g.group*ti.aRow)
				lastC = max(lastC, s.c[in/ti.g.group]+in%ti.g.group*ti.cRow)
			}
			if lastA != ti.lastA || lastC != ti.lastC {
				t.Errorf("%s, %d rows: farthest %d of A, %d of C, want %d, %d", name, ti.m, ti.lastA, ti.lastC, lastA, lastC)
			}
		}
		var ti tile
		ti.init()
		ti.aRow, ti.cRow = 7, 5
		for m := 1; m <= ti.g.maxRows(); m++ {
			ti.lay(m)
			check("lay", &ti)
		}
		ti.aRow, ti.cRow = 1, panelCols
		for m := 1; m <= gradRows; m++ {
			ti.layPanels(gradRows, m)
			check("layPanels", &ti)
		}
		for _, width := range []int{8, 16, 40} {
			s := ConvShape{N: 1, H: 6, W: width, Cin: 3, Cout: 5, Kernel: 3, Stride: 1}
			w := s.forward()
			ti.aRow, ti.cRow = w.step*w.joined*w.k, w.spread()*w.n
			places := w.dstW / w.spread() // whole groups: see runPhase
			for n := 1; n <= min(6*places, ti.g.maxRows()); n++ {
				w.place(&ti, n, places)
				check("place", &ti)
			}
		}
	})
}

// TestTileChecks: what would leave a slice panics.
func TestTileChecks(t *testing.T) {
	v := make([]float32, 64)
	good := func() *tile {
		ti := &tile{a: v[:4], b: v, c: v[:16], bias: v[:16], k: 4, cols: 16, aK: 1, bK: 16}
		ti.init()
		ti.g = geometry{12, 4, 16}
		ti.lay(1)
		return ti
	}
	good().check()
	for name, spoil := range map[string]func(*tile){
		shortA:    func(t *tile) { t.a = t.a[:3] },
		shortB:    func(t *tile) { t.b = t.b[:63] },
		shortC:    func(t *tile) { t.c = t.c[:15] },
		shortBias: func(t *tile) { t.bias = t.bias[:15] },
	} {
		func() {
			defer func() {
				if got := recover(); got != name {
					t.Errorf("panic %v, want %v", got, name)
				}
			}()
			bad := good()
			spoil(bad)
			bad.check()
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

func TestPartsTree(t *testing.T) {
	atEachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 5))
		for _, m := range []int{1, 5, 32} {
			for _, most := range []int{1, 2, 9} {
				var counts [ref.Parts]int
				n := 0
				for p := range counts {
					counts[p] = rng.IntN(most + 1)
					n += counts[p]
				}
				n = max(n, 1)
				a, b, dst := randomGuarded(rng, (n-1)*panelCols+m), randomGuarded(rng, n*panelCols), blankGuarded(m*panelCols)
				want := make([]float64, m*panelCols)
				for r := range m {
					for j := range panelCols {
						var sums [ref.Parts]float64
						i := 0
						for p, c := range counts {
							for range c {
								sums[p] += float64(a.v[i*panelCols+r]) * float64(b.v[i*panelCols+j])
								i++
							}
						}
						want[r*panelCols+j] = ref.Tree(&sums)
					}
				}
				partsTree(dst.v, a.v, b.v, &counts, m)
				near(t, fmt.Sprint(m, counts), dst.v, want)
				for _, g := range []guarded{a, b, dst} {
					g.check(t, "partsTree")
				}
			}
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
