package metrics

import (
	"math"
	"slices"

	"lfm/internal/ot"
	"lfm/internal/rng"
)

// SlicedWasserstein returns the sliced 2-Wasserstein distance of two sets of vectors of d numbers (Rabin et al. 2011;
// Bonneel et al. 2015): the root of the mean, over random directions, of the squared distance of the two sets seen
// along each. Directions are drawn from the seed. It needs no features, and is nought for equal sets only.
func (c Crew) SlicedWasserstein(x, y []float32, d, directions int, seed uint64) float64 {
	checkVectors("sliced distance", x, d, 1)
	checkVectors("sliced distance", y, d, 1)
	along := Directions(d, directions, seed)
	const slice = 32 // directions in memory at once
	var sum float64
	for from := 0; from < directions; from += slice {
		part := along[from*d : min(from+slice, directions)*d]
		sum += total(c.viewDistances(c.Views(x, part, d), c.Views(y, part, d), len(part)/d))
	}
	return math.Sqrt(sum / float64(directions))
}

// Directions returns n random vectors of length one of d numbers, drawn from the seed.
func Directions(d, n int, seed uint64) []float32 {
	if n < 1 {
		panic("metrics: no directions")
	}
	along, stream := make([]float32, n*d), rng.New(seed, "directions")
	for i := range n {
		direction := along[i*d : (i+1)*d]
		stream.Normal(direction, 0, uint64(i))
		length := float32(math.Sqrt(dot(direction, direction)))
		for j := range direction {
			direction[j] /= length
		}
	}
	return along
}

// Views returns what vectors of d numbers look like along directions: for each vector its product with each of them.
// It keeps distances, up to a common factor, the better the more directions there are (Johnson and Lindenstrauss 1984:
// with k of them to about 1/√(2k)), in k numbers instead of d.
func (c Crew) Views(x, directions []float32, d int) []float32 {
	k := checkVectors("views", directions, d, 1)
	seen := make([]float32, checkVectors("views", x, d, 1)*k)
	each := func(i int, rows []float32) { copy(seen[i*k:], rows) }
	c.products(x, directions, d, func() func(int, []float32) { return each })
	return seen
}

// SlicedViews is SlicedWasserstein of two sets of which only Views along k common directions are known.
func (c Crew) SlicedViews(x, y []float32, k int) float64 {
	checkVectors("sliced distance", x, k, 1)
	checkVectors("sliced distance", y, k, 1)
	return math.Sqrt(total(c.viewDistances(x, y, k)) / float64(k))
}

// viewDistances returns, for each of k directions, the squared distance of two sets of views.
func (c Crew) viewDistances(x, y []float32, k int) []float64 {
	squares := make([]float64, k)
	column := func(dst, x []float32, i int) []float32 {
		for j := range dst {
			dst[j] = x[j*k+i]
		}
		slices.Sort(dst)
		return dst
	}
	c.parallel(k, func() func(int) {
		p, q := make([]float32, len(x)/k), make([]float32, len(y)/k)
		return func(i int) { squares[i] = transport1(column(p, x, i), column(q, y, i)) }
	})
	return squares
}

// transport1 returns the squared 2-Wasserstein distance of two sorted sets of numbers, each with weights that add up
// to one: the squared difference of their quantiles, integrated. Where the sets differ in size, the quantiles jump at
// multiples of 1/n and of 1/m.
func transport1(x, y []float32) (sum float64) {
	n, m := len(x), len(y)
	at := 0 // in units of 1/(n·m)
	for i, j := 0, 0; i < n && j < m; {
		next := min((i+1)*m, (j+1)*n)
		e := float64(x[i]) - float64(y[j])
		sum += e * e * float64(next-at)
		at = next
		if at == (i+1)*m {
			i++
		}
		if at == (j+1)*n {
			j++
		}
	}
	return sum / (float64(n) * float64(m))
}

// Wasserstein returns the 2-Wasserstein distance of two sets of as many vectors of d numbers each: the root of the
// mean squared distance under the pairing that makes it least, which is found exactly, in time with the cube of the
// number. It is meant for some thousands.
func Wasserstein(x, y []float32, d int) float64 {
	n := checkVectors("exact distance", x, d, 1)
	if checkVectors("exact distance", y, d, 1) != n {
		panic("metrics: exact distance: the sets differ in size")
	}
	pairs, err := ot.Points{X: x, Y: y, D: d}.Assign()
	if err != nil {
		panic("metrics: exact distance: " + err.Error()) // what is not a number has no distance
	}
	return math.Sqrt(pairs.Cost / float64(n))
}
