package flow

import (
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/nn"
	"lfm/internal/ops"
	"lfm/internal/ops/optest"
)

// goldenTol bounds the relative L2 distance of each tensor from PyTorch's: both compute in
// float32, in other orders, through some 40 layers.
const goldenTol = 1e-4

// golden is the architecture of testdata/golden-flow.safetensors, whose batch is 3.
var golden = Arch{Tokens: 16, Channels: 4, Width: 32, Depth: 2, Heads: 2, Classes: 10, ContextTokens: 4}

func openGolden(t *testing.T) *optest.Golden {
	t.Helper()
	g, err := optest.OpenGolden("testdata/golden-flow.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// let binds values to a leaf.
func let(t *testing.T, n *gorgonia.Node, v []float32) {
	t.Helper()
	if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(v))); err != nil {
		t.Fatal(err)
	}
}

func letParams(t *testing.T, params *nn.Params, g *optest.Golden) {
	t.Helper()
	for _, p := range params.All() {
		let(t, p.Node, g.Floats("param."+p.Name))
	}
}

// run runs a graph on gorgonia's own machine.
func run(t *testing.T, g *gorgonia.ExprGraph) {
	t.Helper()
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, name string, n *gorgonia.Node, want []float32) {
	t.Helper()
	got, err := ops.Floats(n.Value())
	if err != nil {
		t.Fatal(err)
	}
	if d := optest.Distance(got, want); d > goldenTol {
		t.Errorf("%s is off by %.2g, want at most %g", name, d, goldenTol)
	}
}

// onPath gives z_t = (1-t) x + t eps and v = x - eps for the golden inputs.
func onPath(g *optest.Golden) (zt, v []float32) {
	x, eps, times := g.Floats("input.x"), g.Floats("input.noise"), g.Floats("input.t")
	zt, v = make([]float32, len(x)), make([]float32, len(x))
	for i := range x {
		t := times[i/(len(x)/len(times))]
		zt[i], v[i] = (1-t)*x[i]+t*eps[i], x[i]-eps[i]
	}
	return zt, v
}

// TestGolden: velocity, loss and every gradient are PyTorch's, on gorgonia's tape machine.
func TestGolden(t *testing.T) {
	g := openGolden(t)
	m, err := NewTraining(golden, 3)
	if err != nil {
		t.Fatal(err)
	}
	letParams(t, m.Params, g)
	zt, v := onPath(g)
	let(t, m.Zt, zt)
	let(t, m.Target, v)
	let(t, m.T, g.Floats("input.t"))
	let(t, m.Labels, g.Floats("input.label"))
	run(t, m.Graph)

	check(t, "velocity", m.Velocity, g.Floats("output.velocity"))
	check(t, "loss", m.Loss, g.Floats("loss"))
	for i, p := range m.Params.All() {
		check(t, "the gradient of "+p.Name, m.Grads[i], g.Floats("grad."+p.Name))
	}
}

// TestParameters: the names are those of PyTorch's named_parameters, pos first, and in its
// order.
func TestParameters(t *testing.T) {
	m, err := NewTraining(golden, 3)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, p := range m.Params.All() {
		got = append(got, p.Name)
	}
	for _, name := range openGolden(t).Names() {
		if name, ok := strings.CutPrefix(name, "param."); ok {
			want = append(want, name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("parameters\n%v, want\n%v", got, want)
	}
}

// TestEvaluation: the graph of the field gives the velocity of the training graph.
func TestEvaluation(t *testing.T) {
	g := openGolden(t)
	e, err := NewEvaluation(golden, 3)
	if err != nil {
		t.Fatal(err)
	}
	letParams(t, e.Params, g)
	zt, _ := onPath(g)
	let(t, e.Z, zt)
	let(t, e.T, g.Floats("input.t"))
	let(t, e.Labels, g.Floats("input.label"))
	run(t, e.Graph)
	check(t, "velocity", e.Velocity, g.Floats("output.velocity"))
}
