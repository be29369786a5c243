package optest

import (
	"fmt"
	"hash/crc32"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
)

// Case is one operation at one size.
type Case struct {
	Name string // "conv2d/N=2,H=5,W=4,Cin=3,Cout=2,K=3,S=2"

	// Output builds the operation from inputs that it asks of in.
	Output func(in *Inputs) *gorgonia.Node

	// Tolerance bounds Distance between a float32 back end and the float64 reference.
	// If equal to 0, 1e-5 is used.
	Tolerance float64

	// FLOP is the work of the forward operation where a back end's benchmark should speak
	// of it: multiply-adds times 2. 0 for operations bound by memory.
	FLOP float64

	// Large marks sizes of a real layer: for benchmarks and comparisons of back ends, too
	// slow for central differences.
	Large bool
}

// Limit is the case's tolerance, the default filled in.
func (c Case) Limit() float64 {
	if c.Tolerance == 0 {
		return 1e-5
	}
	return c.Tolerance
}

// Graph is a case built.
type Graph struct {
	Graph  *gorgonia.ExprGraph
	Output *gorgonia.Node
	Loss   *gorgonia.Node // the mean of output times weights drawn once
	Inputs gorgonia.Nodes // the learned ones
	Grads  gorgonia.Nodes // of the loss, by Inputs
	Feeds  Feeds          // values of all leaves
}

// Feeds are values for the leaves of a graph.
type Feeds map[*gorgonia.Node][]float32

// Inputs makes the leaves of a case.
type Inputs struct {
	graph   *gorgonia.ExprGraph
	learned gorgonia.Nodes
	feeds   Feeds
}

// Learned is an input whose gradient is wanted, with values uniform on [-1, 1).
func (in *Inputs) Learned(name string, shape ...int) *gorgonia.Node {
	n := in.Given(name, shape...)
	in.learned = append(in.learned, n)
	return n
}

// Given is an input without a gradient, with values uniform on [-1, 1).
func (in *Inputs) Given(name string, shape ...int) *gorgonia.Node {
	n := gorgonia.NewTensor(in.graph, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	in.feeds[n] = Fill(name, n.Shape().TotalSize())
	return n
}

// Labels is an input (n) of whole numbers below limit.
func (in *Inputs) Labels(name string, n, limit int) *gorgonia.Node {
	node := in.Given(name, n)
	for i, u := range in.feeds[node] {
		in.feeds[node][i] = float32(math.Floor(float64(u+1) / 2 * float64(limit)))
	}
	return node
}

// Times is an input (n) of numbers in [0, 1).
func (in *Inputs) Times(name string, n int) *gorgonia.Node {
	node := in.Given(name, n)
	for i, u := range in.feeds[node] {
		in.feeds[node][i] = (u + 1) / 2
	}
	return node
}

// Build makes the graph of a case: output, loss and gradients.
func (c Case) Build() (*Graph, error) {
	g := &Graph{Graph: gorgonia.NewGraph()}
	in := &Inputs{graph: g.Graph, feeds: Feeds{}}
	err := ops.Check(func() (err error) {
		g.Output = c.Output(in)
		weighed := g.Output
		if s := g.Output.Shape(); s.Dims() > 0 {
			weighed = ops.Mean(ops.Mul(g.Output, in.Given("weights", s...)))
		}
		g.Loss = weighed
		if len(in.learned) > 0 {
			g.Grads, err = ops.Grad(g.Loss, in.learned...)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	g.Inputs, g.Feeds = in.learned, in.feeds
	return g, nil
}

// Fill gives n numbers in [-1, 1) that any language can make: the top 24 bits of SplitMix64
// at (CRC-32 of the name)·2³² + index. peers/torch_golden.py has the same function.
func Fill(name string, n int) []float32 {
	x := make([]float32, n)
	key := uint64(crc32.ChecksumIEEE([]byte(name))) << 32
	for i := range x {
		z := (key + uint64(i)) * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		x[i] = float32(float64(z>>40)/(1<<23) - 1)
	}
	return x
}

// Distance is the relative L2 distance |got - want| / |want|, and |got| where want is zero.
func Distance[A, B ~float32 | ~float64](got []A, want []B) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var difference, norm float64
	for i := range got {
		d := float64(got[i]) - float64(want[i])
		difference += d * d
		norm += float64(want[i]) * float64(want[i])
	}
	if math.IsNaN(difference) {
		return math.Inf(1)
	}
	if norm == 0 {
		return math.Sqrt(difference)
	}
	return math.Sqrt(difference / norm)
}
