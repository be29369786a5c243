package ot

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Pairs is a pairing of n rows with n columns, with the prices that prove it: no cost of a row i and a column j is
// below Rows[i] + Columns[j], and that of a pair equals it, so no other pairing can cost less than the sum of all
// prices (linear programming duality).
type Pairs struct {
	Of            []int   // the column of each row
	Cost          float64 // the sum of the costs of all pairs
	Rows, Columns []float64
}

// ErrInfeasible is returned where infinite costs leave no pairing.
var ErrInfeasible = errors.New("ot: no pairing has a finite cost")

// Assign returns a pairing of n rows with n columns of the least cost. costs fills its slice with row i of the matrix
// of costs; +Inf forbids a pair, NaN and -Inf are errors. Rows are asked for again and again, so a matrix in memory is
// quick and one that is worked out on the fly small: the rest takes memory with n.
//
// The method is that of shortest augmenting paths with prices (Jonker and Volgenant 1987), in time with n³ at worst:
// rows are first paired greedily at the prices of the cheapest columns, or, where that leaves many over, at those of an
// auction, and each one left over takes the cheapest alternating path to a free column.
//
// Finite costs must be smaller than MaxFloat64/1000n, of either sign, lest prices overflow, which are sums of them: each
// of some 100n bids at most leaves a price no lower than the lowest was, less the range of costs and a little, and a path
// at the end takes away the costs of at most 4n pairs.
func Assign(n int, costs func(i int, row []float64)) (Pairs, error) {
	return newAssignment(n, costs).solve()
}

// assignment is a pairing in the making. At any time the price of every column is such that each row which has one
// has the cheapest after prices.
type assignment struct {
	n        int
	fill     func(i int, row []float64)
	row      []float64 // the row asked for last
	price    []float64 // of columns
	spread   float64   // of all finite costs
	columnOf []int     // of a row, or -1
	rowOf    []int     // of a column, or -1

	// of augment
	distance []float64
	from     []int // row before a column on the shortest path to it
	columns  []int // [0, done) settled, [done, near) at the least distance, the rest farther

	lists []list // of a row, what choose remembers
}

func newAssignment(n int, fill func(int, []float64)) *assignment {
	a := &assignment{n: n, fill: fill, row: make([]float64, n), price: make([]float64, n), columnOf: make([]int, n), rowOf: make([]int, n),
		distance: make([]float64, n), from: make([]int, n), columns: make([]int, n), lists: make([]list, n)}
	for i := range n {
		a.columnOf[i], a.rowOf[i] = -1, -1
	}
	return a
}

func (a *assignment) solve() (Pairs, error) {
	if err := a.reduceColumns(); err != nil {
		return Pairs{}, err
	}
	a.reduceRows(0)
	a.reduceRows(0) // twice is what Jonker and Volgenant found worth its time
	if a.unpaired() > a.n/32 {
		a.auction()
		a.reduceRows(0)
	}
	if err := a.augmentAll(); err != nil {
		return Pairs{}, err
	}
	return a.pairs(), nil
}

func (a *assignment) costs(i int) []float64 {
	a.fill(i, a.row)
	return a.row
}

// reduceColumns prices each column at its cheapest row, and pairs the two if both are free.
func (a *assignment) reduceColumns() error {
	cheapest := make([]int, a.n)
	low, high := math.Inf(1), math.Inf(-1)
	for j := range a.price {
		a.price[j] = math.Inf(1)
	}
	for i := range a.n {
		feasible := false
		for j, c := range a.costs(i) {
			if math.IsNaN(c) || math.IsInf(c, -1) {
				return fmt.Errorf("ot: the cost of row %d and column %d is %v", i, j, c)
			}
			if c < a.price[j] {
				a.price[j], cheapest[j] = c, i
			}
			if !math.IsInf(c, 1) {
				feasible, low, high = true, min(low, c), max(high, c)
			}
		}
		if !feasible {
			return ErrInfeasible
		}
	}
	a.spread = high - low
	for j := a.n - 1; j >= 0; j-- {
		if math.IsInf(a.price[j], 1) {
			return ErrInfeasible
		}
		if i := cheapest[j]; a.columnOf[i] < 0 {
			a.columnOf[i], a.rowOf[j] = j, i
		}
	}
	return nil
}

