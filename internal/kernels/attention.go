package kernels

import "math"

// AttentionShape is that of multi-head attention of L queries to M keys, in Heads heads of
// width D/Heads.
type AttentionShape struct{ N, L, M, D, Heads int }

// Queries and keys are worked on in blocks, after Dao et al. (2022), "FlashAttention": no more
// scores than those of a block by a block are ever there, 64 KiB, which stay in the second-level
// cache (and a head of up to 64 by 64, 16 KiB, in the first). The keys of a row of scores are
// summed over in order, so that where blocks end is a matter of M alone.
const (
	blockQueries = 64
	blockKeys    = 256
)

// queries and keys are the sizes of a block.
func (s AttentionShape) queries() int { return min(s.L, blockQueries) }
func (s AttentionShape) keys() int    { return min(s.M, blockKeys) }

func (s AttentionShape) width() int { return s.D / s.Heads }

func (s AttentionShape) scale() float32 { return float32(1 / math.Sqrt(float64(s.width()))) }

// Scores lie with the keys as rows and the queries of a block as columns, (m, r): so each
// query has a lane of its own in the softmax, and few keys still fill the products' registers.

// scores is (m, r) = k (m, dh) · qᵀ; k is a strided view of kv, q of q. The gradient's v·doᵀ
// has the same shape.
func (s AttentionShape) scores(r, m int) GemmShape {
	return GemmShape{M: m, N: r, K: s.width(), LDA: 2 * s.D, LDB: s.D, LDC: r, TransB: true}
}

// mix is (r, dh) (+)= pᵀ (r, m) · v; and dq (+)= dsᵀ·k.
func (s AttentionShape) mix(r, m int, more bool) GemmShape {
	return GemmShape{M: r, N: s.width(), K: m, LDA: r, LDB: 2 * s.D, LDC: s.D, TransA: true, Accumulate: more}
}

// collect is (m, dh) (+)= p (m, r) · do; and dk (+)= ds·q.
func (s AttentionShape) collect(r, m int, more bool) GemmShape {
	return GemmShape{M: m, N: s.width(), K: r, LDA: r, LDB: s.D, LDC: 2 * s.D, Accumulate: more}
}

// AttentionItems counts blocks of queries of each head of each sample.
func AttentionItems(s AttentionShape) int { return s.N * s.Heads * divideUp(s.L, s.queries()) }

// AttentionScratch is for the scores of a block, for three numbers a query, and for the products.
func AttentionScratch(s AttentionShape) int {
	r, m := s.queries(), s.keys()
	return r*(m+3) + max(GemmScratch(s.scores(r, m)), GemmScratch(s.mix(r, m, true)))
}

// Attention is o = softmax(q·kᵀ/√(D/Heads))·v for each head, and lse, the logarithm of each
// softmax's denominator: see ref.Attention. Probabilities that are 2⁻¹²⁶ of a row's
// greatest or less are 0.
//
// q, o are (N, L, D); kv (N, M, 2D): keys, then values; lse (N, Heads, L) may be nil if no
// gradient follows.
func Attention(o, lse, q, kv []float32, s AttentionShape, scratch []float32, i0, i1 int) {
	s.need("attention", o, q, kv)
	need("attention", "scratch", len(scratch), AttentionScratch(s))
	if lse != nil {
		need("attention", "lse", len(lse), s.N*s.Heads*s.L)
	}
	block := s.queries()
	blocks := divideUp(s.L, block)
	spare, rest := scratch[:block], scratch[block:]
	for i := i0; i < i1; i++ {
		head, l := i/blocks, i%blocks*block
		r := min(block, s.L-l)
		query, key := s.at(head, l)
		denominator := spare[:r]
		if lse != nil {
			denominator = lse[head*s.L+l:][:r]
		}
		if s.M <= blockKeys {
			nextQuery, nextKey := s.at(min(i+1, i1-1)/blocks, min(i+1, i1-1)%blocks*block)
			s.attendOnce(o[query:], denominator, q[query:], kv[key:], rest, s.queriesAt(q, nextQuery, r), s.keysAt(kv, nextKey))
		} else {
			s.attend(o[query:], denominator, q[query:], kv[key:], rest)
		}
	}
}

// attendOnce lets a block of len(lse) queries read all keys at once, and has those that come next
// brought into the cache.
func (s AttentionShape) attendOnce(o, lse, q, kv, scratch []float32, nextQueries, nextKeys region) {
	r := len(lse)
	p, rest := scratch[:r*s.M], scratch[r*s.M:]
	gemm(p, kv, q, s.scores(r, s.M), rest, nextKeys)
	now().softmaxColumns(p, lse, s.M, s.scale())
	gemm(o, p, kv[s.D:], s.mix(r, s.M, false), rest, nextQueries)
}

// queriesAt is a head's part of n rows of q, or of what is shaped like it.
func (s AttentionShape) queriesAt(q []float32, at, n int) region {
	return region{q[at:], n, s.width(), s.D}
}

