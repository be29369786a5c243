package ref

import "math"

// total is term(0) + … + term(n-1) over samples, in float64 by the rule of 16.
func total(n int, term func(i int) float64) float64 {
	return sumSamples(n, func(sum float64, i int) float64 { return sum + term(i) })
}

func exp[F Float](x F) F    { return F(math.Exp(float64(x))) }
func sqrt[F Float](x F) F   { return F(math.Sqrt(float64(x))) }
func sqr(x float64) float64 { return x * x }

// round is dst = src, rounded to F.
func round[F Float](dst []F, src []float64) {
	for i, v := range src {
		dst[i] = F(v)
	}
}
