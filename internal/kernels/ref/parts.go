package ref

// Float is what the reference computes in.
type Float interface{ ~float32 | ~float64 }

// Parts is the number of partial sums behind a sum over samples.
const Parts = 16

// Part is the range of samples [i0, i1) that partial sum p of a sum over n samples covers.
func Part(p, n int) (i0, i1 int) { return p * n / Parts, (p + 1) * n / Parts }

// Tree adds 16 partial sums in their fixed order:
//
//	((s0+s1) + (s2+s3)) + ((s4+s5) + (s6+s7)) + …
//
// s is overwritten.
func Tree[F Float](s *[Parts]F) F {
	for width := 1; width < Parts; width *= 2 {
		for i := 0; i < Parts; i += 2 * width {
			s[i] += s[i+width]
		}
	}
	return s[0]
}

// sumSamples is the sum of term(i) over samples 0 … n-1 by the rule of 16, where add
// adds the terms of sample i to a running sum.
func sumSamples[F Float](n int, add func(sum F, i int) F) F {
	var s [Parts]F
	for p := range s {
		i0, i1 := Part(p, n)
		for i := i0; i < i1; i++ {
			s[p] = add(s[p], i)
		}
	}
	return Tree(&s)
}
