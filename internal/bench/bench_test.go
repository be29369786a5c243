package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/kernels"
	"lfm/internal/ops/optest"
	"lfm/internal/optim"
	"lfm/internal/profile"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// lossTol is how far a loss may be from PyTorch's: twenty steps of AdamW, whose first
// divide every gradient by its own size, let roundings grow.
const lossTol = 0.01

// TestLosses trains R1 at full size for 20 steps and wants PyTorch's losses at each.
func TestLosses(t *testing.T) {
	if testing.Short() {
		t.Skip("20 steps of R1 at full size: not under -short")
	}
	if kernels.Level() == kernels.Generic {
		t.Skip("20 steps of R1 at full size: not without assembly")
	}
	b := cpu.Open(0)
	defer b.Close()
	golden := goldenLosses(t)
	for _, c := range Cases {
		if c.Losses == nil {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			got, err := c.Losses(context.Background(), b)
			if err != nil {
				t.Fatal(err)
			}
			want := golden[c.Name]
			if len(got) != lossSteps || len(want) != lossSteps {
				t.Fatalf("%d losses, PyTorch's are %d, want %d", len(got), len(want), lossSteps)
			}
			worst := 0.0
			for i := range want {
				d := math.Abs(got[i]/want[i] - 1)
				if worst = max(worst, d); !(d <= lossTol) {
					t.Errorf("loss %d is %.6f, PyTorch's is %.6f", i+1, got[i], want[i])
				}
			}
			t.Logf("the last is %.6f; at most %.2g from PyTorch's", got[lossSteps-1], worst)
		})
	}
}

// goldenLosses reads testdata/losses.jsonl.
func goldenLosses(t *testing.T) map[string][]float64 {
	t.Helper()
	data, err := os.ReadFile("testdata/losses.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string][]float64{}
	for text := range bytes.Lines(data) {
		var line struct {
			Case   string
			Losses []float64
		}
		if text[0] == '#' {
			continue
		}
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatal(err)
		}
		golden[line.Case] = line.Losses
	}
	return golden
}

// TestWork: an item's work is what the peer counts, to its four decimals.
func TestWork(t *testing.T) {
	for name, want := range map[string]float64{
		"ae-train": 1.4913, "encode": 0.1466, "decode": 0.3505, "flow-train": 2.2531, "flow-sample-10": 15.0209,
	} {
		c := byName(t, name)
		got, err := c.FLOP()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got/1e9-want) > 0.00005 {
			t.Errorf("%s: %.5f GFLOP an item, the peer counts %.4f", name, got/1e9, want)
		}
	}
}

// TestTrainingWork: what a profile counts over a training graph is three times the forward
// work, but for the gradients of inputs, which nobody wants. Hence its rates and the case's
// are of one kind.
func TestTrainingWork(t *testing.T) {
	const batch = 2
	ae, err := autoencoder.NewTraining(autoencoder.R1, batch)
	if err != nil {
		t.Fatal(err)
	}
	fl, err := flow.NewTraining(flow.R1, batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		graph  *gorgonia.ExprGraph
		loss   *gorgonia.Node
		params gorgonia.Nodes
		grads  gorgonia.Nodes
		saved  float64 // multiply-adds of gradients of inputs, an item
	}{
		{"ae-train", ae.Graph, ae.Loss, ae.Params.Nodes(), ae.Grads, 32 * 32 * 9 * 3 * 32},
		{"flow-train", fl.Graph, fl.Loss, fl.Params.Nodes(), fl.Grads, 64*4*256 + 256*256},
	} {
		plan, err := engine.Compile(c.graph, gorgonia.Nodes{c.loss}, optim.Updates(c.params, c.grads, false))
		if err != nil {
			t.Fatal(err)
		}
		var got float64
		for _, pass := range plan.Passes {
			got += profile.Of(plan, pass).FLOP / batch
		}
		want, err := byName(t, c.name).FLOP()
		if err != nil {
			t.Fatal(err)
		}
		if got != want-2*c.saved {
			t.Errorf("%s: the plan's passes are %.0f FLOP an item, want %.0f - %.0f", c.name, got, want, 2*c.saved)
		}
	}
}

// TestFill: fill is the function that every golden file is made of.
func TestFill(t *testing.T) {
	if got, want := fill("blocks.0.mod.weight", 1000), optest.Fill("blocks.0.mod.weight", 1000); !slices.Equal(got, want) {
		t.Errorf("begins %v, want %v", got[:3], want[:3])
	}
}

// TestChannelsLast: (2, 2, 3) becomes (2, 3, 2).
func TestChannelsLast(t *testing.T) {
	dst := make([]float32, 12)
	channelsLast(dst, []float32{0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112}, 3, 2)
	if want := []float32{0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112}; !slices.Equal(dst, want) {
		t.Errorf("%v, want %v", dst, want)
	}
}

// TestDraws: what is drawn for a step is drawn anew at the next, and is the same again for
// the same step; dropped labels are about a tenth.
func TestDraws(t *testing.T) {
	const batch, steps = 4, 300
	size := []int{batch * latentSize, batch, batch, batch * latentSize}
	at := func(step int) [][]float32 {
		inputs := make([][]float32, len(size))
		for i, n := range size {
			inputs[i] = make([]float32, n)
		}
		noisyLatents(flow.R1, batch)(step, inputs)
		return inputs
	}
	a, b, again := at(0), at(1), at(0)
	for i, name := range []string{"z_t", "t", "labels", "target"} {
		if !slices.Equal(a[i], again[i]) {
			t.Errorf("%s differs between two draws of one step", name)
		}
		if name != "labels" && slices.Equal(a[i], b[i]) {
			t.Errorf("%s is the same at two steps", name)
		}
	}
	dropped := 0
	for step := range steps {
		for _, label := range at(step)[2] {
			if label == float32(flow.R1.Classes) {
				dropped++
			}
		}
	}
	// 1,200 labels: a tenth of them, give or take four standard deviations.
	if dropped < 78 || dropped > 162 {
		t.Errorf("%d of %d labels are dropped, want a tenth", dropped, batch*steps)
	}
}

