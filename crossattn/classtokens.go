package crossattn

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/ops"
)

// ClassTokens encodes class labels as learned context tokens: a table with one row of M·W
// numbers a class, and a last row for the null context.
type ClassTokens struct {
	Classes int // without the null context
	Tokens  int // M
	Width   int // W

	table *gorgonia.Node // weight (Classes+1, Tokens·Width)
}

// NewClassTokens makes the encoder. Its table, named weight, begins standard normal.
func NewClassTokens(p Parameters, classes, tokens, width int) *ClassTokens {
	if classes < 1 || tokens < 1 || width < 1 {
		panic(fmt.Sprintf("crossattn: %d classes, %d tokens, width %d; want at least 1 of each", classes, tokens, width))
	}
	return &ClassTokens{Classes: classes, Tokens: tokens, Width: width,
		table: p.Normal("weight", 1, classes+1, tokens*width)}
}

// Null is the label of the null context.
func (c *ClassTokens) Null() int { return c.Classes }

// Encode gives the context tokens (N, M, W) of labels (N), each in [0, Classes].
func (c *ClassTokens) Encode(labels *gorgonia.Node) *gorgonia.Node {
	return ops.Embedding(c.table, labels, c.Tokens, c.Width)
}
