package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"lfm/internal/kernels/ref"
)

// A kernelCase is one kernel at one shape. TestForward holds it to its definition in
// float64, at every level; TestSplit to the same bits however its items are cut and where
// its slices lie; BenchmarkKernel times it. To add a kernel, add a row.
type kernelCase struct {
	name    string
	in, out []int // lengths; what is in out before is random, too
	make    func(i int, in []float64)
	want    func(out, in [][]float64)
	items   int
	scratch int
	run     func(out, in [][]float32, scratch []float32, i0, i1 int)
	tol     float64 // greatest relative L2 norm of an output's error; 0: sumTol
}

const (
	sumTol    = 2e-6  // sums of up to some thousand float32 numbers, and exp
	expTol    = 1e-6  // element-wise kernels with exp inside
	exactTol  = 1e-7  // one or two roundings
	smallNorm = 1e-30 // instead of nothing to divide by
)

func count(n ...int) int {
	p := 1
	for _, v := range n {
		p *= v
	}
	return p
}

// pointwiseCases are element-wise kernels at length n: their work items are elements.
func pointwiseCases(n int) []kernelCase {
	in := func(k int) []int {
		l := make([]int, k)
		for i := range l {
			l[i] = n
		}
		return l
	}
	p := AdamW{Rate: 1e-2, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, Clip: 0.5, Correct1: 0.1, Correct2: 0.01, EMADecay: 0.9}
	p64 := ref.AdamW[float64]{Rate: 1e-2, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, Clip: 0.5, Correct1: 0.1, Correct2: 0.01, EMADecay: 0.9}
	positive := func(i int, v []float64) {
		if i == 2 { // the second moment
			for j := range v {
				v[j] = math.Abs(v[j])
			}
		}
	}
	cut := func(x []float32, i, j int) []float32 { return x[i:j] }
	return []kernelCase{
		{name: "Exp", in: in(1), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.Exp(o[0], x[0]) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { Exp(cut(o[0], i, j), cut(x[0], i, j)) }},
		{name: "SiLU", in: in(1), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.SiLU(o[0], x[0]) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { SiLU(cut(o[0], i, j), cut(x[0], i, j)) }},
		{name: "SiLUGrad", in: in(2), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.SiLUGrad(o[0], x[0], x[1]) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				SiLUGrad(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j))
			}},
		{name: "GELU", in: in(1), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.GELU(o[0], x[0]) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { GELU(cut(o[0], i, j), cut(x[0], i, j)) }},
		{name: "GELUGrad", in: in(2), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.GELUGrad(o[0], x[0], x[1]) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				GELUGrad(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j))
			}},
		{name: "SELU", in: in(1), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.SELU(o[0], x[0]) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { SELU(cut(o[0], i, j), cut(x[0], i, j)) }},
		{name: "SELUGrad", in: in(2), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.SELUGrad(o[0], x[0], x[1]) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				SELUGrad(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j))
			}},
		{name: "Add", in: in(2), out: in(1), tol: exactTol,
			want: func(o, x [][]float64) { ref.Add(o[0], x[0], x[1]) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { Add(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j)) }},
		{name: "Sub", in: in(2), out: in(1), tol: exactTol,
			want: func(o, x [][]float64) { ref.Sub(o[0], x[0], x[1]) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { Sub(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j)) }},
		{name: "Mul", in: in(2), out: in(1), tol: exactTol,
			want: func(o, x [][]float64) { ref.Mul(o[0], x[0], x[1]) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { Mul(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j)) }},
		{name: "Scale", in: in(1), out: in(1), tol: exactTol,
			want: func(o, x [][]float64) { ref.Scale(o[0], x[0], 0.75) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { Scale(cut(o[0], i, j), cut(x[0], i, j), 0.75) }},
		{name: "Clamp", in: in(1), out: in(1), tol: exactTol,
			want: func(o, x [][]float64) { ref.Clamp(o[0], x[0], -0.5, 1) },
			run:  func(o, x [][]float32, _ []float32, i, j int) { Clamp(cut(o[0], i, j), cut(x[0], i, j), -0.5, 1) }},
		{name: "ClampGrad", in: in(2), out: in(1), tol: exactTol,
			want: func(o, x [][]float64) { ref.ClampGrad(o[0], x[0], x[1], -0.5, 1) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				ClampGrad(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j), -0.5, 1)
			}},
		{name: "Reparameterize", in: in(3), out: in(1), tol: expTol,
			want: func(o, x [][]float64) { ref.Reparameterize(o[0], x[0], x[1], x[2]) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				Reparameterize(cut(o[0], i, j), cut(x[0], i, j), cut(x[1], i, j), cut(x[2], i, j))
			}},
		{name: "ReparameterizeGrad", in: in(3), out: in(2), tol: expTol,
			want: func(o, x [][]float64) { ref.ReparameterizeGrad(o[0], o[1], x[0], x[1], x[2]) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				ReparameterizeGrad(cut(o[0], i, j), cut(o[1], i, j), cut(x[0], i, j), cut(x[1], i, j), cut(x[2], i, j))
			}},
		{name: "UpdateAdamW", in: in(1), out: in(3), tol: expTol, make: positive,
			want: func(o, x [][]float64) { ref.UpdateAdamW(o[0], o[1], o[2], nil, x[0], p64) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				UpdateAdamW(cut(o[0], i, j), cut(o[1], i, j), cut(o[2], i, j), nil, cut(x[0], i, j), p)
			}},
		{name: "UpdateAdamW+EMA", in: in(1), out: in(4), tol: expTol, make: positive,
			want: func(o, x [][]float64) { ref.UpdateAdamW(o[0], o[1], o[2], o[3], x[0], p64) },
			run: func(o, x [][]float32, _ []float32, i, j int) {
				UpdateAdamW(cut(o[0], i, j), cut(o[1], i, j), cut(o[2], i, j), cut(o[3], i, j), cut(x[0], i, j), p)
			}},
	}
}

