package ref

import "math"

// AttentionShape is that of multi-head attention of L queries to M keys, in Heads heads of
// width D/Heads. Head h has the columns [h·D/Heads, (h+1)·D/Heads).
type AttentionShape struct{ N, L, M, D, Heads int }

// Attention is, for each sample and head with queries q, keys k and values v,
//
//	s[l,m] = q[l]·k[m] / √(D/Heads),  p = softmax of each row of s,  o[l] = Σ_m p[l,m]·v[m]
//	lse[l] = log Σ_m exp(s[l,m])
//
// q, o are (N, L, D); kv is (N, M, 2D), the keys in the columns [0, D), the values in
// [D, 2D); lse is (N, Heads, L). Vaswani et al. (2017), eq. 1.
func Attention[F Float](o, lse, q, kv []F, s AttentionShape) {
	s.each(func(n, h int) {
		dh := s.D / s.Heads
		for l := range s.L {
			q := q[s.query(n, l, h):][:dh]
			p := make([]float64, s.M)
			top := math.Inf(-1)
			for m := range p {
				p[m] = s.scale() * dot(q, kv[s.key(n, m, h):])
				top = max(top, p[m])
			}
			var sum float64
			for m := range p {
				p[m] = math.Exp(p[m] - top)
				sum += p[m]
			}
			for j := range dh {
				var v float64
				for m := range p {
					v += p[m] * float64(kv[s.key(n, m, h)+s.D+j])
				}
				o[s.query(n, l, h)+j] = F(v / sum)
			}
			lse[(n*s.Heads+h)*s.L+l] = F(top + math.Log(sum))
		}
	})
}

// AttentionGrad is the gradient of Attention. It makes the probabilities again from lse
// (Dao et al. (2022), algorithm 4):
//
//	p = exp(s - lse),  dv[m] = Σ_l p[l,m]·do[l]
//	ds = p·(do[l]·v[m] - do[l]·o[l])
//	dq[l] = Σ_m ds[l,m]·k[m]/√(D/Heads),  dk[m] = Σ_l ds[l,m]·q[l]/√(D/Heads)
//
// do and dq have the shape of q, dkv that of kv.
func AttentionGrad[F Float](dq, dkv, do, q, kv, o, lse []F, s AttentionShape) {
	a, b := make([]float64, len(dq)), make([]float64, len(dkv))
	s.each(func(n, h int) {
		dh := s.D / s.Heads
		for l := range s.L {
			at := s.query(n, l, h)
			q, do := q[at:][:dh], do[at:][:dh]
			delta := dot(do, o[at:])
			for m := range s.M {
				key := s.key(n, m, h)
				value := key + s.D
				p := math.Exp(s.scale()*dot(q, kv[key:]) - float64(lse[(n*s.Heads+h)*s.L+l]))
				ds := s.scale() * p * (dot(do, kv[value:]) - delta)
				for j := range dh {
					a[at+j] += ds * float64(kv[key+j])
					b[key+j] += ds * float64(q[j])
					b[value+j] += p * float64(do[j])
				}
			}
		}
	})
	round(dq, a)
	round(dkv, b)
}

func (s AttentionShape) each(f func(n, h int)) {
	for i := range s.N * s.Heads {
		f(i/s.Heads, i%s.Heads)
	}
}

// query and key are where the row of head h starts in q (or o) and in kv.
func (s AttentionShape) query(n, l, h int) int { return (n*s.L+l)*s.D + h*s.D/s.Heads }
func (s AttentionShape) key(n, m, h int) int   { return (n*s.M+m)*2*s.D + h*s.D/s.Heads }

func (s AttentionShape) scale() float64 { return 1 / math.Sqrt(float64(s.D/s.Heads)) }

// dot is Σ a[i]·b[i] over the length of a.
func dot[F Float](a, b []F) (sum float64) {
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}
