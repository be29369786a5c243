package metrics

import "math"

// Nearest returns the vector of set nearest to x in Euclidean distance, the first of equals, and that distance. set holds
// vectors of len(x) numbers end to end.
func Nearest(x, set []float32) (index int, distance float64) {
	d := len(x)
	if d == 0 || len(set) == 0 || len(set)%d != 0 {
		panic("metrics: nearest: the set does not hold vectors of this length")
	}
	best := math.Inf(1)
	for i := 0; i*d < len(set); i++ {
		if s := squared(x, set[i*d:(i+1)*d], best); s < best {
			best, index = s, i
		}
	}
	return index, math.Sqrt(best)
}

// squared returns |x-y|², or something not below limit once the sum has reached it: most neighbours are far, and a
// fraction of their numbers shows it.
func squared(x, y []float32, limit float64) (sum float64) {
	const stretch = 64
	for from := 0; from < len(x) && sum < limit; from += stretch {
		to := min(from+stretch, len(x))
		p, q := x[from:to], y[from:to]
		for i := range p {
			e := float64(p[i]) - float64(q[i])
			sum += e * e
		}
	}
	return sum
}

// MeanNearest returns the mean distance from a vector of x, of d numbers, to the nearest one of set. Where except is not
// nil, vector i passes over vector except[i] of the set: itself, if it is in there. Nearness is decided by distances in
// float64: the products in float32 only tell which are in doubt. It costs n · m · d multiplications.
//
// From samples to training pictures, over the same from test pictures, it is about 1 where samples are as new as test
// pictures are, and goes to 0 as they become copies.
func (c Crew) MeanNearest(x, set []float32, d int, except []int) float64 {
	n, m := checkVectors("nearest", x, d, 1), checkVectors("nearest", set, d, 1)
	if except != nil && (len(except) != n || m < 2) {
		panic("metrics: nearest: there is not one to pass over for each vector, or nothing else")
	}
	origin := mean(set, d)
	a, b := around(x, origin), around(set, origin)
	distances := make([]float64, n)
	each := func(i int, rows []float32) {
		for ; len(rows) > 0; i, rows = i+1, rows[m:] {
			skip := -1
			if except != nil {
				skip = except[i]
			}
			distances[i] = math.Sqrt(nearestSquared(a, i, b, rows[:m], skip, x, set))
		}
	}
	c.products(a.at, b.at, d, func() func(int, []float32) { return each })
	return total(distances) / float64(n)
}

// nearestSquared returns the squared distance of vector i of x to the nearest of set, skip left out, from their products
// around a common origin.
func nearestSquared(a *cloud, i int, b *cloud, dots []float32, skip int, x, set []float32) float64 {
	d, length := a.d, a.lengths[i]
	limit := math.Inf(1) // no less than the distance to the nearest
	for j, dot := range dots {
		if j != skip {
			limit = min(limit, length+b.lengths[j]-2*float64(dot)+doubt(d, length, b.lengths[j]))
		}
	}
	best := math.Inf(1)
	for j, dot := range dots {
		if j != skip && length+b.lengths[j]-2*float64(dot)-doubt(d, length, b.lengths[j]) <= limit {
			best = min(best, squared(x[i*d:(i+1)*d], set[j*d:(j+1)*d], best))
		}
	}
	return best
}
