// Package enginetest builds small models for the tests of engines: a perceptron, a
// convolutional autoencoder, a transformer, and graphs drawn at random.
package enginetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
)

// Model is a graph with a loss, its parameters and their gradients.
type Model struct {
	Graph   *gorgonia.ExprGraph
	Inputs  gorgonia.Nodes
	Params  gorgonia.Nodes
	Grads   gorgonia.Nodes
	Output  *gorgonia.Node // what the loss judges
	Loss    *gorgonia.Node
	initial map[*gorgonia.Node][]float32
	seed    uint64
}

func newModel(seed uint64) *Model {
	return &Model{
		Graph:   gorgonia.NewGraph(),
		initial: map[*gorgonia.Node][]float32{},
		seed:    seed,
	}
}

func (m *Model) leaf(name string, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(m.Graph, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

// Input adds a leaf of standard normal numbers.
func (m *Model) Input(name string, shape ...int) *gorgonia.Node {
	n := m.leaf(name, shape...)
	m.Inputs = append(m.Inputs, n)
	m.initial[n] = m.draw(n, 1)
	return n
}

// Param adds a parameter, normal with the standard deviation of a layer of so many inputs.
func (m *Model) Param(name string, shape ...int) *gorgonia.Node {
	n := m.leaf(name, shape...)
	m.Params = append(m.Params, n)
	fan := 1
	for _, d := range shape[1:] {
		fan *= d
	}
	m.initial[n] = m.draw(n, 1/math.Sqrt(float64(fan)))
	return n
}

// draw gives normal numbers from a stream of the leaf's own, so that neither the batch nor
// one leaf more changes the others.
func (m *Model) draw(n *gorgonia.Node, deviation float64) []float32 {
	r := rand.New(rand.NewPCG(m.seed, uint64(len(m.initial))))
	v := make([]float32, n.Shape().TotalSize())
	for i := range v {
		v[i] = float32(deviation * r.NormFloat64())
	}
	return v
}

// Values gives the numbers that a leaf starts with.
func (m *Model) Values(n *gorgonia.Node) []float32 { return m.initial[n] }

// Start gives all leaves their numbers.
func (m *Model) Start(set func(n *gorgonia.Node, v []float32)) {
	for _, n := range m.Inputs {
		set(n, m.initial[n])
	}
	for _, n := range m.Params {
		set(n, m.initial[n])
	}
}

// Bind gives all leaves their numbers as gorgonia's values, for its own machines, which want
// them for leaves that nobody reads too.
func (m *Model) Bind() {
	for n, v := range m.initial {
		t := tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(slices.Clone(v)))
		if err := gorgonia.Let(n, t); err != nil {
			panic(err)
		}
	}
}

// finish builds the backward pass.
func (m *Model) finish(loss *gorgonia.Node) *Model {
	m.Loss = loss
	grads, err := ops.Grad(loss, m.Params...)
	if err != nil {
		panic(err)
	}
	m.Grads = grads
	return m
}

func (m *Model) linear(name string, x *gorgonia.Node, out int) *gorgonia.Node {
	in := x.Shape()[x.Dims()-1]
	return ops.Linear(x, m.Param(name+".weight", out, in), m.Param(name+".bias", out))
}

func (m *Model) conv(name string, x *gorgonia.Node, out, kernel, stride int) *gorgonia.Node {
	return ops.Conv2d(x, m.Param(name+".weight", out, x.Shape()[3], kernel, kernel), m.Param(name+".bias", out), stride)
}

func (m *Model) norm(name string, x *gorgonia.Node, groups int) *gorgonia.Node {
	c := x.Shape()[x.Dims()-1]
	return ops.SiLU(ops.GroupNorm(x, m.Param(name+".weight", c), m.Param(name+".bias", c), groups))
}

// Perceptron maps x (n, 6) to y (n, 3) by two hidden layers.
func Perceptron(n int, seed uint64) *Model {
	m := newModel(seed)
	x, y := m.Input("x", n, 6), m.Input("y", n, 3)
	h := ops.SiLU(m.linear("0", x, 32))
	h = ops.GELU(m.linear("1", h, 32))
	m.Output = m.linear("2", h, 3)
	return m.finish(ops.Mean(ops.SquaredError(m.Output, y)))
}

// Autoencoder is a variational autoencoder of images x (n, 8, 8, 3), with every operation
// that R1's has.
func Autoencoder(n int, seed uint64) *Model {
	m := newModel(seed)
	x, noise := m.Input("x", n, 8, 8, 3), m.Input("noise", n, 4, 4, 2)
	h := m.conv("stem", x, 8, 3, 1)
	h = ops.Add(m.conv("skip", h, 12, 1, 1), m.conv("block", m.norm("norm", h, 4), 12, 3, 1))
	h = m.conv("down", h, 12, 3, 2)
	code := m.conv("code", m.norm("last", h, 6), 4, 3, 1)
	mean, logvar := ops.Slice(code, 0, 2), ops.Clamp(ops.Slice(code, 2, 4), -30, 20)
	h = m.conv("from", ops.Reparameterize(mean, logvar, noise), 12, 3, 1)
	h = ops.UpsampleConv(h, m.Param("up.weight", 8, 12, 3, 3), m.Param("up.bias", 8))
	m.Output = m.conv("out", m.norm("end", h, 4), 3, 3, 1)
	kl := ops.Scale(ops.KL(mean, logvar), 1e-2)
	return m.finish(ops.Mean(ops.Add(ops.AbsoluteError(m.Output, x), kl)))
}

// Transformer is a flow model of n samples of 8 tokens, with every operation that R1's has.
func Transformer(n int, seed uint64) *Model {
	const tokens, width, heads, context = 8, 16, 2, 3
	m := newModel(seed)
	z, v := m.Input("z", n, tokens, 4), m.Input("v", n, tokens, 4)
	t, class := m.Input("t", n), m.Input("class", n)
	for i := range n {
		m.initial[class][i] = float32(i % 4)
		m.initial[t][i] = float32(i%7) / 7
	}
	e := m.linear("time.0", ops.TimeEmbedding(t, 32), width)
	e = ops.SiLU(m.linear("time.2", ops.SiLU(e), width))
	c := ops.Embedding(m.Param("cond", 4, context*width), class, context, width)
	x := ops.BroadcastAdd(m.linear("inp", z, width), m.Param("pos", 1, tokens, width))
	for b := range 2 {
		name := fmt.Sprintf("blocks.%d.", b)
		mod := m.linear(name+"mod", e, 6*width)
		part := func(i int) *gorgonia.Node { return ops.Slice(mod, i*width, (i+1)*width) }
		attend := func(name string, x, c *gorgonia.Node) *gorgonia.Node {
			q, kv := m.linear(name+".q", x, width), m.linear(name+".kv", c, 2*width)
			return m.linear(name+".o", ops.Attention(q, kv, heads), width)
		}
		h := ops.ScaleShift(ops.LayerNorm(x), part(0), part(1))
		x = ops.Gate(x, attend(name+"self", h, h), part(2))
		x = ops.Add(x, attend(name+"cross", ops.LayerNorm(x), c))
		h = ops.ScaleShift(ops.LayerNorm(x), part(3), part(4))
		h = m.linear(name+"mlp.2", ops.GELU(m.linear(name+"mlp.0", h, 4*width)), width)
		x = ops.Gate(x, h, part(5))
	}
	mod := m.linear("mod", e, 2*width)
	x = ops.ScaleShift(ops.LayerNorm(x), ops.Slice(mod, 0, width), ops.Slice(mod, width, 2*width))
	m.Output = m.linear("out", x, 4)
	return m.finish(ops.Mean(ops.SquaredError(m.Output, v)))
}

// Random is a graph of some dozens of operations drawn at random, with fans, dead ends,
// chains and views. All its tensors are (n, 4, 8), so that anything can follow anything.
func Random(n int, seed uint64) *Model {
	m := newModel(seed)
	r := rand.New(rand.NewPCG(seed, 1<<32))
	pool := gorgonia.Nodes{m.Input("x", n, 4, 8), m.Input("y", n, 4, 8)}
	pick := func() *gorgonia.Node { // mostly something recent
		return pool[len(pool)-1-min(len(pool)-1, int(r.ExpFloat64()*2))]
	}
	first := m.linear("first", pool[0], 8)
	pool = append(pool, first)
	row := ops.Slice(ops.Reshape(first, n, 32), 0, 8) // (n, 8)
	for i := range 8 + r.IntN(30) {
		name := fmt.Sprint(i)
		x := pick()
		switch r.IntN(14) {
		case 0:
			x = m.linear(name, x, 8)
		case 1:
			x = ops.SiLU(x)
		case 2:
			x = ops.GELU(x)
		case 3:
			x = ops.Add(x, pick())
		case 4:
			x = ops.Sub(x, ops.Scale(pick(), 0.5))
		case 5:
			x = ops.Mul(ops.Clamp(x, -1, 1), ops.Clamp(pick(), -1, 1))
		case 6:
			x = ops.LayerNorm(x)
		case 7:
			x = ops.ScaleShift(ops.LayerNorm(x), row, row)
		case 8:
			x = ops.Gate(x, pick(), row)
		case 9:
			x = ops.Attention(x, m.linear(name, pick(), 16), 2)
		case 10:
			x = ops.Reshape(ops.SiLU(ops.Reshape(x, n, 2, 16)), n, 4, 8)
		case 11:
			x = ops.BroadcastAdd(x, m.Param(name, 4, 8))
		case 12:
			x = ops.Reshape(ops.Slice(m.linear(name, ops.Reshape(x, n, 32), 40), 4, 36), n, 4, 8)
		case 13:
			x = ops.GroupNorm(x, m.Param(name+".weight", 8), m.Param(name+".bias", 8), 4)
		}
		pool = append(pool, x)
	}
	// Everything that leads nowhere so far is dead, and so are its parameters.
	m.Output = pool[len(pool)-1]
	for i := range 3 {
		m.Output = ops.Add(m.Output, pool[len(pool)-2-i])
	}
	m.Output = ops.Add(m.Output, ops.LayerNorm(first))
	m.dropDead()
	return m.finish(ops.Mean(ops.SquaredError(m.Output, pool[1])))
}

// dropDead forgets the parameters that the output does not depend on.
func (m *Model) dropDead() {
	alive := map[*gorgonia.Node]bool{}
	var visit func(n *gorgonia.Node)
	visit = func(n *gorgonia.Node) {
		if !alive[n] {
			alive[n] = true
			for _, in := range ops.Inputs(n) {
				visit(in)
			}
		}
	}
	visit(m.Output)
	var params gorgonia.Nodes
	for _, p := range m.Params {
		if alive[p] {
			params = append(params, p)
		}
	}
	m.Params = params
}