func groupNormCases(s NormShape) []kernelCase {
	x, g := count(s.N, s.P, s.C), count(s.N, s.G)
	r := ref.NormShape{N: s.N, P: s.P, C: s.C, G: s.G}
	const eps = 1e-5
	forward := func(y, mean, rstd, u, x, gamma, beta []float64) {
		ref.GroupNorm(u, mean, rstd, x, gamma, beta, r, eps)
		copy(y, u)
		if s.SiLU {
			ref.SiLU(y, u)
		}
	}
	return []kernelCase{
		{name: fmt.Sprintf("GroupNorm%+v", s), in: []int{x, s.C, s.C}, out: []int{x, g, g},
			want:  func(o, in [][]float64) { forward(o[0], o[1], o[2], make([]float64, x), in[0], in[1], in[2]) },
			items: GroupNormItems(s), scratch: GroupNormScratch(s),
			run: func(o, in [][]float32, w []float32, i, j int) {
				GroupNorm(o[0], o[1], o[2], in[0], in[1], in[2], s, eps, w, i, j)
			}},
		{name: fmt.Sprintf("GroupNormGrad%+v", s), in: []int{x, x, s.C, s.C, g, g}, out: []int{x, s.N * 2 * s.C},
			make: func(i int, in []float64) {
				if i == 5 {
					for j := range in {
						in[j] = math.Abs(in[j]) + 0.5
					}
				}
			},
			want: func(o, in [][]float64) {
				// mean and rstd are inputs like any other: the definition takes them as they are.
				dy, x, gamma, beta, mean, rstd := in[0], in[1], in[2], in[3], in[4], in[5]
				du := make([]float64, len(dy))
				copy(du, dy)
				width := s.C / s.G
				if s.SiLU {
					u := make([]float64, len(x))
					for i := range u {
						c, g := i%s.C, i/(s.P*s.C)*s.G+i%s.C/width
						u[i] = (x[i]-mean[g])*rstd[g]*gamma[c] + beta[c]
					}
					ref.SiLUGrad(du, dy, u)
				}
				for n := range s.N { // one sample at a time: its dgamma and dbeta are the sums
					at, r1 := n*s.P*s.C, r
					r1.N = 1
					ref.GroupNormGrad(o[0][at:at+s.P*s.C], o[1][2*n*s.C:], o[1][(2*n+1)*s.C:], du[at:], x[at:], mean[n*s.G:], rstd[n*s.G:], gamma, r1)
				}
			},
			items: GroupNormGradItems(s), scratch: GroupNormGradScratch(s),
			run: func(o, in [][]float32, w []float32, i, j int) {
				GroupNormGrad(o[0], o[1], in[0], in[1], in[4], in[5], in[2], in[3], s, w, i, j)
			}},
		{name: fmt.Sprintf("GroupNormAffineGrad%+v", s), in: []int{s.N * 2 * s.C}, out: []int{s.C, s.C},
			want: func(o, in [][]float64) {
				sums := make([]float64, 2*s.C)
				ref.BroadcastAddGrad(sums, in[0], s.N, 2*s.C)
				copy(o[0], sums[:s.C])
				copy(o[1], sums[s.C:])
			},
			items: GroupNormAffineGradItems(s),
			run: func(o, in [][]float32, _ []float32, i, j int) {
				GroupNormAffineGrad(o[0], o[1], in[0], s, i, j)
			}},
	}
}

