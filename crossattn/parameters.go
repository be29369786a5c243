package crossattn

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/nn"
)

// Parameters makes the learned tensors of a layer as leaves of a graph.
type Parameters interface {
	// Uniform makes a tensor that begins uniform on [-bound, bound).
	Uniform(name string, bound float64, shape ...int) *gorgonia.Node
	// Normal makes a tensor that begins normal, with mean 0.
	Normal(name string, deviation float64, shape ...int) *gorgonia.Node
}

// Learnables are parameters in a graph of one's own, with values from the beginning.
type Learnables struct {
	scope  nn.Scope
	params *nn.Params
	seed   uint64
}

// Learn makes parameters in g and draws their first values from a seed and their names.
func Learn(g *gorgonia.ExprGraph, seed uint64) *Learnables {
	params := nn.NewParams(g)
	return &Learnables{scope: params.Root(), params: params, seed: seed}
}

// In is the same list of parameters with a prefix to the names that follow: a layer made
// with l.In("cross_attn") has parameters cross_attn.q.weight and so on.
func (l *Learnables) In(name string) *Learnables {
	return &Learnables{scope: l.scope.In(name), params: l.params, seed: l.seed}
}

// Nodes are all parameters in the order in which they were made, for gorgonia.Grad and for a
// solver.
func (l *Learnables) Nodes() gorgonia.Nodes { return l.params.Nodes() }

// Uniform makes a tensor that begins uniform on [-bound, bound).
func (l *Learnables) Uniform(name string, bound float64, shape ...int) *gorgonia.Node {
	return l.begin(l.scope.Uniform(name, bound, shape...))
}

// Normal makes a tensor that begins normal, with mean 0.
func (l *Learnables) Normal(name string, deviation float64, shape ...int) *gorgonia.Node {
	return l.begin(l.scope.Normal(name, deviation, shape...))
}

// begin gives a parameter its first values.
func (l *Learnables) begin(n *gorgonia.Node) *gorgonia.Node {
	values := l.params.Get(n.Name()).Initial(l.seed)
	if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(values))); err != nil {
		panic("crossattn: " + err.Error()) // a leaf takes any value of its shape
	}
	return n
}
