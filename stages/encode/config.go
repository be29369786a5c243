package encode

// Config is what stands under `with:` of a stage that uses encode.
type Config struct {
	HFlip bool `yaml:"hflip" doc:"encode the mirror image of every training image too; it has the caption and the properties of the image as it is"`

	// key:"-": an image's latent has the same bits in any batch.
	Batch int `yaml:"batch" key:"-" min:"1" max:"4096" doc:"images encoded at a time"`
}

// DefaultConfig encodes images as they are.
func DefaultConfig() *Config { return &Config{Batch: 64} }
