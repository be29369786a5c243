package flow

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"lfm/internal/latent"
	"lfm/internal/rng"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
)

// couplings are all kinds.
var couplings = []string{independent, exactly, withinClass, softly}

// line is what a sample's z_t and v say of the line that it is on: its latent, and its noise.
func line(zt, v []float32, t float32) (x, eps []float32) {
	x, eps = make([]float32, len(zt)), make([]float32, len(zt))
	for k := range zt {
		x[k] = zt[k] + t*v[k]
		eps[k] = x[k] - v[k]
	}
	return x, eps
}

// TestCouplings: whatever the coupling, a step has the latents, labels and times of the independent one, sample by
// sample, and its noise in another order: nothing is drawn twice and nothing left out. ot costs least, class-ot least
// of those that keep to classes, and none more than the independent pairing.
func TestCouplings(t *testing.T) {
	set := latents(t, t.TempDir(), latent.Shape{H: 1, W: 2, C: 2}, 3, 60, func(c int) float32 { return float32(2 * c) })
	const n, size = 16, 4
	for step := range 5 {
		cost := map[string]float64{}
		for _, kind := range couplings {
			c := *DefaultConfig()
			c.Batch, c.Coupling = n, kind
			d, inputs := newTestDraw(set, c)
			if err := d.step(step, inputs); err != nil {
				t.Fatal(err)
			}
			again := slices.Clone(inputs[3])
			d.step(step+1, inputs)
			if d.step(step, inputs); !slices.Equal(again, inputs[3]) {
				t.Errorf("%s: step %d drawn again is another one", kind, step)
			}
			taken := map[int]bool{}
			for i, time := range inputs[1] {
				x, eps := line(inputs[0][size*i:size*i+size], inputs[3][size*i:size*i+size], time)
				row := d.rows[d.order.Index(step, n, i)]
				want := make([]float32, size)
				set.Read(want, row)
				set.Stats().Normalize(want, want)
				if !slices.EqualFunc(x, want, nearly) {
					t.Fatalf("%s: sample %d has latent %v, want %v", kind, i, x, want)
				}
				for k := range x {
					cost[kind] += float64((x[k] - eps[k]) * (x[k] - eps[k]))
				}
				from := -1
				for j := range n {
					rng.New(11, rng.Noise).Normal(want, uint64(step), uint64(j))
					if slices.EqualFunc(eps, want, nearly) {
						from = j
					}
				}
				if from < 0 || taken[from] {
					t.Fatalf("%s: sample %d has noise number %d, which is nobody's or taken", kind, i, from)
				}
				taken[from] = true
				class := func(i int) int { return set.Label(d.rows[d.order.Index(step, n, i)]) }
				if kind == withinClass && class(i) != class(from) {
					t.Errorf("sample %d of class %d has noise of class %d", i, class(i), class(from))
				}
			}
		}
		if !(cost[exactly] < cost[withinClass] && cost[withinClass] < cost[independent] && cost[exactly] < cost[softly] && cost[softly] < cost[independent]) {
			t.Errorf("step %d: costs %v", step, cost)
		}
	}
}

func nearly(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 }

// TestSkew is torchcfm's issue 117: given its class, the noise of a latent keeps mean nought under independent and
// class-ot, while ot and sinkhorn pull it to where the class is.
func TestSkew(t *testing.T) {
	set := latents(t, t.TempDir(), latent.Shape{H: 1, W: 1, C: 1}, 2, 200, func(c int) float32 { return float32(4*c - 2) })
	for _, kind := range couplings {
		c := *DefaultConfig()
		c.Batch, c.Coupling, c.ConditionDropout = 32, kind, 0
		d, inputs := newTestDraw(set, c)
		var mean float64 // of the noise of class 1
		var seen float64
		for step := range 60 {
			if err := d.step(step, inputs); err != nil {
				t.Fatal(err)
			}
			for i, label := range inputs[2] {
				_, eps := line(inputs[0][i:i+1], inputs[3][i:i+1], inputs[1][i])
				mean += float64(label) * float64(eps[0])
				seen += float64(label)
			}
		}
		mean /= seen
		deviation := 1 / math.Sqrt(seen)
		if pulled := mean > 0.5; pulled != skews(kind) || !pulled && math.Abs(mean) > 4*deviation {
			t.Errorf("%s: the noise of class 1 has mean %.3f, its deviation from nought would be %.3f", kind, mean, deviation)
		}
	}
}

