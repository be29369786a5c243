package crossattn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/ops"
)

// TextTokens encodes texts as context tokens: a small transformer over a fixed number of token
// numbers, in which every token reads every other (Vaswani et al. 2017, with the norms before
// the layers):
//
//	x = table[ids] + pos
//	x += attn(LN(x));  x += mlp(LN(x))      depth times
//	context = LN(x)
//
// A text shorter than that ends in Pad, and one of Pad alone is the null context.
type TextTokens struct {
	Vocabulary int
	Tokens     int // M
	Width      int // W

	table, pos *gorgonia.Node // weight (Vocabulary, W), pos (1, M, W)
	blocks     []textBlock
}

// textBlock is a layer of the transformer.
type textBlock struct {
	attn       *Attention
	mlp0, mlp2 linear
}

// NewTextTokens makes the encoder. Parameters are weight, which begins standard normal, pos,
// and blocks.0.attn.q.weight, blocks.0.mlp.0.weight and so on.
func NewTextTokens(p Parameters, vocabulary, tokens, width, depth, heads int) *TextTokens {
	if vocabulary < 1 || tokens < 1 || width < 1 || depth < 0 {
		panic(fmt.Sprintf("crossattn: a vocabulary of %d, %d tokens, width %d, depth %d; want at least 1 of each but the last", vocabulary, tokens, width, depth))
	}
	t := &TextTokens{Vocabulary: vocabulary, Tokens: tokens, Width: width,
		table: p.Normal("weight", 1, vocabulary, width), pos: p.Normal("pos", 0.1, 1, tokens, width)}
	for i := range depth {
		in := func(name string) Parameters { return within{p, fmt.Sprintf("blocks.%d.%s", i, name)} }
		t.blocks = append(t.blocks, textBlock{
			attn: NewAttention(in("attn"), width, width, heads),
			mlp0: newLinear(in("mlp"), "0", width, 4*width),
			mlp2: newLinear(in("mlp"), "2", 4*width, width),
		})
	}
	return t
}

// Encode gives the context (N, M, W) of token numbers (N, M), each in [0, Vocabulary).
func (t *TextTokens) Encode(ids *gorgonia.Node) *gorgonia.Node {
	n := ids.Shape()[0]
	x := ops.Reshape(ops.Embedding(t.table, ops.Reshape(ids, n*t.Tokens)), n, t.Tokens, t.Width)
	x = ops.BroadcastAdd(x, t.pos)
	for _, b := range t.blocks {
		h := ops.LayerNorm(x)
		x = ops.Add(x, b.attn.Apply(h, h))
		x = ops.Add(x, b.mlp2.apply(ops.GELU(b.mlp0.apply(ops.LayerNorm(x)))))
	}
	return ops.LayerNorm(x)
}

// within is parameters whose names begin with a prefix.
type within struct {
	Parameters
	name string
}

func (w within) Uniform(name string, bound float64, shape ...int) *gorgonia.Node {
	return w.Parameters.Uniform(w.name+"."+name, bound, shape...)
}

func (w within) Normal(name string, deviation float64, shape ...int) *gorgonia.Node {
	return w.Parameters.Normal(w.name+"."+name, deviation, shape...)
}
