package cpu

import "lfm/internal/kernels"

func linear(c *call) {
	sum := c.sum()
	x, w, y, bias := c.in[0], c.in[1], c.out[0].data, c.optional(2)
	n := x.shape[0]
	s := kernels.LinearShape{N: n, Rows: rows(x.shape) / n, In: w.shape[1], Out: w.shape[0], Accumulate: sum}
	if s.Few() && !c.frozen(1) {
		c.loop(kernels.LinearFewItems(s), kernels.LinearFewScratch(s), func(scratch []float32, i0, i1 int) {
			kernels.LinearFew(y, x.data, w.data, bias, s, scratch, i0, i1)
		})
		return
	}
	packed := c.pack(1, kernels.LinearPackSize(s), kernels.LinearPackItems(s), func(packed []float32, i0, i1 int) {
		kernels.LinearPack(packed, w.data, s, i0, i1)
	})
	c.loopBy(kernels.LinearPiece(s), kernels.LinearItems(s), kernels.LinearScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.Linear(y, x.data, packed, bias, s, scratch, i0, i1)
	})
}

func linearGradInput(c *call) {
	sum := c.sum()
	dx, dy, w := c.out[0].data, c.in[0], c.in[1]
	n := dy.shape[0]
	s := kernels.LinearShape{N: n, Rows: rows(dy.shape) / n, In: w.shape[1], Out: w.shape[0], Accumulate: sum}
	if s.Few() && !c.frozen(1) {
		c.loop(kernels.LinearGradInputFewItems(s), kernels.LinearGradInputFewScratch(s), func(scratch []float32, i0, i1 int) {
			kernels.LinearGradInputFew(dx, dy.data, w.data, s, scratch, i0, i1)
		})
		return
	}
	packed := c.pack(1, kernels.LinearGradInputPackSize(s), kernels.LinearGradInputPackItems(s), func(packed []float32, i0, i1 int) {
		kernels.LinearGradInputPack(packed, w.data, s, i0, i1)
	})
	c.loopBy(kernels.LinearGradInputPiece(s), kernels.LinearGradInputItems(s), kernels.LinearGradInputScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.LinearGradInput(dx, dy.data, packed, s, scratch, i0, i1)
	})
}

func linearGradWeight(c *call) {
	dw, db, dy, x := c.result(0), c.bias(), c.in[0], c.in[1]
	n := x.shape[0]
	s := kernels.LinearShape{N: n, Rows: rows(x.shape) / n, In: width(x.shape), Out: width(dy.shape)}
	c.loopBy(kernels.LinearGradWeightPiece(s), kernels.LinearGradWeightItems(s), kernels.LinearGradWeightScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.LinearGradWeight(dw, db, dy.data, x.data, s, scratch, i0, i1)
	})
}

// bias is where the gradient of the bias goes, nil if there is none or nobody wants it.
func (c *call) bias() []float32 {
	if len(c.out) < 2 {
		return nil
	}
	return c.out[1].data
}