// bidsOfRow is how often a row takes a column in the mean before reduceRows gives up: where few columns are allowed
// prices might else fall for ever.
const bidsOfRow = 8

// reduceRows lets each free row take its cheapest column, and lowers that column's price by as much as the row gains
// over its second choice, and epsilon; a row that loses its column by that waits its turn for another. With epsilon = 0
// a row that gains nothing does not take another's column. With more, it may not have its cheapest column in the end, by
// epsilon: auction comes to pairs of all rows so.
func (a *assignment) reduceRows(epsilon float64) {
	queue, waiting := a.from, 0 // a ring: no more than n rows wait
	for i, j := range a.columnOf {
		if j < 0 {
			queue[waiting] = i
			waiting++
		}
	}
	bids := bidsOfRow * a.n
	for head := 0; waiting > 0 && bids > 0; bids-- {
		i := queue[head]
		head, waiting = (head+1)%a.n, waiting-1
		first, second, least, next := a.choose(i)
		if second < 0 || math.IsInf(next, 1) {
			continue // one choice only: augment looks after it
		}
		gains := least < next || epsilon > 0
		if gains {
			a.price[first] -= next - least + epsilon
		} else if a.rowOf[first] >= 0 {
			first = second // equal, and perhaps free
		}
		loser := a.rowOf[first]
		if loser >= 0 && !gains {
			continue
		}
		a.columnOf[i], a.rowOf[first] = first, i
		if loser >= 0 {
			a.columnOf[loser] = -1
			queue[(head+waiting)%a.n] = loser
			waiting++
		}
	}
}

// list is the columns that were cheapest for a row when it was made. Prices only fall, and with them nothing becomes
// cheaper, so for as long as two of the list cost less than any other did then, they are the two cheapest of all: a row
// bids again and again without going over all columns.
type list struct {
	columns []int     // in ascending order: of two that cost the same the first is taken
	costs   []float64 // before prices
	others  float64   // no other column costs less, after prices
}

const listed = 16

// choose returns the two cheapest columns of a row after prices, and what they cost: -1 and +Inf where there is none.
func (a *assignment) choose(i int) (first, second int, least, next float64) {
	l := &a.lists[i]
	if l.columns != nil {
		if first, second, least, next = l.choose(a.price); next < l.others {
			return first, second, least, next
		}
	}
	a.renew(i)
	return l.choose(a.price)
}

func (l *list) choose(price []float64) (first, second int, least, next float64) {
	first, second, least, next = -1, -1, math.Inf(1), math.Inf(1)
	for k, j := range l.columns {
		switch c := l.costs[k] - price[j]; {
		case c < least:
			second, next = first, least
			first, least = j, c
		case c < next:
			second, next = j, c
		}
	}
	return first, second, least, next
}

// renew makes the list of a row at the prices of now: the columns that cost least, and of two that cost the same the
// first. An old list tells where to stop: no column of it costs more than its dearest does now, and they are as many as
// the new one holds, so that a column which costs more than that need not be put in order.
func (a *assignment) renew(i int) {
	l := &a.lists[i]
	limit := math.Inf(1)
	if l.columns == nil {
		size := min(listed, a.n)
		l.columns, l.costs = make([]int, 0, size), make([]float64, 0, size)
	} else {
		dearest := math.Inf(-1)
		for k, j := range l.columns {
			dearest = max(dearest, l.costs[k]-a.price[j])
		}
		limit = math.Nextafter(dearest, math.Inf(1))
	}
	var columns [listed + 1]int // those that cost less than limit, the cheapest first, and what they cost
	var after [listed + 1]float64
	kept, costs := 0, a.costs(i)
	price := a.price[:len(costs)] // one check, not one a column
	for j, c := range costs {
		if c -= price[j]; c >= limit {
			continue
		}
		k := min(kept, listed)
		for ; k > 0 && after[k-1] > c; k-- {
			columns[k], after[k] = columns[k-1], after[k-1]
		}
		columns[k], after[k] = j, c
		if kept = min(kept+1, listed+1); kept > listed {
			limit = after[listed]
		}
	}
	l.columns, l.costs, l.others = append(l.columns[:0], columns[:min(kept, listed)]...), l.costs[:0], limit
	slices.Sort(l.columns)
	for _, j := range l.columns {
		l.costs = append(l.costs, costs[j])
	}
}

