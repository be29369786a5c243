package ops_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
	"lfm/internal/ops/optest"
)

// small are the cases that central differences can afford.
func small() (cases []optest.Case) {
	for _, c := range optest.Cases {
		if !c.Large {
			cases = append(cases, c)
		}
	}
	return cases
}

func build(t testing.TB, c optest.Case) *optest.Graph {
	t.Helper()
	g, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestGradient compares every gradient with central differences of the loss, both by the
// references in float64.
func TestGradient(t *testing.T) {
	const (
		step = 1e-5 // error of a central difference about step² / 6 ≈ 2e-11 times a third derivative
		tol  = 1e-6
	)
	for _, c := range small() {
		t.Run(c.Name, func(t *testing.T) {
			g := build(t, c)
			leaves := map[*gorgonia.Node][]float64{}
			for n, v := range g.Feeds {
				for _, x := range v {
					leaves[n] = append(leaves[n], float64(x))
				}
			}
			loss := func() float64 { return optest.InterpretFrom(g.Graph, leaves, g.Loss)[g.Loss][0] }
			exact := optest.InterpretFrom(g.Graph, leaves, g.Grads...)
			for i, n := range g.Inputs {
				numeric := make([]float64, len(leaves[n]))
				for j, x := range leaves[n] {
					leaves[n][j] = x + step
					above := loss()
					leaves[n][j] = x - step
					below := loss()
					leaves[n][j] = x
					numeric[j] = (above - below) / (2 * step)
				}
				if d := optest.Distance(exact[g.Grads[i]], numeric); d > tol {
					t.Errorf("gradient by %s is off by %.2g: %.6v, want %.6v", n.Name(), d, head(exact[g.Grads[i]]), head(numeric))
				}
			}
		})
	}
}

func head[F any](x []F) []F { return x[:min(len(x), 6)] }

// TestTapeMachine: gorgonia's own machine, which knows nothing of this package, computes
// outputs and gradients of every case as the interpreter does, bit by bit.
func TestTapeMachine(t *testing.T) {
	for _, c := range small() {
		t.Run(c.Name, func(t *testing.T) {
			g := build(t, c)
			want := optest.Interpret[float32](g.Graph, g.Feeds)
			for n, v := range g.Feeds {
				let(t, n, v)
			}
			m := gorgonia.NewTapeMachine(g.Graph)
			defer m.Close()
			for run := range 2 {
				if err := m.RunAll(); err != nil {
					t.Fatal(err)
				}
				for i, n := range append(gorgonia.Nodes{g.Output, g.Loss}, g.Grads...) {
					got, err := ops.Floats(n.Value())
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(got, want[n]) {
						t.Errorf("run %d, wanted node %d (%v): %v, want %v", run, i, n.Op(), head(got), head(want[n]))
					}
				}
				m.Reset()
			}
		})
	}
}

func let(t testing.TB, n *gorgonia.Node, v []float32) {
	t.Helper()
	if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(slices.Clone(v)))); err != nil {
		t.Fatal(err)
	}
}

// TestFloat32: the references lose no more in float32 than a back end may.
func TestFloat32(t *testing.T) {
	for _, c := range small() {
		g := build(t, c)
		got, want := optest.Interpret[float32](g.Graph, g.Feeds), optest.Interpret[float64](g.Graph, g.Feeds)
		for _, n := range append(gorgonia.Nodes{g.Output}, g.Grads...) {
			if d := optest.Distance(got[n], want[n]); d > c.Limit() {
				t.Errorf("%s: %v is off by %.2g, want at most %g", c.Name, n.Op(), d, c.Limit())
			}
		}
	}
}

// TestEveryKindHasACase reads the kinds out of the package's source.
func TestEveryKindHasACase(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range optest.Cases {
		for _, n := range build(t, c).Graph.AllNodes() {
			if op, ok := n.Op().(ops.Op); ok {
				seen[string(op.Kind())] = true
			}
		}
	}
	kind := regexp.MustCompile(`\) Kind\(\) Kind +\{ return "([^"]+)" \}`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range kind.FindAllStringSubmatch(string(text), -1) {
			found++
			if !seen[m[1]] {
				t.Errorf("%s: no case of optest.Cases has a %s", f, m[1])
			}
		}
	}
	if found != len(seen) {
		t.Errorf("the source names %d kinds, the cases hold %d", found, len(seen))
	}
}

