package flow

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/internal/path"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
)

// TestDiffusionLearns: the same network on the same latents learns to predict noise, knows the path that it was trained
// on, and draws samples of the classes asked for by every solver.
func TestDiffusionLearns(t *testing.T) {
	for _, schedule := range []string{linear, cosine} {
		c := tiny(400)
		c.Objective, c.Schedule, c.Time = noise, schedule, "uniform"
		b := pipelinetest.New(t)
		a := b.Run(Kind(pipelinetest.CPU), c, inputs(t, b))
		var e HeldOut
		if err := json.Unmarshal(b.Read(a, evaluationFile), &e); err != nil {
			t.Fatal(err)
		}
		if e.Zero < 0.9 || e.Zero > 1.1 || e.EMA.Mean > 0.4 {
			t.Errorf("%s: held-out loss %.3f, of predicting nought %.3f, want about 1", schedule, e.EMA.Mean, e.Zero)
		}
		m, err := Open(a)
		if err != nil {
			t.Fatal(err)
		}
		if want := "diffusion-" + schedule; m.Path != want {
			t.Errorf("the model says that it is of path %q, want %q", m.Path, want)
		}
		backend := cpu.Open(1)
		defer backend.Close()
		for _, solver := range []string{"euler", "heun", ddim, ddpm, sde} {
			s, err := m.NewSampler(backend, 64, SampleOptions{Guidance: 1, Steps: 50, Solver: solver})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			labels, numbers := make([]int, 64), make([]int, 64)
			for i := range labels {
				labels[i], numbers[i] = i%2, i
			}
			var miss float64
			z := drawn(t, s, labels, numbers)
			for i, v := range z {
				miss += math.Abs(float64(v)-float64(2*(i/4%2)-1)) / float64(len(z))
			}
			if miss > 0.45 { // deviation 0.25 has a mean of 0.2
				t.Errorf("%s, %s: samples are %.2f from the middle of their classes in the mean", schedule, solver, miss)
			}
		}
	}
}

// TestDiffusionDraw: what training on noise is shown tells the latent and the noise of the straight path's draw apart.
func TestDiffusionDraw(t *testing.T) {
	set := latents(t, t.TempDir(), latent.Shape{H: 2, W: 2, C: 2}, 3, 60, func(c int) float32 { return float32(4 * c) })
	c := *DefaultConfig()
	c.Batch = 7
	straight, lines := newTestDraw(set, c)
	c.Objective = noise
	turn, turns := newTestDraw(set, c)
	if err := errors.Join(straight.step(3, lines), turn.step(3, turns)); err != nil {
		t.Fatal(err)
	}
	x, eps := make([]float32, 8), make([]float32, 8)
	for i, time := range lines[1] {
		if turns[1][i] != time || turns[2][i] != lines[2][i] {
			t.Fatalf("sample %d has time %v and label %v, on the straight path %v and %v", i, turns[1][i], turns[2][i], time, lines[2][i])
		}
		z, v := lines[0][8*i:8*i+8], lines[3][8*i:8*i+8]
		for k, mix := range []path.Mix{straight.objective.Data(float64(time)), straight.objective.Noise(float64(time))} {
			mix.To([][]float32{x, eps}[k], z, v)
		}
		at := path.LinearBeta.At(float64(time))
		for k := range eps {
			if math.Abs(float64(turns[3][8*i+k]-eps[k])) > 1e-5 {
				t.Errorf("sample %d: the target is %v, the noise %v", i, turns[3][8*i+k], eps[k])
			}
			if want := at.A*float64(x[k]) + at.B*float64(eps[k]); math.Abs(float64(turns[0][8*i+k])-want) > 1e-5 {
				t.Errorf("sample %d: z is %v, want %v", i, turns[0][8*i+k], want)
			}
		}
	}
}

// TestShiftedDraw: shifted times are still one of each stratum: of N likely ranges of the shifted distribution.
func TestShiftedDraw(t *testing.T) {
	set := latents(t, t.TempDir(), latent.Shape{H: 1, W: 1, C: 1}, 2, 40, func(c int) float32 { return float32(c) })
	c := *DefaultConfig()
	c.Batch, c.Time, c.TimeShift = 16, "uniform", 3
	d, inputs := newTestDraw(set, c)
	for step := range 20 {
		if err := d.step(step, inputs); err != nil {
			t.Fatal(err)
		}
		for i, v := range inputs[1] {
			time := float64(v)
			if u := time / (3 - 2*time) * 16; u < float64(i)-1e-4 || u > float64(i+1)+1e-4 {
				t.Errorf("step %d: time %d is %v, of stratum %.2f", step, i, time, u)
			}
		}
	}
}

// TestDiffusionRefusals: what a diffusion model has not, or the straight path has not, is refused at its setting.
func TestDiffusionRefusals(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"sigma_min": func(c *Config) { c.SigmaMin = 0.01 },
		"coupling":  func(c *Config) { c.Coupling = withinClass },
		"base":      func(c *Config) { c.Base = correlated },
		"schedule":  func(c *Config) { c.Objective, c.Schedule = velocity, cosine },
	} {
		c := DefaultConfig()
		c.Objective = noise
		change(c)
		var field pipeline.FieldError
		if err := c.Validate(); !errors.As(err, &field) || field.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := DefaultConfig()
	if c.Objective, c.Schedule = noise, cosine; c.Validate() != nil {
		t.Error(c.Validate())
	}
}
