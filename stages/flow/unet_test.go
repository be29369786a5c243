package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/latent"
	"lfm/internal/ops"
	"lfm/internal/ops/optest"
	"lfm/internal/profile"
	"lfm/pipeline"
)

// tinyUNet has every part of a U-Net, for latents of two rows.
var tinyUNet = Arch{Kind: UNet, Tokens: 8, Rows: 2, Channels: 2, Width: 8, Levels: 2, Blocks: 1, Heads: 2, Classes: 2, ContextTokens: 2}

// defaultArch is what settings make of the reference model's latents.
func defaultArch(kind string) Arch {
	c := DefaultConfig()
	c.Arch = kind
	return c.arch(latent.Shape{H: 8, W: 8, C: 4}, 10)
}

// unetParameters is sum(p.numel() for p in UNet().parameters()) in testdata/unet.py at the sizes
// of the default settings.
const unetParameters = 3243332

// TestUNetSize: at the default settings the U-Net has as many parameters as its PyTorch twin, and
// costs about what the transformer costs: twice the parameters, a fifth more work.
func TestUNetSize(t *testing.T) {
	unet, err := NewTraining(DefaultArch, 1)
	if err != nil {
		t.Fatal(err)
	}
	transformer, err := NewTraining(defaultArch(Transformer), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := unet.Params.Count(); got != unetParameters {
		t.Errorf("%d parameters, want %d", got, unetParameters)
	}
	if ratio := float64(unet.Params.Count()) / float64(transformer.Params.Count()); ratio < 1.9 || ratio > 2.2 {
		t.Errorf("%.2f times the transformer's parameters", ratio)
	}
	if ratio := profile.GraphFLOP(unet.Graph) / profile.GraphFLOP(transformer.Graph); ratio < 1.1 || ratio > 1.25 {
		t.Errorf("%.2f times the transformer's work", ratio)
	}
}

// TestUNetGradient: along a direction in each parameter, the derivative in float64 is that of
// central differences, for sides that halve evenly and for odd ones.
func TestUNetGradient(t *testing.T) {
	odd := tinyUNet
	odd.Tokens, odd.Rows = 15, 3
	for _, a := range []Arch{tinyUNet, odd} {
		t.Run(fmt.Sprintf("%dx%d", a.Rows, a.Tokens/a.Rows), func(t *testing.T) { testUNetGradient(t, a) })
	}
}

func testUNetGradient(t *testing.T, a Arch) {
	m, err := NewTraining(a, 2)
	if err != nil {
		t.Fatal(err)
	}
	feeds := optest.Feeds{m.T: {0.3, 0.8}, m.Labels: {2, 0},
		m.Zt: optest.Fill("zt", m.Zt.DataSize()), m.Target: optest.Fill("target", m.Target.DataSize())}
	for _, p := range m.Params.All() {
		feeds[p.Node] = p.Initial(1)
		for i, u := range optest.Fill(p.Name, p.Size()) {
			feeds[p.Node][i] += 0.3 * u // what begins as nought would hide what lies behind it
		}
	}
	grads := optest.Interpret[float64](m.Graph, feeds, m.Grads...)
	loss := func() float64 { return optest.Interpret[float64](m.Graph, feeds, m.Loss)[m.Loss][0] }
	const step = 1e-3
	for i, p := range m.Params.All() {
		x, direction := feeds[p.Node], optest.Fill("direction "+p.Name, p.Size())
		above, below := make([]float32, len(x)), make([]float32, len(x))
		var exact, gradient, way float64
		for j, u := range direction {
			above[j], below[j] = x[j]+step*u, x[j]-step*u
			d, g := float64(above[j])-float64(below[j]), grads[m.Grads[i]][j]
			exact += g * d
			gradient += g * g
			way += d * d
		}
		feeds[p.Node] = above
		difference := loss()
		feeds[p.Node] = below
		difference -= loss()
		feeds[p.Node] = x
		if d := math.Abs(difference - exact); !(d <= 1e-4*math.Sqrt(gradient*way)) || gradient == 0 {
			t.Errorf("%s: the loss rises by %g, by its gradient it would by %g", p.Name, difference, exact)
		}
	}
}

// TestUNetBegins: before training the velocity is nought, and gradients reach the output alone.
func TestUNetBegins(t *testing.T) {
	m, err := NewTraining(tinyUNet, 2)
	if err != nil {
		t.Fatal(err)
	}
	feeds := optest.Feeds{m.T: {0.3, 0.8}, m.Labels: {2, 0},
		m.Zt: optest.Fill("zt", m.Zt.DataSize()), m.Target: optest.Fill("target", m.Target.DataSize())}
	for _, p := range m.Params.All() {
		feeds[p.Node] = p.Initial(1)
	}
	values := optest.Interpret[float64](m.Graph, feeds)
	for _, v := range values[m.Velocity] {
		if v != 0 {
			t.Fatalf("the first velocity is %v", values[m.Velocity])
		}
	}
	for i, p := range m.Params.All() {
		var norm float64
		for _, g := range values[m.Grads[i]] {
			norm += g * g
		}
		if out := strings.HasPrefix(p.Name, "out."); (norm > 0) != out {
			t.Errorf("%s: squared norm of the first gradient %g", p.Name, norm)
		}
	}
}

// TestUNetShares: what comes before the first look at a context is computed once for both halves
// of a guided sample: the convolutions of the input and of the first block, and no others.
func TestUNetShares(t *testing.T) {
	e, err := NewEvaluation(tinyUNet, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int]int{}
	for _, n := range e.Graph.AllNodes() {
		switch n.Op().(type) {
		case *ops.Conv2dOp, *ops.UpsampleConvOp:
			rows[n.Shape()[0]]++
		}
	}
	// Of the first block: conv1 and conv2; it keeps its channels and has no skip.
	if rows[3] != 3 || rows[6] < 10 || len(rows) != 2 {
		t.Errorf("convolutions by rows: %v", rows)
	}
}

// TestUNetSizes: latents of any size, odd sides and oblong ones, go in and out, on more levels
// than their sides can be halved too.
func TestUNetSizes(t *testing.T) {
	for _, s := range []latent.Shape{{H: 1, W: 1, C: 1}, {H: 4, W: 4, C: 1}, {H: 7, W: 7, C: 4}, {H: 6, W: 3, C: 3}, {H: 13, W: 16, C: 16}, {H: 32, W: 32, C: 5}} {
		for levels := 1; levels <= maxLevels; levels++ {
			c := DefaultConfig()
			c.Levels = levels
			m, err := NewTraining(c.arch(s, 3), 2)
			if err != nil {
				t.Errorf("%v with %d levels: %v", s, levels, err)
			} else if !m.Velocity.Shape().Eq(m.Zt.Shape()) {
				t.Errorf("%v with %d levels: the velocity is %v", s, levels, m.Velocity.Shape())
			}
		}
	}
}

// TestUNetCrops: an odd image is the corner of the even one that its half doubles to, place by place.
func TestUNetCrops(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewTensor(g, tensor.Float32, 4, gorgonia.WithShape(2, 4, 6, 3), gorgonia.WithName("x"))
	y := crop(x, tensor.Shape{2, 3, 5, 3})
	values := optest.Fill("x", x.DataSize())
	got := optest.Interpret[float64](g, optest.Feeds{x: values}, y)[y]
	if want := (tensor.Shape{2, 3, 5, 3}); !y.Shape().Eq(want) {
		t.Fatalf("a corner of %v, want %v", y.Shape(), want)
	}
	for i, v := range got {
		c, column, row, sample := i%3, i/3%5, i/15%3, i/45
		if want := float64(values[((sample*4+row)*6+column)*3+c]); v != want {
			t.Fatalf("sample %d, place (%d, %d), channel %d is %v, want %v", sample, row, column, c, v, want)
		}
	}
	if crop(x, x.Shape()) != x {
		t.Error("an image that is no larger than its corner was copied")
	}
}

// TestSettings: heads that do not fit, and settings of what was not chosen, are refused by name.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		field, msg string
		change     func(c *Config)
	}{
		{"depth", "setting of arch: transformer", func(c *Config) { c.Depth = 6 }},
		{"levels", "setting of arch: unet", func(c *Config) { c.Arch, c.Levels = Transformer, 3 }},
		{"blocks", "setting of arch: unet", func(c *Config) { c.Arch, c.Blocks = Transformer, 2 }},
		{"time", "settings of time: logit-normal", func(c *Config) { c.Time, c.TimeMean = "uniform", 0.5 }},
		{"time", "settings of time: logit-normal", func(c *Config) { c.Time, c.TimeStd = "uniform", 0.5 }},
		{"heads", "half the width", func(c *Config) { c.Width, c.Heads = 24, 8 }},
		{"width", "must be even", func(c *Config) { c.Width, c.Heads = 25, 1 }},
	} {
		config := DefaultConfig()
		c.change(config)
		var field pipeline.FieldError
		if err := config.Validate(); !errors.As(err, &field) || field.Name != c.field || !strings.Contains(field.Msg, c.msg) {
			t.Errorf("%s: %v", c.field, err)
		}
	}
}

