package evaluate

import (
	"fmt"

	"lfm/internal/engine"
	"lfm/pipeline"
	"lfm/stages/flow"
)

// Config is what stands under `with:` of a stage that uses evaluate.
type Config struct {
	Samples  int       `yaml:"samples" min:"8" max:"1000000" doc:"pictures in each set that is measured; no more than there are training images"`
	Guidance []float64 `yaml:"guidance" min:"0" max:"100" doc:"guidance scales to measure, each with all numbers of steps, solvers and weights"`
	Steps    []int     `yaml:"steps" min:"1" max:"10000" doc:"numbers of steps from noise to data to measure"`
	Solver   []string  `yaml:"solver" oneof:"euler midpoint heun rk4 ddim ddpm sde" doc:"solvers to measure; not dopri5, which has no number of steps"`
	Weights  []string  `yaml:"weights" oneof:"ema raw" doc:"the averaged weights, the last ones, or both"`
	CASSteps int       `yaml:"cas_steps" min:"0" max:"1000000" doc:"training steps of the classifier that learns from the pictures of a set; 0: no cas"`

	flow.SampleSettings // of all rows

	LikelihoodImages int `yaml:"likelihood_images" min:"0" max:"1000000" doc:"test images whose latents' log-density under the flow is measured, in bits a number; 0: none. Each costs tens of evaluations of the network, with its gradient, for every probe"`
	LikelihoodProbes int `yaml:"likelihood_probes" min:"0" max:"4096" doc:"random vectors that estimate its divergence; 0: exact, at as many as a latent has numbers, which can take hours"`

	// key:"-": a picture has the same bits in any batch, and so has a divergence in batches of probes.
	Batch int `yaml:"batch" key:"-" min:"1" max:"4096" doc:"pictures drawn or looked at at a time, or probes of a likelihood"`
}

// DefaultConfig measures what a decode stage draws.
func DefaultConfig() *Config {
	return &Config{Samples: 2000, Guidance: []float64{2.5}, Steps: []int{20}, Solver: []string{"heun"}, Weights: []string{"ema"}, CASSteps: 300,
		SampleSettings: flow.DefaultSampleSettings(), LikelihoodProbes: 1, Batch: 64}
}

// checkImages refuses too few training images.
func (c *Config) checkImages(train int) error {
	if n := min(c.Samples, train); n <= neighbours {
		return fmt.Errorf("evaluate: the data set has %d training images, and %d or more are needed: give it more, or take the stage out", n, neighbours+1)
	}
	return nil
}

// check holds the settings to the flow that is to be measured.
func (c *Config) check(fl *flow.Config) error {
	if !fl.Classed() {
		return fmt.Errorf("evaluate asks for classes: give it a flow with condition: class, not %s", fl.Condition)
	}
	for _, solver := range c.Solver {
		if err := fl.Samples(solver); err != nil {
			return pipeline.FieldError{Name: "solver", Msg: err.Error()}
		}
	}
	for _, w := range c.Guidance {
		if err := fl.Guides(w); err != nil {
			return err
		}
	}
	if c.LikelihoodImages > 0 && !fl.HasDensity() {
		return pipeline.FieldError{Name: "likelihood_images", Msg: fmt.Sprintf("wants a density, and a flow of base %s has none: leave it out", fl.Base)}
	}
	return nil
}

// sweep is every combination of the settings, without those that a flow makes no difference of.
func (c *Config) sweep(fl *flow.Model) (all []flow.SampleOptions) {
	seen := map[flow.SampleOptions]bool{}
	for _, guidance := range c.Guidance {
		for _, steps := range c.Steps {
			for _, solver := range c.Solver {
				for _, weights := range c.Weights {
					o := flow.SampleOptions{Guidance: fl.Guidance(guidance), Steps: steps, Solver: solver, Weights: engine.Raw}
					if weights == "ema" && fl.Averaged {
						o.Weights = engine.Average
					}
					if o = c.Apply(o); !seen[o] {
						seen[o], all = true, append(all, o)
					}
				}
			}
		}
	}
	return all
}
