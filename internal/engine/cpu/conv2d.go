package cpu

import (
	"lfm/internal/kernels"
	"lfm/internal/kernels/ref"
	"lfm/internal/ops"
)

func convShape(s ref.ConvShape) kernels.ConvShape {
	return kernels.ConvShape{N: s.N, H: s.H, W: s.W, Cin: s.Cin, Cout: s.Cout, Kernel: s.Kernel, Stride: s.Stride}
}

func conv2d(c *call) {
	sum := c.sum()
	y, x, w, bias := c.out[0].data, c.in[0].data, c.in[1].data, c.optional(2)
	s := convShape(c.op.(*ops.Conv2dOp).Shape(c.shapes()))
	s.Accumulate = sum
	packed := c.pack(1, kernels.Conv2dPackSize(s), kernels.Conv2dPackItems(s), func(packed []float32, i0, i1 int) {
		kernels.Conv2dPack(packed, w, s, i0, i1)
	})
	c.loopBy(kernels.PanelPiece(s.Cout), kernels.Conv2dItems(s), kernels.Conv2dScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.Conv2d(y, x, packed, bias, s, scratch, i0, i1)
	})
}

func conv2dGradInput(c *call) {
	sum := c.sum()
	dx, dy, w := c.out[0].data, c.in[0].data, c.in[1].data
	s := convShape(c.op.(*ops.Conv2dGradInputOp).Shape(c.shapes()))
	s.Accumulate = sum
	packed := c.pack(1, kernels.Conv2dGradInputPackSize(s), kernels.Conv2dGradInputPackItems(s), func(packed []float32, i0, i1 int) {
		kernels.Conv2dGradInputPack(packed, w, s, i0, i1)
	})
	c.loopBy(kernels.PanelPiece(s.Cin), kernels.Conv2dGradInputItems(s), kernels.Conv2dGradInputScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.Conv2dGradInput(dx, dy, packed, s, scratch, i0, i1)
	})
}

func conv2dGradWeight(c *call) {
	dw, db, dy, x := c.result(0), c.bias(), c.in[0].data, c.in[1].data
	s := convShape(c.op.(*ops.Conv2dGradWeightOp).Shape(c.shapes()))
	c.loopBy(kernels.Conv2dGradWeightPiece(s), kernels.Conv2dGradWeightItems(s), kernels.Conv2dGradWeightScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.Conv2dGradWeight(dw, db, dy, x, s, scratch, i0, i1)
	})
}
