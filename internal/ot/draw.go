package ot

import "math"

// Draw returns a permutation that sends row i to column j with probability P_ij, so that the mean of all draws is the
// plan. u(k) is the k-th of as many independent uniform numbers in [0, 1) as are needed, fewer than n².
//
// The likeliest permutation would be of no use: Σ log P over the pairs differs from -Σ c/epsilon by the sum of all
// prices, the same for every permutation, so it is that of Assign whatever epsilon is. And columns drawn row by row
// would be taken twice.
//
// The method is dependent rounding (Gandhi, Khuller, Parthasarathy and Srinivasan 2006): pairs with 0 < P < 1 hold a
// cycle, row, column, row, …, and adding to every other of its pairs what is taken from those between leaves all sums
// as they are. It is done either way as far as one pair becomes 0 or 1, with odds that leave the mean as it is.
func (p *Plan) Draw(u func(k int) float64) []int {
	r := newRounding(p)
	drawn := 0
	for i := range p.N {
		for r.of[i] < 0 {
			if from := r.walk(i); from >= 0 {
				r.cancel(from, u(drawn))
				drawn++
			}
		}
	}
	return r.of
}

// nothing is what counts as 0 in a plan, and one less as 1. It is above what rounding makes of sums.
const nothing = 1e-9

// rounding is a plan on its way to a permutation.
type rounding struct {
	n     int
	p     []float64
	of    []int // the column of a row, or -1
	rowOf []int // the row of a column, or -1

	// Rows are the vertices 0 … n-1 and columns n … 2n-1 of a graph whose edges are the pairs that are open: neither 0
	// nor 1.
	edges [][]int32 // of a vertex; some are not open any more, and dropped when they are met
	path  []int     // of walk
	seen  []int     // where a vertex stands on it, or -1
}

func newRounding(p *Plan) *rounding {
	n := p.N
	r := &rounding{n: n, p: append([]float64(nil), p.P...), of: make([]int, n), rowOf: make([]int, n), edges: make([][]int32, 2*n), seen: make([]int, 2*n)}
	for i := range n {
		r.of[i], r.rowOf[i], r.seen[i], r.seen[n+i] = -1, -1, -1, -1
	}
	for i := range n {
		for j := range n {
			if r.settle(i, j); r.open(i, j) {
				r.edges[i] = append(r.edges[i], int32(n+j))
				r.edges[n+j] = append(r.edges[n+j], int32(i))
			}
		}
	}
	return r
}

// open says whether a pair is neither 0 nor 1.
func (r *rounding) open(i, j int) bool { return r.of[i] < 0 && r.rowOf[j] < 0 && r.p[i*r.n+j] > 0 }

// settle rounds a pair that is as good as 0 or 1.
func (r *rounding) settle(i, j int) {
	switch v := &r.p[i*r.n+j]; {
	case *v <= nothing:
		*v = 0
	case *v >= 1-nothing && r.open(i, j):
		r.of[i], r.rowOf[j] = j, i
	}
}

// pair is the pair of an edge between two vertices.
func (r *rounding) pair(v, w int) (i, j int) { return min(v, w), max(v, w) - r.n }

// next is a vertex other than one that shares an open pair with v, or -1.
func (r *rounding) next(v, except int) int {
	list, found := r.edges[v], -1
	for k := len(list) - 1; k >= 0 && found < 0; k-- {
		switch w := int(list[k]); {
		case !r.open(r.pair(v, w)):
			list[k] = list[len(list)-1]
			list = list[:len(list)-1]
		case w != except:
			found = w
		}
	}
	r.edges[v] = list
	return found
}

// walk goes from row to column to row along open pairs, until it meets itself: it returns where on the path the cycle
// begins. If it comes to an end first, then the pair that led there has all that is left of its last vertex: it is made,
// and there is no cycle, -1.
func (r *rounding) walk(row int) int {
	for _, v := range r.path {
		r.seen[v] = -1
	}
	r.path = r.path[:0]
	for v, last := row, -1; ; {
		r.seen[v] = len(r.path)
		r.path = append(r.path, v)
		w := r.next(v, last)
		switch {
		case w < 0 && last < 0:
			panic("ot: draw: a row of the plan has nothing left: sums are not one")
		case w < 0:
			i, j := r.pair(v, last)
			r.of[i], r.rowOf[j] = j, i
			return -1
		case r.seen[w] >= 0:
			return r.seen[w]
		}
		v, last = w, v
	}
}

// cancel changes the pairs of the cycle that the path ends in, those at even places by as much as those at odd ones
// the other way, until one is 0 or 1: up with probability down/(up + down), where up and down are as far as it can go.
func (r *rounding) cancel(from int, u float64) {
	cycle := r.path[from:]
	at := func(k int) (i, j int) { return r.pair(cycle[k], cycle[(k+1)%len(cycle)]) }
	up, down := math.Inf(1), math.Inf(1)
	for k := range cycle {
		i, j := at(k)
		if v := r.p[i*r.n+j]; k%2 == 0 {
			up, down = min(up, 1-v), min(down, v)
		} else {
			up, down = min(up, v), min(down, 1-v)
		}
	}
	by := up
	if u*(up+down) >= down {
		by = -down
	}
	for k := range cycle {
		i, j := at(k)
		r.p[i*r.n+j] += by
		by = -by
		r.settle(i, j)
	}
}
