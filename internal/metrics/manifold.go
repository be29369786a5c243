package metrics

import (
	"math"
	"slices"
	"sync"
)

// Support says how two sets of vectors cover each other, by balls around each vector that reach to its k-th nearest
// neighbour of the same set. What lies on the surface lies outside.
type Support struct {
	Precision float64 // part of the generated within a ball of a real one (Kynkäänniemi et al. 2019)
	Recall    float64 // part of the real within a ball of a generated one (the same)
	Density   float64 // real balls that a generated one lies in, over k: 1 in the mean if the two are one distribution (Naeem et al. 2020)
	Coverage  float64 // part of the real with a generated one in its ball (the same)
}

// Cover measures Support of real and generated vectors, of which there must be k + 1. Nearness is decided by distances in
// float64: the products in float32 only tell which are in doubt.
func (c Crew) Cover(real *Reference, generated []float32) Support {
	d, k := real.d, real.k
	checkVectors("cover", generated, d, k+1)
	r, g := real.cloud, around(generated, real.cloud.origin)
	ballsR, ballsG := real.balls, c.balls(g, k)
	if c.left() {
		return Support{}
	}

	n, m := r.len(), g.len()
	within, recalled := make([]int, n), make([]bool, n)
	var workers sync.Mutex
	var precise [][]bool // what each worker saw inside a ball
	c.products(r.at, g.at, d, func() func(int, []float32) {
		inside := make([]bool, m)
		workers.Lock()
		precise = append(precise, inside)
		workers.Unlock()
		return func(i int, rows []float32) {
			for ; len(rows) > 0; i, rows = i+1, rows[m:] {
				for j, dot := range rows[:m] {
					if near(r, i, g, j, dot, ballsR[i]) {
						within[i]++
						inside[j] = true
					}
					if !recalled[i] && near(r, i, g, j, dot, ballsG[j]) {
						recalled[i] = true
					}
				}
			}
		}
	})
	inReal, inGenerated, dense, hit := 0, 0, 0, 0
	for j := range m {
		if slices.ContainsFunc(precise, func(inside []bool) bool { return inside[j] }) {
			inReal++
		}
	}
	for i := range n {
		dense += within[i]
		inGenerated += count(recalled[i])
		hit += count(within[i] > 0)
	}
	part := func(count, of int) float64 { return float64(count) / float64(of) }
	return Support{part(inReal, m), part(inGenerated, n), part(dense, k*m), part(hit, n)}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// cloud is a set of vectors around an origin, with their squared lengths.
type cloud struct {
	at      []float32
	d       int
	origin  []float64
	lengths []float64
}

func around(x []float32, origin []float64) *cloud {
	d := len(origin)
	c := &cloud{make([]float32, len(x)), d, origin, make([]float64, len(x)/d)}
	for i, v := range x {
		c.at[i] = float32(float64(v) - origin[i%d])
	}
	for i := range c.lengths {
		v := c.vector(i)
		c.lengths[i] = dot(v, v)
	}
	return c
}

func (c *cloud) len() int               { return len(c.lengths) }
func (c *cloud) vector(i int) []float32 { return c.at[i*c.d : (i+1)*c.d] }

// doubt bounds how far a squared distance that was made of a product in float32 is off: the product of d terms by
// d roundings of |x||y| at most, twice that for the distance, and |x||y| ≤ (|x|² + |y|²)/2.
func doubt(d int, a, b float64) float64 { return float64(d+2) * 0x1p-24 * (a + b) }

// near reports whether vector i of x and vector j of y, of which the product is known in float32, are nearer than the
// root of limit.
func near(x *cloud, i int, y *cloud, j int, dot float32, limit float64) bool {
	a, b := x.lengths[i], y.lengths[j]
	estimate, off := a+b-2*float64(dot), doubt(x.d, a, b)
	if estimate >= limit+off {
		return false
	}
	if estimate < limit-off {
		return true
	}
	return squared(x.vector(i), y.vector(j), math.Inf(1)) < limit
}

// balls returns the squared distance from each vector to its k-th nearest among the others.
func (c Crew) balls(x *cloud, k int) []float64 {
	limits, n := make([]float64, x.len()), x.len()
	c.products(x.at, x.at, x.d, func() func(int, []float32) {
		nearest, exact := make([]float64, 0, k), []float64{}
		return func(i int, rows []float32) {
			for ; len(rows) > 0; i, rows = i+1, rows[n:] {
				// The k smallest upper bounds hold k distances, so the k-th smallest is no more than their largest.
				nearest = nearest[:0]
				for j, dot := range rows[:n] {
					if j == i {
						continue
					}
					a, b := x.lengths[i], x.lengths[j]
					keepSmallest(&nearest, a+b-2*float64(dot)+doubt(x.d, a, b))
				}
				limit := nearest[k-1]
				exact = exact[:0]
				for j, dot := range rows[:n] {
					a, b := x.lengths[i], x.lengths[j]
					if j != i && a+b-2*float64(dot)-doubt(x.d, a, b) <= limit {
						exact = append(exact, squared(x.vector(i), x.vector(j), math.Inf(1)))
					}
				}
				slices.Sort(exact)
				limits[i] = exact[k-1]
			}
		}
	})
	return limits
}

// keepSmallest puts v into a sorted list of the smallest that were seen, as many as its capacity.
func keepSmallest(list *[]float64, v float64) {
	s := *list
	if len(s) == cap(s) {
		if v >= s[len(s)-1] {
			return
		}
		s = s[:len(s)-1]
	}
	i := len(s)
	s = s[:i+1]
	for ; i > 0 && s[i-1] > v; i-- {
		s[i] = s[i-1]
	}
	s[i] = v
	*list = s
}

// ExpectedCoverage is the mean of Coverage where real and generated are n and m samples of one continuous
// distribution, whatever it is: by exchangeability, 1 - Π_{j<k} (n-1-j)/(n+m-1-j). That of Density is 1.
func ExpectedCoverage(n, m, k int) float64 {
	miss := 1.0
	for j := range k {
		miss *= float64(n-1-j) / float64(n+m-1-j)
	}
	return 1 - miss
}
