package cpu

import (
	"gorgonia.org/tensor"

	"lfm/internal/engine"
	"lfm/internal/kernels"
	"lfm/internal/ops"
)

func normShape(x tensor.Shape, groups int) kernels.NormShape {
	return kernels.NormShape{N: x[0], P: x[1:].TotalSize() / width(x), C: width(x), G: groups}
}

// groupNorm is one loop over samples, each of which stays in a worker's cache from its sums to its
// result, or, where samples are too few to go round, two over parts of them. The bits are the same.
func groupNorm(c *call) {
	op := c.op.(*ops.GroupNormOp)
	x, gamma, beta := c.in[0].data, c.in[1].data, c.in[2].data
	y, mean, rstd := c.result(0), c.result(1), c.result(2)
	s := normShape(c.in[0].shape, op.Groups)
	s.SiLU = c.kind == engine.KindGroupNormSiLU
	if c.fewSamples(s) {
		sums := c.scratch(kernels.GroupNormSumsSize(s))
		c.loop(kernels.GroupNormPartItems(s), kernels.GroupNormScratch(s), func(scratch []float32, i0, i1 int) {
			kernels.GroupNormSums(sums, x, s, scratch, i0, i1)
		})
		c.loop(kernels.GroupNormPartItems(s), kernels.GroupNormApplyScratch(s), func(scratch []float32, i0, i1 int) {
			kernels.GroupNormApply(y, mean, rstd, x, gamma, beta, sums, s, op.Eps, scratch, i0, i1)
		})
		return
	}
	c.loop(kernels.GroupNormItems(s), kernels.GroupNormScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.GroupNorm(y, mean, rstd, x, gamma, beta, s, op.Eps, scratch, i0, i1)
	})
}

// fewSamples says whether samples would leave workers idle for a good part of a loop, and parts of
// them would not.
func (c *call) fewSamples(s kernels.NormShape) bool {
	workers := c.b.m.backend.pool.workers
	return s.N%workers != 0 && s.N < 4*workers && kernels.GroupNormPartItems(s) > s.N
}

// groupNormGrad has two loops: over samples for dx, which leaves each sample's share of the
// channels' gradients behind, and over channels to sum the shares up.
func groupNormGrad(c *call) {
	dy, x, mean, rstd, gamma := c.in[0].data, c.in[1].data, c.in[2].data, c.in[3].data, c.in[4].data
	dx, dgamma, dbeta := c.result(0), c.result(1), c.result(2)
	s := normShape(c.in[1].shape, c.op.(*ops.GroupNormGradOp).Groups)
	s.SiLU = c.kind == engine.KindGroupNormSiLUGrad
	beta := c.optional(5) // with SiLU
	sums := c.scratch(2 * s.N * s.C)
	c.loop(kernels.GroupNormGradItems(s), kernels.GroupNormGradScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.GroupNormGrad(dx, sums, dy, x, mean, rstd, gamma, beta, s, scratch, i0, i1)
	})
	if c.out[1].wanted || c.out[2].wanted {
		c.loop(kernels.GroupNormAffineGradItems(s), 0, func(_ []float32, i0, i1 int) {
			kernels.GroupNormAffineGrad(dgamma, dbeta, sums, s, i0, i1)
		})
	}
}

func rowShape(x tensor.Shape) kernels.RowShape {
	return kernels.RowShape{Rows: rows(x), D: width(x)}
}

func layerNorm(c *call) {
	x, y, mean, rstd := c.in[0].data, c.result(0), c.result(1), c.result(2)
	s, eps := rowShape(c.in[0].shape), c.op.(*ops.LayerNormOp).Eps
	c.loop(kernels.LayerNormItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.LayerNorm(y, mean, rstd, x, s, eps, i0, i1)
	})
}

func layerNormScaleShift(c *call) {
	x, scale, shift := c.in[0], c.in[1].data, c.in[2].data
	y, h, mean, rstd := c.out[0].data, c.out[1].data, c.result(2), c.result(3)
	s, eps := tokenShape(c.out[0].shape), c.op.(*ops.LayerNormOp).Eps
	c.loop(kernels.LayerNormScaleShiftItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.LayerNormScaleShift(y, h, mean, rstd, x.data, scale, shift, s, eps, i0, i1)
	})
}

func layerNormGrad(c *call) {
	dx, dy, x, mean, rstd := c.out[0].data, c.in[0].data, c.in[1].data, c.in[2].data, c.in[3].data
	s := rowShape(c.in[1].shape)
	c.loop(kernels.LayerNormGradItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.LayerNormGrad(dx, dy, x, mean, rstd, s, i0, i1)
	})
}

func layerNormScaleShiftGrad(c *call) {
	dy, h, scale := c.in[0].data, c.in[1].data, c.in[2].data
	x, mean, rstd, sum := c.in[3].data, c.in[4].data, c.in[5].data, c.optional(6)
	dx, dscale, dshift := c.result(0), c.result(1), c.result(2)
	s := tokenShape(c.in[0].shape)
	c.loop(kernels.LayerNormScaleShiftGradItems(s), kernels.LayerNormScaleShiftGradScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.LayerNormScaleShiftGrad(dx, dscale, dshift, dy, h, scale, x, mean, rstd, sum, s, scratch, i0, i1)
	})
}
