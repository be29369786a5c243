package ot

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"lfm/internal/rng"
)

var inf = math.Inf(1)

func matrix(c [][]float64) func(int, []float64) {
	return func(i int, row []float64) { copy(row, c[i]) }
}

func transposed(c [][]float64) [][]float64 {
	t := make([][]float64, len(c))
	for i := range t {
		t[i] = make([]float64, len(c))
		for j := range t {
			t[i][j] = c[j][i]
		}
	}
	return t
}

// prove holds pairs to what makes them optimal: a permutation, prices that no cost is below, and that pairs reach.
func prove(t *testing.T, c [][]float64, p Pairs) {
	t.Helper()
	n := len(c)
	sorted := slices.Sorted(slices.Values(p.Of))
	var largest, cost, prices float64
	for i := range n {
		if sorted[i] != i {
			t.Fatalf("not a permutation: %v", p.Of)
		}
		for _, v := range c[i] {
			if !math.IsInf(v, 1) {
				largest = max(largest, math.Abs(v))
			}
		}
	}
	tol := 1e-12 * largest * float64(n+1) // each price is a sum of at most n differences of costs
	for i := range n {
		for j := range n {
			if c[i][j]-p.Rows[i]-p.Columns[j] < -tol {
				t.Fatalf("the cost %v of (%d, %d) is below its prices %v + %v", c[i][j], i, j, p.Rows[i], p.Columns[j])
			}
		}
		cost += c[i][p.Of[i]]
		prices += p.Rows[i] + p.Columns[i]
	}
	if math.Abs(cost-p.Cost) > tol || math.Abs(cost-prices) > tol*float64(n) {
		t.Errorf("pairs cost %v, said is %v, proven %v", cost, p.Cost, prices)
	}
}

