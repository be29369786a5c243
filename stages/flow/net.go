package flow

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/nn"
)

// Net is a velocity network on a graph, cut where its parts are computed apart: what it reads of
// labels once a generation, what it reads of a time once an evaluation for all samples.
type Net interface {
	// Time is what the network reads of times t (N), or of a single time t (1) that serves all
	// samples.
	Time(t *gorgonia.Node) *gorgonia.Node

	// Context is what the network reads of labels (N): keys and values (N, M, 2D) for each of its
	// cross-attentions. They depend on neither z nor t.
	Context(labels *gorgonia.Node) gorgonia.Nodes

	// ContextShapes are the shapes of Context for so many labels.
	ContextShapes(labels int) []tensor.Shape

	// Velocity is v (R, L, C) at z (N, L, C), for times from Time and contexts from Context. R is
	// the number of contexts, a multiple of N: row r of v is sample r mod N under context r. What
	// comes before the first look at a context is computed once for all rows of a sample.
	Velocity(z, time *gorgonia.Node, context gorgonia.Nodes) *gorgonia.Node
}

// NewNet makes the layers of an architecture's network.
func NewNet(s nn.Scope, a Arch) Net { return newTransformer(s, a) }
