package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// AttentionOp is multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2):
//
//	o = softmax(q kᵀ / √(D/Heads)) v    in each head
//
// for queries q (N, L, D) and kv (N, M, 2D), the keys in columns [0, D) and the values in
// [D, 2D); head h has columns [h·D/Heads, (h+1)·D/Heads) of each. It is a bundle of o (N,
// L, D) and lse (N, Heads, L), the logarithm of the sum of the exponentials of each query's
// scores. With M = L and kv made from the same tokens it is self-attention.
type AttentionOp struct {
	base
	Heads int
}

// Attention lets queries q (N, L, D) read keys and values kv (N, M, 2D).
func Attention(q, kv *gorgonia.Node, heads int) *gorgonia.Node {
	return Part(apply(&AttentionOp{Heads: heads}, q, kv), 0)
}

func (o *AttentionOp) Kind() Kind { return "attention" }

func (o *AttentionOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	q, kv := in[0], in[1]
	wantsRank(o, "q", q, 3, 3)
	wantsRank(o, "kv", kv, 3, 3)
	wantsShape(o, "kv", kv, q[0], kv[1], 2*q[2])
	if o.Heads < 1 || q[2]%o.Heads != 0 {
		fail(o, "a width of %d does not make %d heads", q[2], o.Heads)
	}
	return []tensor.Shape{q.Clone(), {q[0], o.Heads, q[1]}}
}

// Shape is the attention's shape for inputs of the shapes in.
func (o *AttentionOp) Shape(in []tensor.Shape) ref.AttentionShape {
	return attentionShape(in[0], in[1], o.Heads)
}

func attentionShape(q, kv tensor.Shape, heads int) ref.AttentionShape {
	return ref.AttentionShape{N: q[0], L: q[1], M: kv[1], D: q[2], Heads: heads}
}

func (o *AttentionOp) SymDiff(in gorgonia.Nodes, bundle, do *gorgonia.Node) (gorgonia.Nodes, error) {
	d := apply(&AttentionGradOp{Heads: o.Heads}, do, in[0], in[1], Part(bundle, 0), Part(bundle, 1))
	return gorgonia.Nodes{Part(d, 0), Part(d, 1)}, nil
}

func (o *AttentionOp) Reference() Reference { return define(o, attention, attention) }

func attention[F ref.Float](o *AttentionOp, dst, src [][]F, in []tensor.Shape) {
	ref.Attention(dst[0], dst[1], src[0], src[1], o.Shape(in))
}

// AttentionGradOp reads do (N, L, D), q (N, L, D), kv (N, M, 2D), o (N, L, D) and lse (N,
// Heads, L), and is a bundle of dq (N, L, D) and dkv (N, M, 2D).
type AttentionGradOp struct {
	base
	Heads int
}

func (o *AttentionGradOp) Kind() Kind { return "attention-grad" }

func (o *AttentionGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 5, 5)
	q, kv := in[1], in[2]
	wantsShape(o, "do", in[0], q...)
	wantsShape(o, "o", in[3], q...)
	wantsShape(o, "lse", in[4], q[0], o.Heads, q[1])
	return []tensor.Shape{q.Clone(), kv.Clone()}
}

// Shape is the attention's shape for inputs of the shapes in.
func (o *AttentionGradOp) Shape(in []tensor.Shape) ref.AttentionShape {
	return attentionShape(in[1], in[2], o.Heads)
}

func (o *AttentionGradOp) Reference() Reference { return define(o, attentionGrad, attentionGrad) }

func attentionGrad[F ref.Float](o *AttentionGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.AttentionGrad(dst[0], dst[1], src[0], src[1], src[2], src[3], src[4], o.Shape(in))
}