func rowCases(s RowShape) []kernelCase {
	n := s.Rows * s.D
	const eps = 1e-6
	return []kernelCase{
		{name: fmt.Sprintf("LayerNorm%+v", s), in: []int{n}, out: []int{n, s.Rows, s.Rows},
			want:  func(o, in [][]float64) { ref.LayerNorm(o[0], o[1], o[2], in[0], s.Rows, s.D, eps) },
			items: LayerNormItems(s),
			run:   func(o, in [][]float32, _ []float32, i, j int) { LayerNorm(o[0], o[1], o[2], in[0], s, eps, i, j) },
			tol:   1e-5}, // rows of two or three numbers can lie close together
		{name: fmt.Sprintf("LayerNormGrad%+v", s), in: []int{n, n, s.Rows, s.Rows}, out: []int{n},
			want:  func(o, in [][]float64) { ref.LayerNormGrad(o[0], in[0], in[1], in[2], in[3], s.Rows, s.D) },
			items: LayerNormGradItems(s),
			run: func(o, in [][]float32, _ []float32, i, j int) {
				LayerNormGrad(o[0], in[0], in[1], in[2], in[3], s, i, j)
			}},
	}
}

func tokenCases(s TokenShape) []kernelCase {
	n, m := count(s.N, s.L, s.D), s.N*s.D
	return []kernelCase{
		{name: fmt.Sprintf("ScaleShift%+v", s), in: []int{n, m, m}, out: []int{n},
			want:  func(o, in [][]float64) { ref.ScaleShift(o[0], in[0], in[1], in[2], s.N, s.L, s.D) },
			items: ScaleShiftItems(s), tol: 1e-5, // a single number can cancel
			run: func(o, in [][]float32, _ []float32, i, j int) { ScaleShift(o[0], in[0], in[1], in[2], s, i, j) }},
		{name: fmt.Sprintf("ScaleShiftGrad%+v", s), in: []int{n, n, m}, out: []int{n, m, m},
			want: func(o, in [][]float64) {
				ref.ScaleShiftGrad(o[0], o[1], o[2], in[0], in[1], in[2], s.N, s.L, s.D)
			},
			items: ScaleShiftGradItems(s),
			run: func(o, in [][]float32, _ []float32, i, j int) {
				ScaleShiftGrad(o[0], o[1], o[2], in[0], in[1], in[2], s, i, j)
			}},
		{name: fmt.Sprintf("LayerNormScaleShift%+v", s), in: []int{n, m, m}, out: []int{n, n, s.N * s.L, s.N * s.L},
			want: func(o, in [][]float64) {
				ref.LayerNorm(o[1], o[2], o[3], in[0], s.N*s.L, s.D, 1e-6)
				ref.ScaleShift(o[0], o[1], in[1], in[2], s.N, s.L, s.D)
			},
			items: LayerNormScaleShiftItems(s), tol: 1e-5,
			run: func(o, in [][]float32, _ []float32, i, j int) {
				LayerNormScaleShift(o[0], o[1], o[2], o[3], in[0], in[1], in[2], s, 1e-6, i, j)
			}},
		{name: fmt.Sprintf("LayerNormScaleShiftAlone%+v", s), in: []int{n, m, m}, out: []int{n, s.N * s.L, s.N * s.L},
			want: func(o, in [][]float64) {
				h := make([]float64, n)
				ref.LayerNorm(h, o[1], o[2], in[0], s.N*s.L, s.D, 1e-6)
				ref.ScaleShift(o[0], h, in[1], in[2], s.N, s.L, s.D)
			},
			items: LayerNormScaleShiftItems(s), tol: 1e-5,
			run: func(o, in [][]float32, _ []float32, i, j int) {
				LayerNormScaleShift(o[0], nil, o[1], o[2], in[0], in[1], in[2], s, 1e-6, i, j)
			}},
		{name: fmt.Sprintf("LayerNormScaleShiftGrad%+v", s), in: []int{n, n, m, n, s.N * s.L, s.N * s.L, n}, out: []int{n, m, m},
			want: func(o, in [][]float64) {
				dh := make([]float64, n)
				ref.ScaleShiftGrad(dh, o[1], o[2], in[0], in[1], in[2], s.N, s.L, s.D)
				ref.LayerNormGrad(o[0], dh, in[3], in[4], in[5], s.N*s.L, s.D)
				for i, v := range in[6] {
					o[0][i] += v
				}
			},
			items: LayerNormScaleShiftGradItems(s), scratch: LayerNormScaleShiftGradScratch(s), tol: 1e-5,
			run: func(o, in [][]float32, scratch []float32, i, j int) {
				LayerNormScaleShiftGrad(o[0], o[1], o[2], in[0], in[1], in[2], in[3], in[4], in[5], in[6], s, scratch, i, j)
			}},
		{name: fmt.Sprintf("Gate%+v", s), in: []int{n, n, m}, out: []int{n},
			want:  func(o, in [][]float64) { ref.Gate(o[0], in[0], in[1], in[2], s.N, s.L, s.D) },
			items: GateItems(s),
			run:   func(o, in [][]float32, _ []float32, i, j int) { Gate(o[0], in[0], in[1], in[2], s, i, j) }},
		{name: fmt.Sprintf("GateGrad%+v", s), in: []int{n, n, m}, out: []int{n, m},
			want:  func(o, in [][]float64) { ref.GateGrad(o[0], o[1], in[0], in[1], in[2], s.N, s.L, s.D) },
			items: GateGradItems(s),
			run: func(o, in [][]float32, _ []float32, i, j int) {
				GateGrad(o[0], o[1], in[0], in[1], in[2], s, i, j)
			}},
	}
}