// auction brings prices near to those of the end where many rows want few columns, as points far from all others do:
// rows bid for columns in rounds (Bertsekas 1988), each with smaller steps epsilon, from a part of the range of costs to
// one that is less than what a row could still gain. Augmenting alone would go all the way for each row: 4,000 points in
// the plane, round eight centres and round one, take a tenth of the time so. It leaves prices, and no pairs.
func (a *assignment) auction() {
	epsilon := a.spread / 64
	for last := epsilon / float64(10*a.n); epsilon > last; epsilon /= 5 {
		a.release()
		a.reduceRows(epsilon)
	}
	a.release()
}

func (a *assignment) release() {
	for i := range a.n {
		a.columnOf[i], a.rowOf[i] = -1, -1
	}
}

func (a *assignment) unpaired() (free int) {
	for _, j := range a.columnOf {
		if j < 0 {
			free++
		}
	}
	return free
}

// augmentAll pairs the rows that are left over.
func (a *assignment) augmentAll() error {
	for i, j := range a.columnOf {
		if j < 0 {
			if err := a.augment(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// augment pairs a free row: Dijkstra's search over columns, by costs after prices, to the nearest free one; then each
// row on the way moves on by one, and prices are set so that all stays cheapest.
func (a *assignment) augment(i int) error {
	for j := range a.columns {
		a.columns[j], a.from[j] = j, i
	}
	for j, c := range a.costs(i) {
		a.distance[j] = c - a.price[j]
	}
	done, near, free := 0, 0, -1
	var least float64
	for free < 0 {
		if near == done { // the next ring
			if near, least = a.nearest(done); math.IsInf(least, 1) {
				return ErrInfeasible
			}
			if free = a.freeIn(done, near); free >= 0 {
				break
			}
		}
		j := a.columns[done]
		done++
		near, free = a.relax(j, done, near, least)
	}
	for _, j := range a.columns[:done] {
		a.price[j] += a.distance[j] - least
	}
	for j := free; ; {
		r := a.from[j]
		a.rowOf[j] = r
		a.columnOf[r], j = j, a.columnOf[r]
		if r == i {
			return nil
		}
	}
}

// nearest moves the columns at the least distance to the front of those not settled.
func (a *assignment) nearest(done int) (near int, least float64) {
	near, least = done, math.Inf(1)
	for k := done; k < a.n; k++ {
		j := a.columns[k]
		switch d := a.distance[j]; {
		case d < least:
			near, least = done, d
			fallthrough
		case d == least:
			a.columns[k], a.columns[near] = a.columns[near], j
			near++
		}
	}
	return near, least
}

func (a *assignment) freeIn(from, to int) int {
	for _, j := range a.columns[from:to] {
		if a.rowOf[j] < 0 {
			return j
		}
	}
	return -1
}

// relax goes on from a settled column, through its row, to all that are not settled. It returns a free column if one
// is now at the least distance.
func (a *assignment) relax(j, done, near int, least float64) (int, int) {
	i := a.rowOf[j]
	costs := a.costs(i)
	slack := costs[j] - a.price[j] - least
	for k := near; k < a.n; k++ {
		to := a.columns[k]
		d := costs[to] - a.price[to] - slack
		if d >= a.distance[to] {
			continue
		}
		a.distance[to], a.from[to] = d, i
		if d <= least {
			a.distance[to] = least // rounding cannot make a path shorter than what it goes on from
			if a.rowOf[to] < 0 {
				return near, to
			}
			a.columns[k], a.columns[near] = a.columns[near], to
			near++
		}
	}
	return near, -1
}

func (a *assignment) pairs() Pairs {
	p := Pairs{Of: a.columnOf, Columns: a.price, Rows: make([]float64, a.n)}
	for i, j := range p.Of {
		c := a.costs(i)[j]
		p.Rows[i] = c - a.price[j]
		p.Cost += c
	}
	return p
}
