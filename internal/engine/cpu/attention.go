package cpu

import (
	"gorgonia.org/tensor"

	"lfm/internal/kernels"
	"lfm/internal/ops"
)

func attentionShape(q, kv tensor.Shape, heads int) kernels.AttentionShape {
	return kernels.AttentionShape{N: q[0], L: q[1], M: kv[1], D: q[2], Heads: heads}
}

func attention(c *call) {
	q, kv, o, lse := c.in[0], c.in[1], c.result(0), c.out[1].data // no lse where no gradient follows
	s := attentionShape(q.shape, kv.shape, c.op.(*ops.AttentionOp).Heads)
	c.loop(kernels.AttentionItems(s), kernels.AttentionScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.Attention(o, lse, q.data, kv.data, s, scratch, i0, i1)
	})
}

func attentionGrad(c *call) {
	dq, dkv := c.result(0), c.result(1)
	do, q, kv, o, lse := c.in[0].data, c.in[1], c.in[2], c.in[3].data, c.in[4].data
	s := attentionShape(q.shape, kv.shape, c.op.(*ops.AttentionGradOp).Heads)
	c.loop(kernels.AttentionGradItems(s), kernels.AttentionGradScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.AttentionGrad(dq, dkv, do, q.data, kv.data, o, lse, s, scratch, i0, i1)
	})
}