func attentionCases(s AttentionShape) []kernelCase {
	q, kv, l := count(s.N, s.L, s.D), count(s.N, s.M, 2*s.D), count(s.N, s.Heads, s.L)
	r := ref.AttentionShape(s)
	return []kernelCase{
		{name: fmt.Sprintf("Attention%+v", s), in: []int{q, kv}, out: []int{q, l},
			want:  func(o, in [][]float64) { ref.Attention(o[0], o[1], in[0], in[1], r) },
			items: AttentionItems(s), scratch: AttentionScratch(s),
			run: func(o, in [][]float32, w []float32, i, j int) { Attention(o[0], o[1], in[0], in[1], s, w, i, j) }},
		// o and lse are inputs like any other; a large lse keeps the probabilities small.
		{name: fmt.Sprintf("AttentionGrad%+v", s), in: []int{q, q, kv, q, l}, out: []int{q, kv},
			make: func(i int, in []float64) {
				if i == 4 {
					for j := range in {
						in[j] += math.Log(float64(s.M)) + 1
					}
				}
			},
			want: func(o, in [][]float64) {
				ref.AttentionGrad(o[0], o[1], in[0], in[1], in[2], in[3], in[4], r)
			},
			items: AttentionGradItems(s), scratch: AttentionGradScratch(s),
			run: func(o, in [][]float32, w []float32, i, j int) {
				AttentionGrad(o[0], o[1], in[0], in[1], in[2], in[3], in[4], s, w, i, j)
			}},
	}
}

