package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/engine"
	"lfm/internal/engine/enginetest"
	"lfm/internal/ops"
)

// training compiles a model as a training step: the loss, and every parameter updated.
func training(t testing.TB, m *enginetest.Model, outputs ...*gorgonia.Node) *engine.Plan {
	t.Helper()
	var updates []ops.Update
	for i, p := range m.Params {
		updates = append(updates, ops.Update{Param: p, Grad: m.Grads[i], Decay: true, EMA: true})
	}
	p, err := engine.Compile(m.Graph, append(gorgonia.Nodes{m.Loss}, outputs...), updates)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func models(n int) map[string]*enginetest.Model {
	all := map[string]*enginetest.Model{
		"perceptron":  enginetest.Perceptron(n, 1),
		"autoencoder": enginetest.Autoencoder(n, 1),
		"transformer": enginetest.Transformer(n, 1),
	}
	for seed := range uint64(100) {
		all[fmt.Sprintf("random-%d", seed)] = enginetest.Random(n, seed)
	}
	return all
}

// TestPlansAreSound walks the plans of models and of random graphs with the checker: no
// pass reads what another one has overwritten.
func TestPlansAreSound(t *testing.T) {
	for name, m := range models(2) {
		p := training(t, m, m.Output)
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, p)
		}
	}
}

// TestCheckFindsFaults breaks sound plans: the arena buffers of two tensors that live at
// the same time, moved to one place, must be noticed.
func TestCheckFindsFaults(t *testing.T) {
	for name, m := range models(2) {
		p := training(t, m)
		faults, found := 0, 0
		for i := range p.Buffers {
			a := &p.Buffers[i]
			for j := range p.Buffers[:i] {
				b := &p.Buffers[j]
				if a.Place != engine.Arena || b.Place != engine.Arena || a.First > b.Last || b.First > a.Last || a.Last == b.First || b.Last == a.First {
					continue
				}
				old := a.Offset
				a.Offset = b.Offset
				faults++
				if p.Check() != nil {
					found++
				}
				a.Offset = old
			}
			if faults > 50 {
				break
			}
		}
		if found < faults {
			t.Errorf("%s: %d of %d faults went unnoticed", name, faults-found, faults)
		}
	}
}

// TestArenaIsTight compares the arena with the most that ever lives at one time, below
// which no placement gets.
func TestArenaIsTight(t *testing.T) {
	for name, m := range models(2) {
		p := training(t, m)
		least := 0
		for i := range len(p.Passes) + 1 {
			live := 0
			for _, b := range p.Buffers {
				if b.Place == engine.Arena && b.First <= i && i <= b.Last {
					live += engine.Align(b.Size)
				}
			}
			least = max(least, live)
		}
		if over := float64(p.Sizes.Arena) / float64(least); over > 1.25 {
			t.Errorf("%s: the arena has %d floats, %.2f times the %d that live at once", name, p.Sizes.Arena, over, least)
		}
	}
}