// TestScipy: the square cases of scipy's own tests of linear_sum_assignment, and their transposes.
func TestScipy(t *testing.T) {
	for _, c := range []struct {
		costs [][]float64
		want  []float64
	}{
		{[][]float64{{400, 150, 400}, {400, 450, 600}, {300, 225, 300}}, []float64{150, 400, 300}},
		{[][]float64{{10, 10, 8}, {9, 8, 1}, {9, 7, 4}}, []float64{10, 1, 7}},
		{[][]float64{{10, inf, inf}, {inf, inf, 1}, {inf, 7, inf}}, []float64{10, 1, 7}},
		{nil, nil},
	} {
		p, err := Assign(len(c.costs), matrix(c.costs))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			if got := c.costs[i][p.Of[i]]; got != want {
				t.Errorf("%v: row %d costs %v, want %v", c.costs, i, got, want)
			}
		}
		back, err := Assign(len(c.costs), matrix(transposed(c.costs)))
		if err != nil || back.Cost != p.Cost {
			t.Errorf("%v transposed: %v, %v, want %v", c.costs, back.Cost, err, p.Cost)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range [][][]float64{
		{{inf, inf}, {1, 2}},
		{{inf, 1}, {inf, 2}},
		{{1, inf, inf}, {1, inf, inf}, {1, 1, 1}}, // two rows want the one column
	} {
		if _, err := Assign(len(c), matrix(c)); !errors.Is(err, ErrInfeasible) {
			t.Errorf("%v: %v, want ErrInfeasible", c, err)
		}
	}
	for _, bad := range []float64{math.NaN(), -inf} {
		if _, err := Assign(2, matrix([][]float64{{1, 2}, {3, bad}})); err == nil || errors.Is(err, ErrInfeasible) {
			t.Errorf("a cost of %v: %v", bad, err)
		}
	}
}

// TestOptimal proves pairings of random, tied, constant, huge-range, degenerate and infinite costs by their prices.
func TestOptimal(t *testing.T) {
	s := rng.New(1, "test")
	kinds := map[string]func(i, j, n int, u float64) float64{
		"uniform":     func(i, j, n int, u float64) float64 { return u },
		"negative":    func(i, j, n int, u float64) float64 { return u - 5 },
		"tied":        func(i, j, n int, u float64) float64 { return math.Floor(u * 4) },
		"constant":    func(i, j, n int, u float64) float64 { return 3 },
		"huge range":  func(i, j, n int, u float64) float64 { return math.Exp(40 * (u - 0.5)) },
		"degenerate":  func(i, j, n int, u float64) float64 { return float64(i%3 + j%3) },
		"Machol-Wien": func(i, j, n int, u float64) float64 { return float64((i + 1) * (j + 1)) },
		"forbidden": func(i, j, n int, u float64) float64 {
			if u < 0.7 && i != j {
				return inf
			}
			return u
		},
		"one row's choice": func(i, j, n int, u float64) float64 { // row i may take the columns up to i + 1 alone
			if j > i+1 {
				return inf
			}
			return u
		},
		"huge and forbidden": func(i, j, n int, u float64) float64 {
			if u < 0.5 && i != j {
				return inf
			}
			return math.Exp(80 * (u - 0.5))
		},
		"tied and forbidden": func(i, j, n int, u float64) float64 {
			if u < 0.6 && (i+1)%n != j {
				return inf
			}
			return math.Floor(u * 3)
		},
		"rank one": func(i, j, n int, u float64) float64 { return -float64(i) * float64(j) }, // any two rows want one column; sorted rows pair up
	}
	for name, cost := range kinds {
		t.Run(name, func(t *testing.T) {
			for step, n := range []int{1, 2, 3, 7, 8, 40, 131} {
				c := make([][]float64, n)
				for i := range c {
					c[i] = make([]float64, n)
					for j := range c[i] {
						c[i][j] = cost(i, j, n, s.Float64(uint64(step), uint64(i*n+j)))
					}
				}
				p, err := Assign(n, matrix(c))
				if err != nil {
					t.Fatalf("n = %d: %v", n, err)
				}
				prove(t, c, p)
				prove(t, c, byAuction(t, n, matrix(c)))
				known := map[string]int{"Machol-Wien": n * (n + 1) * (n + 2) / 6, "rank one": -(n - 1) * n * (2*n - 1) / 6, "constant": 3 * n}
				if want, ok := known[name]; ok && p.Cost != float64(want) {
					t.Errorf("n = %d: cost %v, want %v", n, p.Cost, want)
				}
			}
		})
	}
}

// byAuction is Assign where prices come from an auction, however few rows are left over without.
func byAuction(t *testing.T, n int, costs func(int, []float64)) Pairs {
	t.Helper()
	a := newAssignment(n, costs)
	if err := a.reduceColumns(); err != nil {
		t.Fatal(err)
	}
	a.auction()
	if free := a.unpaired(); free != n {
		t.Errorf("an auction leaves %d pairs, which need not be the cheapest", n-free)
	}
	a.reduceRows(0)
	if err := a.augmentAll(); err != nil {
		t.Fatal(err)
	}
	return a.pairs()
}

// TestLine: on a line, and squared distances, the sorted pair up.
func TestLine(t *testing.T) {
	const n = 60
	x, y := make([]float32, n), make([]float32, n)
	s := rng.New(2, "test")
	s.Normal(x, 0, 0)
	s.Normal(y, 0, 1)
	p, err := Assign(n, func(i int, row []float64) {
		for j := range row {
			e := float64(x[i]) - float64(y[j])
			row[j] = e * e
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(x)
	slices.Sort(y)
	var want float64
	for i := range x {
		e := float64(x[i]) - float64(y[i])
		want += e * e
	}
	if math.Abs(p.Cost-want) > 1e-12*n {
		t.Errorf("cost %v, want %v", p.Cost, want)
	}
}

// TestExponential: independent exponential costs have the mean Σ 1/k² (Aldous 2001; Nair, Prabhakar, Sharma 2005) and the
// variance 5 Σ 1/k⁴ - 2 (Σ 1/k²)² - 4/(n+1) Σ 1/k³ (Wästlund 2005), k from 1 to n.
func TestExponential(t *testing.T) {
	s := rng.New(3, "test")
	for _, c := range []struct{ n, runs int }{{1, 1000}, {10, 4000}, {100, 50}, {1000, 2}} {
		var mean float64
		for r := range c.runs {
			p, err := Assign(c.n, hold(c.n, func(i int, row []float64) {
				for j := range row {
					row[j] = -math.Log1p(-s.Float64(uint64(r), uint64(i*c.n+j)))
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
			mean += p.Cost / float64(c.runs)
		}
		var sum [5]float64 // of 1/k to each power
		for k := range c.n {
			for power := range sum {
				sum[power] += math.Pow(float64(k+1), -float64(power))
			}
		}
		variance := 5*sum[4] - 2*sum[2]*sum[2] - 4/float64(c.n+1)*sum[3]
		if e := math.Sqrt(variance / float64(c.runs)); math.Abs(mean-sum[2]) > 4*e {
			t.Errorf("n = %d: mean %v, want %v ± %v", c.n, mean, sum[2], e)
		}
	}
}

// TestBruteForce: of all pairings of a few rows none costs less than Assign's, nor, with costs negated, more; prices prove
// it. Where all of them hold a pair that is forbidden, that is said.
func TestBruteForce(t *testing.T) {
	for name, cost := range map[string]func(u float64) float64{
		"tied": func(u float64) float64 { return math.Floor(u * 4) },
		"real": func(u float64) float64 { return u - 0.3 },
		"forbidden": func(u float64) float64 {
			if u < 0.5 {
				return inf
			}
			return math.Floor(u * 8)
		},
	} {
		for draw := range uint64(140) {
			n := 1 + int(draw%7)
			for _, sign := range []float64{1, -1} {
				c := make([][]float64, n)
				for i := range c {
					c[i] = make([]float64, n)
					for j := range c[i] {
						if c[i][j] = cost(mixed(draw<<32 + uint64(i*n+j))); c[i][j] < inf {
							c[i][j] *= sign
						}
					}
				}
				p, err := Assign(n, matrix(c))
				want := cheapest(c, 0, make([]bool, n))
				if math.IsInf(want, 1) != errors.Is(err, ErrInfeasible) {
					t.Fatalf("%s %v: %v, and the cheapest of all costs %v", name, c, err, want)
				}
				if err != nil {
					continue
				}
				if prove(t, c, p); !within(p.Cost, want, 1e-14) { // reals add up in another order; whole numbers are exact
					t.Fatalf("%s %v: cost %v, want %v", name, c, p.Cost, want)
				}
			}
		}
	}
}

// cheapest is the least cost of all pairings of rows from the i-th on with columns that are not taken.
func cheapest(c [][]float64, i int, taken []bool) float64 {
	if i == len(c) {
		return 0
	}
	least := inf
	for j := range c {
		if !taken[j] {
			taken[j] = true
			least = min(least, c[i][j]+cheapest(c, i+1, taken))
			taken[j] = false
		}
	}
	return least
}

// TestLargest: costs times a power of two, up to the largest that Assign allows, have the same pairs and prices times it.
func TestLargest(t *testing.T) {
	for _, n := range []int{1, 2, 7, 40, 131} {
		for name, cost := range map[string]func(u float64) float64{
			"uniform": func(u float64) float64 { return 2*u - 1 },
			"tied":    func(u float64) float64 { return math.Floor(4*u)/2 - 1 },
			"forbidden": func(u float64) float64 {
				if u < 0.6 {
					return inf
				}
				return u
			},
		} {
			scaled := func(power int) (Pairs, error) {
				return Assign(n, func(i int, row []float64) {
					for j := range row {
						u := mixed(uint64(i*n + j))
						if i == j {
							u = 0.9
						}
						row[j] = math.Ldexp(cost(u), power)
					}
				})
			}
			power := math.Ilogb(math.MaxFloat64 / float64(1000*n))
			want, err1 := scaled(0)
			got, err2 := scaled(power)
			if err1 != nil || err2 != nil || !slices.Equal(got.Of, want.Of) || got.Cost != math.Ldexp(want.Cost, power) {
				t.Errorf("%s, n = %d: cost %v, want %v times 2^%d (%v, %v)", name, n, got.Cost, want.Cost, power, err1, err2)
			}
			for j, price := range want.Columns {
				if got.Columns[j] != math.Ldexp(price, power) {
					t.Fatalf("%s, n = %d: column %d has the price %v, want %v times 2^%d", name, n, j, got.Columns[j], price, power)
				}
			}
		}
	}
}

// TestLists: while prices fall, the two columns that a row chooses from its list are the cheapest two of all after prices,
// of those that cost the same the first; a column that is forbidden is not chosen.
func TestLists(t *testing.T) {
	for _, n := range []int{1, 2, 3, listed, listed + 1, 100} {
		costs := make([]float64, n)
		for j := range costs {
			costs[j] = math.Floor(40 * mixed(uint64(j)))
			if j%7 == 6 {
				costs[j] = math.Inf(1)
			}
		}
		a := newAssignment(n, func(_ int, row []float64) { copy(row, costs) })
		asked := 0
		fill := a.fill
		a.fill = func(i int, row []float64) { asked++; fill(i, row) }
		order := all(n)
		after := func(j int) float64 { return costs[j] - a.price[j] }
		const rounds = 1000
		for round := range rounds {
			slices.SortFunc(order, func(i, j int) int { return cmp.Or(cmp.Compare(after(i), after(j)), i-j) })
			first, second, least, next := a.choose(0)
			for k, got := range []int{first, second} {
				column, cost := -1, inf
				if k < n && after(order[k]) < inf {
					column, cost = order[k], after(order[k])
				}
				if at := []float64{least, next}[k]; got != column || at != cost {
					t.Fatalf("n = %d, round %d, choice %d: column %d at %v, want %d at %v", n, round, k, got, at, column, cost)
				}
			}
			a.price[max(0, first)] -= math.Floor(4 * mixed(uint64(1000+round)))
			a.price[int(mixed(uint64(9000+round))*float64(n))] -= 1
		}
		if n > listed+1 && asked > rounds/3 {
			t.Errorf("n = %d: all costs were asked for %d times in %d rounds", n, asked, rounds)
		}
	}
}

// TestListsPairs: with many ties, by which pairings of one cost are many, the pairs are those that come out without lists.
func TestListsPairs(t *testing.T) {
	for _, n := range []int{2, listed + 1, 40, 100} {
		for seed := range uint64(20) {
			costs := func(i int, row []float64) {
				for j := range row {
					row[j] = math.Floor(4 * mixed(seed<<32+uint64(i*n+j)))
				}
			}
			p, err := Assign(n, costs)
			if want := plainly(t, n, costs); err != nil || !slices.Equal(p.Of, want.Of) {
				t.Errorf("n = %d, seed %d: %v (%v), want %v", n, seed, p.Of, err, want.Of)
			}
		}
	}
}

// plainly is Assign of finite costs where the list of each row holds all columns, so that every choice goes over all.
func plainly(t *testing.T, n int, costs func(int, []float64)) Pairs {
	t.Helper()
	a := newAssignment(n, costs)
	for i := range a.lists {
		a.lists[i] = list{columns: all(n), costs: slices.Clone(a.costs(i)), others: inf}
	}
	p, err := a.solve()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range a.lists {
		if len(l.columns) != n {
			t.Fatalf("the list of row %d was made anew, of %d columns", i, len(l.columns))
		}
	}
	return p
}

// all are the numbers of n columns in order.
func all(n int) []int {
	columns := make([]int, n)
	for j := range columns {
		columns[j] = j
	}
	return columns
}

// BenchmarkAssign pairs rows of uniform costs, and points of a square with points of one four times as wide, whose pairs
// are many. testdata/time.py times scipy on the same matrices.
func BenchmarkAssign(b *testing.B) {
	for _, n := range []int{256, 1024} {
		c := make([]float64, n*n)
		for i := range c {
			c[i] = mixed(uint64(i))
		}
		p := Points{X: make([]float32, 2*n), Y: make([]float32, 2*n), D: 2}
		for i := range p.X {
			p.X[i], p.Y[i] = float32(mixed(uint64(i))), float32(4*mixed(uint64(2*n+i)))
		}
		for name, costs := range map[string]func(int, []float64){
			"uniform": func(i int, row []float64) { copy(row, c[i*n:]) },
			"plane":   hold(n, p.Costs),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					if _, err := Assign(n, costs); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// mixed is a uniform number in [0, 1) that a script can make too: the finalizer of SplitMix64.
func mixed(i uint64) float64 {
	z := (i + 1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) * 0x1p-53
}