func layoutCases() (all []kernelCase) {
	for _, s := range []SliceShape{{1, 1, 0, 1}, {7, 5, 1, 3}, {64, 8, 4, 8}, {3, 100, 0, 60}, {2, 4, 2, 2}} {
		x, y := s.Rows*s.Width, s.Rows*(s.To-s.From)
		all = append(all,
			kernelCase{name: fmt.Sprintf("Slice%+v", s), in: []int{x}, out: []int{y},
				want:  func(o, in [][]float64) { ref.Slice(o[0], in[0], s.Rows, s.Width, s.From, s.To) },
				items: SliceItems(s),
				run:   func(o, in [][]float32, _ []float32, i, j int) { Slice(o[0], in[0], s, i, j) }},
			kernelCase{name: fmt.Sprintf("SliceGrad%+v", s), in: []int{y}, out: []int{x},
				want:  func(o, in [][]float64) { ref.SliceGrad(o[0], in[0], s.Rows, s.Width, s.From, s.To) },
				items: SliceGradItems(s),
				run:   func(o, in [][]float32, _ []float32, i, j int) { SliceGrad(o[0], in[0], s, i, j) }})
	}
	for _, s := range []ConcatShape{{1, 1, 1}, {7, 5, 3}, {64, 16, 8}, {3, 60, 100}, {33, 1, 17}} {
		all = append(all, kernelCase{name: fmt.Sprintf("Concat%+v", s), in: []int{s.Rows * s.M, s.Rows * s.N}, out: []int{s.Rows * (s.M + s.N)},
			want:  func(o, in [][]float64) { ref.Concat(o[0], in[0], in[1], s.Rows, s.M, s.N) },
			items: ConcatItems(s),
			run:   func(o, in [][]float32, _ []float32, i, j int) { Concat(o[0], in[0], in[1], s, i, j) }})
	}
	for _, s := range []EmbeddingShape{{1, 1, 1}, {33, 7, 4}, {64, 300, 11}, {5, 512, 3}} {
		ids := func(at int) func(int, []float64) {
			return func(i int, v []float64) {
				if i == at {
					for j := range v {
						v[j] = float64((j*j + 3*j) % s.Vocab)
					}
				}
			}
		}
		all = append(all,
			kernelCase{name: fmt.Sprintf("Embedding%+v", s), in: []int{s.Vocab * s.Width, s.N}, out: []int{s.N * s.Width}, make: ids(1),
				want:  func(o, in [][]float64) { ref.Embedding(o[0], in[0], in[1], s.N, s.Width) },
				items: EmbeddingItems(s),
				run:   func(o, in [][]float32, _ []float32, i, j int) { Embedding(o[0], in[0], in[1], s, i, j) }},
			kernelCase{name: fmt.Sprintf("EmbeddingGrad%+v", s), in: []int{s.N * s.Width, s.N}, out: []int{s.Vocab * s.Width}, make: ids(1),
				want:  func(o, in [][]float64) { ref.EmbeddingGrad(o[0], in[0], in[1], s.N, s.Width, s.Vocab) },
				items: EmbeddingGradItems(s), scratch: EmbeddingGradScratch(s),
				run: func(o, in [][]float32, w []float32, i, j int) { EmbeddingGrad(o[0], in[0], in[1], s, w, i, j) }})
	}
	for _, s := range []ClassShape{{1, 1}, {33, 2}, {64, 10}, {5, 1000}} {
		labels := func(at int) func(int, []float64) {
			return func(i int, v []float64) {
				if i == at {
					for j := range v {
						v[j] = float64((j*j + 3*j) % s.K)
					}
				}
			}
		}
		all = append(all,
			kernelCase{name: fmt.Sprintf("CrossEntropy%+v", s), in: []int{s.N * s.K, s.N}, out: []int{s.N}, make: labels(1),
				want:  func(o, in [][]float64) { ref.CrossEntropy(o[0], in[0], in[1], s.N, s.K) },
				items: CrossEntropyItems(s),
				run:   func(o, in [][]float32, _ []float32, i, j int) { CrossEntropy(o[0], in[0], in[1], s, i, j) }},
			kernelCase{name: fmt.Sprintf("CrossEntropyGrad%+v", s), in: []int{s.N, s.N * s.K, s.N}, out: []int{s.N * s.K}, make: labels(2),
				want:  func(o, in [][]float64) { ref.CrossEntropyGrad(o[0], in[0], in[1], in[2], s.N, s.K) },
				items: CrossEntropyGradItems(s),
				run: func(o, in [][]float32, _ []float32, i, j int) {
					CrossEntropyGrad(o[0], in[0], in[1], in[2], s, i, j)
				}})
	}
	for _, s := range []TimeShape{{1, 2}, {5, 256}} {
		all = append(all, kernelCase{name: fmt.Sprintf("TimeEmbedding%+v", s), in: []int{s.N}, out: []int{s.N * s.Dim},
			want:  func(o, in [][]float64) { ref.TimeEmbedding(o[0], in[0], s.N, s.Dim) },
			items: TimeEmbeddingItems(s), tol: 1e-4, // angles of up to some thousand, rounded to float32
			run: func(o, in [][]float32, _ []float32, i, j int) { TimeEmbedding(o[0], in[0], s, i, j) }})
	}
	return all
}

