package autoencoder

import (
	"math"
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

// golden is the architecture of testdata/golden-ae.safetensors, whose batch is 2.
var golden = Arch{Channels: 8, LatentChannels: 4, Downsample: 4, Size: 16}

func openGolden(t *testing.T) *optest.Golden {
	t.Helper()
	g, err := optest.OpenGolden("testdata/golden-ae.safetensors")
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

// TestGolden: outputs, loss and every gradient are PyTorch's, on gorgonia's tape machine.
func TestGolden(t *testing.T) {
	g := openGolden(t)
	m, err := NewTraining(golden, 2)
	if err != nil {
		t.Fatal(err)
	}
	letParams(t, m.Params, g)
	let(t, m.X, g.Images("input.x"))
	let(t, m.Noise, g.Images("input.noise"))
	run(t, m.Graph)

	check(t, "mean", m.Mean, g.Images("output.mean"))
	check(t, "logvar", m.LogVar, g.Images("output.logvar"))
	check(t, "reconstruction", m.Reconstruction, g.Images("output.reconstruction"))
	check(t, "loss", m.Loss, g.Floats("loss"))
	for i, p := range m.Params.All() {
		check(t, "the gradient of "+p.Name, m.Grads[i], g.Floats("grad."+p.Name))
	}
}

// TestParameters: names and order are those of PyTorch's named_parameters.
func TestParameters(t *testing.T) {
	m, err := NewTraining(golden, 2)
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

// TestHalves: the graphs that encode and decode compute what the training graph does.
func TestHalves(t *testing.T) {
	g := openGolden(t)
	e, err := NewEncoding(golden, 2)
	if err != nil {
		t.Fatal(err)
	}
	letParams(t, e.Params, g)
	let(t, e.X, g.Images("input.x"))
	run(t, e.Graph)
	check(t, "mean", e.Mean, g.Images("output.mean"))
	check(t, "logvar", e.LogVar, g.Images("output.logvar"))

	// A graph that only decodes, fed with the training graph's z.
	mean, logvar, noise := g.Images("output.mean"), g.Images("output.logvar"), g.Images("input.noise")
	z := make([]float32, len(mean))
	for i := range z {
		z[i] = mean[i] + noise[i]*float32(math.Exp(float64(logvar[i])/2))
	}
	d, err := NewDecoding(golden, 2)
	if err != nil {
		t.Fatal(err)
	}
	letParams(t, d.Params, g)
	let(t, d.Z, z)
	run(t, d.Graph)
	check(t, "reconstruction", d.Images, g.Images("output.reconstruction"))
}
