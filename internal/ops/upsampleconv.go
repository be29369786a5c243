package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// UpsampleConvOp is a convolution with a kernel of 3 over images that are doubled first, each
// pixel repeated twice in both directions: x (N, H, W, Cin), w (Cout, Cin, 3, 3), b (Cout) or
// absent, y (N, 2H, 2W, Cout). It is one operation because a back end can do it with a
// quarter of the products, and without the doubled images.
type UpsampleConvOp struct{ base }

// UpsampleConv doubles images x (N, H, W, Cin) by their nearest pixels, convolves them with w
// (Cout, Cin, 3, 3) and adds b (Cout), which may be nil.
func UpsampleConv(x, w, b *gorgonia.Node) *gorgonia.Node {
	return apply(&UpsampleConvOp{}, given(x, w, b)...)
}

func (o *UpsampleConvOp) Kind() Kind { return "upsample-conv" }

func (o *UpsampleConvOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 3)
	x, w := in[0], in[1]
	wantsRank(o, "x", x, 4, 4)
	wantsRank(o, "w", w, 4, 4)
	if x[3] != w[1] {
		fail(o, "x has %d channels, w wants %d", x[3], w[1])
	}
	if w[2] != 3 || w[3] != 3 {
		fail(o, "w is %v, want a kernel of 3x3", w)
	}
	if len(in) == 3 {
		wantsShape(o, "b", in[2], w[0])
	}
	return []tensor.Shape{{x[0], 2 * x[1], 2 * x[2], w[0]}}
}

// Shape is the operation's shape for inputs of the shapes in.
func (o *UpsampleConvOp) Shape(in []tensor.Shape) ref.UpsampleConvShape {
	x, w := in[0], in[1]
	return ref.UpsampleConvShape{N: x[0], H: x[1], W: x[2], Cin: x[3], Cout: w[0]}
}

func (o *UpsampleConvOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx := apply(&UpsampleConvGradInputOp{}, dy, in[1])
	dw := apply(&UpsampleConvGradWeightOp{Bias: len(in) == 3}, dy, in[0])
	if len(in) == 2 {
		return gorgonia.Nodes{dx, dw}, nil
	}
	return gorgonia.Nodes{dx, Part(dw, 0), Part(dw, 1)}, nil
}

func (o *UpsampleConvOp) Reference() Reference { return define(o, upsampleConv, upsampleConv) }

func upsampleConv[F ref.Float](o *UpsampleConvOp, dst, src [][]F, in []tensor.Shape) {
	ref.UpsampleConv(dst[0], src[0], src[1], optional(src, 2), o.Shape(in))
}

// UpsampleConvGradInputOp is the gradient of the small images: dy (N, 2H, 2W, Cout), w (Cout,
// Cin, 3, 3), dx (N, H, W, Cin).
type UpsampleConvGradInputOp struct{ base }

func (o *UpsampleConvGradInputOp) Kind() Kind { return "upsample-conv-grad-input" }

func (o *UpsampleConvGradInputOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	s := o.Shape(in)
	wantsShape(o, "dy", in[0], s.N, 2*s.H, 2*s.W, s.Cout)
	return []tensor.Shape{{s.N, s.H, s.W, s.Cin}}
}

// Shape is the operation's shape for inputs of the shapes in.
func (o *UpsampleConvGradInputOp) Shape(in []tensor.Shape) ref.UpsampleConvShape {
	dy, w := in[0], in[1]
	return ref.UpsampleConvShape{N: dy[0], H: dy[1] / 2, W: dy[2] / 2, Cin: w[1], Cout: w[0]}
}

func (o *UpsampleConvGradInputOp) Reference() Reference {
	return define(o, upsampleConvGradInput, upsampleConvGradInput)
}

func upsampleConvGradInput[F ref.Float](o *UpsampleConvGradInputOp, dst, src [][]F, in []tensor.Shape) {
	ref.UpsampleConvGradInput(dst[0], src[0], src[1], o.Shape(in))
}

// UpsampleConvGradWeightOp is the gradient of the weights and, with Bias, of the bias: dy (N, 2H,
// 2W, Cout), x (N, H, W, Cin), dw (Cout, Cin, 3, 3), db (Cout). Samples are summed by the rule
// of 16.
type UpsampleConvGradWeightOp struct {
	base
	Bias bool // a bundle of dw and db; else dw alone
}

func (o *UpsampleConvGradWeightOp) Kind() Kind { return "upsample-conv-grad-weight" }

func (o *UpsampleConvGradWeightOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	s := o.Shape(in)
	wantsShape(o, "dy", in[0], s.N, 2*s.H, 2*s.W, s.Cout)
	dw, db := tensor.Shape{s.Cout, s.Cin, 3, 3}, tensor.Shape{s.Cout}
	if !o.Bias {
		return []tensor.Shape{dw}
	}
	return []tensor.Shape{dw, db}
}

// Shape is the operation's shape for inputs of the shapes in.
func (o *UpsampleConvGradWeightOp) Shape(in []tensor.Shape) ref.UpsampleConvShape {
	dy, x := in[0], in[1]
	return ref.UpsampleConvShape{N: x[0], H: x[1], W: x[2], Cin: x[3], Cout: dy[3]}
}

func (o *UpsampleConvGradWeightOp) Reference() Reference {
	return define(o, upsampleConvGradWeight, upsampleConvGradWeight)
}

func upsampleConvGradWeight[F ref.Float](o *UpsampleConvGradWeightOp, dst, src [][]F, in []tensor.Shape) {
	ref.UpsampleConvGradWeight(dst[0], optional(dst, 1), src[0], src[1], o.Shape(in))
}
