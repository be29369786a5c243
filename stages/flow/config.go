package flow

import (
	"fmt"

	"lfm/internal/latent"
	"lfm/internal/path"
	"lfm/internal/train"
	"lfm/pipeline"
)

// Config is what stands under `with:` of a stage that uses flow.
type Config struct {
	Arch          string `yaml:"arch" oneof:"unet transformer" doc:"the network: the U-Net of latent diffusion over latents as images, or a transformer over latent tokens"`
	Width         int    `yaml:"width" min:"8" max:"4096" doc:"channels of a token of the transformer, or of the unet's levels; its first level has half as many"`
	Depth         int    `yaml:"depth" min:"1" max:"64" doc:"blocks of the transformer"`
	Levels        int    `yaml:"levels" min:"1" max:"6" doc:"resolutions of the unet, each half of the one above, rounded up; a side of 1 stays 1"`
	Blocks        int    `yaml:"blocks" min:"1" max:"8" doc:"residual blocks of a level of the unet on its way down; on its way up there is one more"`
	Heads         int    `yaml:"heads" min:"1" max:"64" doc:"attention heads; they divide the width, or half of it for the unet"`
	ContextTokens int    `yaml:"context_tokens" min:"2" max:"256" doc:"learned tokens that stand for a class; attention over a single one would be a constant; word pieces of a caption"`

	Objective string `yaml:"objective" oneof:"velocity noise" doc:"what the network predicts: the velocity of the straight path, or the noise of the path of diffusion models"`
	Schedule  string `yaml:"schedule" oneof:"linear cosine" doc:"of objective noise: how fast data turn to noise, as in DDPM or as in Improved DDPM"`

	Condition  string `yaml:"condition" oneof:"class caption properties" doc:"what samples can be asked for: a class, or, where the data set has captions, a text or numbers"`
	Vocabulary int    `yaml:"vocabulary" min:"257" max:"16384" doc:"word pieces learned from captions, the 256 bytes and padding among them"`
	TextDepth  int    `yaml:"text_depth" min:"0" max:"16" doc:"layers of the transformer that reads captions"`

	ConditionDropout float64 `yaml:"condition_dropout" min:"0" max:"1" doc:"how often a sample is shown without its condition, which guidance needs"`
	Time             string  `yaml:"time" oneof:"uniform logit-normal" doc:"distribution of the times trained on"`
	TimeMean         float64 `yaml:"time_mean" min:"-10" max:"10" doc:"mean of logit t under logit-normal; more is noisier"`
	TimeStd          float64 `yaml:"time_std" above:"0" max:"10" doc:"standard deviation of logit t under logit-normal"`
	TimeShift        float64 `yaml:"time_shift" min:"0.01" max:"100" doc:"times t become time_shift t / (1 + (time_shift - 1) t): more than 1 is noisier, less nearer to the data"`
	SigmaMin         float64 `yaml:"sigma_min" min:"0" max:"0.5" doc:"noise that is left at t = 0"`
	Coupling         string  `yaml:"coupling" oneof:"independent ot class-ot sinkhorn" doc:"how a batch's noise and data are paired: as drawn, at the least squared distance, so within each class, or softly so"`
	SinkhornEpsilon  float64 `yaml:"sinkhorn_epsilon" min:"1e-6" max:"1000" doc:"softness of sinkhorn, in units of a batch's mean squared distance: towards 0 it is ot, a large one independent"`
	Base             string  `yaml:"base" oneof:"gaussian correlated moments class-moments empirical" doc:"what noise is: standard normal, with the latents' power spectrum, with their mean and covariance, with those of each class, or the latents of the stage at the port base"`

	// key:"-": preview pictures lie beside the pipeline and are read by nobody.
	Previews bool `yaml:"previews" key:"-" doc:"draw a grid in out/STAGE ten times during training"`

	train.Settings
}

