package optest

import (
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
)

// Let binds values to a leaf.
func Let(t testing.TB, n *gorgonia.Node, v []float32) {
	t.Helper()
	if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(v))); err != nil {
		t.Fatal(err)
	}
}

// LetParams binds a golden file's values to parameters.
func (g *Golden) LetParams(t testing.TB, params gorgonia.Nodes) {
	t.Helper()
	for _, p := range params {
		Let(t, p, g.Floats("param."+p.Name()))
	}
}

// Tape runs a graph on gorgonia's own machine.
func Tape(t testing.TB, g *gorgonia.ExprGraph) {
	t.Helper()
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
}

// CheckGolden holds what the tape left in a node to what PyTorch computed.
func CheckGolden(t testing.TB, name string, n *gorgonia.Node, want []float32) {
	t.Helper()
	got, err := ops.Floats(n.Value())
	if err != nil {
		t.Fatal(err)
	}
	if d := Distance(got, want); d > GoldenTolerance {
		t.Errorf("%s is off by %.2g, want at most %g", name, d, GoldenTolerance)
	}
}
