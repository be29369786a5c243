package profile

import (
	"context"
	"testing"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/nn"
	"lfm/internal/ops"
	"lfm/internal/optim"
	"lfm/internal/trace"
)

// trained is a plan that trains y = SiLU(xW + b) + x towards a target: N=4, width 8.
func trained(t *testing.T, average bool) *engine.Plan {
	t.Helper()
	g := gorgonia.NewGraph()
	params := nn.NewParams(g)
	x, target := nn.Input(g, "x", 4, 8), nn.Input(g, "target", 4, 8)
	y := ops.Add(ops.SiLU(nn.NewLinear(params.Root(), 8, 8).Apply(x)), x)
	loss := ops.Mean(ops.SquaredError(y, target))
	grads, err := ops.Grad(loss, params.Nodes()...)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := engine.Compile(g, gorgonia.Nodes{loss}, optim.Updates(params.Nodes(), grads, average))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestCosts: a product is two operations a multiply-add, forward and for each gradient; a pass
// touches its operands and results once, and a chain nothing that stays in its blocks; AdamW
// touches seven numbers a parameter, and two more where averages are kept.
func TestCosts(t *testing.T) {
	const product = 2 * 4 * 8 * 8
	flop := 0.0
	plan := trained(t, false)
	costs := Costs(plan)
	for i, c := range costs[:len(plan.Passes)] {
		flop += c.FLOP
		if c.Bytes <= 0 || c.Name == "" {
			t.Errorf("pass %d: %+v", i, c)
		}
		if pass := plan.Passes[i]; len(pass.Steps) == 1 && pass.Label() == "linear" && c.Bytes != 4*(4*8+8*8+8+4*8) {
			t.Errorf("a linear layer touches %g bytes", c.Bytes)
		} else if pass.Label() == "silu+add" && c.Bytes != 4*3*(4*8) { // what SiLU gives stays in the block
			t.Errorf("the chain touches %g bytes", c.Bytes)
		}
	}
	if flop != 2*product { // nobody wants the gradient of x
		t.Errorf("%g operations, want %d", flop, 2*product)
	}
	const params = 8*8 + 8
	if got := costs[len(plan.Passes)]; got.Bytes != 7*4*params {
		t.Errorf("the update is %+v", got)
	}
	if got := Update(trained(t, true)); got.Bytes != 9*4*params {
		t.Errorf("the update with averages is %+v", got)
	}
}

// TestUntraced: without a trace a back end is what it was.
func TestUntraced(t *testing.T) {
	b := cpu.Open(1)
	defer b.Close()
	if got := Traced(b, trace.From(context.Background())); got != engine.Backend(b) {
		t.Errorf("it became %T", got)
	}
}
