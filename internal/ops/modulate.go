package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// The two halves of adaptive layer norm (Peebles & Xie 2023, section 3.2): what a sample's
// time says scales, shifts and gates all of its tokens alike.

// ScaleShiftOp is y = x (1 + scale) + shift: x (N, L, D), scale and shift (N, D).
type ScaleShiftOp struct{ base }

// ScaleShift modulates the tokens x (N, L, D) by scale and shift (N, D).
func ScaleShift(x, scale, shift *gorgonia.Node) *gorgonia.Node {
	return apply(&ScaleShiftOp{}, x, scale, shift)
}

func (o *ScaleShiftOp) Kind() Kind { return "scale-shift" }

func (o *ScaleShiftOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 3, 3)
	x := in[0]
	wantsRank(o, "x", x, 3, 3)
	wantsShape(o, "scale", in[1], x[0], x[2])
	wantsShape(o, "shift", in[2], x[0], x[2])
	return []tensor.Shape{x.Clone()}
}

func (o *ScaleShiftOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	d := apply(&ScaleShiftGradOp{}, dy, in[0], in[1])
	return gorgonia.Nodes{Part(d, 0), Part(d, 1), Part(d, 2)}, nil
}

func (o *ScaleShiftOp) Reference() Reference { return define(o, scaleShift, scaleShift) }

func scaleShift[F ref.Float](_ *ScaleShiftOp, dst, src [][]F, in []tensor.Shape) {
	x := in[0]
	ref.ScaleShift(dst[0], src[0], src[1], src[2], x[0], x[1], x[2])
}

// ScaleShiftGradOp reads dy (N, L, D), x (N, L, D) and scale (N, D), and is a bundle of dx
// (N, L, D), dscale (N, D) and dshift (N, D).
type ScaleShiftGradOp struct{ base }

func (o *ScaleShiftGradOp) Kind() Kind { return "scale-shift-grad" }

func (o *ScaleShiftGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 3, 3)
	x := in[1]
	wantsShape(o, "dy", in[0], x...)
	return []tensor.Shape{x.Clone(), {x[0], x[2]}, {x[0], x[2]}}
}

func (o *ScaleShiftGradOp) Reference() Reference { return define(o, scaleShiftGrad, scaleShiftGrad) }

func scaleShiftGrad[F ref.Float](_ *ScaleShiftGradOp, dst, src [][]F, in []tensor.Shape) {
	x := in[1]
	ref.ScaleShiftGrad(dst[0], dst[1], dst[2], src[0], src[1], src[2], x[0], x[1], x[2])
}

// GateOp is y = x + gate h: x and h (N, L, D), gate (N, D).
type GateOp struct{ base }

// Gate adds the branch h (N, L, D), weighed by gate (N, D), to the tokens x (N, L, D).
func Gate(x, h, gate *gorgonia.Node) *gorgonia.Node { return apply(&GateOp{}, x, h, gate) }

func (o *GateOp) Kind() Kind { return "gate" }

func (o *GateOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 3, 3)
	x := in[0]
	wantsRank(o, "x", x, 3, 3)
	wantsShape(o, "h", in[1], x...)
	wantsShape(o, "gate", in[2], x[0], x[2])
	return []tensor.Shape{x.Clone()}
}

// SymDiff: x passes through, so dx is dy itself.
func (o *GateOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	d := apply(&GateGradOp{}, dy, in[1], in[2])
	return gorgonia.Nodes{dy, Part(d, 0), Part(d, 1)}, nil
}

func (o *GateOp) Reference() Reference { return define(o, gate, gate) }

func gate[F ref.Float](_ *GateOp, dst, src [][]F, in []tensor.Shape) {
	x := in[0]
	ref.Gate(dst[0], src[0], src[1], src[2], x[0], x[1], x[2])
}

// GateGradOp reads dy (N, L, D), h (N, L, D) and gate (N, D), and is a bundle of dh (N, L,
// D) and dgate (N, D).
type GateGradOp struct{ base }

func (o *GateGradOp) Kind() Kind { return "gate-grad" }

func (o *GateGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 3, 3)
	h := in[1]
	wantsShape(o, "dy", in[0], h...)
	return []tensor.Shape{h.Clone(), {h[0], h[2]}}
}

func (o *GateGradOp) Reference() Reference { return define(o, gateGrad, gateGrad) }

func gateGrad[F ref.Float](_ *GateGradOp, dst, src [][]F, in []tensor.Shape) {
	h := in[1]
	ref.GateGrad(dst[0], dst[1], src[0], src[1], src[2], h[0], h[1], h[2])
}
