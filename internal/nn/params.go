package nn

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/rng"
)

// Params are the parameters of a model in one graph, in the order in which they were made.
type Params struct {
	graph  *gorgonia.ExprGraph
	list   []*Param
	byName map[string]*Param
}

// Param is one learned tensor.
type Param struct {
	Name string         // PyTorch's, "blocks.0.mlp.0.weight"
	Node *gorgonia.Node // a leaf of the graph, named Name
	Init Init           // how its values begin
}

// NewParams starts an empty list of parameters in a graph.
func NewParams(g *gorgonia.ExprGraph) *Params {
	return &Params{graph: g, byName: map[string]*Param{}}
}

// Graph is the graph that the parameters are leaves of.
func (p *Params) Graph() *gorgonia.ExprGraph { return p.graph }

// Root is the scope of names without a prefix.
func (p *Params) Root() Scope { return Scope{params: p} }

// All are the parameters in the order in which they were made. The list is not to be changed.
func (p *Params) All() []*Param { return p.list }

// Nodes are the parameters' nodes, in the same order.
func (p *Params) Nodes() gorgonia.Nodes {
	nodes := make(gorgonia.Nodes, len(p.list))
	for i, q := range p.list {
		nodes[i] = q.Node
	}
	return nodes
}

// Get finds a parameter by its name, and is nil if there is none.
func (p *Params) Get(name string) *Param { return p.byName[name] }

// Count is how many numbers the parameters hold.
func (p *Params) Count() int {
	n := 0
	for _, q := range p.list {
		n += q.Size()
	}
	return n
}

// Shape is the shape of the parameter.
func (q *Param) Shape() tensor.Shape { return q.Node.Shape() }

// Size is how many numbers the parameter holds.
func (q *Param) Size() int { return q.Node.Shape().TotalSize() }

// Initial draws the first values of the parameter, a function of seed and name alone.
func (q *Param) Initial(seed uint64) []float32 {
	dst := make([]float32, q.Size())
	q.Init.fill(dst, rng.New(seed, rng.Init+rng.Purpose(" "+q.Name)))
	return dst
}

// Input makes an input of a graph: a leaf that is given a value for each run. It panics if
// the graph has a leaf of that name, because gorgonia would take two of one shape for one.
func Input(g *gorgonia.ExprGraph, name string, shape ...int) *gorgonia.Node {
	for _, n := range g.AllNodes() {
		if n.Op() == nil && n.Name() == name {
			panic("nn: the graph has a leaf " + name + " already")
		}
	}
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

// Fixed makes a leaf of g that holds values from the beginning and that nobody sets.
func Fixed(g *gorgonia.ExprGraph, name string, values []float32, shape ...int) *gorgonia.Node {
	n := Input(g, name, shape...)
	if err := gorgonia.Let(n, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))); err != nil {
		panic("nn: " + err.Error()) // a leaf takes any value of its shape
	}
	return n
}

// Init says how the values of a parameter begin.
type Init struct {
	Law   Law
	Scale float64 // the constant, the bound or the standard deviation

	Values []float32 // of Given
}

// Law is a distribution of first values.
type Law int

const (
	Constant Law = iota // all are Scale
	Uniform             // uniform on [-Scale, Scale)
	Normal              // normal with mean 0 and standard deviation Scale
	Given               // Values
)

func (i Init) fill(dst []float32, s rng.Stream) {
	switch i.Law {
	case Constant:
		for j := range dst {
			dst[j] = float32(i.Scale)
		}
	case Uniform:
		s.Uniform(dst, 0, 0)
		for j, u := range dst {
			dst[j] = float32(i.Scale * (2*float64(u) - 1))
		}
	case Normal:
		s.Normal(dst, 0, 0)
		for j, x := range dst {
			dst[j] = float32(i.Scale * float64(x))
		}
	case Given:
		copy(dst, i.Values)
	}
}

// Scope is a prefix of names.
type Scope struct {
	params *Params
	path   string
}

// In is the scope of the names below this one.
func (s Scope) In(names ...string) Scope {
	return Scope{params: s.params, path: s.name(strings.Join(names, "."))}
}

// At is the scope of member i of a list of layers.
func (s Scope) At(i int) Scope { return s.In(fmt.Sprint(i)) }

func (s Scope) name(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// Param makes a parameter of this scope. It panics if the name is taken.
func (s Scope) Param(name string, init Init, shape ...int) *gorgonia.Node {
	name = s.name(name)
	node := Input(s.params.graph, name, shape...)
	q := &Param{Name: name, Node: node, Init: init}
	s.params.list = append(s.params.list, q)
	s.params.byName[name] = q
	return node
}

// Uniform makes a parameter that begins uniform on [-bound, bound).
func (s Scope) Uniform(name string, bound float64, shape ...int) *gorgonia.Node {
	return s.Param(name, Init{Law: Uniform, Scale: bound}, shape...)
}

// Normal makes a parameter that begins normal with mean 0 and the standard deviation given.
func (s Scope) Normal(name string, deviation float64, shape ...int) *gorgonia.Node {
	return s.Param(name, Init{Law: Normal, Scale: deviation}, shape...)
}

// Given makes a parameter that begins as the values given.
func (s Scope) Given(name string, values []float32, shape ...int) *gorgonia.Node {
	return s.Param(name, Init{Law: Given, Values: values}, shape...)
}

// Constant makes a parameter that begins as one number throughout.
func (s Scope) Constant(name string, value float64, shape ...int) *gorgonia.Node {
	return s.Param(name, Init{Law: Constant, Scale: value}, shape...)
}
