package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// Conv2dOp is a convolution with a square kernel of 1 or 3, padded by half of it: x (N, H,
// W, Cin), w (Cout, Cin, K, K), b (Cout) or absent, y (N, ⌈H/Stride⌉, ⌈W/Stride⌉, Cout).
type Conv2dOp struct {
	base
	Stride int
}

// Conv2d convolves x (N, H, W, Cin) with w (Cout, Cin, K, K) and adds b (Cout), which may be nil.
func Conv2d(x, w, b *gorgonia.Node, stride int) *gorgonia.Node {
	return apply(&Conv2dOp{Stride: stride}, given(x, w, b)...)
}

func (o *Conv2dOp) Kind() Kind { return "conv2d" }

func (o *Conv2dOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 3)
	x, w := in[0], in[1]
	wantsRank(o, "x", x, 4, 4)
	wantsRank(o, "w", w, 4, 4)
	if x[3] != w[1] {
		fail(o, "x has %d channels, w wants %d", x[3], w[1])
	}
	if k := w[2]; w[3] != k || (k != 1 && k != 3) {
		fail(o, "w is %v, want a kernel of 1x1 or 3x3", w)
	}
	if o.Stride < 1 {
		fail(o, "stride is %d, want at least 1", o.Stride)
	}
	if len(in) == 3 {
		wantsShape(o, "b", in[2], w[0])
	}
	s := o.Shape(in)
	return []tensor.Shape{{s.N, s.OutH(), s.OutW(), s.Cout}}
}

// Shape is the convolution's shape for inputs of the shapes in.
func (o *Conv2dOp) Shape(in []tensor.Shape) ref.ConvShape {
	x, w := in[0], in[1]
	return ref.ConvShape{N: x[0], H: x[1], W: x[2], Cin: x[3], Cout: w[0], Kernel: w[2], Stride: o.Stride}
}

func (o *Conv2dOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, w := in[0].Shape(), in[1].Shape()
	dx := apply(&Conv2dGradInputOp{H: x[1], W: x[2], Stride: o.Stride}, dy, in[1])
	dw := apply(&Conv2dGradWeightOp{Kernel: w[2], Stride: o.Stride, Bias: len(in) == 3}, dy, in[0])
	if len(in) == 2 {
		return gorgonia.Nodes{dx, dw}, nil
	}
	return gorgonia.Nodes{dx, Part(dw, 0), Part(dw, 1)}, nil
}

func (o *Conv2dOp) Reference() Reference { return define(o, conv2d, conv2d) }

func conv2d[F ref.Float](o *Conv2dOp, dst, src [][]F, in []tensor.Shape) {
	ref.Conv2d(dst[0], src[0], src[1], optional(src, 2), o.Shape(in))
}

// Conv2dGradInputOp is the gradient of a convolution's input: dy (N, OutH, OutW, Cout), w
// (Cout, Cin, K, K), dx (N, H, W, Cin).
type Conv2dGradInputOp struct {
	base
	H, W   int // of the input
	Stride int
}

func (o *Conv2dGradInputOp) Kind() Kind { return "conv2d-grad-input" }

func (o *Conv2dGradInputOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	s := o.Shape(in)
	wantsShape(o, "dy", in[0], s.N, s.OutH(), s.OutW(), s.Cout)
	return []tensor.Shape{{s.N, s.H, s.W, s.Cin}}
}

// Shape is the convolution's shape for inputs of the shapes in.
func (o *Conv2dGradInputOp) Shape(in []tensor.Shape) ref.ConvShape {
	dy, w := in[0], in[1]
	return ref.ConvShape{N: dy[0], H: o.H, W: o.W, Cin: w[1], Cout: w[0], Kernel: w[2], Stride: o.Stride}
}

func (o *Conv2dGradInputOp) Reference() Reference {
	return define(o, conv2dGradInput, conv2dGradInput)
}

func conv2dGradInput[F ref.Float](o *Conv2dGradInputOp, dst, src [][]F, in []tensor.Shape) {
	ref.Conv2dGradInput(dst[0], src[0], src[1], o.Shape(in))
}

// Conv2dGradWeightOp is the gradient of a convolution's weights and, with Bias, of its
// bias: dy (N, OutH, OutW, Cout), x (N, H, W, Cin), dw (Cout, Cin, K, K), db (Cout).
// Samples are summed by the rule of 16.
type Conv2dGradWeightOp struct {
	base
	Kernel, Stride int
	Bias           bool // a bundle of dw and db; else dw alone
}

func (o *Conv2dGradWeightOp) Kind() Kind { return "conv2d-grad-weight" }

func (o *Conv2dGradWeightOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	s := o.Shape(in)
	wantsShape(o, "dy", in[0], s.N, s.OutH(), s.OutW(), s.Cout)
	dw, db := tensor.Shape{s.Cout, s.Cin, s.Kernel, s.Kernel}, tensor.Shape{s.Cout}
	if !o.Bias {
		return []tensor.Shape{dw}
	}
	return []tensor.Shape{dw, db}
}

// Shape is the convolution's shape for inputs of the shapes in.
func (o *Conv2dGradWeightOp) Shape(in []tensor.Shape) ref.ConvShape {
	dy, x := in[0], in[1]
	return ref.ConvShape{N: x[0], H: x[1], W: x[2], Cin: x[3], Cout: dy[3], Kernel: o.Kernel, Stride: o.Stride}
}

func (o *Conv2dGradWeightOp) Reference() Reference {
	return define(o, conv2dGradWeight, conv2dGradWeight)
}

func conv2dGradWeight[F ref.Float](o *Conv2dGradWeightOp, dst, src [][]F, in []tensor.Shape) {
	ref.Conv2dGradWeight(dst[0], optional(dst, 1), src[0], src[1], o.Shape(in))
}
