package cpu

import (
	"gorgonia.org/tensor"

	"lfm/internal/kernels"
	"lfm/internal/ops"
)

func slice(c *call) {
	op, y, x := c.op.(*ops.SliceOp), c.out[0].data, c.in[0]
	s := kernels.SliceShape{Rows: rows(x.shape), Width: width(x.shape), From: op.From, To: op.To}
	c.loop(kernels.SliceItems(s), 0, func(_ []float32, i0, i1 int) { kernels.Slice(y, x.data, s, i0, i1) })
}

func sliceGrad(c *call) {
	op, dx, dy := c.op.(*ops.SliceGradOp), c.out[0].data, c.in[0]
	s := kernels.SliceShape{Rows: rows(dy.shape), Width: op.Width, From: op.From, To: op.To}
	c.loop(kernels.SliceGradItems(s), 0, func(_ []float32, i0, i1 int) { kernels.SliceGrad(dx, dy.data, s, i0, i1) })
}

func concat(c *call) {
	y, a, b := c.out[0].data, c.in[0], c.in[1]
	s := kernels.ConcatShape{Rows: rows(a.shape), M: width(a.shape), N: width(b.shape)}
	c.loop(kernels.ConcatItems(s), 0, func(_ []float32, i0, i1 int) { kernels.Concat(y, a.data, b.data, s, i0, i1) })
}

func sampleShape(x tensor.Shape) kernels.SampleShape {
	return kernels.SampleShape{N: x[0], M: x[1:].TotalSize()}
}

func broadcastAdd(c *call) {
	y, x, b := c.out[0].data, c.in[0].data, c.in[1].data
	s := sampleShape(c.in[0].shape)
	c.loop(kernels.BroadcastAddItems(s), 0, func(_ []float32, i0, i1 int) { kernels.BroadcastAdd(y, x, b, s, i0, i1) })
}

func broadcastAddGrad(c *call) {
	db, dy := c.out[0].data, c.in[0].data
	s := sampleShape(c.in[0].shape)
	c.loop(kernels.BroadcastAddGradItems(s), kernels.BroadcastAddGradScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.BroadcastAddGrad(db, dy, s, scratch, i0, i1)
	})
}
