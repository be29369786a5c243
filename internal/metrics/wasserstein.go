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
func SlicedWasserstein(x, y []float32, d, directions int, seed uint64) float64 {
	checkVectors("sliced distance", x, d, 1)
	checkVectors("sliced distance", y, d, 1)
	if directions < 1 {
		panic("metrics: sliced distance: no directions")
	}
	along := make([]float32, directions*d)
	for i := range directions {
		direction := along[i*d : (i+1)*d]
		stream := rng.New(seed, "directions")
		stream.Normal(direction, 0, uint64(i))
		length := float32(math.Sqrt(dot(direction, direction)))
		for j := range direction {
			direction[j] /= length
		}
	}
	const slice = 32 // directions in memory at once
	squares := make([]float64, directions)
	for from := 0; from < directions; from += slice {
		part := along[from*d : min(from+slice, directions)*d]
		px, py := project(x, part, d), project(y, part, d)
		parallel(len(px), func() func(int) {
			return func(i int) {
				slices.Sort(px[i])
				slices.Sort(py[i])
				squares[from+i] = transport1(px[i], py[i])
			}
		})
	}
	return math.Sqrt(total(squares) / float64(directions))
}

// project returns, for each direction, its products with all vectors.
func project(x, directions []float32, d int) [][]float32 {
	seen := make([][]float32, len(directions)/d)
	for i := range seen {
		seen[i] = make([]float32, len(x)/d)
	}
	products(x, directions, d, func(i int, rows []float32) {
		for ; len(rows) > 0; i, rows = i+1, rows[len(seen):] {
			for j := range seen {
				seen[j][i] = rows[j]
			}
		}
	})
	return seen
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
	pairs, err := ot.Assign(n, func(i int, costs []float64) {
		for j := range costs {
			costs[j] = squared(x[i*d:(i+1)*d], y[j*d:(j+1)*d], math.Inf(1))
		}
	})
	if err != nil {
		panic("metrics: exact distance: " + err.Error()) // what is not a number has no distance
	}
	return math.Sqrt(pairs.Cost / float64(n))
}
