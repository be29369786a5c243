package metrics

import "fmt"

// checkVectors panics unless x holds at least least vectors of d numbers; it returns how many.
func checkVectors(what string, x []float32, d, least int) int {
	if d < 1 || len(x)%d != 0 || len(x)/d < least {
		panic(fmt.Sprintf("metrics: %s: %d numbers are not %d or more vectors of %d", what, len(x), least, d))
	}
	return len(x) / d
}

// dot is the inner product in float64.
func dot(x, y []float32) (sum float64) {
	y = y[:len(x)]
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

// mean is the mean vector of n vectors of d numbers.
func mean(x []float32, d int) []float64 {
	m := make([]float64, d)
	for i := 0; i < len(x); i += d {
		for j, v := range x[i : i+d] {
			m[j] += float64(v)
		}
	}
	for j := range m {
		m[j] /= float64(len(x) / d)
	}
	return m
}

func total(v []float64) (sum float64) {
	for _, a := range v {
		sum += a
	}
	return sum
}