// TestSameGraph: building a case twice gives the same nodes in the same order, so that sums
// of gradients have one order and a seed one result.
func TestSameGraph(t *testing.T) {
	for _, c := range optest.Cases {
		if a, b := listing(t, build(t, c)), listing(t, build(t, c)); a != b {
			t.Errorf("%s: two graphs:\n%s\n%s", c.Name, a, b)
		}
	}
}

// listing writes a graph in gorgonia's order.
func listing(t *testing.T, g *optest.Graph) string {
	sorted, err := gorgonia.Sort(g.Graph)
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, n := range sorted {
		s.WriteString(n.Name())
		for _, m := range ops.Inputs(n) {
			s.WriteString(" " + m.Name())
		}
		fmt.Fprintln(&s, n.Shape())
	}
	return s.String()
}

// TestNoMerging: gorgonia merges nodes of equal hash, and its hash has 32 bits. Ours differ
// even where operation, attributes and inputs are the same.
func TestNoMerging(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewTensor(g, tensor.Float32, 1, gorgonia.WithShape(3), gorgonia.WithName("x"))
	a, b := ops.SiLU(x), ops.SiLU(x)
	if a == b || a.Op().Hashcode() == b.Op().Hashcode() {
		t.Error("two operations are one node")
	}
	if s := ops.Clamp(x, -1, 2).Op().String(); s != "clamp Lo=-1 Hi=2" {
		t.Errorf("an operation describes itself as %q", s)
	}
}

