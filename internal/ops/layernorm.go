package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// LayerNormEps is what transformers of the DiT family use (Peebles & Xie 2023).
const LayerNormEps = 1e-6

// LayerNormOp normalises over the last dimension, without scale and shift: a bundle of y
// (..., D), mean (...) and rstd (...) for x (..., D). Ba et al. (2016).
type LayerNormOp struct {
	base
	Eps float32
}

// LayerNorm normalises each row of x (..., D).
func LayerNorm(x *gorgonia.Node) *gorgonia.Node {
	return Part(apply(&LayerNormOp{Eps: LayerNormEps}, x), 0)
}

func (o *LayerNormOp) Kind() Kind { return "layer-norm" }

func (o *LayerNormOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	x := in[0]
	wantsRank(o, "x", x, 2, 4)
	statistics := x[:len(x)-1].Clone()
	return []tensor.Shape{x.Clone(), statistics, statistics}
}

func (o *LayerNormOp) SymDiff(in gorgonia.Nodes, bundle, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&LayerNormGradOp{}, dy, in[0], Part(bundle, 1), Part(bundle, 2))}, nil
}

func (o *LayerNormOp) Reference() Reference { return define(o, layerNorm, layerNorm) }

func layerNorm[F ref.Float](o *LayerNormOp, dst, src [][]F, in []tensor.Shape) {
	ref.LayerNorm(dst[0], dst[1], dst[2], src[0], rows(in[0]), last(in[0]), F(o.Eps))
}

// LayerNormGradOp reads dy (..., D), x (..., D), mean (...) and rstd (...), and gives dx (..., D).
type LayerNormGradOp struct{ base }

func (o *LayerNormGradOp) Kind() Kind { return "layer-norm-grad" }

func (o *LayerNormGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 4, 4)
	x := in[1]
	wantsShape(o, "dy", in[0], x...)
	wantsShape(o, "mean", in[2], x[:len(x)-1]...)
	wantsShape(o, "rstd", in[3], x[:len(x)-1]...)
	return []tensor.Shape{x.Clone()}
}

func (o *LayerNormGradOp) Reference() Reference { return define(o, layerNormGrad, layerNormGrad) }

func layerNormGrad[F ref.Float](_ *LayerNormGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.LayerNormGrad(dst[0], src[0], src[1], src[2], src[3], rows(in[1]), last(in[1]))
}
