package cpu

import (
	"gorgonia.org/tensor"

	"lfm/internal/kernels"
)

func tokenShape(x tensor.Shape) kernels.TokenShape {
	return kernels.TokenShape{N: x[0], L: x[1], D: x[2]}
}

func scaleShift(c *call) {
	y, x, scale, shift := c.out[0].data, c.in[0].data, c.in[1].data, c.in[2].data
	s := tokenShape(c.in[0].shape)
	c.loop(kernels.ScaleShiftItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.ScaleShift(y, x, scale, shift, s, i0, i1)
	})
}

func scaleShiftGrad(c *call) {
	dx, dscale, dshift := c.result(0), c.result(1), c.result(2)
	dy, x, scale := c.in[0].data, c.in[1].data, c.in[2].data
	s := tokenShape(c.in[1].shape)
	c.loop(kernels.ScaleShiftGradItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.ScaleShiftGrad(dx, dscale, dshift, dy, x, scale, s, i0, i1)
	})
}

func gate(c *call) {
	y, x, h, gate := c.out[0].data, c.in[0].data, c.in[1].data, c.in[2].data
	s := tokenShape(c.in[0].shape)
	c.loop(kernels.GateItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.Gate(y, x, h, gate, s, i0, i1)
	})
}

func gateGrad(c *call) {
	dh, dgate, dy, h, gate := c.result(0), c.result(1), c.in[0].data, c.in[1].data, c.in[2].data
	s := tokenShape(c.in[1].shape)
	c.loop(kernels.GateGradItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.GateGrad(dh, dgate, dy, h, gate, s, i0, i1)
	})
}
