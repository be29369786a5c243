package cpu_test

import (
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/crossattn"
	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/ops"
	"lfm/internal/ops/optest"
	"lfm/internal/optim"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// TestOneDifferentiation runs the very graphs that the stages train, gradients included, on
// gorgonia's tape machine and on the engine. Sizes are small; layers are all there.
func TestOneDifferentiation(t *testing.T) {
	ae, err := autoencoder.NewTraining(autoencoder.Arch{Channels: 8, LatentChannels: 4, Downsample: 4, Size: 16}, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("autoencoder", func(t *testing.T) {
		sameAsTape(t, ae.Params, append(gorgonia.Nodes{ae.Loss}, ae.Grads...), map[*gorgonia.Node][]float32{
			ae.X: filled(ae.X), ae.Noise: filled(ae.Noise)})
	})
	for name, a := range map[string]flow.Arch{
		"flow":       {Tokens: 16, Channels: 4, Width: 32, Depth: 2, Heads: 2, Classes: 5, ContextTokens: 3},
		"unet":       {Kind: flow.UNet, Tokens: 16, Rows: 4, Channels: 4, Width: 16, Levels: 2, Blocks: 1, Heads: 2, Classes: 5, ContextTokens: 3},
		"captions":   {Tokens: 16, Channels: 4, Width: 16, Depth: 1, Heads: 2, Classes: 5, ContextTokens: 3, Condition: "caption", Vocabulary: 9, TextDepth: 1},
		"properties": {Tokens: 16, Channels: 4, Width: 16, Depth: 1, Heads: 2, Classes: 5, ContextTokens: 3, Condition: "properties", Properties: 2},
	} {
		t.Run(name, func(t *testing.T) {
			net, err := flow.NewTraining(a, 3)
			if err != nil {
				t.Fatal(err)
			}
			sameAsTape(t, net.Params, append(gorgonia.Nodes{net.Loss}, net.Grads...), map[*gorgonia.Node][]float32{
				net.Zt: filled(net.Zt), net.Target: filled(net.Target), net.T: {0.1, 0.5, 0.9}, net.Labels: conditions(net.Labels)})
		})
	}
}

// TestEncodersSameAsTape does so for the context encoders that are more than a table.
func TestEncodersSameAsTape(t *testing.T) {
	for name, c := range map[string]struct {
		make   func(s nn.Scope) crossattn.Encoder
		values []float32 // of 3 conditions
	}{
		"text":    {func(s nn.Scope) crossattn.Encoder { return crossattn.NewTextTokens(s, 11, 4, 16, 2, 2) }, []float32{3, 10, 3, 0, 0, 0, 0, 0, 1, 2, 3, 4}},
		"numbers": {func(s nn.Scope) crossattn.Encoder { return crossattn.NewNumberTokens(s, 2, 4, 16) }, []float32{-1, 0.5, 1, 0, 0, 0, 2, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			params := nn.NewParams(g)
			conditions, target := nn.Input(g, "conditions", 3, len(c.values)/3), nn.Input(g, "target", 3, 4, 16)
			loss := ops.Mean(ops.SquaredError(c.make(params.Root()).Encode(conditions), target))
			grads, err := ops.Grad(loss, params.Nodes()...)
			if err != nil {
				t.Fatal(err)
			}
			sameAsTape(t, params, append(gorgonia.Nodes{loss}, grads...), map[*gorgonia.Node][]float32{conditions: c.values, target: filled(target)})
		})
	}
}

// conditions are whole numbers up to 5 for a leaf.
func conditions(n *gorgonia.Node) []float32 {
	v := make([]float32, n.Shape().TotalSize())
	for i := range v {
		v[i] = []float32{0, 5, 3, 1}[i%4]
	}
	return v
}

// filled draws values for a leaf from its name.
func filled(n *gorgonia.Node) []float32 { return optest.Fill(n.Name(), n.Shape().TotalSize()) }

// sameAsTape compares wanted nodes, the loss first, between the two machines.
func sameAsTape(t *testing.T, params *nn.Params, wanted gorgonia.Nodes, inputs map[*gorgonia.Node][]float32) {
	plan, err := engine.Compile(params.Graph(), wanted, optim.Frozen(params.Nodes()))
	if err != nil {
		t.Fatal(err)
	}
	machine, err := backend(t, 2).Open(plan, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	for _, p := range params.All() {
		inputs[p.Node] = weights(p)
	}
	for n, v := range inputs {
		machine.Set(n, v)
		if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(v))); err != nil {
			t.Fatal(err)
		}
	}
	run(t, machine)

	read := make([]gorgonia.Value, len(wanted))
	for i, n := range wanted {
		gorgonia.Read(n, &read[i])
	}
	tape := gorgonia.NewTapeMachine(params.Graph())
	defer tape.Close()
	if err := tape.RunAll(); err != nil {
		t.Fatal(err)
	}
	for i, n := range wanted {
		want, err := ops.Floats(read[i])
		if err != nil {
			t.Fatal(err)
		}
		if d := optest.Distance(get(machine, n), want); d > 1e-5 {
			t.Errorf("result %d (%v) is %.2g from the tape machine's", i, n.Shape(), d)
		}
	}
}

// weights are a parameter's first values, moved off nought: a gate that is nought would hide
// what lies behind it.
func weights(p *nn.Param) []float32 {
	v := p.Initial(1)
	for i, u := range optest.Fill(p.Name, p.Size()) {
		v[i] += 0.1 * u
	}
	return v
}
