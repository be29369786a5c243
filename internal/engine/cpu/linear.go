package cpu

import "lfm/internal/kernels"

func linear(c *call) {
	x, w, y, bias := c.in[0], c.in[1], c.out[0].data, c.optional(2)
	n := x.shape[0]
	s := kernels.LinearShape{N: n, Rows: rows(x.shape) / n, In: w.shape[1], Out: w.shape[0]}
	packed := c.pack(1, kernels.LinearPackSize(s), kernels.LinearPackItems(s), func(packed []float32, i0, i1 int) {
		kernels.LinearPack(packed, w.data, s, i0, i1)
	})
	c.loop(kernels.LinearItems(s), kernels.LinearScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.Linear(y, x.data, packed, bias, s, scratch, i0, i1)
	})
}