func sampleCases(s SampleShape) []kernelCase {
	n := s.N * s.M
	return []kernelCase{
		{name: fmt.Sprintf("BroadcastAdd%+v", s), in: []int{n, s.M}, out: []int{n},
			want:  func(o, in [][]float64) { ref.BroadcastAdd(o[0], in[0], in[1], s.N, s.M) },
			items: BroadcastAddItems(s),
			run:   func(o, in [][]float32, _ []float32, i, j int) { BroadcastAdd(o[0], in[0], in[1], s, i, j) }},
		{name: fmt.Sprintf("BroadcastAddGrad%+v", s), in: []int{n}, out: []int{s.M},
			want:  func(o, in [][]float64) { ref.BroadcastAddGrad(o[0], in[0], s.N, s.M) },
			items: BroadcastAddGradItems(s), scratch: BroadcastAddGradScratch(s),
			run: func(o, in [][]float32, w []float32, i, j int) { BroadcastAddGrad(o[0], in[0], s, w, i, j) }},
		{name: fmt.Sprintf("SquaredError%+v", s), in: []int{n, n}, out: []int{s.N},
			want:  func(o, in [][]float64) { ref.SquaredError(o[0], in[0], in[1], s.N, s.M) },
			items: SquaredErrorItems(s),
			run:   func(o, in [][]float32, _ []float32, i, j int) { SquaredError(o[0], in[0], in[1], s, i, j) }},
		{name: fmt.Sprintf("SquaredErrorGrad%+v", s), in: []int{s.N, n, n}, out: []int{n},
			want:  func(o, in [][]float64) { ref.SquaredErrorGrad(o[0], in[0], in[1], in[2], s.N, s.M) },
			items: SquaredErrorGradItems(s),
			run: func(o, in [][]float32, _ []float32, i, j int) {
				SquaredErrorGrad(o[0], in[0], in[1], in[2], s, i, j)
			}},
		{name: fmt.Sprintf("AbsoluteError%+v", s), in: []int{n, n}, out: []int{s.N},
			want:  func(o, in [][]float64) { ref.AbsoluteError(o[0], in[0], in[1], s.N, s.M) },
			items: AbsoluteErrorItems(s),
			run:   func(o, in [][]float32, _ []float32, i, j int) { AbsoluteError(o[0], in[0], in[1], s, i, j) }},
		{name: fmt.Sprintf("AbsoluteErrorGrad%+v", s), in: []int{s.N, n, n}, out: []int{n},
			want:  func(o, in [][]float64) { ref.AbsoluteErrorGrad(o[0], in[0], in[1], in[2], s.N, s.M) },
			items: AbsoluteErrorGradItems(s),
			run: func(o, in [][]float32, _ []float32, i, j int) {
				AbsoluteErrorGrad(o[0], in[0], in[1], in[2], s, i, j)
			}},
		{name: fmt.Sprintf("KL%+v", s), in: []int{n, n}, out: []int{s.N},
			want:  func(o, in [][]float64) { ref.KL(o[0], in[0], in[1], s.N, s.M) },
			items: KLItems(s),
			run:   func(o, in [][]float32, _ []float32, i, j int) { KL(o[0], in[0], in[1], s, i, j) }},
		{name: fmt.Sprintf("KLGrad%+v", s), in: []int{s.N, n, n}, out: []int{n, n},
			want:  func(o, in [][]float64) { ref.KLGrad(o[0], o[1], in[0], in[1], in[2], s.N, s.M) },
			items: KLGradItems(s),
			run: func(o, in [][]float32, _ []float32, i, j int) {
				KLGrad(o[0], o[1], in[0], in[1], in[2], s, i, j)
			}},
	}
}

