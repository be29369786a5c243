package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// GroupNormEps is PyTorch's default.
const GroupNormEps = 1e-5

// GroupNormOp normalises each sample over its positions and the channels of each group,
// then scales and shifts channels: x (N, ..., C), gamma and beta (C). It is a bundle of y
// (N, ..., C), mean (N, G) and rstd (N, G). Wu & He (2018).
type GroupNormOp struct {
	base
	Groups int
	Eps    float32
}

// GroupNorm normalises x (N, H, W, C) or (N, L, C) in groups of channels.
func GroupNorm(x, gamma, beta *gorgonia.Node, groups int) *gorgonia.Node {
	return Part(apply(&GroupNormOp{Groups: groups, Eps: GroupNormEps}, x, gamma, beta), 0)
}

func (o *GroupNormOp) Kind() Kind { return "group-norm" }

func (o *GroupNormOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 3, 3)
	x := in[0]
	wantsRank(o, "x", x, 2, 4)
	wantsShape(o, "gamma", in[1], last(x))
	wantsShape(o, "beta", in[2], last(x))
	if o.Groups < 1 || last(x)%o.Groups != 0 {
		fail(o, "%d channels do not make %d groups", last(x), o.Groups)
	}
	statistics := tensor.Shape{x[0], o.Groups}
	return []tensor.Shape{x.Clone(), statistics, statistics}
}

// Shape is the normalisation's shape for inputs of the shapes in.
func (o *GroupNormOp) Shape(in []tensor.Shape) ref.NormShape { return normShape(in[0], o.Groups) }

func normShape(x tensor.Shape, groups int) ref.NormShape {
	return ref.NormShape{N: x[0], P: product(x[1 : len(x)-1]), C: last(x), G: groups}
}

func (o *GroupNormOp) SymDiff(in gorgonia.Nodes, bundle, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	d := apply(&GroupNormGradOp{Groups: o.Groups}, dy, in[0], Part(bundle, 1), Part(bundle, 2), in[1])
	return gorgonia.Nodes{Part(d, 0), Part(d, 1), Part(d, 2)}, nil
}

func (o *GroupNormOp) Reference() Reference { return define(o, groupNorm, groupNorm) }

func groupNorm[F ref.Float](o *GroupNormOp, dst, src [][]F, in []tensor.Shape) {
	ref.GroupNorm(dst[0], dst[1], dst[2], src[0], src[1], src[2], o.Shape(in), F(o.Eps))
}

// GroupNormGradOp reads dy (N, ..., C), x (N, ..., C), mean (N, G), rstd (N, G) and gamma
// (C), and is a bundle of dx (N, ..., C), dgamma (C) and dbeta (C), the last two summed
// over samples by the rule of 16.
type GroupNormGradOp struct {
	base
	Groups int
}

func (o *GroupNormGradOp) Kind() Kind { return "group-norm-grad" }

func (o *GroupNormGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 5, 5)
	x := in[1]
	wantsShape(o, "dy", in[0], x...)
	wantsShape(o, "mean", in[2], x[0], o.Groups)
	wantsShape(o, "rstd", in[3], x[0], o.Groups)
	return []tensor.Shape{x.Clone(), {last(x)}, {last(x)}}
}

// Shape is the normalisation's shape for inputs of the shapes in.
func (o *GroupNormGradOp) Shape(in []tensor.Shape) ref.NormShape { return normShape(in[1], o.Groups) }

func (o *GroupNormGradOp) Reference() Reference { return define(o, groupNormGrad, groupNormGrad) }

func groupNormGrad[F ref.Float](o *GroupNormGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.GroupNormGrad(dst[0], dst[1], dst[2], src[0], src[1], src[2], src[3], src[4], o.Shape(in))
}