// TestCouplingExact: a flow trained on paired noise is the same however it was interrupted, and each coupling makes
// another one. The class-blind kinds warn, where there are classes.
func TestCouplingExact(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b)
	seen := map[string]string{}
	for _, kind := range couplings {
		c := tiny(12)
		c.Coupling, c.CheckpointEvery = kind, 5
		warnings := 0
		want, err := b.Start(t.Context(), Kind(pipelinetest.CPU), c, in, func(e pipeline.Event) {
			if e.Event == pipeline.StageWarning && strings.Contains(e.Message, "class-ot") {
				warnings++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := b.Interrupted(Kind(pipelinetest.CPU), c, in, pipeline.StageCheckpoint, 5); got.ID != want.ID {
			t.Errorf("%s: interrupted at step 5: output %s, want %s", kind, got.ID.Short(), want.ID.Short())
		}
		if warned := warnings == 1; warned != skews(kind) || warnings > 1 {
			t.Errorf("%s: %d warnings", kind, warnings)
		}
		if other, ok := seen[want.ID.String()]; ok {
			t.Errorf("%s makes the same flow as %s", kind, other)
		}
		seen[want.ID.String()] = kind
		m, err := Open(want)
		if named := map[bool]string{true: "", false: kind}[kind == independent]; err != nil || m.Coupling != named {
			t.Errorf("%s: the model says %q (%v)", kind, m.Coupling, err)
		}
	}
}

// TestCouplingRefused: batches that would take minutes to pair, and latents that cannot be.
func TestCouplingRefused(t *testing.T) {
	c := DefaultConfig()
	c.Coupling, c.Batch = exactly, maxPaired
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Batch++
	var field pipeline.FieldError
	if err := c.Validate(); !errors.As(err, &field) || field.Name != "coupling" {
		t.Errorf("a batch of %d: %v", c.Batch, err)
	}
	c = DefaultConfig()
	c.SinkhornEpsilon = 0.5
	if err := c.Validate(); !errors.As(err, &field) || field.Name != "sinkhorn_epsilon" {
		t.Errorf("an epsilon for the independent coupling: %v", err)
	}
	if c.Coupling = softly; c.Validate() != nil {
		t.Error(c.Validate())
	}
	for _, kind := range couplings[1:] {
		c.Coupling = kind
		bad := []float32{0, float32(math.NaN()), 1, 2}
		err := newCoupling(c, rng.New(1, rng.Coupling)).pair(0, bad, []float32{1, 2, 3, 4}, []float32{0, 0})
		if err == nil || !strings.Contains(err.Error(), "not finite") {
			t.Errorf("%s of what is no number: %v", kind, err)
		}
	}
}

// BenchmarkCoupling pairs latents of the reference model.
func BenchmarkCoupling(b *testing.B) {
	for _, kind := range couplings[1:] {
		for _, n := range []int{64, 256} {
			c := DefaultConfig()
			c.Coupling = kind
			x, eps, labels := make([]float32, n*256), make([]float32, n*256), make([]float32, n)
			for i := range labels {
				labels[i] = float32(i % 10)
			}
			s := rng.New(1, rng.Coupling)
			s.Normal(x, 0, 0)
			s.Normal(eps, 0, 1)
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				for b.Loop() {
					if err := newCoupling(c, s).pair(0, x, eps, labels); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