// testCases are the shapes of the tests: empty, single, odd, and wide ones.
func testCases() (all []kernelCase) {
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 129, 1000, piece + 3} {
		for _, c := range pointwiseCases(n) {
			c.name, c.items = fmt.Sprintf("%s/%d", c.name, n), n
			all = append(all, c)
		}
	}
	for _, s := range []NormShape{
		{1, 1, 2, 1, false}, {2, 5, 6, 3, false}, {3, 16, 8, 4, true}, {2, 64, 16, 8, true}, {2, 100, 48, 16, false},
		{3, 300, 32, 16, true}, {17, 9, 128, 16, true}, {1, 5000, 20, 10, false}, {2, 33, 112, 16, true}, {20, 6, 64, 16, false},
	} {
		all = append(all, groupNormCases(s)...)
	}
	for _, s := range []RowShape{{1, 3}, {5, 16}, {3, 37}, {100, 256}, {33, 64}, {2, 1000}} {
		all = append(all, rowCases(s)...)
	}
	for _, s := range []TokenShape{{1, 1, 1}, {2, 3, 5}, {3, 64, 64}, {2, 9, 100}, {3, 17, 256}, {1, 70, 272}} {
		all = append(all, tokenCases(s)...)
	}
	for _, s := range []AttentionShape{
		{1, 1, 1, 4, 1}, {2, 5, 3, 8, 2}, {2, 64, 64, 64, 2}, {2, 64, 8, 128, 4}, {1, 70, 33, 60, 3}, {1, 130, 300, 32, 2}, {2, 65, 600, 24, 2},
	} {
		all = append(all, attentionCases(s)...)
	}
	all = append(all, layoutCases()...)
	for _, s := range []SampleShape{{1, 1}, {3, 17}, {17, 256}, {40, 300}, {2, 9001}} {
		all = append(all, sampleCases(s)...)
	}
	return all
}

// atLevels runs f at every level that this machine has.
func atLevels(t *testing.T, f func(t *testing.T)) {
	for _, l := range Levels() {
		t.Run(l.String(), func(t *testing.T) {
			defer SetLevel(SetLevel(l))
			f(t)
		})
	}
}

// values are a case's random numbers: inputs, and what stood in the outputs.
func (c kernelCase) values() (in, out [][]float64) {
	rng := rand.New(rand.NewPCG(1, uint64(len(c.name))))
	draw := func(lengths []int) (all [][]float64) {
		for i, n := range lengths {
			v := make([]float64, n)
			for j := range v {
				v[j] = float64(float32(rng.NormFloat64()))
			}
			if c.make != nil {
				c.make(i, v)
			}
			for j := range v {
				v[j] = float64(float32(v[j]))
			}
			all = append(all, v)
		}
		return all
	}
	return draw(c.in), draw(c.out)
}

// narrow copies to float32, between guards; shift moves the start.
func narrow(v [][]float64, shift int) (all [][]float32, guards []guarded) {
	for _, x := range v {
		g := newGuarded(shift+len(x), func(i int) float32 {
			if i < shift {
				return float32(math.NaN())
			}
			return float32(x[i-shift])
		})
		all, guards = append(all, g.v[shift:]), append(guards, g)
	}
	return all, guards
}