// TestMisuse: a constructor that is given shapes that do not fit says what it has and what
// it wants.
func TestMisuse(t *testing.T) {
	g := gorgonia.NewGraph()
	leaf := func(name string, shape ...int) *gorgonia.Node {
		return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	}
	v, m, tokens, image := leaf("v", 3), leaf("m", 2, 3), leaf("t", 2, 5, 4), leaf("i", 2, 6, 6, 4)
	double := gorgonia.NewTensor(g, tensor.Float64, 1, gorgonia.WithShape(3), gorgonia.WithName("double"))
	for _, c := range []struct {
		want  string
		build func() *gorgonia.Node
	}{
		{"ops: linear: x has 3 columns, w wants 4", func() *gorgonia.Node { return ops.Linear(m, leaf("w1", 5, 4), nil) }},
		{"ops: linear: b is (3), want (5)", func() *gorgonia.Node { return ops.Linear(m, leaf("w2", 5, 3), v) }},
		{"ops: linear: x is (3), want rank 2 to 4", func() *gorgonia.Node { return ops.Linear(v, leaf("w3", 5, 3), nil) }},
		{"ops: linear: input 1 is nil", func() *gorgonia.Node { return ops.Linear(m, nil, v) }},
		{"ops: conv2d: x has 4 channels, w wants 3", func() *gorgonia.Node { return ops.Conv2d(image, leaf("w4", 5, 3, 3, 3), nil, 1) }},
		{"ops: conv2d: w is (5, 4, 2, 2), want a kernel of 1x1 or 3x3", func() *gorgonia.Node { return ops.Conv2d(image, leaf("w5", 5, 4, 2, 2), nil, 1) }},
		{"ops: conv2d: stride is 0, want at least 1", func() *gorgonia.Node { return ops.Conv2d(image, leaf("w6", 5, 4, 3, 3), nil, 0) }},
		{"ops: upsample-conv: x has 4 channels, w wants 3", func() *gorgonia.Node { return ops.UpsampleConv(image, leaf("w7", 5, 3, 3, 3), nil) }},
		{"ops: upsample-conv: w is (5, 4, 1, 1), want a kernel of 3x3", func() *gorgonia.Node { return ops.UpsampleConv(image, leaf("w8", 5, 4, 1, 1), nil) }},
		{"ops: group-norm: 4 channels do not make 3 groups", func() *gorgonia.Node { return ops.GroupNorm(image, leaf("ga", 4), leaf("be", 4), 3) }},
		{"ops: scale-shift: scale is (2, 3), want (2, 4)", func() *gorgonia.Node { return ops.ScaleShift(tokens, m, m) }},
		{"ops: attention: kv is (2, 5, 4), want (2, 5, 8)", func() *gorgonia.Node { return ops.Attention(tokens, tokens, 2) }},
		{"ops: attention: a width of 4 does not make 3 heads", func() *gorgonia.Node { return ops.Attention(tokens, leaf("kv", 2, 7, 8), 3) }},
		{"ops: add: input 1 is (2, 3), input 0 is (3); want one shape", func() *gorgonia.Node { return ops.Add(v, m) }},
		{"ops: reshape: x is (2, 3), which does not make (4)", func() *gorgonia.Node { return ops.Reshape(m, 4) }},
		{"ops: slice: columns [1, 4) of 3", func() *gorgonia.Node { return ops.Slice(m, 1, 4) }},
		{"ops: concat: b is (2, 3), want (2, 5, 3)", func() *gorgonia.Node { return ops.Concat(tokens, m) }},
		{"ops: broadcast-add: b is (3), want (5, 4)", func() *gorgonia.Node { return ops.BroadcastAdd(tokens, v) }},
		{"ops: embedding: table has rows of 3, want (2, 2)", func() *gorgonia.Node { return ops.Embedding(m, v, 2, 2) }},
		{"ops: time-embedding: dim is 3, want an even number", func() *gorgonia.Node { return ops.TimeEmbedding(v, 3) }},
		{"ops: silu: input 0 is float64, want float32", func() *gorgonia.Node { return ops.SiLU(double) }},
		{"ops: part: no such result in a bundle", func() *gorgonia.Node { return ops.Part(ops.SiLU(v), 0) }},
	} {
		err := ops.Check(func() error { c.build(); return nil })
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestGradErrors: what Grad cannot do is an error with a name, not a panic of gorgonia's.
func TestGradErrors(t *testing.T) {
	fresh := func() (x, w, loss *gorgonia.Node) {
		g := gorgonia.NewGraph()
		x = gorgonia.NewTensor(g, tensor.Float32, 2, gorgonia.WithShape(2, 3), gorgonia.WithName("x"))
		w = gorgonia.NewTensor(g, tensor.Float32, 2, gorgonia.WithShape(4, 3), gorgonia.WithName("w"))
		return x, w, ops.Mean(ops.Linear(x, w, nil))
	}
	wants := func(err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	x, w, loss := fresh()
	_, err := ops.Grad(ops.Linear(x, w, nil), w)
	wants(err, "want a float32 scalar")
	_, err = ops.Grad(loss, ops.SiLU(w))
	wants(err, "is computed, want a parameter")
	other := gorgonia.NewTensor(loss.Graph(), tensor.Float32, 1, gorgonia.WithShape(2), gorgonia.WithName("other"))
	_, err = ops.Grad(loss, w, other)
	wants(err, "the loss does not depend on parameter other")
	if _, err := ops.Grad(loss, w); err != nil {
		t.Error(err)
	}
	_, err = ops.Grad(loss, w)
	wants(err, "has a backward pass already")

	// An operation of gorgonia's own without a derivative, between loss and parameter.
	_, w, _ = fresh()
	foreign := gorgonia.Must(gorgonia.Sign(w))
	_, err = ops.Grad(ops.Mean(foreign), w)
	wants(err, "ops: grad: ")

	// Times lead nowhere.
	times := gorgonia.NewTensor(w.Graph(), tensor.Float32, 1, gorgonia.WithShape(2), gorgonia.WithName("times"))
	_, err = ops.Grad(ops.Mean(ops.TimeEmbedding(times, 4)), times)
	wants(err, "ops: grad: ")
}

// TestForeignNodes: sums and constants are the only nodes of a backward graph that are not
// of this package, and they are recognised.
func TestForeignNodes(t *testing.T) {
	sums, ones := 0, 0
	for _, c := range optest.Cases {
		for _, n := range build(t, c).Graph.AllNodes() {
			if n.Op() == nil {
				continue
			}
			if _, ours := n.Op().(ops.Op); ours {
				continue
			}
			if ops.IsSum(n) {
				sums++
			} else if v, ok := ops.Constant(n); ok && v == 1 {
				ones++
			} else {
				t.Errorf("%s: %v", c.Name, n.Op())
			}
		}
	}
	if sums == 0 || ones == 0 {
		t.Errorf("%d sums and %d constants in all", sums, ones)
	}
}

// TestDoRefuses: values that are not what the graph was built for are errors of Do, because
// the tape machine runs it on a goroutine of its own.
func TestDoRefuses(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewTensor(g, tensor.Float32, 1, gorgonia.WithShape(3), gorgonia.WithName("x"))
	op := ops.SiLU(x).Op()
	for _, v := range []gorgonia.Value{
		tensor.New(tensor.WithShape(4), tensor.WithBacking(make([]float32, 4))),
		tensor.New(tensor.WithShape(3), tensor.WithBacking(make([]float64, 3))),
		gorgonia.NewF64(1),
	} {
		if _, err := op.Do(v); err == nil {
			t.Errorf("%T of shape %v was taken", v, v.Shape())
		}
	}
	if _, err := op.Do(); err == nil {
		t.Error("no value was taken")
	}
}

// TestViews: a transposed value is read in its own order.
func TestViews(t *testing.T) {
	x := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6}))
	if err := x.T(); err != nil {
		t.Fatal(err)
	}
	got, err := ops.Floats(x)
	if err != nil || !slices.Equal(got, []float32{1, 4, 2, 5, 3, 6}) {
		t.Errorf("%v, %v; want 1 4 2 5 3 6", got, err)
	}
}