// TestArchFile: what a file says of a transformer is what it said before there was another
// network, and what it said then is still read.
func TestArchFile(t *testing.T) {
	a := defaultArch(Transformer)
	const before = `{"tokens":64,"channels":4,"width":128,"depth":4,"heads":4,"classes":10,"context_tokens":8}`
	var read Arch
	if err := json.Unmarshal([]byte(before), &read); err != nil || read != a {
		t.Errorf("read as %+v (%v), want %+v", read, err, a)
	}
	if text, err := json.Marshal(a); err != nil || string(text) != before {
		t.Errorf("written as %s (%v), want %s", text, err, before)
	}
	for want, a := range map[string]Arch{
		`a "mlp"`:                              {Kind: "mlp", Tokens: 4, Channels: 1, Width: 8, Heads: 1, Classes: 1, ContextTokens: 1},
		"levels and blocks are 0 and 1":        {Kind: UNet, Tokens: 4, Rows: 2, Channels: 1, Width: 8, Blocks: 1, Heads: 1, Classes: 1, ContextTokens: 1},
		"levels and blocks are 7 and 1":        {Kind: UNet, Tokens: 4, Rows: 2, Channels: 1, Width: 8, Levels: 7, Blocks: 1, Heads: 1, Classes: 1, ContextTokens: 1},
		"4 tokens do not make 3 rows":          {Kind: UNet, Tokens: 4, Rows: 3, Channels: 1, Width: 8, Levels: 1, Blocks: 1, Heads: 1, Classes: 1, ContextTokens: 1},
		"4 tokens do not make 0 rows":          {Kind: UNet, Tokens: 4, Channels: 1, Width: 8, Levels: 1, Blocks: 1, Heads: 1, Classes: 1, ContextTokens: 1},
		"half a width of 8 does not make 8 he": {Kind: UNet, Tokens: 4, Rows: 2, Channels: 1, Width: 8, Levels: 2, Blocks: 1, Heads: 8, Classes: 1, ContextTokens: 1},
	} {
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", a, err, want)
		}
	}
}
