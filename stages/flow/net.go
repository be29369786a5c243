package flow

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/nn"
	"lfm/internal/ops"
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
func NewNet(s nn.Scope, a Arch) Net {
	if a.Kind == UNet {
		return newUNet(s, a)
	}
	return newTransformer(s, a)
}

// timeDim is the width of the sinusoidal embedding of t: 128 frequencies.
const timeDim = 256

// timeMLP embeds times: two linear layers, named 0 and 2, behind sines and cosines.
type timeMLP struct{ layer0, layer2 nn.Linear }

func newTimeMLP(s nn.Scope, width int) timeMLP {
	return timeMLP{nn.NewLinear(s.In("0"), timeDim, width), nn.NewLinear(s.In("2"), width, width)}
}

// apply takes t (N) to SiLU(embedding) (N, D), the form in which every modulation reads it.
func (m timeMLP) apply(t *gorgonia.Node) *gorgonia.Node {
	e := m.layer0.Apply(ops.TimeEmbedding(t, timeDim))
	return ops.SiLU(m.layer2.Apply(ops.SiLU(e)))
}