// TestAttentionLaws: rows of the softmax sum to one; a shift of all keys along one direction
// that adds the same to each score changes nothing; the context may be permuted.
func TestAttentionLaws(t *testing.T) {
	const n, l, m, d, heads = 2, 3, 5, 8, 2
	run := func(q, kv []float32) []float64 {
		g := gorgonia.NewGraph()
		qn := gorgonia.NewTensor(g, tensor.Float32, 3, gorgonia.WithShape(n, l, d), gorgonia.WithName("q"))
		kvn := gorgonia.NewTensor(g, tensor.Float32, 3, gorgonia.WithShape(n, m, 2*d), gorgonia.WithName("kv"))
		o := ops.Attention(qn, kvn, heads)
		return optest.Interpret[float64](g, optest.Feeds{qn: q, kvn: kv})[o]
	}
	q, kv := optest.Fill("q", n*l*d), optest.Fill("kv", n*m*2*d)
	want := run(q, kv)

	same := slices.Clone(kv)
	for i := range same {
		if i%(2*d) >= d {
			same[i] = 3
		}
	}
	for _, x := range run(q, same) {
		if math.Abs(x-3) > 1e-12 {
			t.Fatalf("an average of 3s is %v", x)
		}
	}

	permuted := make([]float32, len(kv))
	for i := range n {
		for j := range m {
			copy(permuted[(i*m+(j+2)%m)*2*d:][:2*d], kv[(i*m+j)*2*d:])
		}
	}
	if d := optest.Distance(run(q, permuted), want); d > 1e-12 {
		t.Errorf("permuting the context changes the result by %g", d)
	}

	shifted := slices.Clone(kv)
	for i := range shifted {
		if i%(2*d) < d {
			shifted[i] += 0.25
		}
	}
	if d := optest.Distance(run(q, shifted), want); d > 1e-6 { // keys + 0.25 are rounded to float32
		t.Errorf("shifting all keys alike changes the result by %g", d)
	}
}

// BenchmarkReference times the definitions, forward and backward, at layer size.
func BenchmarkReference(b *testing.B) {
	for _, c := range optest.Cases {
		if !c.Large {
			continue
		}
		b.Run(c.Name, func(b *testing.B) {
			g := build(b, c)
			for b.Loop() {
				optest.Interpret[float32](g.Graph, g.Feeds)
			}
			b.ReportMetric(3*c.FLOP*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
