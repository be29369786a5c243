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

// Memory says how near samples come to training pictures, and how near pictures come that were never trained on.
type Memory struct {
	Samples float64 // mean distance from a sample to its nearest training picture
	Test    float64 // the same from a test picture
}

// Ratio is about 1 where samples are as new as test pictures, and goes to 0 as they become copies.
func (m Memory) Ratio() float64 { return m.Samples / m.Test }

// Copying measures Memory; all sets hold vectors of d numbers end to end. It costs (samples + test) · train · d
// multiplications at the very most.
func Copying(samples, test, train []float32, d int) Memory {
	return Memory{meanNearest(samples, train, d), meanNearest(test, train, d)}
}

func meanNearest(from, to []float32, d int) (mean float64) {
	if d < 1 || len(from) == 0 || len(from)%d != 0 {
		panic("metrics: copying: a set does not hold vectors of this length")
	}
	n := len(from) / d
	for i := range n {
		_, r := Nearest(from[i*d:(i+1)*d], to)
		mean += r / float64(n)
	}
	return mean
}