// DefaultConfig is a small flow. For latents of 8x8x4 and ten classes its U-Net has 3.2 million
// parameters and costs 153 MFLOP an evaluation; the transformer of the same width, of the reference
// model R1's family, has 1.6 million and 130 MFLOP. docs/choices.md has the two side by side.
func DefaultConfig() *Config {
	c := &Config{
		Arch: UNet, Width: 128, Depth: 4, Levels: 2, Blocks: 1, Heads: 4, ContextTokens: 8, Condition: byClass, Vocabulary: 512, TextDepth: 2,
		Objective: velocity, Schedule: linear,
		ConditionDropout: 0.1, Time: "logit-normal", TimeMean: 0, TimeStd: 1, TimeShift: 1,
		Coupling: independent, SinkhornEpsilon: 0.02, Base: gaussian, Previews: true,
		Settings: train.DefaultSettings(),
	}
	c.EMA = 0.999
	return c
}

// Validate says what the tags of Config cannot.
func (c *Config) Validate() error {
	if err := c.foreign(); err != nil {
		return err
	}
	if err := c.diffuses(); err != nil {
		return err
	}
	if c.Arch == UNet && c.Width%2 != 0 {
		return pipeline.FieldError{Name: "width", Msg: "must be even, as the unet's first level has half of it"}
	}
	if c.Arch == UNet && c.Width%(2*c.Heads) != 0 {
		return pipeline.FieldError{Name: "heads", Msg: "must divide half the width, the channels of the unet's first level"}
	}
	if c.Width%c.Heads != 0 {
		return pipeline.FieldError{Name: "heads", Msg: "must divide the width"}
	}
	if c.Coupling != independent && c.Batch > maxPaired {
		return pipeline.FieldError{Name: "coupling", Msg: fmt.Sprintf(
			"%s pairs batches of at most %d, as its time grows with the cube of the batch; this one has %d", c.Coupling, maxPaired, c.Batch)}
	}
	if c.Coupling != softly && c.SinkhornEpsilon != DefaultConfig().SinkhornEpsilon {
		return pipeline.FieldError{Name: "sinkhorn_epsilon", Msg: "is a setting of coupling: sinkhorn"}
	}
	if c.Base == classMoments && skews(c.Coupling) {
		return pipeline.FieldError{Name: "coupling", Msg: fmt.Sprintf(
			"%s pairs across classes, and base class-moments gives each class noise of its own; class-ot pairs within classes", c.Coupling)}
	}
	return nil
}

// check holds the base to its port, which is filled or not, and the condition to the data set, whose images may be known to
// have no captions.
func (c *Config) check(there, uncaptioned bool) error {
	switch {
	case c.Condition != byClass && uncaptioned:
		return pipeline.FieldError{Name: "condition", Msg: c.Condition + " wants captions, and the data set has none: set its captions to a .jsonl, .csv or .tsv file, or to drawn for critters"}
	case c.Base == empirical && !there:
		return pipeline.FieldError{Name: "base", Msg: "empirical is made of the latents of another stage, and none stands under needs; write needs: {encode: …, base: …}"}
	case c.Base != empirical && there:
		return pipeline.FieldError{Name: "base", Msg: fmt.Sprintf("%s is made of no other stage's latents, but one stands at the port base; leave it out, or say base: empirical", c.Base)}
	}
	return nil
}

// Samples says why a solver cannot sample the models that the settings make, if it cannot.
func (c *Config) Samples(solver string) error {
	var s Spec
	if c.Base != gaussian {
		s.Base = c.Base
	}
	if c.Coupling != independent {
		s.Coupling = c.Coupling
	}
	return s.Samples(solver)
}

// Guides says why samples of the models that the settings make cannot be guided by w, if they cannot.
func (c *Config) Guides(w float64) error {
	if c.ConditionDropout == 0 && w != 1 {
		return pipeline.FieldError{Name: "guidance", Msg: fmt.Sprintf(
			"is %g, which looks at samples without a condition, and the flow's condition_dropout: 0 trains none; set guidance: 1", w)}
	}
	return nil
}

// HasDensity says that the models that the settings make have likelihoods.
func (c *Config) HasDensity() bool { return c.Base != empirical }

// Classed says that classes are what the models that the settings make are asked for.
func (c *Config) Classed() bool { return c.Condition == byClass }

