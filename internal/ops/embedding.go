package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// EmbeddingOp looks rows of a table up: table (V, width), ids (N), y (N, Shape...), where
// Shape has width numbers.
type EmbeddingOp struct {
	base
	Shape tensor.Shape // of one row
}

// Embedding looks up row ids[n] of table (V, width) for each sample and gives it a shape:
// (N, shape...). The ids are whole numbers in float32 below V. No shape means (width).
func Embedding(table, ids *gorgonia.Node, shape ...int) *gorgonia.Node {
	if len(shape) == 0 {
		shape = []int{last(table.Shape())}
	}
	return apply(&EmbeddingOp{Shape: tensor.Shape(shape).Clone()}, table, ids)
}

func (o *EmbeddingOp) Kind() Kind { return "embedding" }

func (o *EmbeddingOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	table, ids := in[0], in[1]
	wantsRank(o, "table", table, 2, 2)
	wantsRank(o, "ids", ids, 1, 1)
	if table[1] != product(o.Shape) {
		fail(o, "table has rows of %d, want %v", table[1], o.Shape)
	}
	return []tensor.Shape{append(tensor.Shape{ids[0]}, o.Shape...)}
}

// DiffWRT: ids are no numbers to differentiate by.
func (o *EmbeddingOp) DiffWRT(int) []bool { return []bool{true, false} }

func (o *EmbeddingOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&EmbeddingGradOp{Vocab: in[0].Shape()[0]}, dy, in[1]), nil}, nil
}

func (o *EmbeddingOp) Reference() Reference { return define(o, embedding, embedding) }

func embedding[F ref.Float](_ *EmbeddingOp, dst, src [][]F, in []tensor.Shape) {
	ref.Embedding(dst[0], src[0], src[1], in[1][0], in[0][1])
}

// EmbeddingGradOp sums the rows of dy (N, ...) with the same of ids (N) into dtable (Vocab,
// width), by the rule of 16; rows that no id names are zero.
type EmbeddingGradOp struct {
	base
	Vocab int
}

func (o *EmbeddingGradOp) Kind() Kind { return "embedding-grad" }

func (o *EmbeddingGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	wantsShape(o, "ids", in[1], in[0][0])
	return []tensor.Shape{{o.Vocab, product(in[0][1:])}}
}

func (o *EmbeddingGradOp) Reference() Reference { return define(o, embeddingGrad, embeddingGrad) }

func embeddingGrad[F ref.Float](o *EmbeddingGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.EmbeddingGrad(dst[0], src[0], src[1], in[0][0], product(in[0][1:]), o.Vocab)
}

// TimeEmbeddingOp is the sinusoidal embedding of times: t (N), e (N, Dim), the first half
// sines and the second cosines of 1000 t at the frequencies 10⁻⁴ᵏ⸍⁽ᴰⁱᵐ⸍²⁾. Vaswani et al.
// (2017), section 3.5, with times in [0, 1] stretched to the range that section had in mind.
type TimeEmbeddingOp struct {
	base
	Dim int
}

// TimeEmbedding embeds the times t (N) as (N, dim). It is not differentiated.
func TimeEmbedding(t *gorgonia.Node, dim int) *gorgonia.Node {
	return apply(&TimeEmbeddingOp{Dim: dim}, t)
}

func (o *TimeEmbeddingOp) Kind() Kind { return "time-embedding" }

func (o *TimeEmbeddingOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	wantsRank(o, "t", in[0], 1, 1)
	if o.Dim < 2 || o.Dim%2 != 0 {
		fail(o, "dim is %d, want an even number", o.Dim)
	}
	return []tensor.Shape{{in[0][0], o.Dim}}
}

// DiffWRT: times are drawn, not learned.
func (o *TimeEmbeddingOp) DiffWRT(int) []bool { return []bool{false} }

// SymDiff has nothing to give; gorgonia asks for it to accept the operation.
func (o *TimeEmbeddingOp) SymDiff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{nil}, nil
}

func (o *TimeEmbeddingOp) Reference() Reference { return define(o, timeEmbedding, timeEmbedding) }

func timeEmbedding[F ref.Float](o *TimeEmbeddingOp, dst, src [][]F, in []tensor.Shape) {
	ref.TimeEmbedding(dst[0], src[0], in[0][0], o.Dim)
}
