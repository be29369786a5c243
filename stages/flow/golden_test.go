package flow

import (
	"slices"
	"strings"
	"testing"

	"lfm/internal/ops/optest"
)

// goldens are the architectures of the files in testdata, whose batches are 3.
var goldens = map[string]Arch{
	"golden-flow":     {Tokens: 16, Channels: 4, Width: 32, Depth: 2, Heads: 2, Classes: 10, ContextTokens: 4},
	"golden-unet":     {Kind: UNet, Tokens: 32, Rows: 4, Channels: 3, Width: 8, Levels: 3, Blocks: 1, Heads: 2, Classes: 5, ContextTokens: 3},
	"golden-unet-odd": {Kind: UNet, Tokens: 15, Rows: 3, Channels: 3, Width: 8, Levels: 3, Blocks: 1, Heads: 2, Classes: 5, ContextTokens: 3},
}

// eachGolden runs a test for each of them.
func eachGolden(t *testing.T, test func(t *testing.T, a Arch, g *optest.Golden)) {
	for name, a := range goldens {
		t.Run(name, func(t *testing.T) { test(t, a, optest.OpenGolden(t, "testdata/"+name+".safetensors")) })
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
func TestGolden(t *testing.T) { eachGolden(t, testGolden) }

func testGolden(t *testing.T, a Arch, g *optest.Golden) {
	m, err := NewTraining(a, 3)
	if err != nil {
		t.Fatal(err)
	}
	g.LetParams(t, m.Params.Nodes())
	zt, v := onPath(g)
	optest.Let(t, m.Zt, zt)
	optest.Let(t, m.Target, v)
	optest.Let(t, m.T, g.Floats("input.t"))
	optest.Let(t, m.Labels, g.Floats("input.label"))
	optest.Tape(t, m.Graph)

	optest.CheckGolden(t, "velocity", m.Velocity, g.Floats("output.velocity"))
	optest.CheckGolden(t, "loss", m.Loss, g.Floats("loss"))
	for i, p := range m.Params.All() {
		optest.CheckGolden(t, "the gradient of "+p.Name, m.Grads[i], g.Floats("grad."+p.Name))
	}
}

// TestParameters: the names are those of PyTorch's named_parameters, and in its order.
func TestParameters(t *testing.T) { eachGolden(t, testParameters) }

func testParameters(t *testing.T, a Arch, g *optest.Golden) {
	m, err := NewTraining(a, 3)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, p := range m.Params.All() {
		got = append(got, p.Name)
	}
	for _, name := range g.Names() {
		if name, ok := strings.CutPrefix(name, "param."); ok {
			want = append(want, name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("parameters\n%v, want\n%v", got, want)
	}
}

// TestEvaluation: the graph of the field, whose samples are at one time and read contexts that
// another graph made, gives the velocity of the training graph: each sample at its time, under
// its class and once more under the null context.
func TestEvaluation(t *testing.T) { eachGolden(t, testEvaluation) }

func testEvaluation(t *testing.T, a Arch, g *optest.Golden) {
	zt, _ := onPath(g)
	times, labels, want := g.Floats("input.t"), g.Floats("input.label"), g.Floats("output.velocity")
	size := len(zt) / len(times)
	for i := range times {
		c, err := NewConditioning(a, 2)
		if err != nil {
			t.Fatal(err)
		}
		g.LetParams(t, c.Params.Nodes())
		optest.Let(t, c.Labels, []float32{labels[i], float32(a.Classes)})
		optest.Tape(t, c.Graph)

		e, err := NewEvaluation(a, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		g.LetParams(t, e.Params.Nodes())
		optest.Let(t, e.Z, zt[i*size:(i+1)*size])
		optest.Let(t, e.T, times[i:i+1])
		for k, kv := range e.KeysValues {
			optest.Let(t, kv, c.KeysValues[k].Value().Data().([]float32))
		}
		optest.Tape(t, e.Graph)
		v := e.Velocity.Value().Data().([]float32)
		if d := optest.Distance(v[:size], want[i*size:(i+1)*size]); !(d <= optest.GoldenTolerance) {
			t.Errorf("sample %d: the velocity is off by %.2g, want at most %g", i, d, optest.GoldenTolerance)
		}
		if slices.Equal(v[:size], v[size:]) {
			t.Errorf("sample %d: the null context gives the class's velocity", i)
		}
	}
}