// keysAt is a head's part of a sample's keys and values, which take turns.
func (s AttentionShape) keysAt(kv []float32, at int) region {
	return region{kv[at:], 2 * s.M, s.width(), s.D}
}

// attend lets a block of len(lse) queries read block after block of keys. What it has read so far
// is relative to the greatest score of each query so far, and loses weight where a greater one
// comes (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax").
func (s AttentionShape) attend(o, lse, q, kv, scratch []float32) {
	f, r := now(), len(lse)
	top, factor, total := scratch[:r], scratch[r:2*r], lse
	p, rest := scratch[2*r:][:r*blockKeys], scratch[r*(2+blockKeys):]
	for l := range r {
		top[l], total[l] = float32(math.Inf(-1)), 0
	}
	for from := 0; from < s.M; from += blockKeys {
		m, kv := min(blockKeys, s.M-from), kv[from*2*s.D:]
		Gemm(p, kv, q, s.scores(r, m), rest)
		f.softmaxBlock(p[:r*m], top, total, factor, m, s.scale())
		if from > 0 {
			s.scaleRows(o, factor)
		}
		Gemm(o, p, kv[s.D:], s.mix(r, m, from > 0), rest)
	}
	for l := range r {
		factor[l] = 1 / total[l]
		lse[l] = float32(s.scale()*top[l]) + float32(math.Log(float64(total[l])))
	}
	s.scaleRows(o, factor)
}

// scaleRows multiplies the rows of a head's o with a factor each.
func (s AttentionShape) scaleRows(o, factor []float32) {
	scale := now().scale
	for l, by := range factor {
		row := o[l*s.D:][:s.width()]
		scale(row, row, by)
	}
}

// at is where query l of a head (n·Heads + h) starts in q, and where its keys start in kv.
func (s AttentionShape) at(head, l int) (query, key int) {
	n, h := head/s.Heads, head%s.Heads
	return (n*s.L+l)*s.D + h*s.width(), n*s.M*2*s.D + h*s.width()
}

func (s AttentionShape) need(kernel string, o, q, kv []float32) {
	need(kernel, "o", len(o), s.N*s.L*s.D)
	need(kernel, "q", len(q), s.N*s.L*s.D)
	need(kernel, "kv", len(kv), s.N*s.M*2*s.D)
}

// AttentionGradItems counts heads of samples.
func AttentionGradItems(s AttentionShape) int { return s.N * s.Heads }

// AttentionGradScratch is for the probabilities of a block and their gradients, for a number a
// query, and for the products.
func AttentionGradScratch(s AttentionShape) int {
	r, m := s.queries(), s.keys()
	return r*(2*m+1) + max(GemmScratch(s.scores(r, m)), GemmScratch(s.mix(r, m, true)), GemmScratch(s.collect(r, m, true)))
}

// AttentionGrad is the gradient of Attention by q and kv: see ref.AttentionGrad. It makes the
// probabilities again from lse, block by block.
func AttentionGrad(dq, dkv, do, q, kv, o, lse []float32, s AttentionShape, scratch []float32, i0, i1 int) {
	s.need("attention-grad", o, q, kv)
	s.need("attention-grad", do, dq, dkv)
	need("attention-grad", "lse", len(lse), s.N*s.Heads*s.L)
	need("attention-grad", "scratch", len(scratch), AttentionGradScratch(s))
	f := now()
	block, keys := s.queries(), s.keys()
	delta, scores, rest := scratch[:block], scratch[block:], scratch[block*(1+2*keys):]
	for head := i0; head < i1; head++ {
		nextQuery, nextKey := s.at(min(head+1, i1-1), 0)
		for l := 0; l < s.L; l += block {
			r := min(block, s.L-l)
			query, first := s.at(head, l)
			lse, delta := lse[head*s.L+l:][:r], delta[:r]
			dqs, dos, qs := dq[query:], do[query:], q[query:]
			f.dotRows(delta, dos, o[query:], s.width(), s.D)
			for from := 0; from < s.M; from += keys {
				m, key := min(keys, s.M-from), first+from*2*s.D
				p, ds := scores[:r*m], scores[block*keys:][:r*m]
				// p = exp(s - lse)
				gemm(p, kv[key:], qs, s.scores(r, m), rest, s.keysAt(kv, nextKey))
				f.probabilities(p, lse, s.scale(), m)
				// dv += p·do
				gemm(dkv[key+s.D:], p, dos, s.collect(r, m, l > 0), rest, s.queriesAt(q, nextQuery, r))
				// ds = p·(v·doᵀ - Σ do·o)/√dh
				gemm(ds, kv[key+s.D:], dos, s.scores(r, m), rest, s.queriesAt(do, nextQuery, r))
				f.scoreGrad(ds, p, delta, s.scale(), m)
				// dq += dsᵀ·k, dk += ds·q
				gemm(dqs, ds, kv[key:], s.mix(r, m, from > 0), rest, s.queriesAt(o, nextQuery, r))
				Gemm(dkv[key:], ds, qs, s.collect(r, m, l > 0), rest)
			}
		}
	}
}
