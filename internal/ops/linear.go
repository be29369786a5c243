package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// LinearOp is y = x wᵀ + b over the last dimension: x (..., in), w (out, in), b (out) or
// absent, y (..., out).
type LinearOp struct{ base }

// Linear applies the matrix w (out, in) and the bias b (out), which may be nil, to x (..., in).
func Linear(x, w, b *gorgonia.Node) *gorgonia.Node {
	return apply(&LinearOp{}, given(x, w, b)...)
}

func (o *LinearOp) Kind() Kind { return "linear" }

func (o *LinearOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 3)
	x, w := in[0], in[1]
	wantsRank(o, "x", x, 2, 4)
	wantsRank(o, "w", w, 2, 2)
	if last(x) != w[1] {
		fail(o, "x has %d columns, w wants %d", last(x), w[1])
	}
	if len(in) == 3 {
		wantsShape(o, "b", in[2], w[0])
	}
	return []tensor.Shape{withLast(x, w[0])}
}

func (o *LinearOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx := apply(&LinearGradInputOp{}, dy, in[1])
	dw := apply(&LinearGradWeightOp{Bias: len(in) == 3}, dy, in[0])
	if len(in) == 2 {
		return gorgonia.Nodes{dx, dw}, nil
	}
	return gorgonia.Nodes{dx, Part(dw, 0), Part(dw, 1)}, nil
}

func (o *LinearOp) Reference() Reference { return define(o, linear, linear) }

func linear[F ref.Float](_ *LinearOp, dst, src [][]F, in []tensor.Shape) {
	ref.Linear(dst[0], src[0], src[1], optional(src, 2), rows(in[0]), in[1][1], in[1][0])
}

// LinearGradInputOp is dx = dy w: dy (..., out), w (out, in), dx (..., in).
type LinearGradInputOp struct{ base }

func (o *LinearGradInputOp) Kind() Kind { return "linear-grad-input" }

func (o *LinearGradInputOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	if last(in[0]) != in[1][0] {
		fail(o, "dy has %d columns, w gives %d", last(in[0]), in[1][0])
	}
	return []tensor.Shape{withLast(in[0], in[1][1])}
}

func (o *LinearGradInputOp) Reference() Reference {
	return define(o, linearGradInput, linearGradInput)
}

func linearGradInput[F ref.Float](_ *LinearGradInputOp, dst, src [][]F, in []tensor.Shape) {
	ref.LinearGradInput(dst[0], src[0], src[1], rows(in[0]), in[1][1], in[1][0])
}

// LinearGradWeightOp is dw = dyᵀ x and, with Bias, db = the sum of dy's rows: dy (N, ...,
// out), x (N, ..., in), dw (out, in), db (out). Samples are summed by the rule of 16.
type LinearGradWeightOp struct {
	base
	Bias bool // a bundle of dw and db; else dw alone
}

func (o *LinearGradWeightOp) Kind() Kind { return "linear-grad-weight" }

func (o *LinearGradWeightOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	dy, x := in[0], in[1]
	wantsShape(o, "dy", dy, withLast(x, last(dy))...)
	dw, db := tensor.Shape{last(dy), last(x)}, tensor.Shape{last(dy)}
	if !o.Bias {
		return []tensor.Shape{dw}
	}
	return []tensor.Shape{dw, db}
}

func (o *LinearGradWeightOp) Reference() Reference {
	return define(o, linearGradWeight, linearGradWeight)
}

func linearGradWeight[F ref.Float](_ *LinearGradWeightOp, dst, src [][]F, in []tensor.Shape) {
	n := in[1][0]
	ref.LinearGradWeight(dst[0], optional(dst, 1), src[0], src[1], n, rows(in[1])/n, last(in[1]), last(in[0]))
}
