package cpu_test

import (
	"testing"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/kernels"
	"lfm/internal/ops/optest"
)

// runCase computes a case's output, loss and gradients on a back end.
func runCase(t *testing.T, b *cpu.Backend, g *optest.Graph) map[*gorgonia.Node][]float32 {
	t.Helper()
	outputs := append(gorgonia.Nodes{g.Loss, g.Output}, g.Grads...)
	plan, err := engine.Compile(g.Graph, outputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Check(); err != nil {
		t.Fatal(err)
	}
	m, err := b.Open(plan, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for n, v := range g.Feeds {
		if plan.Value(n) >= 0 {
			m.Set(n, v)
		}
	}
	// What the arena holds before a step must not matter, so the second run counts.
	for range 2 {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[*gorgonia.Node][]float32{}
	for _, n := range outputs {
		got[n] = make([]float32, n.Shape().TotalSize())
		m.Get(n, got[n])
	}
	return got
}

// TestOps runs the one list of operation cases, at every level of instructions that the
// machine has: forward and backward equal the reference in float64, and one thread and three
// give the same bits. Real layers run at the best level alone, as the plain one is slow.
func TestOps(t *testing.T) {
	one, three := cpu.Open(1), cpu.Open(3)
	defer one.Close()
	defer three.Close()
	best := kernels.Level()
	for _, c := range optest.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Large && testing.Short() {
				t.Skip("large")
			}
			g, err := c.Build()
			if err != nil {
				t.Fatal(err)
			}
			nodes := append(gorgonia.Nodes{g.Loss, g.Output}, g.Grads...)
			want := optest.Interpret[float64](g.Graph, g.Feeds, nodes...)
			for _, level := range kernels.Levels() {
				if c.Large && level != best {
					continue
				}
				defer kernels.SetLevel(kernels.SetLevel(level))
				got, again := runCase(t, one, g), runCase(t, three, g)
				compareCase(t, level, c, g, nodes, got, again, want)
			}
		})
	}
}

func compareCase(t *testing.T, level kernels.ISA, c optest.Case, g *optest.Graph, nodes gorgonia.Nodes, got, again map[*gorgonia.Node][]float32, want map[*gorgonia.Node][]float64) {
	t.Helper()
	tolerance := c.Tolerance
	if tolerance == 0 {
		tolerance = 1e-5
	}
	for i, n := range nodes {
		if k := firstDifference(got[n], again[n]); k >= 0 {
			t.Errorf("%s: output %d (%v): three threads give %g at %d, one gives %g", level, i, n.Op(), again[n][k], k, got[n][k])
		}
		if d := optest.Distance(got[n], want[n]); d > tolerance && n != g.Loss {
			t.Errorf("%s: output %d (%v) is %.2g from the reference, want %.2g", level, i, n.Op(), d, tolerance)
		}
	}
}

func firstDifference(a, b []float32) int {
	for i := range a {
		if a[i] != b[i] && (a[i] == a[i] || b[i] == b[i]) {
			return i
		}
	}
	return -1
}
