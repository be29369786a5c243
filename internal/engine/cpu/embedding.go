package cpu

import "lfm/internal/kernels"

func embedding(c *call) {
	y, table, ids := c.out[0].data, c.in[0], c.in[1]
	s := kernels.EmbeddingShape{N: ids.shape[0], Width: table.shape[1], Vocab: table.shape[0]}
	c.loop(kernels.EmbeddingItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.Embedding(y, table.data, ids.data, s, i0, i1)
	})
}

func embeddingGrad(c *call) {
	dtable, dy, ids := c.out[0], c.in[0].data, c.in[1]
	s := kernels.EmbeddingShape{N: ids.shape[0], Width: dtable.shape[1], Vocab: dtable.shape[0]}
	c.loop(kernels.EmbeddingGradItems(s), kernels.EmbeddingGradScratch(s), func(scratch []float32, i0, i1 int) {
		kernels.EmbeddingGrad(dtable.data, dy, ids.data, s, scratch, i0, i1)
	})
}

func timeEmbedding(c *call) {
	e, t := c.out[0], c.in[0]
	s := kernels.TimeShape{N: t.shape[0], Dim: e.shape[1]}
	c.loop(kernels.TimeEmbeddingItems(s), 0, func(_ []float32, i0, i1 int) {
		kernels.TimeEmbedding(e.data, t.data, s, i0, i1)
	})
}
