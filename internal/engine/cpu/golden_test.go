package cpu_test

import (
	"testing"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/ops/optest"
	"lfm/internal/optim"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// TestGolden holds small models of R1's family to PyTorch's numbers, in the files that the
// stages keep: outputs, loss, every gradient, and the losses of ten AdamW steps.
func TestGolden(t *testing.T) {
	t.Run("autoencoder", func(t *testing.T) {
		g := optest.OpenGolden(t, "../../../stages/autoencoder/testdata/golden-ae.safetensors")
		m, err := autoencoder.NewTraining(autoencoder.Arch{Channels: 8, LatentChannels: 4, Downsample: 4, Size: 16}, 2)
		if err != nil {
			t.Fatal(err)
		}
		inputs := map[*gorgonia.Node][]float32{m.X: g.Images("input.x"), m.Noise: g.Images("input.noise")}
		outputs := map[*gorgonia.Node][]float32{
			m.Mean: g.Images("output.mean"), m.LogVar: g.Images("output.logvar"), m.Reconstruction: g.Images("output.reconstruction"),
		}
		compareGolden(t, g, m.Graph, m.Loss, m.Params, m.Grads, inputs, outputs)
	})
	for name, a := range map[string]flow.Arch{
		"flow": {Tokens: 16, Channels: 4, Width: 32, Depth: 2, Heads: 2, Classes: 10, ContextTokens: 4},
		"unet": {Kind: flow.UNet, Tokens: 32, Rows: 4, Channels: 3, Width: 8, Levels: 3, Blocks: 1, Heads: 2, Classes: 5, ContextTokens: 3},
	} {
		t.Run(name, func(t *testing.T) { testGoldenFlow(t, a, "golden-"+name+".safetensors") })
	}
}

func testGoldenFlow(t *testing.T, a flow.Arch, file string) {
	g := optest.OpenGolden(t, "../../../stages/flow/testdata/"+file)
	m, err := flow.NewTraining(a, 3)
	if err != nil {
		t.Fatal(err)
	}
	x, eps, times := g.Floats("input.x"), g.Floats("input.noise"), g.Floats("input.t")
	zt, v := make([]float32, len(x)), make([]float32, len(x))
	for i := range x {
		s := times[i/(len(x)/len(times))]
		zt[i], v[i] = (1-s)*x[i]+s*eps[i], x[i]-eps[i]
	}
	inputs := map[*gorgonia.Node][]float32{m.Zt: zt, m.Target: v, m.T: times, m.Labels: g.Floats("input.label")}
	outputs := map[*gorgonia.Node][]float32{m.Velocity: g.Floats("output.velocity")}
	compareGolden(t, g, m.Graph, m.Loss, m.Params, m.Grads, inputs, outputs)
}

func compareGolden(t *testing.T, g *optest.Golden, graph *gorgonia.ExprGraph, loss *gorgonia.Node, params *nn.Params, grads gorgonia.Nodes, inputs, outputs map[*gorgonia.Node][]float32) {
	wanted := gorgonia.Nodes{loss}
	for n := range outputs {
		wanted = append(wanted, n)
	}
	plan, err := engine.Compile(graph, wanted, optim.Updates(params.Nodes(), grads, false))
	if err != nil {
		t.Fatal(err)
	}
	m, err := backend(t, 2).Open(plan, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for n, v := range inputs {
		m.Set(n, v)
	}
	for _, p := range params.All() {
		m.Set(p.Node, g.Floats("param."+p.Name))
	}
	adamw := optim.AdamW{Rate: 1e-3, WeightDecay: 0.01}
	for step, want := range g.Floats("losses") {
		m.SetScalars(adamw.Scalars(step))
		run(t, m)
		if got := float32(m.Report().Loss); relative(got, want) > optest.GoldenTolerance {
			t.Errorf("the loss before step %d is %g, PyTorch's is %g", step, got, want)
		}
		if step > 0 {
			continue
		}
		for n, want := range outputs {
			if d := optest.Distance(get(m, n), want); d > optest.GoldenTolerance {
				t.Errorf("output %v is %.2g from PyTorch's", n.Shape(), d)
			}
		}
		for i, p := range params.All() {
			if d := optest.Distance(get(m, grads[i]), g.Floats("grad."+p.Name)); d > optest.GoldenTolerance {
				t.Errorf("the gradient of %s is %.2g from PyTorch's", p.Name, d)
			}
		}
	}
}

func relative(a, b float32) float64 { return optest.Distance([]float32{a}, []float32{b}) }