// compute runs a case with its items cut in pieces, or in one if rng is nil.
func (c kernelCase) compute(t testing.TB, in, out [][]float64, shift int, rng *rand.Rand) [][]float32 {
	x, gx := narrow(in, shift)
	y, gy := narrow(out, shift)
	if rng == nil {
		scratch := newGuarded(c.scratch, func(int) float32 { return float32(math.NaN()) })
		c.run(y, x, scratch.v, 0, c.items)
		scratch.check(t, c.name+": scratch")
	} else {
		inPieces(rng, c.items, c.scratch, func(scratch []float32, i0, i1 int) { c.run(y, x, scratch, i0, i1) })
	}
	for _, g := range append(gx, gy...) {
		g.check(t, c.name)
	}
	for i := range x {
		for j, v := range x[i] {
			if v != float32(in[i][j]) {
				t.Fatalf("%s: input %d changed at %d", c.name, i, j)
			}
		}
	}
	return y
}

// TestForward holds every kernel to its definition in float64.
func TestForward(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for _, c := range testCases() {
			in, out := c.values()
			got := c.compute(t, in, out, 0, nil)
			c.want(out, in)
			tol := c.tol
			if tol == 0 {
				tol = sumTol
			}
			for i := range out {
				compare(t, fmt.Sprintf("%s: output %d", c.name, i), got[i], out[i], tol)
			}
		}
	})
}

// compare requires the relative L2 norm of got - want to be below tol, and names the worst element.
func compare(t *testing.T, name string, got []float32, want []float64, tol float64) {
	t.Helper()
	var norm, diff, worst float64
	at := 0
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		norm, diff = norm+w*w, diff+d*d
		if !(d <= worst) {
			worst, at = d, i
		}
	}
	if e := math.Sqrt(diff / (norm + smallNorm)); !(e <= tol) {
		t.Errorf("%s: relative error %.2g > %.2g; worst at %d of %d: %v, want %v", name, e, tol, at, len(want), got[at], want[at])
	}
}

// TestSplit cuts the items at random, runs the pieces in any order, and moves the slices:
// not a bit changes.
func TestSplit(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, c := range testCases() {
			in, out := c.values()
			whole := c.compute(t, in, out, 0, nil)
			for shift := range 3 {
				pieces := c.compute(t, in, out, shift, rng)
				for i := range whole {
					sameBits(t, fmt.Sprintf("%s: output %d", c.name, i), pieces[i], whole[i])
				}
			}
		}
	})
}

// BenchmarkKernel times the layers of the reference model, one sample or a piece at a time.
func BenchmarkKernel(b *testing.B) {
	var all []kernelCase
	for _, c := range pointwiseCases(piece) {
		c.items = piece
		all = append(all, c)
	}
	for _, silu := range []bool{false, true} {
		all = append(all, groupNormCases(NormShape{1, 1024, 32, 16, silu})[:2]...)
		all = append(all, groupNormCases(NormShape{1, 64, 128, 16, silu})[:2]...)
	}
	all = append(all, rowCases(RowShape{64, 256})...)
	all = append(all, tokenCases(TokenShape{1, 64, 256})...)
	all = append(all, attentionCases(AttentionShape{1, 64, 64, 256, 4})...)
	all = append(all, attentionCases(AttentionShape{1, 64, 8, 256, 4})...)
	all = append(all, attentionCases(AttentionShape{1, 1024, 1024, 256, 4})...)
	all = append(all, sampleCases(SampleShape{1, 3072})...)
	for _, c := range all {
		b.Run(c.name, func(b *testing.B) {
			in, out := c.values()
			x, _ := narrow(in, 0)
			y, _ := narrow(out, 0)
			scratch := make([]float32, c.scratch)
			bytes := 0
			for _, v := range append(x, y...) {
				bytes += 4 * len(v)
			}
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				c.run(y, x, scratch, 0, c.items)
			}
		})
	}
}
