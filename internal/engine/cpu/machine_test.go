package cpu_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/engine/enginetest"
	"lfm/internal/ops"
	"lfm/internal/ops/optest"
	"lfm/internal/optim"
	"lfm/stages/flow"
)

// scalars are those of an AdamW step at a rate, with everything switched on.
func scalars(step int, rate float64) engine.Scalars {
	return engine.Scalars{
		Rate: rate, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, Clip: 1, EMA: 0.9,
		Correct1: 1 - math.Pow(0.9, float64(step+1)),
		Correct2: 1 - math.Pow(0.999, float64(step+1)),
	}
}

// updates has every parameter trained.
func updates(m *enginetest.Model) []ops.Update {
	var list []ops.Update
	for i, p := range m.Params {
		list = append(list, ops.Update{Param: p, Grad: m.Grads[i], Decay: true, EMA: true})
	}
	return list
}

// frozen lists the parameters and trains none.
func frozen(m *enginetest.Model) []ops.Update {
	var list []ops.Update
	for _, p := range m.Params {
		list = append(list, ops.Update{Param: p})
	}
	return list
}

func open(t testing.TB, b *cpu.Backend, m *enginetest.Model, outputs gorgonia.Nodes, updates []ops.Update, o engine.Options) engine.Machine {
	t.Helper()
	plan, err := engine.Compile(m.Graph, outputs, updates)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := b.Open(plan, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Close() })
	if o.Share == nil {
		start(m, machine)
	} else {
		startInputs(m, machine)
	}
	return machine
}

func backend(t testing.TB, threads int) *cpu.Backend {
	b := cpu.Open(threads)
	t.Cleanup(func() { b.Close() })
	return b
}

// start gives a machine's leaves the model's numbers.
func start(m *enginetest.Model, machine engine.Machine) {
	m.Start(func(n *gorgonia.Node, v []float32) {
		if machine.Plan().Value(n) >= 0 {
			machine.Set(n, v)
		}
	})
}

func startInputs(m *enginetest.Model, machine engine.Machine) {
	for _, n := range m.Inputs {
		if machine.Plan().Value(n) >= 0 {
			machine.Set(n, m.Values(n))
		}
	}
}

func get(m engine.Machine, n *gorgonia.Node) []float32 {
	v := make([]float32, n.Shape().TotalSize())
	m.Get(n, v)
	return v
}

func state(t testing.TB, m engine.Machine, n *gorgonia.Node, s engine.State) []float32 {
	t.Helper()
	v := make([]float32, n.Shape().TotalSize())
	if !m.State(n, s, v) {
		t.Fatalf("state %d of %s is not kept", s, n.Name())
	}
	return v
}

func run(t testing.TB, m engine.Machine) {
	t.Helper()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
}

func models(n int) map[string]*enginetest.Model {
	return map[string]*enginetest.Model{
		"perceptron":  enginetest.Perceptron(n, 1),
		"autoencoder": enginetest.Autoencoder(n, 1),
		"transformer": enginetest.Transformer(n, 1),
		"random-1":    enginetest.Random(n, 1),
		"random-2":    enginetest.Random(n, 2),
	}
}