// foreign refuses a setting of another network, condition or law of times that was changed, which would do nothing.
func (c *Config) foreign() error {
	d := DefaultConfig()
	switch {
	case c.Arch == UNet && c.Depth != d.Depth:
		return pipeline.FieldError{Name: "depth", Msg: "is a setting of arch: transformer; a U-Net, the default, has levels and blocks: leave it out, or say arch: transformer"}
	case c.Arch == Transformer && c.Levels != d.Levels:
		return pipeline.FieldError{Name: "levels", Msg: "is a setting of arch: unet; a transformer has depth"}
	case c.Time == "uniform" && (c.TimeMean != d.TimeMean || c.TimeStd != d.TimeStd):
		return pipeline.FieldError{Name: "time", Msg: "is uniform; time_mean and time_std are settings of time: logit-normal"}
	case c.Condition != byCaption && (c.Vocabulary != d.Vocabulary || c.TextDepth != d.TextDepth):
		return pipeline.FieldError{Name: "condition", Msg: fmt.Sprintf("is %s; vocabulary and text_depth are settings of condition: caption", c.Condition)}
	case c.Condition != byClass && c.Base == classMoments:
		return pipeline.FieldError{Name: "base", Msg: fmt.Sprintf("class-moments gives each class noise of its own, and with condition: %s there are no classes; moments has one for all", c.Condition)}
	case c.Condition != byClass && c.Coupling == withinClass:
		return pipeline.FieldError{Name: "coupling", Msg: fmt.Sprintf("class-ot pairs within classes, and with condition: %s there are none", c.Condition)}
	case c.Arch == Transformer && c.Blocks != d.Blocks:
		return pipeline.FieldError{Name: "blocks", Msg: "is a setting of arch: unet; a transformer has depth"}
	}
	return nil
}

// The objectives and schedules, as pipeline.yaml calls them.
const (
	velocity = "velocity"
	noise    = "noise"
	linear   = "linear"
	cosine   = "cosine"
)

// diffuses holds the settings to what a diffusion model is, or is not.
func (c *Config) diffuses() error {
	if c.Objective != noise {
		if c.Schedule != linear {
			return pipeline.FieldError{Name: "schedule", Msg: "is a setting of objective: noise; the straight path has none"}
		}
		return nil
	}
	switch {
	case c.SigmaMin != 0:
		return pipeline.FieldError{Name: "sigma_min", Msg: "is a setting of the straight path; with objective: noise the path ends in the data"}
	case c.Coupling != independent:
		return pipeline.FieldError{Name: "coupling", Msg: fmt.Sprintf(
			"%s pairs noise with data, and a diffusion model (objective: noise) is one of noise that knows nothing of them: its way back is drawn from that", c.Coupling)}
	case c.Base != gaussian:
		return pipeline.FieldError{Name: "base", Msg: fmt.Sprintf(
			"%s is no N(0, I), which a diffusion model (objective: noise) ends in by its construction", c.Base)}
	}
	return nil
}

// objective is what the network learns to predict, and on which path.
func (c *Config) objective() path.Objective {
	switch {
	case c.Objective != noise:
		return path.Objective{Path: path.Straight{SigmaMin: float32(c.SigmaMin)}, Predicts: path.Velocity}
	case c.Schedule == cosine:
		return path.Objective{Path: path.Cosine, Predicts: path.Noise}
	}
	return path.Objective{Path: path.LinearBeta, Predicts: path.Noise}
}

// arch is the network that settings ask for, for latents of a shape.
func (c *Config) arch(latent latent.Shape, classes int) Arch {
	a := Arch{Tokens: latent.H * latent.W, Channels: latent.C, Width: c.Width, Heads: c.Heads, Classes: classes, ContextTokens: c.ContextTokens}
	if c.Arch == UNet {
		a.Kind, a.Rows, a.Levels, a.Blocks = UNet, latent.H, c.Levels, c.Blocks
	} else {
		a.Depth = c.Depth
	}
	return a
}

// times is the distribution of the times trained on.
func (c *Config) times() path.Times {
	var times path.Times = path.LogitNormal{Mean: c.TimeMean, Std: c.TimeStd}
	if c.Time == "uniform" {
		times = path.Uniform{}
	}
	if c.TimeShift != 1 {
		times = path.Shifted{Times: times, Shift: c.TimeShift}
	}
	return times
}
