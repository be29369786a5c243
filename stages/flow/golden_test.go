package flow

import (
	"slices"
	"strings"
	"testing"

	"lfm/internal/ops/optest"
)

// golden is the architecture of testdata/golden-flow.safetensors, whose batch is 3.
var golden = Arch{Tokens: 16, Channels: 4, Width: 32, Depth: 2, Heads: 2, Classes: 10, ContextTokens: 4}

func openGolden(t *testing.T) *optest.Golden {
	return optest.OpenGolden(t, "testdata/golden-flow.safetensors")
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

// TestEvaluation: the graph of the field, whose samples are at one time and read contexts that
// another graph made, gives the velocity of the training graph: each sample at its time, under
// its class and once more under the null context.
func TestEvaluation(t *testing.T) {
	g := openGolden(t)
	zt, _ := onPath(g)
	times, labels, want := g.Floats("input.t"), g.Floats("input.label"), g.Floats("output.velocity")
	size := len(zt) / len(times)
	for i := range times {
		c, err := NewConditioning(golden, 2)
		if err != nil {
			t.Fatal(err)
		}
		g.LetParams(t, c.Params.Nodes())
		optest.Let(t, c.Labels, []float32{labels[i], float32(golden.Classes)})
		optest.Tape(t, c.Graph)

		e, err := NewEvaluation(golden, 1, 2)
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
