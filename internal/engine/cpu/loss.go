package cpu

import (
	"gorgonia.org/tensor"

	"lfm/internal/kernels"
)

// reparameterizeGrad runs in pieces of a block, as a point-wise step does.
func reparameterizeGrad(c *call) {
	dmean, dlogvar, dz, logvar, noise := c.result(0), c.result(1), c.in[0].data, c.in[1].data, c.in[2].data
	n := c.in[0].shape.TotalSize()
	c.loop((n+blockSize-1)/blockSize, 0, func(_ []float32, i0, i1 int) {
		from, to := i0*blockSize, min(i1*blockSize, n)
		kernels.ReparameterizeGrad(dmean[from:to], dlogvar[from:to], dz[from:to], logvar[from:to], noise[from:to])
	})
}

func squaredError(c *call) {
	e, a, b, s := c.out[0].data, c.in[0].data, c.in[1].data, sampleShape(c.in[0].shape)
	c.loop(kernels.SquaredErrorItems(s), 0, func(_ []float32, i0, i1 int) { kernels.SquaredError(e, a, b, s, i0, i1) })
}

func squaredErrorGrad(c *call) {
	da, de, a, b, s := c.out[0].data, c.in[0].data, c.in[1].data, c.in[2].data, sampleShape(c.in[1].shape)
	c.loop(kernels.SquaredErrorGradItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.SquaredErrorGrad(da, de, a, b, s, i0, i1)
	})
}

func absoluteError(c *call) {
	e, a, b, s := c.out[0].data, c.in[0].data, c.in[1].data, sampleShape(c.in[0].shape)
	c.loop(kernels.AbsoluteErrorItems(s), 0, func(_ []float32, i0, i1 int) { kernels.AbsoluteError(e, a, b, s, i0, i1) })
}

func absoluteErrorGrad(c *call) {
	da, de, a, b, s := c.out[0].data, c.in[0].data, c.in[1].data, c.in[2].data, sampleShape(c.in[1].shape)
	c.loop(kernels.AbsoluteErrorGradItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.AbsoluteErrorGrad(da, de, a, b, s, i0, i1)
	})
}

func kl(c *call) {
	e, mean, logvar, s := c.out[0].data, c.in[0].data, c.in[1].data, sampleShape(c.in[0].shape)
	c.loop(kernels.KLItems(s), 0, func(_ []float32, i0, i1 int) { kernels.KL(e, mean, logvar, s, i0, i1) })
}

func klGrad(c *call) {
	dmean, dlogvar, de, mean, logvar := c.result(0), c.result(1), c.in[0].data, c.in[1].data, c.in[2].data
	s := sampleShape(c.in[1].shape)
	c.loop(kernels.KLGradItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.KLGrad(dmean, dlogvar, de, mean, logvar, s, i0, i1)
	})
}

func crossEntropy(c *call) {
	e, x, labels, s := c.out[0].data, c.in[0].data, c.in[1].data, classShape(c.in[0].shape)
	c.loop(kernels.CrossEntropyItems(s), 0, func(_ []float32, i0, i1 int) { kernels.CrossEntropy(e, x, labels, s, i0, i1) })
}

func crossEntropyGrad(c *call) {
	dx, de, x, labels, s := c.out[0].data, c.in[0].data, c.in[1].data, c.in[2].data, classShape(c.in[1].shape)
	c.loop(kernels.CrossEntropyGradItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.CrossEntropyGrad(dx, de, x, labels, s, i0, i1)
	})
}

func classShape(x tensor.Shape) kernels.ClassShape { return kernels.ClassShape{N: x[0], K: x[1]} }

// mean and meanGrad are one item: what they work on has an element a sample, not a pixel.
func mean(c *call) {
	y, x, n := c.out[0].data, c.in[0].data, c.in[0].shape.TotalSize()
	c.loop(1, 0, func(_ []float32, _, _ int) { kernels.Mean(y, x, n) })
}

func meanGrad(c *call) {
	dx, dy, n := c.out[0].data, c.in[0].data, c.out[0].shape.TotalSize()
	c.loop(1, 0, func(_ []float32, _, _ int) { kernels.MeanGrad(dx, dy, n) })
}
