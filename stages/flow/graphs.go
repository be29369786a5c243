package flow

import (
	"gorgonia.org/gorgonia"

	"lfm/internal/nn"
	"lfm/internal/ops"
)

// Training is the graph of one training step, backward pass included.
type Training struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params

	Zt     *gorgonia.Node // input: z_t (N, L, C)
	T      *gorgonia.Node // input: times (N)
	Labels *gorgonia.Node // input: classes (N), the null context where the condition is dropped
	Target *gorgonia.Node // input: v = x - eps (N, L, C)

	Velocity *gorgonia.Node // (N, L, C)
	Error    *gorgonia.Node // mean squared error of each sample (N)
	Loss     *gorgonia.Node
	Grads    gorgonia.Nodes // of Params, in their order
}

// NewTraining builds the training graph for batches of n samples.
func NewTraining(a Arch, n int) (*Training, error) {
	t := &Training{Graph: gorgonia.NewGraph()}
	t.Params = nn.NewParams(t.Graph)
	return t, build(a, func() (err error) {
		t.Zt = nn.Input(t.Graph, "zt", n, a.Tokens, a.Channels)
		t.T = nn.Input(t.Graph, "t", n)
		t.Labels = nn.Input(t.Graph, "labels", n)
		t.Target = nn.Input(t.Graph, "target", n, a.Tokens, a.Channels)
		net := NewNet(t.Params.Root(), a)
		t.Velocity = net.Velocity(t.Zt, net.Time(t.T), net.Context(t.Labels))
		t.Error = ops.SquaredError(t.Velocity, t.Target)
		t.Loss = ops.Mean(t.Error)
		t.Grads, err = ops.Grad(t.Loss, t.Params.Nodes()...)
		return err
	})
}

// Evaluation is the graph of the velocity field.
type Evaluation struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params

	Z      *gorgonia.Node // input: (N, L, C)
	T      *gorgonia.Node // input: times (N)
	Labels *gorgonia.Node // input: classes (N)

	Velocity *gorgonia.Node // (N, L, C)
}

// NewEvaluation builds the graph of the velocity field for batches of n samples.
func NewEvaluation(a Arch, n int) (*Evaluation, error) {
	e := &Evaluation{Graph: gorgonia.NewGraph()}
	e.Params = nn.NewParams(e.Graph)
	return e, build(a, func() error {
		e.Z = nn.Input(e.Graph, "z", n, a.Tokens, a.Channels)
		e.T = nn.Input(e.Graph, "t", n)
		e.Labels = nn.Input(e.Graph, "labels", n)
		net := NewNet(e.Params.Root(), a)
		e.Velocity = net.Velocity(e.Z, net.Time(e.T), net.Context(e.Labels))
		return nil
	})
}

// build runs f for an architecture that is in order, and turns panics into errors.
func build(a Arch, f func() error) error {
	if err := a.Validate(); err != nil {
		return err
	}
	return ops.Check(f)
}
