package classifier

import (
	"lfm/internal/train"
	"lfm/pipeline"
)

// Config is what stands under `with:` of a stage that uses classifier.
type Config struct {
	Channels int `yaml:"channels" min:"4" max:"512" doc:"channels of the first level; the next has twice, those below four times as many"`
	Features int `yaml:"features" min:"2" max:"4096" doc:"numbers that the last layer sees of an image"`

	HFlip bool `yaml:"hflip" doc:"train on mirror images too"`

	train.Settings
}

// DefaultConfig is a classifier that trains in a minute on two cores.
func DefaultConfig() *Config {
	c := &Config{Channels: 32, Features: 128, Settings: train.DefaultSettings()}
	c.Steps, c.LearningRate = 1500, 2e-3
	return c
}

// Validate says what the tags of Config cannot.
func (c *Config) Validate() error {
	if c.Channels%groups(c.Channels) != 0 {
		return pipeline.FieldError{Name: "channels", Msg: "must be an even number up to 32 or a multiple of 16, so that groups of channels come out even"}
	}
	return nil
}
