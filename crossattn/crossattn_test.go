package crossattn_test

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/crossattn"
)

// leaf is an input of a graph with a value: n numbers that rise from -1 to 1, turned by k.
func leaf(g *gorgonia.ExprGraph, name string, k int, shape ...int) *gorgonia.Node {
	x := make([]float32, tensor.Shape(shape).TotalSize())
	for i := range x {
		x[i] = float32((i*7+k)%len(x))/float32(len(x))*2 - 1
	}
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name),
		gorgonia.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x))))
}

func labels(g *gorgonia.ExprGraph, ids ...float32) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, 1, gorgonia.WithShape(len(ids)), gorgonia.WithName("labels"),
		gorgonia.WithValue(tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids))))
}

func run(t *testing.T, g *gorgonia.ExprGraph) {
	t.Helper()
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
}

func data(n *gorgonia.Node) []float32 { return n.Value().Data().([]float32) }

// TestEncode: a label's context is its row of the table, and the null context is the last.
func TestEncode(t *testing.T) {
	g := gorgonia.NewGraph()
	params := crossattn.Learn(g, 1)
	classes := crossattn.NewClassTokens(params, 3, 2, 4)
	context := classes.Encode(labels(g, 2, float32(classes.Null()), 0))
	run(t, g)
	if !slices.Equal(context.Shape(), []int{3, 2, 4}) {
		t.Fatalf("context is %v, want (3, 2, 4)", context.Shape())
	}
	table := data(params.Nodes()[0])
	if classes.Null() != 3 || len(table) != 4*8 {
		t.Fatalf("null is %d in a table of %d numbers", classes.Null(), len(table))
	}
	want := slices.Concat(table[2*8:3*8], table[3*8:], table[:8])
	if !slices.Equal(data(context), want) {
		t.Errorf("contexts are not the rows of their labels: %v, want %v", data(context), want)
	}
}

// TestReuse: keys and values projected once serve any number of queries.
func TestReuse(t *testing.T) {
	g := gorgonia.NewGraph()
	att := crossattn.NewAttention(crossattn.Learn(g, 1), 8, 6, 2)
	context := leaf(g, "context", 1, 2, 3, 6)
	x, y := leaf(g, "x", 2, 2, 5, 8), leaf(g, "y", 3, 2, 5, 8)
	kv := att.KeysValues(context)
	a, b := att.Attend(x, kv), att.Attend(y, kv)
	c, d := att.Apply(x, context), att.Apply(y, context)
	run(t, g)
	if !slices.Equal(kv.Shape(), []int{2, 3, 16}) {
		t.Errorf("keys and values are %v, want (2, 3, 16)", kv.Shape())
	}
	if !slices.Equal(data(a), data(c)) || !slices.Equal(data(b), data(d)) || slices.Equal(data(a), data(b)) {
		t.Error("Attend of KeysValues is not Apply")
	}
}

// TestPermutation: context tokens are a set; their order says nothing.
func TestPermutation(t *testing.T) {
	g := gorgonia.NewGraph()
	att := crossattn.NewAttention(crossattn.Learn(g, 1), 8, 6, 2)
	context := leaf(g, "context", 1, 1, 3, 6)
	v := data(context)
	turned := gorgonia.NewTensor(g, tensor.Float32, 3, gorgonia.WithShape(1, 3, 6), gorgonia.WithName("turned"),
		gorgonia.WithValue(tensor.New(tensor.WithShape(1, 3, 6), tensor.WithBacking(slices.Concat(v[12:], v[:12])))))
	x := leaf(g, "x", 2, 1, 5, 8)
	a, b := att.Apply(x, context), att.Apply(x, turned)
	run(t, g)
	for i := range data(a) {
		if math.Abs(float64(data(a)[i]-data(b)[i])) > 1e-6 { // sums of 3 products of size 1 in another order
			t.Fatalf("element %d is %v, with the context turned %v", i, data(a)[i], data(b)[i])
		}
	}
}

// TestParameters: names and shapes are PyTorch's.
func TestParameters(t *testing.T) {
	g := gorgonia.NewGraph()
	params := crossattn.Learn(g, 1)
	crossattn.NewClassTokens(params.In("cond"), 10, 4, 6)
	crossattn.NewAttention(params.In("cross_attn"), 8, 6, 2)
	want := []struct {
		name  string
		shape tensor.Shape
	}{
		{"cond.weight", tensor.Shape{11, 24}},
		{"cross_attn.q.weight", tensor.Shape{8, 8}}, {"cross_attn.q.bias", tensor.Shape{8}},
		{"cross_attn.kv.weight", tensor.Shape{16, 6}}, {"cross_attn.kv.bias", tensor.Shape{16}},
		{"cross_attn.o.weight", tensor.Shape{8, 8}}, {"cross_attn.o.bias", tensor.Shape{8}},
	}
	nodes := params.Nodes()
	if len(nodes) != len(want) {
		t.Fatalf("%d parameters, want %d", len(nodes), len(want))
	}
	for i, n := range nodes {
		if n.Name() != want[i].name || !slices.Equal(n.Shape(), want[i].shape) || n.Value() == nil {
			t.Errorf("parameter %d is %s %v, value %v; want %s %v", i, n.Name(), n.Shape(), n.Value() != nil, want[i].name, want[i].shape)
		}
	}
}

// TestLearning: a few steps of gradient descent on one attention and one class table lower
// an error, by gorgonia's own Grad and solver.
func TestLearning(t *testing.T) {
	g := gorgonia.NewGraph()
	params := crossattn.Learn(g, 3)
	classes := crossattn.NewClassTokens(params.In("cond"), 2, 3, 8)
	att := crossattn.NewAttention(params.In("att"), 8, 8, 2)
	x, want := leaf(g, "x", 1, 3, 4, 8), leaf(g, "want", 5, 3, 4, 8)
	y := att.Apply(x, classes.Encode(labels(g, 0, 1, 2)))
	loss := gorgonia.Must(gorgonia.Mean(gorgonia.Must(gorgonia.Square(gorgonia.Must(gorgonia.Sub(y, want))))))
	if _, err := gorgonia.Grad(loss, params.Nodes()...); err != nil {
		t.Fatal(err)
	}
	m := gorgonia.NewTapeMachine(g, gorgonia.BindDualValues(params.Nodes()...))
	defer m.Close()
	solver := gorgonia.NewAdamSolver(gorgonia.WithLearnRate(0.02))
	var first, last float32
	for step := range 60 {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		last = loss.Value().Data().(float32)
		if step == 0 {
			first = last
		}
		if err := solver.Step(gorgonia.NodesToValueGrads(params.Nodes())); err != nil {
			t.Fatal(err)
		}
		m.Reset()
	}
	if last > first/4 {
		t.Errorf("the error went from %g to %g, want a quarter at most", first, last)
	}
}

// TestMisuse: sizes that do not fit are named.
func TestMisuse(t *testing.T) {
	for want, build := range map[string]func(p crossattn.Parameters){
		"crossattn: a width of 8 does not make 3 heads":                    func(p crossattn.Parameters) { crossattn.NewAttention(p, 8, 8, 3) },
		"crossattn: 0 classes, 2 tokens, width 4; want at least 1 of each": func(p crossattn.Parameters) { crossattn.NewClassTokens(p, 0, 2, 4) },
	} {
		func() {
			defer func() {
				if r := recover(); r != want {
					t.Errorf("got %v, want %s", r, want)
				}
			}()
			build(crossattn.Learn(gorgonia.NewGraph(), 1))
		}()
	}
}
