package optim

import (
	"math"
	"testing"
)

// TestCosine holds the schedule to its definition at the ends and in between: the first
// step has 1/Warm of the rate, the last but almost none, and the fall is symmetric.
func TestCosine(t *testing.T) {
	c := Cosine{Warm: 10, Steps: 100}
	cases := []struct {
		step int
		want float64
	}{
		{0, 0.1},
		{9, 0.5 * (1 + math.Cos(math.Pi*0.09))},
		{50, 0.5},
		{100, 0},
		{1000, 0},
	}
	for _, k := range cases {
		if got := c.Factor(k.step); math.Abs(got-k.want) > 1e-12 {
			t.Errorf("factor at %d is %g, want %g", k.step, got, k.want)
		}
	}
	for step := 10; step <= 50; step++ {
		if sum := c.Factor(step) + c.Factor(100-step); math.Abs(sum-1) > 1e-12 {
			t.Errorf("factors at %d and %d add up to %g, want 1", step, 100-step, sum)
		}
	}
	if got := (Cosine{Steps: 7}).Factor(0); got != 1 {
		t.Errorf("without warm-up the first factor is %g, want 1", got)
	}
}

// TestEMADecay: the average follows closely at first and never more slowly than asked.
func TestEMADecay(t *testing.T) {
	if got := EMADecay(0.999, 0); got != 0.1 {
		t.Errorf("decay at 0 is %g, want 0.1", got)
	}
	if got := EMADecay(0.999, 1<<20); got != 0.999 {
		t.Errorf("decay late is %g, want 0.999", got)
	}
	for step := range 20000 {
		if EMADecay(0.999, step) > EMADecay(0.999, step+1) {
			t.Fatalf("decay falls at step %d", step)
		}
	}
}

// TestScalars: betas and epsilon of zero are PyTorch's defaults, and the first step's corrections undo
// exactly what the first update of a zero moment loses.
func TestScalars(t *testing.T) {
	s := AdamW{Rate: 1e-3}.Scalars(0)
	if s.Rate != 1e-3 || s.Beta1 != 0.9 || s.Beta2 != 0.999 || s.Eps != 1e-8 || s.WeightDecay != 0 || s.Clip != 0 {
		t.Errorf("defaults are %+v", s)
	}
	if math.Abs(s.Correct1-0.1) > 1e-12 || math.Abs(s.Correct2-0.001) > 1e-12 {
		t.Errorf("corrections of the first step are %g and %g", s.Correct1, s.Correct2)
	}
	if s := (AdamW{Rate: 2, Schedule: Cosine{Steps: 4}}).Scalars(2); math.Abs(s.Rate-1) > 1e-12 {
		t.Errorf("half way the rate is %g, want half", s.Rate)
	}
}