// TestOnlyWhatIsNeeded: gradients of inputs are in the graph, as gorgonia builds them, and
// not in the plan; a forward plan has no backward step; unwanted results are skipped.
func TestOnlyWhatIsNeeded(t *testing.T) {
	m := enginetest.Perceptron(4, 1)
	if got := strings.Count(training(t, m).String(), "= linear-grad-input#"); got != 2 {
		t.Errorf("%d gradients of linear layers' inputs, want 2 for 3 layers", got)
	}
	forward, err := engine.Compile(m.Graph, gorgonia.Nodes{m.Output}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := forward.String(); strings.Contains(text, "grad") || len(forward.Updates) > 0 {
		t.Errorf("a forward plan computes gradients:\n%s", text)
	}
	if len(forward.Inputs) != 7 { // x and six parameters that no update names
		t.Errorf("a forward plan has %d inputs, want 7", len(forward.Inputs))
	}
	m = enginetest.Transformer(2, 1)
	forward, err = engine.Compile(m.Graph, gorgonia.Nodes{m.Output}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(forward.String(), "\n") {
		if strings.Contains(line, "= attention#") && !strings.Contains(line, ", _ = ") {
			t.Errorf("statistics that nobody reads are kept: %s", line)
		}
	}
}

// TestChainsAndViews reads a plan: point-wise steps behind each other are one pass, what is
// read only there never gets memory, and a reshape is no step at all.
func TestChainsAndViews(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewTensor(g, tensor.Float32, 2, gorgonia.WithShape(2, 6), gorgonia.WithName("x"))
	y := ops.Exp(ops.Scale(ops.Add(ops.SiLU(x), x), 2))
	z := ops.LayerNorm(ops.Reshape(y, 3, 4))
	p, err := engine.Compile(g, gorgonia.Nodes{z}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Passes) != 2 || p.Passes[0].Label() != "silu+add+scale+exp" || p.Passes[1].Label() != "layer-norm" {
		t.Errorf("passes are not a chain and a norm:\n%s", p)
	}
	if p.Passes[0].Slots != 1 {
		t.Errorf("the chain needs %d slots, want 1: each result takes its operand's", p.Passes[0].Slots)
	}
	if want := engine.Align(12); p.Sizes.Arena != want {
		t.Errorf("the arena has %d floats, want %d: the norm works in place", p.Sizes.Arena, want)
	}
}

// TestInPlace: where an operand dies at a point-wise step its memory becomes the result's;
// where it is read later it does not.
func TestInPlace(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewTensor(g, tensor.Float32, 2, gorgonia.WithShape(2, 6), gorgonia.WithName("x"))
	a := ops.LayerNorm(x)
	b := ops.SiLU(a)
	p, err := engine.Compile(g, gorgonia.Nodes{b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Sizes.Arena != engine.Align(12) {
		t.Errorf("silu does not work in place:\n%s", p)
	}
	p, err = engine.Compile(g, gorgonia.Nodes{b, a}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Sizes.Arena != 2*engine.Align(12) {
		t.Errorf("silu overwrites an output:\n%s", p)
	}
}

// TestFusing: a group norm and its SiLU are one step, forward and backward; a norm whose
// result somebody else wants stays as it is.
func TestFusing(t *testing.T) {
	m := enginetest.Autoencoder(2, 1)
	text := training(t, m).String()
	for kind, want := range map[string]int{"group-norm-silu#": 3, "group-norm-silu-grad#": 3, "group-norm#": 0, "silu#": 0, "silu-grad#": 0} {
		if got := strings.Count(text, "= "+kind); got != want {
			t.Errorf("%d steps of kind %s want %d:\n%s", got, kind, want, text)
		}
	}
	norm := ops.Inputs(ops.Inputs(m.Output)[0])[0] // of the last layer's SiLU
	text = training(t, m, norm).String()
	for kind, want := range map[string]int{"group-norm-silu#": 2, "group-norm-silu-grad#": 2, "group-norm#": 1, "silu#": 1, "silu-grad#": 1} {
		if got := strings.Count(text, "= "+kind); got != want {
			t.Errorf("with the norm wanted, %d steps of kind %s want %d", got, kind, want)
		}
	}
}

// TestModulate: a layer norm and the scale-shift of its result are one step, which in training alone
// writes the norm's result, too; a norm that somebody else reads stays as it is.
func TestModulate(t *testing.T) {
	g := gorgonia.NewGraph()
	leaf := func(name string, shape ...int) *gorgonia.Node {
		return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	}
	x, scale, shift := leaf("x", 2, 3, 8), leaf("scale", 2, 8), leaf("shift", 2, 8)
	h := ops.LayerNorm(x)
	y := ops.ScaleShift(h, scale, shift)
	for _, c := range []struct {
		name    string
		outputs gorgonia.Nodes
		fused   int
	}{{"alone", gorgonia.Nodes{y}, 1}, {"norm is an output", gorgonia.Nodes{y, h}, 0}, {"norm is read", gorgonia.Nodes{y, ops.Exp(h)}, 0}} {
		p, err := engine.Compile(g, c.outputs, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := p.String()
		if got := strings.Count(text, "= layer-norm-scale-shift#"); got != c.fused || strings.Count(text, "= scale-shift#") != 1-c.fused {
			t.Errorf("%s: %d fused, want %d:\n%s", c.name, got, c.fused, text)
		}
		if c.fused == 1 && p.Sizes.Arena != engine.Align(48) {
			t.Errorf("%s: the norm's result has memory:\n%s", c.name, text)
		}
	}
	text := training(t, enginetest.Transformer(2, 1)).String()
	if got := strings.Count(text, "= layer-norm-scale-shift#"); got == 0 || strings.Contains(text, "= scale-shift#") {
		t.Errorf("in training %d are fused, want all:\n%s", got, text)
	}
	// Of their gradients all but one meet the gradient of a residual branch.
	all, added := strings.Count(text, "= layer-norm-scale-shift-grad"), strings.Count(text, "= layer-norm-scale-shift-grad-add#")
	if forward := strings.Count(text, "= layer-norm-scale-shift#"); all != forward || added != forward-1 || strings.Contains(text, "= scale-shift-grad#") {
		t.Errorf("of %d gradients %d are fused and %d added:\n%s", forward, all, added, text)
	}
}

// TestAccumulate: a product is added to what it is summed with, in its place, unless somebody
// still reads that: a residual branch does so in an evaluation, and not in training, where
// the backward pass wants the branch's origin.
func TestAccumulate(t *testing.T) {
	g := gorgonia.NewGraph()
	leaf := func(name string, shape ...int) *gorgonia.Node {
		return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	}
	x, w := leaf("x", 3, 8), leaf("w", 8, 8)
	h := ops.Exp(x)
	y := ops.Add(h, ops.Linear(ops.LayerNorm(h), w, nil))
	p, err := engine.Compile(g, gorgonia.Nodes{y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := p.String(); strings.Count(text, "= linear-add#") != 1 || strings.Contains(text, "= add#") || p.Sizes.Arena != 2*engine.Align(24) {
		t.Errorf("the product is not added in place:\n%s", text)
	}
	p, err = engine.Compile(g, gorgonia.Nodes{y, h}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := p.String(); strings.Contains(text, "linear-add") {
		t.Errorf("the product is added to an output:\n%s", text)
	}
}

// TestSameGraphSamePlan: compiling depends on nothing but the graph.
func TestSameGraphSamePlan(t *testing.T) {
	for seed := range uint64(10) {
		a, b := training(t, enginetest.Random(3, seed)), training(t, enginetest.Random(3, seed))
		if a.String() != b.String() {
			t.Errorf("two plans of random graph %d differ:\n%s\n%s", seed, a, b)
		}
	}
}

// TestCompileErrors: what a plan cannot hold is said when compiling, with the node.
func TestCompileErrors(t *testing.T) {
	m := enginetest.Perceptron(4, 1)
	g := m.Graph
	bundle := ops.Inputs(ops.GroupNorm(m.Output, m.Param("gamma", 3), m.Param("beta", 3), 1))[0]
	foreign := gorgonia.Must(gorgonia.Tanh(m.Output))
	double := gorgonia.NewTensor(g, tensor.Float64, 1, gorgonia.WithShape(3), gorgonia.WithName("double"))
	elsewhere := enginetest.Perceptron(4, 1).Output
	w, dw := m.Params[0], m.Grads[0]
	cases := []struct {
		want    string
		outputs gorgonia.Nodes
		updates []ops.Update
	}{
		{"is not one of internal/ops", gorgonia.Nodes{foreign}, nil},
		{"everything here is float32", gorgonia.Nodes{double}, nil},
		{"are not in the graph", gorgonia.Nodes{elsewhere}, nil},
		{"an output reads all results", gorgonia.Nodes{bundle}, nil},
		{"output 0 is nil", gorgonia.Nodes{nil}, nil},
		{"the first output is the loss", gorgonia.Nodes{m.Output}, []ops.Update{{Param: w, Grad: dw}}},
		{"the first output is the loss", nil, []ops.Update{{Param: w, Grad: dw}}},
		{"has two updates", gorgonia.Nodes{m.Loss}, []ops.Update{{Param: w, Grad: dw}, {Param: w, Grad: dw}}},
		{"its gradient", gorgonia.Nodes{m.Loss}, []ops.Update{{Param: w, Grad: m.Grads[1]}}},
		{"a parameter is a leaf", gorgonia.Nodes{m.Loss}, []ops.Update{{Param: m.Output}}},
		{"has no parameter", gorgonia.Nodes{m.Loss}, []ops.Update{{}}},
	}
	for _, c := range cases {
		_, err := engine.Compile(g, c.outputs, c.updates)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want one that says %q", err, c.want)
		}
	}
}
