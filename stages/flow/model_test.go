package flow

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"lfm/internal/nn"
	"lfm/internal/ops/optest"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// r1Parameters is sum(p.numel() for p in Flow().parameters()) in torch_reference.py.
const r1Parameters = 8984324

// TestR1Size: the reference model has as many parameters as its PyTorch twin.
func TestR1Size(t *testing.T) {
	m, err := NewTraining(R1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Params.Count(); got != r1Parameters {
		t.Errorf("%d parameters, want %d", got, r1Parameters)
	}
}

// TestFreshLoss: networks begin with a velocity of nought, so that their first loss, E |x - eps|² of a number, is 1 + s² on
// data of deviation s, to four standard errors.
func TestFreshLoss(t *testing.T) {
	const n = 64
	for _, a := range smalls {
		m, err := NewTraining(a, n)
		if err != nil {
			t.Fatal(err)
		}
		size := a.Tokens * a.Channels
		for _, s := range []float32{0, 0.5, 2} {
			x, eps, times := make([]float32, n*size), make([]float32, n*size), make([]float32, n)
			rng.New(1, "data").Normal(x, 0, 0)
			rng.New(1, rng.Noise).Normal(eps, 0, 0)
			rng.New(1, rng.Times).Uniform(times, 0, 0)
			for i := range x {
				x[i] *= s
			}
			for i, time := range times {
				own := func(v []float32) []float32 { return v[i*size : (i+1)*size] }
				path.Straight{}.Interpolate(own(eps), own(x), own(x), own(eps), time)
			}
			feeds := optest.Feeds{m.Zt: eps, m.Target: x, m.T: times, m.Labels: make([]float32, n)}
			for _, p := range m.Params.All() {
				feeds[p.Node] = p.Initial(1)
			}
			values := optest.Interpret[float32](m.Graph, feeds, m.Velocity, m.Loss)
			if v := values[m.Velocity]; slices.ContainsFunc(v, func(v float32) bool { return v != 0 }) {
				t.Errorf("%s: a fresh network has a velocity", a.Kind)
			}
			want := 1 + float64(s*s)
			if got := float64(values[m.Loss][0]); math.Abs(got-want) > 4*want*math.Sqrt(2/float64(n*size)) {
				t.Errorf("%s, data of deviation %v: the first loss is %.3f, want %.3f", a.Kind, s, got, want)
			}
		}
	}
}

// TestValidate: what a family member cannot be is said in the words of the settings.
func TestValidate(t *testing.T) {
	for _, c := range []struct {
		want string
		a    Arch
	}{
		{"width is 0", Arch{Tokens: 4, Channels: 4, Depth: 1, Heads: 1, Classes: 1, ContextTokens: 1}},
		{"a width of 6 does not make 4 heads", Arch{Tokens: 4, Channels: 4, Width: 6, Depth: 1, Heads: 4, Classes: 1, ContextTokens: 1}},
		{"classes is 0", Arch{Tokens: 4, Channels: 4, Width: 6, Depth: 1, Heads: 2, ContextTokens: 1}},
	} {
		if _, err := NewTraining(c.a, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.a, err, c.want)
		}
	}
	if _, err := NewEvaluation(R1, 0, 1); err == nil {
		t.Error("a batch of 0 was built")
	}
}

// TestContextReuse: the velocity from keys and values that are inputs of a graph is the
// velocity from the labels that they were made from.
func TestContextReuse(t *testing.T) {
	a := Arch{Tokens: 4, Channels: 2, Width: 8, Depth: 2, Heads: 2, Classes: 3, ContextTokens: 2}
	const n = 2

	whole := gorgonia.NewGraph()
	params := nn.NewParams(whole)
	net := NewNet(params.Root(), a)
	z, times, labels := nn.Input(whole, "z", n, 4, 2), nn.Input(whole, "t", n), nn.Input(whole, "labels", n)
	context := net.Context(labels)
	velocity := net.Velocity(z, net.Time(times), context)
	feeds := optest.Feeds{z: optest.Fill("z", z.DataSize()), times: {0.2, 0.9}, labels: {3, 1}}
	for _, p := range params.All() {
		feeds[p.Node] = optest.Fill(p.Name, p.Size())
	}
	want := optest.Interpret[float32](whole, feeds)

	field := gorgonia.NewGraph()
	again := nn.NewParams(field)
	net = NewNet(again.Root(), a)
	z2, times2 := nn.Input(field, "z", n, 4, 2), nn.Input(field, "t", n)
	feeds2 := optest.Feeds{z2: feeds[z], times2: feeds[times]}
	var given gorgonia.Nodes
	for i, kv := range context {
		given = append(given, nn.Input(field, "kv"+string(rune('0'+i)), kv.Shape()...))
		feeds2[given[i]] = want[kv]
	}
	velocity2 := net.Velocity(z2, net.Time(times2), given)
	for _, p := range again.All() {
		feeds2[p.Node] = optest.Fill(p.Name, p.Size())
	}
	if got := optest.Interpret[float32](field, feeds2, velocity2)[velocity2]; !slices.Equal(got, want[velocity]) {
		t.Errorf("%v, want %v", got, want[velocity])
	}
}
