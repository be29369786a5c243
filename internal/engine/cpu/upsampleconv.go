package cpu

import (
	"lfm/internal/kernels"
	"lfm/internal/ops"
)

func upsampleConv(c *call) {
	y, x, w, bias := c.out[0].data, c.in[0].data, c.in[1].data, c.optional(2)
	s := kernels.UpsampleConvShape(c.op.(*ops.UpsampleConvOp).Shape(c.shapes()))
	packed := c.pack(1, kernels.UpsampleConvPackSize(s), kernels.UpsampleConvPackItems(s), func(packed []float32, i0, i1 int) {
		kernels.UpsampleConvPack(packed, w, s, i0, i1)
	})
	c.loopBy(kernels.PanelPiece(s.Cout), kernels.UpsampleConvItems(s), kernels.UpsampleConvScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.UpsampleConv(y, x, packed, bias, s, scratch, i0, i1)
	})
}

func upsampleConvGradInput(c *call) {
	dx, dy, w := c.out[0].data, c.in[0].data, c.in[1].data
	s := kernels.UpsampleConvShape(c.op.(*ops.UpsampleConvGradInputOp).Shape(c.shapes()))
	packed := c.pack(1, kernels.UpsampleConvGradInputPackSize(s), kernels.UpsampleConvGradInputPackItems(s), func(packed []float32, i0, i1 int) {
		kernels.UpsampleConvGradInputPack(packed, w, s, i0, i1)
	})
	c.loopBy(kernels.PanelPiece(s.Cin), kernels.UpsampleConvGradInputItems(s), kernels.UpsampleConvGradInputScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.UpsampleConvGradInput(dx, dy, packed, s, scratch, i0, i1)
	})
}

func upsampleConvGradWeight(c *call) {
	dw, db, dy, x := c.result(0), c.bias(), c.in[0].data, c.in[1].data
	s := kernels.UpsampleConvShape(c.op.(*ops.UpsampleConvGradWeightOp).Shape(c.shapes()))
	c.loopBy(kernels.UpsampleConvGradWeightPiece(s), kernels.UpsampleConvGradWeightItems(s), kernels.UpsampleConvGradWeightScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.UpsampleConvGradWeight(dw, db, dy, x, s, scratch, i0, i1)
	})
}
