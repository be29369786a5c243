package flow

import (
	"fmt"

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
	Labels *gorgonia.Node // input: conditions, classes (N) or rows (N, K); the null context where they are dropped
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
		t.Labels = nn.Input(t.Graph, "labels", a.conditionShape(n)...)
		t.Target = nn.Input(t.Graph, "target", n, a.Tokens, a.Channels)
		net := NewNet(t.Params.Root(), a)
		t.Velocity = net.Velocity(t.Zt, net.Time(t.T), net.Context(t.Labels))
		t.Error = ops.SquaredError(t.Velocity, t.Target)
		t.Loss = ops.Mean(t.Error)
		t.Grads, err = ops.Grad(t.Loss, t.Params.Nodes()...)
		return err
	})
}

// Conditioning is the graph of what the velocity field reads of labels. It depends on neither
// place nor time: a generation runs it once.
type Conditioning struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params

	Labels *gorgonia.Node // input: conditions, classes (R) or rows (R, K)

	KeysValues gorgonia.Nodes // of each cross-attention (R, M, 2D)
}

// NewConditioning builds the graph of the contexts of so many labels.
func NewConditioning(a Arch, rows int) (*Conditioning, error) {
	c := &Conditioning{Graph: gorgonia.NewGraph()}
	c.Params = nn.NewParams(c.Graph)
	return c, build(a, func() error {
		c.Labels = nn.Input(c.Graph, "labels", a.conditionShape(rows)...)
		c.KeysValues = NewNet(c.Params.Root(), a).Context(c.Labels)
		return nil
	})
}

// Evaluation is the graph of the velocity field, at one time for all samples.
type Evaluation struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params

	Z          *gorgonia.Node // input: (N, L, C)
	T          *gorgonia.Node // input: the time (1)
	KeysValues gorgonia.Nodes // inputs: a Conditioning's, of R = N · contexts rows

	Velocity *gorgonia.Node // (R, L, C): row r is sample r mod N under context r

	// After Differentiate, nil before.
	Probe   *gorgonia.Node // input: (N, L, C)
	Product *gorgonia.Node // (N, L, C): probeᵀ ∂velocity/∂z of each sample
}

// NewEvaluation builds the graph of the velocity field for batches of n samples, each under so
// many contexts.
func NewEvaluation(a Arch, n, contexts int) (*Evaluation, error) {
	e := &Evaluation{Graph: gorgonia.NewGraph()}
	e.Params = nn.NewParams(e.Graph)
	return e, build(a, func() error {
		e.Z = nn.Input(e.Graph, "z", n, a.Tokens, a.Channels)
		e.T = nn.Input(e.Graph, "t", 1)
		net := NewNet(e.Params.Root(), a)
		for i, shape := range net.ContextShapes(n * contexts) {
			e.KeysValues = append(e.KeysValues, nn.Input(e.Graph, fmt.Sprintf("kv%d", i), shape...))
		}
		e.Velocity = net.Velocity(e.Z, net.Time(e.T), e.KeysValues)
		return nil
	})
}

// Differentiate adds the products of probes with the velocity's Jacobian: the gradient by z of the
// inner product of probe and velocity. Each sample has one context.
func (e *Evaluation) Differentiate() error {
	return ops.Check(func() error {
		shape := e.Z.Shape()
		e.Probe = nn.Input(e.Graph, "probe", shape...)
		// A product of matrices and not a mean: the gradient by the velocity is the probe itself, which dividing by
		// the length and multiplying again would round, in one way for each batch.
		row := func(x *gorgonia.Node) *gorgonia.Node { return ops.Reshape(x, 1, shape.TotalSize()) }
		inner := ops.Linear(row(e.Velocity), row(e.Probe), nil)
		grads, err := ops.Grad(ops.Mean(inner), e.Z)
		if err == nil {
			e.Product = grads[0]
		}
		return err
	})
}

// build runs f for an architecture that is in order, and turns panics into errors.
func build(a Arch, f func() error) error {
	if err := a.Validate(); err != nil {
		return err
	}
	return ops.Check(f)
}
