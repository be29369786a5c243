package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// Upsample2Op repeats each pixel twice in both directions: x (N, H, W, C), y (N, 2H, 2W, C).
type Upsample2Op struct{ base }

// Upsample2 doubles an image x (N, H, W, C) by its nearest pixels.
func Upsample2(x *gorgonia.Node) *gorgonia.Node { return apply(&Upsample2Op{}, x) }

func (o *Upsample2Op) Kind() Kind { return "upsample2" }

func (o *Upsample2Op) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	x := in[0]
	wantsRank(o, "x", x, 4, 4)
	return []tensor.Shape{{x[0], 2 * x[1], 2 * x[2], x[3]}}
}

func (o *Upsample2Op) SymDiff(_ gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&Upsample2GradOp{}, dy)}, nil
}

func (o *Upsample2Op) Reference() Reference { return define(o, upsample2, upsample2) }

func upsample2[F ref.Float](_ *Upsample2Op, dst, src [][]F, in []tensor.Shape) {
	x := in[0]
	ref.Upsample2(dst[0], src[0], x[0], x[1], x[2], x[3])
}

// Upsample2GradOp sums dy over each square of four pixels: dy (N, 2H, 2W, C), dx (N, H, W, C).
type Upsample2GradOp struct{ base }

func (o *Upsample2GradOp) Kind() Kind { return "upsample2-grad" }

func (o *Upsample2GradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	dy := in[0]
	return []tensor.Shape{{dy[0], dy[1] / 2, dy[2] / 2, dy[3]}}
}

func (o *Upsample2GradOp) Reference() Reference { return define(o, upsample2Grad, upsample2Grad) }

func upsample2Grad[F ref.Float](_ *Upsample2GradOp, dst, src [][]F, in []tensor.Shape) {
	dy := in[0]
	ref.Upsample2Grad(dst[0], src[0], dy[0], dy[1]/2, dy[2]/2, dy[3])
}