// TestTapeMachine runs the very same graphs on gorgonia's tape machine, whose operations are
// the references: loss, output and all gradients agree.
func TestTapeMachine(t *testing.T) {
	b := backend(t, 2)
	all := models(3)
	for seed := range uint64(40) { // a batch of 1 makes slices views
		all[fmt.Sprintf("random-%d", seed)] = enginetest.Random(1+int(seed%3), seed)
	}
	for name, m := range all {
		wanted := append(gorgonia.Nodes{m.Loss, m.Output}, m.Grads...)
		machine := open(t, b, m, wanted, nil, engine.Options{})
		run(t, machine)

		m.Bind()
		read := make([]gorgonia.Value, len(wanted))
		for i, n := range wanted {
			gorgonia.Read(n, &read[i])
		}
		tape := gorgonia.NewTapeMachine(m.Graph)
		if err := tape.RunAll(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, n := range wanted {
			want, err := ops.Floats(read[i])
			if err != nil {
				t.Fatal(err)
			}
			if d := optest.Distance(get(machine, n), want); d > 1e-5 {
				t.Errorf("%s: output %d is %.2g from the tape machine's", name, i, d)
			}
		}
		tape.Close()
	}
}

// TestThreads: after three training steps every parameter has the same bits on 1, 2, 3 and 7
// threads.
func TestThreads(t *testing.T) {
	want := map[string][][]float32{}
	for _, threads := range []int{1, 2, 3, 7} {
		b := backend(t, threads)
		for name, m := range models(5) {
			machine := open(t, b, m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
			for step := range 3 {
				machine.SetScalars(scalars(step, 1e-2))
				run(t, machine)
			}
			for i, p := range m.Params {
				got := get(machine, p)
				if threads == 1 {
					want[name] = append(want[name], got)
				} else if k := firstDifference(got, want[name][i]); k >= 0 {
					t.Errorf("%s: %s[%d] is %g on %d threads, %g on one", name, p.Name(), k, got[k], threads, want[name][i][k])
				}
			}
		}
	}
}

// TestBatch: a sample's output has the same bits alone and in a batch.
func TestBatch(t *testing.T) {
	b := backend(t, 2)
	const n = 9
	many, one := models(n), models(1)
	for name, m := range many {
		all := open(t, b, m, gorgonia.Nodes{m.Output}, frozen(m), engine.Options{})
		run(t, all)
		want := get(all, m.Output)
		single := one[name]
		alone := open(t, b, single, gorgonia.Nodes{single.Output}, frozen(single), engine.Options{Share: all})
		for i := range n {
			for k, in := range m.Inputs {
				if alone.Plan().Value(single.Inputs[k]) >= 0 {
					size := len(m.Values(in)) / n
					alone.Set(single.Inputs[k], m.Values(in)[i*size:(i+1)*size])
				}
			}
			run(t, alone)
			got := get(alone, single.Output)
			if k := firstDifference(got, want[i*len(got):(i+1)*len(got)]); k >= 0 {
				t.Errorf("%s: sample %d differs at %d: %g alone, %g in the batch", name, i, k, got[k], want[i*len(got)+k])
			}
		}
	}
}

// TestNoAllocations: a training step allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, threads := range []int{1, 2} {
		b := backend(t, threads)
		for name, m := range models(4) {
			machine := open(t, b, m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
			x, loss := m.Values(m.Inputs[0]), make([]float32, 1)
			step := 0
			allocations := testing.AllocsPerRun(5, func() {
				machine.Set(m.Inputs[0], x)
				machine.SetScalars(scalars(step, 1e-3))
				if machine.RunAll() != nil {
					t.Error("failed")
				}
				machine.Get(m.Loss, loss)
				step++
			})
			if allocations != 0 {
				t.Errorf("%s on %d threads: %g allocations a step, want none", name, threads, allocations)
			}
		}
	}
}

// TestLearning trains each model on one batch: the loss must fall under a stated part of
// what it was, and the moving average must have followed.
func TestLearning(t *testing.T) {
	b := backend(t, 2)
	cases := []struct {
		model *enginetest.Model
		steps int
		rate  float64
		part  float64
	}{
		{enginetest.Perceptron(16, 3), 300, 1e-2, 0.01},
		{enginetest.Autoencoder(4, 3), 150, 1e-2, 0.5},
		{enginetest.Transformer(4, 3), 150, 1e-2, 0.1},
	}
	for i, c := range cases {
		m := c.model
		machine := open(t, b, m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
		first := 0.0
		for step := range c.steps {
			machine.SetScalars(scalars(step, c.rate))
			run(t, machine)
			if step == 0 {
				first = machine.Report().Loss
			}
		}
		last := machine.Report().Loss
		if !(last < c.part*first) {
			t.Errorf("model %d: the loss went from %g to %g, want under %g of it", i, first, last, c.part)
		}
		average := open(t, b, m, gorgonia.Nodes{m.Loss}, frozen(m), engine.Options{Share: machine, Weights: engine.Average})
		run(t, average)
		if got := average.Report().Loss; !(got < 2*c.part*first) {
			t.Errorf("model %d: the averaged weights give %g, after a loss of %g", i, got, last)
		}
	}
}

// TestUpdate holds one step to AdamW as PyTorch writes it down, in float64.
func TestUpdate(t *testing.T) {
	m := enginetest.Perceptron(8, 5)
	outputs := append(gorgonia.Nodes{m.Loss}, m.Grads...)
	machine := open(t, backend(t, 2), m, outputs, updates(m), engine.Options{})
	s := scalars(0, 1e-2)
	s.Clip = 0.1
	machine.SetScalars(s)
	run(t, machine)

	squares := 0.0
	for _, g := range m.Grads {
		for _, x := range get(machine, g) {
			squares += float64(x) * float64(x)
		}
	}
	norm := math.Sqrt(squares)
	if r := machine.Report(); math.Abs(r.GradNorm-norm) > 1e-6*norm || r.Skipped {
		t.Errorf("report is %+v, the norm is %g", r, norm)
	}
	clip := min(1, s.Clip/(norm+1e-6))
	// 1 - Beta2 of a float32 0.999 is off by 1.3e-5; the other numbers are float32's own.
	tolerance := [...]float64{engine.StateWeights: 1e-6, engine.StateMoment1: 1e-6, engine.StateMoment2: 2e-5, engine.StateAverage: 1e-6}
	for i, p := range m.Params {
		grad, before := get(machine, m.Grads[i]), m.Values(p)
		var weights, moment1, moment2, average []float64
		for k := range grad {
			w, g := float64(before[k]), clip*float64(grad[k])
			a := w
			m1, m2 := (1-s.Beta1)*g, (1-s.Beta2)*g*g
			w -= s.Rate * s.WeightDecay * w
			w -= s.Rate / s.Correct1 * m1 / (math.Sqrt(m2/s.Correct2) + s.Eps)
			a = s.EMA*a + (1-s.EMA)*w
			weights, moment1, moment2, average = append(weights, w), append(moment1, m1), append(moment2, m2), append(average, a)
		}
		for st, want := range [][]float64{weights, moment1, moment2, average} {
			if d := optest.Distance(state(t, machine, p, engine.State(st)), want); d > tolerance[st] {
				t.Errorf("%s: state %d is %.2g from AdamW's", p.Name(), st, d)
			}
		}
	}
}

// TestResume: a second machine that takes over all states goes on with the same bits.
func TestResume(t *testing.T) {
	m := enginetest.Transformer(3, 2)
	b := backend(t, 2)
	straight := open(t, b, m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
	for step := range 6 {
		straight.SetScalars(scalars(step, 1e-2))
		run(t, straight)
	}
	first := open(t, b, m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
	for step := range 3 {
		first.SetScalars(scalars(step, 1e-2))
		run(t, first)
	}
	second := open(t, b, m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
	states := []engine.State{engine.StateWeights, engine.StateMoment1, engine.StateMoment2, engine.StateAverage}
	for _, p := range m.Params {
		for _, s := range states {
			if !second.SetState(p, s, state(t, first, p, s)) {
				t.Fatal("a state is not kept")
			}
		}
	}
	for step := 3; step < 6; step++ {
		second.SetScalars(scalars(step, 1e-2))
		run(t, second)
	}
	for _, p := range m.Params {
		for _, s := range states {
			if k := firstDifference(state(t, straight, p, s), state(t, second, p, s)); k >= 0 {
				t.Errorf("%s: state %d differs at %d after resuming", p.Name(), s, k)
			}
		}
	}
}

// TestSharing: a machine of another batch size sees what training changes, without a copy,
// and outlives the machine that it shares with.
func TestSharing(t *testing.T) {
	b := backend(t, 1)
	trained, other := enginetest.Perceptron(8, 1), enginetest.Perceptron(2, 1)
	training := open(t, b, trained, gorgonia.Nodes{trained.Loss}, updates(trained), engine.Options{})
	sharing := open(t, b, other, gorgonia.Nodes{other.Loss}, frozen(other), engine.Options{Share: training})
	run(t, sharing)
	before := sharing.Report().Loss
	training.SetScalars(scalars(0, 1e-2))
	run(t, training)
	run(t, sharing)
	if sharing.Report().Loss == before {
		t.Error("the sharing machine does not see the update")
	}
	if k := firstDifference(get(sharing, other.Params[0]), get(training, trained.Params[0])); k >= 0 {
		t.Error("the two machines have different weights")
	}
	after := sharing.Report().Loss
	training.Close()
	run(t, sharing)
	if sharing.Report().Loss != after {
		t.Error("closing the source changed the weights")
	}
}

// TestSharingErrors: what cannot be shared is said with the parameter's name.
func TestSharingErrors(t *testing.T) {
	b := backend(t, 1)
	m, wide := enginetest.Perceptron(2, 1), enginetest.Transformer(2, 1)
	source := open(t, b, m, gorgonia.Nodes{m.Loss}, frozen(m), engine.Options{})
	noAverage := updates(m)
	for i := range noAverage {
		noAverage[i].EMA = false
	}
	plain := open(t, b, m, gorgonia.Nodes{m.Loss}, noAverage, engine.Options{})
	cases := []struct {
		want    string
		model   *enginetest.Model
		updates []ops.Update
		options engine.Options
	}{
		{"has no parameter time.0.weight", wide, frozen(wide), engine.Options{Share: source}},
		{"trained here and not in", m, updates(m), engine.Options{Share: source}},
		{"no moving average is kept of parameter 0.weight", m, frozen(m), engine.Options{Share: plain, Weights: engine.Average}},
		{"moving averages are not trained", m, updates(m), engine.Options{Share: plain, Weights: engine.Average}},
		{"come from a machine to share with", m, frozen(m), engine.Options{Weights: engine.Average}},
	}
	for _, c := range cases {
		plan, err := engine.Compile(c.model.Graph, gorgonia.Nodes{c.model.Loss}, c.updates)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = b.Open(plan, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want one that says %q", err, c.want)
		}
	}
}

// TestNotFinite: a step whose loss is not finite moves nothing and says so; the first tensor
// that went wrong has a name; the next good step moves again.
func TestNotFinite(t *testing.T) {
	m := enginetest.Perceptron(4, 1)
	machine := open(t, backend(t, 2), m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
	machine.SetScalars(scalars(0, 1e-2))
	run(t, machine)
	if blame := machine.Blame(); blame != "" {
		t.Errorf("a good step is blamed on %s", blame)
	}
	before := get(machine, m.Params[0])

	bad := append([]float32(nil), m.Values(m.Inputs[0])...)
	bad[3] = float32(math.Inf(1))
	machine.Set(m.Inputs[0], bad)
	run(t, machine)
	if r := machine.Report(); !r.Skipped {
		t.Errorf("report is %+v, want a skipped step", r)
	}
	if firstDifference(get(machine, m.Params[0]), before) >= 0 {
		t.Error("a skipped step moved a parameter")
	}
	if blame := machine.Blame(); blame != "input x (4, 6)" {
		t.Errorf("blamed is %q, want the input", blame)
	}

	for i := range bad { // finite, but its products are not
		bad[i] = 3e38
	}
	machine.Set(m.Inputs[0], bad)
	run(t, machine)
	if blame := machine.Blame(); !machine.Report().Skipped || !strings.HasPrefix(blame, "linear#") {
		t.Errorf("blamed is %q, want the first linear layer", blame)
	}

	machine.Set(m.Inputs[0], m.Values(m.Inputs[0]))
	run(t, machine)
	if machine.Report().Skipped || firstDifference(get(machine, m.Params[0]), before) < 0 {
		t.Error("the good step after it did not move")
	}
}

// TestBlameInChain: within a chain the step is named that first made a value that is not
// finite, though a later step's block came before in time.
func TestBlameInChain(t *testing.T) {
	m := enginetest.Perceptron(1, 1)
	x := m.Input("long", 3, 2048)
	y := ops.Mul(ops.Scale(x, 2), ops.Exp(x))
	plan, err := engine.Compile(m.Graph, gorgonia.Nodes{y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := backend(t, 1).Open(plan, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	v := make([]float32, 3*2048)
	v[0], v[5000] = 88, 3e38 // e^88 · 176 and 2 · 3e38 both overflow
	machine.Set(x, v)
	run(t, machine)
	if blame := machine.Blame(); !strings.HasPrefix(blame, "scale#") {
		t.Errorf("blamed is %q, want scale", blame)
	}
}

// TestProfile: every pass is reported once a run, and the updates as one more.
func TestProfile(t *testing.T) {
	m := enginetest.Autoencoder(2, 1)
	machine := open(t, backend(t, 2), m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
	var calls []int
	machine.Profile(func(pass int, _ time.Duration) { calls = append(calls, pass) })
	run(t, machine)
	machine.Profile(nil)
	run(t, machine)
	if len(calls) != len(machine.Plan().Passes)+1 {
		t.Errorf("%d calls for %d passes and the updates", len(calls), len(machine.Plan().Passes))
	}
	for i, pass := range calls {
		if pass != i {
			t.Errorf("call %d is for pass %d", i, pass)
		}
	}
}

// TestMemoryIsLinear: sixteen times the tokens need at most sixteen times the memory, to train
// and to evaluate: nobody keeps a score for each pair of them.
func TestMemoryIsLinear(t *testing.T) {
	b := backend(t, 2)
	memory := func(tokens int) (training, evaluation int64) {
		arch := flow.Arch{Tokens: tokens, Channels: 4, Width: 16, Depth: 1, Heads: 2, Classes: 2, ContextTokens: 2}
		m, err := flow.NewTraining(arch, 1)
		if err != nil {
			t.Fatal(err)
		}
		need := func(wanted gorgonia.Nodes, updates []ops.Update) int64 {
			plan, err := engine.Compile(m.Graph, wanted, updates)
			if err != nil {
				t.Fatal(err)
			}
			machine, err := b.Open(plan, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer machine.Close()
			return machine.Memory()
		}
		params := m.Params.Nodes()
		return need(gorgonia.Nodes{m.Loss}, optim.Updates(params, m.Grads, true)), need(gorgonia.Nodes{m.Velocity}, optim.Frozen(params))
	}
	training, evaluation := memory(64)
	longTraining, longEvaluation := memory(1024)
	pairs := int64(4 * 1024 * 1024) // bytes of the scores of one head
	if longTraining > 16*training || longEvaluation > 16*evaluation || longEvaluation > pairs {
		t.Errorf("64 tokens: %d bytes to train, %d to evaluate; 1024 tokens: %d and %d", training, evaluation, longTraining, longEvaluation)
	}
}

// TestHeapIsFlat: ten thousand steps leave Go's heap as they found it. What the runtime keeps for
// itself comes and goes by kilobytes; the smallest object kept in each step would be 80,000 bytes.
func TestHeapIsFlat(t *testing.T) {
	m := enginetest.Perceptron(2, 1)
	machine := open(t, backend(t, 2), m, gorgonia.Nodes{m.Loss}, updates(m), engine.Options{})
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	machine.SetScalars(scalars(0, 1e-3))
	run(t, machine)
	before := heap()
	const steps, smallest = 10000, 8
	for range steps {
		run(t, machine)
	}
	if after := heap(); after > before+steps*smallest/2 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

// TestMemoryLimit: what does not fit is an error that says how much it needs, before
// anything runs; what just fits opens.
func TestMemoryLimit(t *testing.T) {
	m := enginetest.Transformer(4, 1)
	plan, err := engine.Compile(m.Graph, gorgonia.Nodes{m.Loss}, updates(m))
	if err != nil {
		t.Fatal(err)
	}
	b := backend(t, 1)
	var tooLarge *engine.MemoryError
	for _, limit := range []int64{plan.Peak() - 1, plan.Peak()} { // scratch comes on top
		if _, err := b.Open(plan, engine.Options{Limit: limit}); !errors.As(err, &tooLarge) {
			t.Fatalf("error at a limit of %d bytes is %v, want a MemoryError", limit, err)
		}
	}
	machine, err := b.Open(plan, engine.Options{Limit: tooLarge.Need})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	if machine.Memory() != tooLarge.Need || machine.Memory() < plan.Peak() {
		t.Errorf("the machine holds %d bytes, needs %d, and the plan's peak is %d", machine.Memory(), tooLarge.Need, plan.Peak())
	}
}

// TestBoundValues: leaves that carry a gorgonia value start with it.
func TestBoundValues(t *testing.T) {
	m := enginetest.Perceptron(3, 1)
	set := open(t, backend(t, 1), m, gorgonia.Nodes{m.Loss}, frozen(m), engine.Options{})
	run(t, set)
	m.Bind()
	plan, err := engine.Compile(m.Graph, gorgonia.Nodes{m.Loss}, frozen(m))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := backend(t, 1).Open(plan, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Close()
	run(t, bound)
	if got, want := bound.Report().Loss, set.Report().Loss; got != want {
		t.Errorf("the loss of bound values is %g, of set ones %g", got, want)
	}
}

// TestClosed: a closed machine says so, and closing again does nothing.
func TestClosed(t *testing.T) {
	m := enginetest.Perceptron(3, 1)
	machine := open(t, backend(t, 1), m, gorgonia.Nodes{m.Loss}, frozen(m), engine.Options{})
	for range 2 {
		if err := machine.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if machine.RunAll() == nil {
		t.Error("a closed machine runs")
	}
}
