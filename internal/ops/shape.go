package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// ReshapeOp gives the same numbers another shape.
type ReshapeOp struct {
	base
	Shape tensor.Shape
}

// Reshape gives the numbers of x, row-major, another shape of the same size.
func Reshape(x *gorgonia.Node, shape ...int) *gorgonia.Node {
	return apply(&ReshapeOp{Shape: tensor.Shape(shape).Clone()}, x)
}

func (o *ReshapeOp) Kind() Kind { return "reshape" }

func (o *ReshapeOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	if product(in[0]) != product(o.Shape) {
		fail(o, "x is %v, which does not make %v", in[0], o.Shape)
	}
	return []tensor.Shape{o.Shape.Clone()}
}

func (o *ReshapeOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{Reshape(dy, in[0].Shape()...)}, nil
}

func (o *ReshapeOp) Reference() Reference { return define(o, reshape, reshape) }

func reshape[F ref.Float](_ *ReshapeOp, dst, src [][]F, _ []tensor.Shape) { copy(dst[0], src[0]) }

// SliceOp takes columns [From, To) of the last dimension.
type SliceOp struct {
	base
	From, To int
}

// Slice takes columns [from, to) of the last dimension of x (..., C).
func Slice(x *gorgonia.Node, from, to int) *gorgonia.Node {
	return apply(&SliceOp{From: from, To: to}, x)
}

func (o *SliceOp) Kind() Kind { return "slice" }

func (o *SliceOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	x := in[0]
	wantsRank(o, "x", x, 1, 4)
	if o.From < 0 || o.To > last(x) || o.From >= o.To {
		fail(o, "columns [%d, %d) of %d", o.From, o.To, last(x))
	}
	return []tensor.Shape{withLast(x, o.To-o.From)}
}

func (o *SliceOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&SliceGradOp{Width: last(in[0].Shape()), From: o.From, To: o.To}, dy)}, nil
}

func (o *SliceOp) Reference() Reference { return define(o, slice, slice) }

func slice[F ref.Float](o *SliceOp, dst, src [][]F, in []tensor.Shape) {
	ref.Slice(dst[0], src[0], rows(in[0]), last(in[0]), o.From, o.To)
}

// SliceGradOp puts dy (..., To-From) into columns [From, To) of zeros (..., Width).
type SliceGradOp struct {
	base
	Width, From, To int
}

func (o *SliceGradOp) Kind() Kind { return "slice-grad" }

func (o *SliceGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	wantsShape(o, "dy", in[0], withLast(in[0], o.To-o.From)...)
	return []tensor.Shape{withLast(in[0], o.Width)}
}

func (o *SliceGradOp) Reference() Reference { return define(o, sliceGrad, sliceGrad) }

func sliceGrad[F ref.Float](o *SliceGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.SliceGrad(dst[0], src[0], rows(in[0]), o.Width, o.From, o.To)
}

// ConcatOp puts the last dimensions of a (..., M) and b (..., N) end to end: y (..., M+N).
type ConcatOp struct{ base }

// Concat puts the channels of b (..., N) behind those of a (..., M).
func Concat(a, b *gorgonia.Node) *gorgonia.Node { return apply(&ConcatOp{}, a, b) }

func (o *ConcatOp) Kind() Kind { return "concat" }

func (o *ConcatOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	a, b := in[0], in[1]
	wantsRank(o, "a", a, 1, 4)
	wantsRank(o, "b", b, 1, 4)
	wantsShape(o, "b", b, withLast(a, last(b))...)
	return []tensor.Shape{withLast(a, last(a)+last(b))}
}

func (o *ConcatOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	m, width := last(in[0].Shape()), last(dy.Shape())
	return gorgonia.Nodes{Slice(dy, 0, m), Slice(dy, m, width)}, nil
}

func (o *ConcatOp) Reference() Reference { return define(o, concat, concat) }

func concat[F ref.Float](_ *ConcatOp, dst, src [][]F, in []tensor.Shape) {
	ref.Concat(dst[0], src[0], src[1], rows(in[0]), last(in[0]), last(in[1]))
}

// BroadcastAddOp adds the same numbers to each sample: x (N, ...), b of the shape of one
// sample, with or without a leading 1.
type BroadcastAddOp struct{ base }

// BroadcastAdd adds b (...) or (1, ...), positions say, to each sample of x (N, ...).
func BroadcastAdd(x, b *gorgonia.Node) *gorgonia.Node { return apply(&BroadcastAddOp{}, x, b) }

func (o *BroadcastAddOp) Kind() Kind { return "broadcast-add" }

func (o *BroadcastAddOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	x, b := in[0], in[1]
	wantsRank(o, "x", x, 2, 4)
	if b.Dims() == x.Dims() && b[0] == 1 {
		b = b[1:]
	}
	wantsShape(o, "b", b, x[1:]...)
	return []tensor.Shape{x.Clone()}
}

func (o *BroadcastAddOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{dy, apply(&BroadcastAddGradOp{Shape: in[1].Shape()}, dy)}, nil
}

func (o *BroadcastAddOp) Reference() Reference { return define(o, broadcastAdd, broadcastAdd) }

func broadcastAdd[F ref.Float](_ *BroadcastAddOp, dst, src [][]F, in []tensor.Shape) {
	ref.BroadcastAdd(dst[0], src[0], src[1], in[0][0], product(in[0][1:]))
}

// BroadcastAddGradOp sums dy (N, ...) over samples by the rule of 16, into db of Shape.
type BroadcastAddGradOp struct {
	base
	Shape tensor.Shape
}

func (o *BroadcastAddGradOp) Kind() Kind { return "broadcast-add-grad" }

func (o *BroadcastAddGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	if product(o.Shape) != product(in[0][1:]) {
		fail(o, "dy is %v, b %v", in[0], o.Shape)
	}
	return []tensor.Shape{o.Shape.Clone()}
}

func (o *BroadcastAddGradOp) Reference() Reference {
	return define(o, broadcastAddGrad, broadcastAddGrad)
}

func broadcastAddGrad[F ref.Float](_ *BroadcastAddGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.BroadcastAddGrad(dst[0], src[0], in[0][0], product(in[0][1:]))
}
