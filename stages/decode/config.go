package decode

import (
	"lfm/internal/engine"
	"lfm/pipeline"
	"lfm/stages/flow"
)

// Config is what stands under `with:` of a stage that uses decode.
type Config struct {
	PerClass int     `yaml:"per_class" min:"1" max:"1000000" doc:"pictures of each class"`
	Guidance float64 `yaml:"guidance" min:"0" max:"100" doc:"v = v(null) + guidance (v(class) - v(null)): 0 without class, 1 plainly conditional, more: clearer and less varied"`
	Steps    int     `yaml:"steps" min:"1" max:"10000" doc:"steps from noise to data; dopri5 chooses its own"`
	Solver   string  `yaml:"solver" oneof:"euler midpoint heun rk4 dopri5 ddim ddpm sde" doc:"evaluations a step: euler 1, midpoint and heun 2, rk4 4; dopri5 takes the steps that its tolerances ask for; ddim 1, and with noise on the way ddpm 1 and sde 1"`
	RTol     float64 `yaml:"rtol" min:"0.000001" max:"1" doc:"of dopri5: error of a step, relative to the latent"`
	ATol     float64 `yaml:"atol" min:"0.000001" max:"1" doc:"of dopri5: error of a step, added to that"`
	Weights  string  `yaml:"weights" oneof:"ema raw" doc:"the averaged weights or the last ones"`

	flow.SampleSettings

	// key:"-": a picture has the same bits in any batch.
	Batch int `yaml:"batch" key:"-" min:"1" max:"4096" doc:"pictures drawn at a time"`
}

// DefaultConfig draws a small grid.
func DefaultConfig() *Config {
	return &Config{PerClass: 8, Guidance: 2.5, Steps: 20, Solver: "heun", RTol: 1e-4, ATol: 1e-4, Weights: "ema",
		SampleSettings: flow.DefaultSampleSettings(), Batch: 64}
}

// Validate says what the tags of Config cannot.
func (c *Config) Validate() error {
	if c.Solver == flow.Dopri5 && c.Grid != flow.UniformGrid {
		return pipeline.FieldError{Name: "grid", Msg: c.Grid + " says how long steps are, and dopri5 chooses that itself: leave one of them out"}
	}
	if d := DefaultConfig(); c.Solver != flow.Dopri5 && (c.RTol != d.RTol || c.ATol != d.ATol) {
		return pipeline.FieldError{Name: "rtol", Msg: "and atol are settings of solver: dopri5"}
	}
	return c.SampleSettings.Validate()
}

// check holds the settings to the flow that is to be sampled.
func (c *Config) check(fl *flow.Config) error {
	if err := fl.Samples(c.Solver); err != nil {
		return pipeline.FieldError{Name: "solver", Msg: err.Error()}
	}
	return fl.Guides(c.Guidance)
}

// Options are what the settings ask a sampler for.
func (c *Config) Options() flow.SampleOptions {
	o := flow.SampleOptions{Guidance: c.Guidance, Steps: c.Steps, Solver: c.Solver, Weights: engine.Average}
	if c.Weights == "raw" {
		o.Weights = engine.Raw
	}
	if c.Solver == flow.Dopri5 {
		o.Steps, o.RTol, o.ATol = 0, c.RTol, c.ATol
	}
	return c.Apply(o)
}
