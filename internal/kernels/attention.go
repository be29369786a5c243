package kernels

import "math"

// AttentionShape is that of multi-head attention of L queries to M keys, in Heads heads of
// width D/Heads.
type AttentionShape struct{ N, L, M, D, Heads int }

// blockScores bounds the scores that are worked on at a time, 64 KiB: they stay in L2, and
// a head of up to 64 by 64, 16 KiB, in L1.
const blockScores = 1 << 14

// block is the number of queries that are worked on at a time.
func (s AttentionShape) block() int {
	return min(s.L, 64, max(8, blockScores/max(1, s.M)))
}

func (s AttentionShape) width() int { return s.D / s.Heads }

func (s AttentionShape) scale() float32 { return float32(1 / math.Sqrt(float64(s.width()))) }

// Scores lie with the keys as rows and the r queries of a block as columns, (M, r): so each
// query has a lane of its own in the softmax, and few keys still fill the products' registers.

// scores is (M, r) = k (M, dh) · qᵀ; k is a strided view of kv, q of q. The gradient's v·doᵀ
// has the same shape.
func (s AttentionShape) scores(r int) GemmShape {
	return GemmShape{M: s.M, N: r, K: s.width(), LDA: 2 * s.D, LDB: s.D, LDC: r, TransB: true}
}

// mix is (r, dh) = pᵀ (r, M) · v; and dq = dsᵀ·k.
func (s AttentionShape) mix(r int) GemmShape {
	return GemmShape{M: r, N: s.width(), K: s.M, LDA: r, LDB: 2 * s.D, LDC: s.D, TransA: true}
}

// collect is (M, dh) (+)= p (M, r) · do; and dk (+)= ds·q.
func (s AttentionShape) collect(r int, more bool) GemmShape {
	return GemmShape{M: s.M, N: s.width(), K: r, LDA: r, LDB: s.D, LDC: 2 * s.D, Accumulate: more}
}

// AttentionItems counts blocks of queries of each head of each sample.
func AttentionItems(s AttentionShape) int { return s.N * s.Heads * divideUp(s.L, s.block()) }

// AttentionScratch is for the scores of a block and for the products.
func AttentionScratch(s AttentionShape) int {
	r := s.block()
	return r*(s.M+1) + max(GemmScratch(s.scores(r)), GemmScratch(s.mix(r)))
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
	softmax := now().softmaxColumns
	block, blocks := s.block(), divideUp(s.L, s.block())
	spare, p, rest := scratch[:block], scratch[block:][:block*s.M], scratch[block*(s.M+1):]
	for i := i0; i < i1; i++ {
		head, l := i/blocks, i%blocks*block
		r := min(block, s.L-l)
		query, key := s.at(head, l)
		p, denominator := p[:r*s.M], spare[:r]
		if lse != nil {
			denominator = lse[head*s.L+l:][:r]
		}
		Gemm(p, kv[key:], q[query:], s.scores(r), rest)
		softmax(p, denominator, s.M, s.scale())
		Gemm(o[query:], p, kv[key+s.D:], s.mix(r), rest)
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

// AttentionGradScratch is for the probabilities of a block and their gradients, and for the
// products.
func AttentionGradScratch(s AttentionShape) int {
	r := s.block()
	return r*(2*s.M+1) + max(GemmScratch(s.scores(r)), GemmScratch(s.mix(r)), GemmScratch(s.collect(r, true)))
}

// AttentionGrad is the gradient of Attention by q and kv: see ref.AttentionGrad. It makes the
// probabilities again from lse, block by block.
func AttentionGrad(dq, dkv, do, q, kv, o, lse []float32, s AttentionShape, scratch []float32, i0, i1 int) {
	s.need("attention-grad", o, q, kv)
	s.need("attention-grad", do, dq, dkv)
	need("attention-grad", "lse", len(lse), s.N*s.Heads*s.L)
	need("attention-grad", "scratch", len(scratch), AttentionGradScratch(s))
	f := now()
	block := s.block()
	delta := scratch[:block]
	p, ds, rest := scratch[block:][:block*s.M], scratch[block*(1+s.M):][:block*s.M], scratch[block*(1+2*s.M):]
	for head := i0; head < i1; head++ {
		for l := 0; l < s.L; l += block {
			r := min(block, s.L-l)
			query, key := s.at(head, l)
			p, ds, delta := p[:r*s.M], ds[:r*s.M], delta[:r]
			// p = exp(s - lse)
			Gemm(p, kv[key:], q[query:], s.scores(r), rest)
			f.probabilities(p, lse[head*s.L+l:][:r], s.scale(), s.M)
			// dv += p·do
			Gemm(dkv[key+s.D:], p, do[query:], s.collect(r, l > 0), rest)
			// ds = p·(v·doᵀ - Σ do·o)/√dh
			Gemm(ds, kv[key+s.D:], do[query:], s.scores(r), rest)
			f.dotRows(delta, do[query:], o[query:], s.width(), s.D)
			f.scoreGrad(ds, p, delta, s.scale(), s.M)
			// dq = dsᵀ·k, dk += ds·q
			Gemm(dq[query:], ds, kv[key:], s.mix(r), rest)
			Gemm(dkv[key:], ds, q[query:], s.collect(r, l > 0), rest)
		}
	}
}
