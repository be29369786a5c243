package bench

import (
	"context"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lfm/internal/engine/cpu"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// TestStages runs the cases of whole stages on small sets: they read what is on the disk, leave
// an artifact with all its files there, and clean up.
func TestStages(t *testing.T) {
	b := cpu.Open(0)
	defer b.Close()
	t.Setenv("TMPDIR", t.TempDir())
	for name, c := range map[string]struct {
		open  func() (workload, error)
		files string
		count int
	}{
		"encode": {func() (workload, error) { return openEncodeStage(b, 4, 9) }, "*.arrow", 1},
		"decode": {func() (workload, error) { return openDecodeStage(b, 8, 1) }, "class*/0000.png", 10},
	} {
		w, err := c.open()
		if err != nil {
			t.Fatal(name, err)
		}
		dir := w.(*staged).dir
		for range 2 {
			if err := w.step(t.Context()); err != nil {
				t.Error(name, err)
			}
		}
		found, _ := filepath.Glob(filepath.Join(dir, "store", "artifacts", "*", c.files))
		deeper, _ := filepath.Glob(filepath.Join(dir, "store", "artifacts", "*", "*", c.files))
		if n := len(found) + len(deeper); n != c.count { // the same bytes are kept once
			t.Errorf("%s: %d files %s in the store, want %d", name, n, c.files, c.count)
		}
		images, _ := filepath.Glob(filepath.Join(dir, "images", "*.jpg"))
		for _, path := range images {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jpeg.Decode(f); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			f.Close()
		}
		if err := w.Close(); err != nil {
			t.Error(name, err)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: %s is left behind", name, dir)
		}
	}
}

// TestOps measures every operation of R1 at a batch of one: each forward with its gradients,
// every size of the model's, AdamW at the end.
func TestOps(t *testing.T) {
	b := cpu.Open(1)
	defer b.Close()
	kinds := map[string]bool{}
	var last string
	o := Options{Batches: []int{1}, Repeats: 1, Threads: 1, Version: "test"}
	err := RunOps(context.Background(), b, o, func(r OpResult) error {
		kind, _, _ := strings.Cut(r.Op, " ")
		kinds[kind], last = true, r.Op
		if !(r.MedianMS > 0 && r.GBPerS > 0 && r.PeakGFLOPS > 0 && r.Uses > 0) || math.Abs(r.PeakFraction-r.GFLOPS/r.PeakGFLOPS) > 0.01 {
			t.Errorf("figures do not agree: %+v", r)
		}
		if counted := slices.ContainsFunc([]string{"conv", "upsample-conv", "linear", "attention"}, func(k string) bool { return strings.HasPrefix(kind, k) }); counted != (r.GFLOPS > 0) {
			t.Errorf("%s has %g GFLOP/s", r.Op, r.GFLOPS)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range strings.Fields(`conv2d conv2d-grad-input conv2d-grad-weight upsample-conv upsample-conv-grad-input
		upsample-conv-grad-weight linear linear-grad-input linear-grad-weight attention attention-grad group-norm group-norm-grad
		layer-norm layer-norm-grad scale-shift scale-shift-grad gate gate-grad silu gelu`) {
		if !kinds[want] {
			t.Errorf("%s was not measured", want)
		}
	}
	if !strings.HasPrefix(last, "adamw ") {
		t.Errorf("the last is %s", last)
	}
}

// TestOperations: every convolution of R1 is counted once: there are as many as kernels.
func TestOperations(t *testing.T) {
	found, err := operations(2)
	if err != nil {
		t.Fatal(err)
	}
	uses := 0
	for _, op := range found {
		if op.op.Kind() == "conv2d" || op.op.Kind() == "upsample-conv" {
			uses += op.uses
		}
	}
	ae, err := autoencoder.NewTraining(autoencoder.R1, 1)
	if err != nil {
		t.Fatal(err)
	}
	kernels := 0
	for _, p := range ae.Params.All() {
		if p.Shape().Dims() == 4 {
			kernels++
		}
	}
	if uses != kernels {
		t.Errorf("%d convolutions, %d kernels", uses, kernels)
	}
}

// TestTokens: a flow of more tokens is more work a sample, and says how many it has.
func TestTokens(t *testing.T) {
	b := cpu.Open(1)
	defer b.Close()
	r1, err := velocityFLOP(flow.R1)()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Only: []string{"flow-train"}, Tokens: 128, Batches: []int{1}, Repeats: 1, Threads: 1}
	if err := Run(context.Background(), b, o, func(r Result) error {
		if twice := 2 * 3 * r1 / 1e9; r.Tokens != 128 || r.GFLOPPerItem < 0.9*twice || r.GFLOPPerItem > 1.2*twice {
			t.Errorf("%+v; R1 twice is %.3f GFLOP", r, twice)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestUNet: the flow of the default settings can be measured, and says what it is.
func TestUNet(t *testing.T) {
	b := cpu.Open(1)
	defer b.Close()
	for _, tokens := range []int{0, 24} { // 24: three lines of latents
		cases := 0
		o := Options{UNet: true, Tokens: tokens, Batches: []int{1}, Repeats: 1, Threads: 1}
		if err := Run(context.Background(), b, o, func(r Result) error {
			cases++
			if r.Network != "unet" || r.Tokens != tokens || r.Loss20 != nil {
				t.Errorf("%+v", r)
			}
			if want := 3 * 0.153; tokens == 0 && r.Case == "flow-train" && math.Abs(r.GFLOPPerItem-want) > 0.005 { // DefaultConfig says so
				t.Errorf("%v GFLOP an item, want %.3f", r.GFLOPPerItem, want)
			}
			return nil
		}); err != nil || cases != 2 {
			t.Errorf("%d cases: %v", cases, err)
		}
	}
}

// TestPeakMemory: a hundred megabytes that are touched are seen, and forgotten.
func TestPeakMemory(t *testing.T) {
	if peakMemory() == 0 {
		t.Skip("not known here")
	}
	const much = 100 << 20
	resetPeakMemory()
	before := peakMemory()
	x := make([]byte, much)
	for i := 0; i < much; i += 4096 {
		x[i] = byte(i)
	}
	if grown := peakMemory() - before + int64(x[0]); grown < much/2 {
		t.Errorf("%d bytes more were seen", grown)
	}
	x = nil
	resetPeakMemory()
	if after := peakMemory(); after > before+much/2 {
		t.Logf("the peak stays at %d: /proc/self/clear_refs is not to be written here", after)
	}
}
