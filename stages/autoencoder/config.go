package autoencoder

import (
	"fmt"

	"lfm/internal/train"
	"lfm/pipeline"
)

// Config is what stands under `with:` of a stage that uses autoencoder.
type Config struct {
	LatentChannels int `yaml:"latent_channels" min:"1" max:"64" doc:"channels of a latent"`
	Downsample     int `yaml:"downsample" oneof:"2 4 8" doc:"pixels along one side of a latent"`
	Channels       int `yaml:"channels" min:"4" max:"512" doc:"channels of the first level; each level below has twice as many"`

	HFlip bool `yaml:"hflip" doc:"train on mirror images too"`

	train.Settings
}

// DefaultConfig is the reference model R1's autoencoder at a small budget.
func DefaultConfig() *Config {
	return &Config{LatentChannels: 4, Downsample: 4, Channels: 32, Settings: train.DefaultSettings()}
}

// Validate says what the tags of Config cannot.
func (c *Config) Validate() error {
	if c.Channels%groups(c.Channels) != 0 {
		return pipeline.FieldError{Name: "channels", Msg: "must be an even number up to 32 or a multiple of 16, so that groups of channels come out even"}
	}
	return nil
}

// arch is the size of the model for images of a size.
func (c *Config) arch(size int) Arch {
	return Arch{Channels: c.Channels, LatentChannels: c.LatentChannels, Downsample: c.Downsample, Size: size}
}

// divides refuses images of a size that the latents do not divide.
func (c *Config) divides(size int) error {
	if size%c.Downsample == 0 {
		return nil
	}
	return pipeline.FieldError{Name: "downsample", Msg: fmt.Sprintf("is %d and does not divide the images' size, %d", c.Downsample, size)}
}
