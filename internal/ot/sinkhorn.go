package ot

import (
	"fmt"
	"math"
)

// Plan is a soft pairing of n rows with n columns: P[i n + j] is how much of row i goes to column j. Each row and each
// column of P sums to one, to rounding.
type Plan struct {
	N          int
	P          []float64
	Iterations int     // of Sinkhorn, at the last epsilon
	Error      float64 // largest difference of a row's sum from one when they ended
}

// When Sinkhorn stops: at an error of rows of tolerance, or, where epsilon is so small that this takes for ever, after
// so many iterations. Before, epsilon comes down from the largest cost by quarters, and each step but the last is left
// early, as it only prepares the next.
const (
	tolerance       = 1e-3
	iterations      = 2000
	roughTolerance  = 0.05
	roughIterations = 50
	descent         = 4
)

// finest is the least epsilon that is told from nought, in units of the largest cost: f + g - c is known to some 1e-16
// of that, and over a smaller epsilon the exponential function would make numbers of any size of the error.
const finest = 1e-12

// Sinkhorn returns the plan of least cost Σ P c + epsilon Σ P log P, where epsilon > 0 is in units of costs (Cuturi 2013).
// Towards epsilon = 0 it becomes the pairing of Assign; for a large one it is 1/n everywhere. costs is as in Assign, but
// all must be finite. Memory grows with n².
//
// The plan is P_ij = exp((f_i + g_j - c_ij)/epsilon), and f and g are found by setting the sums of rows and of columns
// right in turn, in logarithms, so that no epsilon is too small for the range of the exponential function; one too
// small for the precision of costs, 1e-12 of the largest, is taken as that. What is left of the error when it stops is
// taken away at the end (Altschuler, Weed and Rigollet 2017, algorithm 2): rows and columns that are too large are scaled
// down, and what is then missing is spread over them in proportion.
func Sinkhorn(n int, costs func(i int, row []float64), epsilon float64) (*Plan, error) {
	if !(epsilon > 0) {
		panic("ot: sinkhorn: epsilon must be positive")
	}
	s := &scaling{n: n, c: make([]float64, n*n), f: make([]float64, n), g: make([]float64, n), best: make([]float64, n), sum: make([]float64, n)}
	low, high := math.Inf(1), math.Inf(-1)
	for i := range n {
		row := s.c[i*n : (i+1)*n]
		costs(i, row)
		for j, c := range row {
			if math.IsNaN(c) || math.IsInf(c, 0) {
				return nil, fmt.Errorf("ot: the cost of row %d and column %d is %v, and a soft pairing needs finite ones", i, j, c)
			}
			low, high = min(low, c), max(high, c)
		}
	}
	epsilon = max(epsilon, finest*max(math.Abs(low), math.Abs(high)))
	for rough := (high - low) / descent; rough > epsilon*descent; rough /= descent {
		s.run(rough, roughTolerance, roughIterations)
	}
	p := &Plan{N: n, P: s.c}
	p.Iterations, p.Error = s.run(epsilon, tolerance, iterations)
	for i := range n {
		for j, c := range s.c[i*n : (i+1)*n] {
			p.P[i*n+j] = math.Exp((s.f[i] + s.g[j] - c) / epsilon)
		}
	}
	p.mend()
	return p, nil
}

// Sinkhorn is the function Sinkhorn for points, with epsilon in units of the mean cost of a pair, so that it means the
// same for points near and far.
func (p Points) Sinkhorn(epsilon float64) (*Plan, error) {
	mean := p.meanCost()
	if math.IsNaN(mean) || math.IsInf(mean, 0) {
		return nil, fmt.Errorf("ot: the mean distance of points is %v", mean)
	}
	return Sinkhorn(p.Len(), p.Costs, max(epsilon*mean, math.SmallestNonzeroFloat32)) // where all points are one, any will do
}

// scaling is a plan in the making: costs c and the prices f of rows and g of columns.
type scaling struct {
	n         int
	c, f, g   []float64
	best, sum []float64 // of columns
}

// run sets rows and columns right in turn until rows stay right.
func (s *scaling) run(epsilon, tolerance float64, most int) (done int, off float64) {
	for done = range most {
		if off = s.rows(epsilon); off <= tolerance && done > 0 {
			break
		}
		s.columns(epsilon)
	}
	return done, off
}

// rows sets f_i = -epsilon log Σ_j exp((g_j - c_ij)/epsilon), and returns how far the sums of rows were from one.
func (s *scaling) rows(epsilon float64) (off float64) {
	for i := range s.f {
		row, best := s.c[i*s.n:(i+1)*s.n], math.Inf(-1)
		for j, c := range row {
			best = max(best, s.g[j]-c)
		}
		var sum float64
		for j, c := range row {
			sum += math.Exp((s.g[j] - c - best) / epsilon)
		}
		f := -best - epsilon*math.Log(sum)
		off = max(off, math.Abs(math.Expm1((s.f[i]-f)/epsilon)))
		s.f[i] = f
	}
	return off
}

// columns sets g_j = -epsilon log Σ_i exp((f_i - c_ij)/epsilon), going through c in the order in which it lies.
func (s *scaling) columns(epsilon float64) {
	for j := range s.g {
		s.best[j], s.sum[j] = math.Inf(-1), 0
	}
	for i, f := range s.f {
		for j, c := range s.c[i*s.n : (i+1)*s.n] {
			s.best[j] = max(s.best[j], f-c)
		}
	}
	for i, f := range s.f {
		for j, c := range s.c[i*s.n : (i+1)*s.n] {
			s.sum[j] += math.Exp((f - c - s.best[j]) / epsilon)
		}
	}
	for j := range s.g {
		s.g[j] = -s.best[j] - epsilon*math.Log(s.sum[j])
	}
}

// mend makes the sums of all rows and columns one.
func (p *Plan) mend() {
	n := p.N
	columns := make([]float64, n)
	for i := range n {
		row := p.P[i*n : (i+1)*n]
		shrink(row, 1, total(row, 1))
		for j, v := range row {
			columns[j] += v
		}
	}
	var missing float64
	for j := range columns {
		shrink(p.P[j:], n, columns[j])
		columns[j] = 1 - min(1, columns[j])
		missing += columns[j]
	}
	if missing == 0 {
		return
	}
	for i := range n {
		row := p.P[i*n : (i+1)*n]
		lack := max(0, 1-total(row, 1)) / missing
		for j := range row {
			row[j] += lack * columns[j]
		}
	}
}

// total is the sum of every step-th element.
func total(v []float64, step int) (sum float64) {
	for i := 0; i < len(v); i += step {
		sum += v[i]
	}
	return sum
}

// shrink divides every step-th element by their sum if that is more than one.
func shrink(v []float64, step int, sum float64) {
	for i := 0; i < len(v) && sum > 1; i += step {
		v[i] /= sum
	}
}
