package crossattn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/ops"
)

// NumberTokens encodes a vector of numbers, properties that are wanted, as context tokens:
//
//	h = SiLU(x W0ᵀ + b0);  context = LN(h W2ᵀ + b2) as M tokens
//
// The last number of x is 1, and x is nought throughout for the null context, which is thereby
// none of the vectors that can be asked for.
type NumberTokens struct {
	Numbers int // P
	Tokens  int // M
	Width   int // W

	layer0, layer2 linear // (W, P+1), (M·W, W)
}

// NewNumberTokens makes the encoder, whose layers are named 0 and 2.
func NewNumberTokens(p Parameters, numbers, tokens, width int) *NumberTokens {
	if numbers < 1 || tokens < 1 || width < 1 {
		panic(fmt.Sprintf("crossattn: %d numbers, %d tokens, width %d; want at least 1 of each", numbers, tokens, width))
	}
	return &NumberTokens{Numbers: numbers, Tokens: tokens, Width: width,
		layer0: newLinear(p, "0", numbers+1, width), layer2: newLinear(p, "2", width, tokens*width)}
}

// Encode gives the context (N, M, W) of numbers (N, P+1). They should be of about unit size.
func (e *NumberTokens) Encode(x *gorgonia.Node) *gorgonia.Node {
	h := e.layer2.apply(ops.SiLU(e.layer0.apply(x)))
	return ops.LayerNorm(ops.Reshape(h, x.Shape()[0], e.Tokens, e.Width))
}