// TestRun measures every case at a batch of one and holds the results to their definitions
// and their fixed names.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("steps of R1: not under -short")
	}
	b := cpu.Open(1)
	defer b.Close()
	var names []string
	o := Options{Only: Options{}.Names()[:5], Batches: []int{1}, Repeats: 2, NoLoss: true, Profile: true, Threads: 1, Version: "test"} // whole stages take their time
	err := Run(context.Background(), b, o, func(r Result) error {
		names = append(names, r.Case)
		checkResult(t, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, Options{}.Names()[:5]) {
		t.Errorf("results of %v, want %v", names, Options{}.Names()[:5])
	}
}

func checkResult(t *testing.T, r Result) {
	t.Helper()
	if !strings.HasPrefix(r.Engine, "lfm test (cpu ") || r.Device != "cpu" || r.DType != "f32" || r.Batch != 1 || r.Threads != 1 {
		t.Errorf("result %+v", r)
	}
	if !(r.MinMS > 0 && r.MinMS <= r.MedianMS) || math.Abs(r.ItemsPerS*r.MedianMS/1e3-1) > 0.01 ||
		math.Abs(r.GFLOPS/(r.ItemsPerS*r.GFLOPPerItem)-1) > 0.1 || !(r.PeakGFLOPS > 0) {
		t.Errorf("figures do not agree: %+v", r)
	}
	share := 0.0
	for i, o := range r.Profile {
		share += o.Share
		if i > 0 && o.MS > r.Profile[i-1].MS {
			t.Errorf("profile is not sorted at %s", o.Name)
		}
	}
	if math.Abs(share-1) > 0.01 {
		t.Errorf("shares of the profile add up to %.3f", share)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("engine case batch threads device dtype median_ms min_ms items_per_s gflop_per_item gflops peak_gflops") {
		if _, ok := fields[name]; !ok {
			t.Errorf("no %s in %s", name, text)
		}
	}
}

// TestUsage: an unknown case is an error that lists the cases, before anything is opened;
// an ended context ends the measuring.
func TestUsage(t *testing.T) {
	none := func(Result) error { return nil }
	err := Run(context.Background(), nil, Options{Only: []string{"encode", "code"}, Repeats: 1}, none)
	if err == nil || !strings.Contains(err.Error(), `"code"`) || !strings.Contains(err.Error(), "flow-sample-10") {
		t.Errorf("an unknown case: %v", err)
	}
	for _, o := range []Options{{Repeats: 0}, {Repeats: 1, Batches: []int{1, 0}}, {Repeats: 1, Tokens: 65}, {Repeats: 1, Tokens: 64, Only: []string{"encode"}}} {
		if Run(context.Background(), nil, o, none) == nil {
			t.Errorf("%+v was measured", o)
		}
	}
	b := cpu.Open(1)
	defer b.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Run(ctx, b, Options{Only: []string{"encode"}, Batches: []int{1}, Repeats: 1, Threads: 1}, none); err == nil || ctx.Err() == nil {
		t.Errorf("after the context's end: %v", err)
	}
}

// counted is a workload that writes down its batch at each step.
type counted struct {
	batch int
	steps *[]int
}

func (c counted) step(context.Context) error { *c.steps = append(*c.steps, c.batch); return nil }
func (c counted) Close() error               { return nil }

// TestTurns: in each turn every batch gets through as many items, forth and back in turn; the ratios are
// those of an item's time, turn by turn.
func TestTurns(t *testing.T) {
	var steps []int
	c := Case{open: func(_ engine.Backend, batch int) (workload, error) { return counted{batch, &steps}, nil }}
	seconds, err := c.time(context.Background(), nil, []int{2, 3, 4}, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []int{2, 3, 4, 4, 3, 2, 2, 3, 4 /* timed: */, 4, 3, 3, 2, 2, 2, 2, 3, 3, 4}
	if !slices.Equal(steps, want) {
		t.Errorf("steps of batches %d, want %d", steps, want)
	}
	if len(seconds) != 3 || len(seconds[0]) != 2 || len(seconds[2]) != 2 {
		t.Errorf("times of %d batches: %v", len(seconds), seconds)
	}
	if got := c.ratio([]float64{2, 30, 4}, []float64{1, 10, 4}, 1, 2); got != 4 {
		t.Errorf("the ratio is %g, want 4: the median of 4, 6 and 2", got)
	}
	b := cpu.Open(1)
	defer b.Close()
	var batches []int
	err = Run(context.Background(), b, Options{Only: []string{"encode"}, Batches: []int{1, 2}, Repeats: 1, Threads: 1}, func(r Result) error {
		batches = append(batches, r.Batch)
		if r.PeakMB != 0 || !(r.ByLast > 0) || r.Batch == 2 && r.ByLast != 1 {
			t.Errorf("of two batches: %+v", r)
		}
		return nil
	})
	if err != nil || !slices.Equal(batches, []int{1, 2}) {
		t.Errorf("results of batches %d, %v", batches, err)
	}
}

func TestMedian(t *testing.T) {
	for want, x := range map[float64][]float64{2: {3, 1, 2}, 2.5: {4, 1, 3, 2}, 7: {7}} {
		if got := median(x); got != want {
			t.Errorf("median of %v is %g, want %g", x, got, want)
		}
	}
}

func byName(t *testing.T, name string) Case {
	t.Helper()
	for _, c := range Cases {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no case %s", name)
	return Case{}
}
