package autoencoder

import (
	"math"
	"slices"
	"strings"
	"testing"

	"lfm/internal/ops/optest"
)

// golden is the architecture of testdata/golden-ae.safetensors, whose batch is 2.
var golden = Arch{Channels: 8, LatentChannels: 4, Downsample: 4, Size: 16}

func openGolden(t *testing.T) *optest.Golden {
	return optest.OpenGolden(t, "testdata/golden-ae.safetensors")
}

// TestGolden: outputs, loss and every gradient are PyTorch's, on gorgonia's tape machine.
func TestGolden(t *testing.T) {
	g := openGolden(t)
	m, err := NewTraining(golden, 2)
	if err != nil {
		t.Fatal(err)
	}
	g.LetParams(t, m.Params.Nodes())
	optest.Let(t, m.X, g.Images("input.x"))
	optest.Let(t, m.Noise, g.Images("input.noise"))
	optest.Tape(t, m.Graph)

	optest.CheckGolden(t, "mean", m.Mean, g.Images("output.mean"))
	optest.CheckGolden(t, "logvar", m.LogVar, g.Images("output.logvar"))
	optest.CheckGolden(t, "reconstruction", m.Reconstruction, g.Images("output.reconstruction"))
	optest.CheckGolden(t, "loss", m.Loss, g.Floats("loss"))
	for i, p := range m.Params.All() {
		optest.CheckGolden(t, "the gradient of "+p.Name, m.Grads[i], g.Floats("grad."+p.Name))
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
	g.LetParams(t, e.Params.Nodes())
	optest.Let(t, e.X, g.Images("input.x"))
	optest.Tape(t, e.Graph)
	optest.CheckGolden(t, "mean", e.Mean, g.Images("output.mean"))
	optest.CheckGolden(t, "logvar", e.LogVar, g.Images("output.logvar"))

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
	g.LetParams(t, d.Params.Nodes())
	optest.Let(t, d.Z, z)
	optest.Tape(t, d.Graph)
	optest.CheckGolden(t, "reconstruction", d.Images, g.Images("output.reconstruction"))
}
