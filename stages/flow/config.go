package flow

import (
	"fmt"

	"lfm/internal/path"
	"lfm/internal/train"
	"lfm/pipeline"
)

// Config is what stands under `with:` of a stage that uses flow.
type Config struct {
	Width         int `yaml:"width" min:"8" max:"4096" doc:"channels of a token"`
	Depth         int `yaml:"depth" min:"1" max:"64" doc:"transformer blocks"`
	Heads         int `yaml:"heads" min:"1" max:"64" doc:"attention heads; they divide the width"`
	ContextTokens int `yaml:"context_tokens" min:"2" max:"256" doc:"learned tokens that stand for a class; attention over a single one would be a constant"`

	ConditionDropout float64 `yaml:"condition_dropout" min:"0" max:"1" doc:"how often a sample is shown without its class, which guidance needs"`
	Time             string  `yaml:"time" oneof:"uniform logit-normal" doc:"distribution of the times trained on"`
	TimeMean         float64 `yaml:"time_mean" min:"-10" max:"10" doc:"mean of logit t under logit-normal; more is noisier"`
	TimeStd          float64 `yaml:"time_std" above:"0" max:"10" doc:"standard deviation of logit t under logit-normal"`
	SigmaMin         float64 `yaml:"sigma_min" min:"0" max:"0.5" doc:"noise that is left at t = 0"`
	Coupling         string  `yaml:"coupling" oneof:"independent ot class-ot sinkhorn" doc:"how a batch's noise and data are paired: as drawn, at the least squared distance, so within each class, or softly so"`
	SinkhornEpsilon  float64 `yaml:"sinkhorn_epsilon" above:"0" max:"1000" doc:"softness of sinkhorn, in units of a batch's mean squared distance: towards 0 it is ot, a large one independent"`

	// key:"-": preview pictures lie beside the pipeline and are read by nobody.
	Previews bool `yaml:"previews" key:"-" doc:"draw a grid in out/STAGE ten times during training"`

	train.Settings
}

// DefaultConfig is a small flow of the reference model R1's family.
func DefaultConfig() *Config {
	c := &Config{
		Width: 128, Depth: 4, Heads: 4, ContextTokens: 8,
		ConditionDropout: 0.1, Time: "logit-normal", TimeMean: 0, TimeStd: 1, Coupling: "independent", SinkhornEpsilon: 0.02, Previews: true,
		Settings: train.DefaultSettings(),
	}
	c.EMA = 0.999
	return c
}

// Validate says what the tags of Config cannot.
func (c *Config) Validate() error {
	if c.Width%c.Heads != 0 {
		return pipeline.FieldError{Name: "heads", Msg: "must divide the width"}
	}
	if c.Coupling != independent && c.Batch > maxPaired {
		return pipeline.FieldError{Name: "coupling", Msg: fmt.Sprintf(
			"%s pairs batches of at most %d, as its time grows with the cube of the batch; this one has %d", c.Coupling, maxPaired, c.Batch)}
	}
	return nil
}

// times is the distribution of the times trained on.
func (c *Config) times() path.Times {
	if c.Time == "uniform" {
		return path.Uniform{}
	}
	return path.LogitNormal{Mean: c.TimeMean, Std: c.TimeStd}
}
