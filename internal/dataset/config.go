package dataset

import (
	"encoding/hex"
	"fmt"
	"image/color"
	"strings"

	"lfm/internal/critters"
)

// Config is what pipeline.yaml says about a data set.
type Config struct {
	// The path itself changes nothing that can be seen in an image: Digest speaks for what lies there.
	Source       string   `yaml:"source" key:"-" doc:"a folder, .tar or .zip of images; a folder of IDX or CIFAR-10 files; or critters"`
	Count        int      `yaml:"count" min:"1" max:"100000000" doc:"images of the built-in set"`
	Size         int      `yaml:"size" min:"1" max:"1024" doc:"width and height in pixels that images are brought to"`
	Fit          string   `yaml:"fit" oneof:"crop pad" doc:"crop: the middle square, resampled; pad: centred on the background"`
	Background   string   `yaml:"background" doc:"black, white, grey or #rrggbb: under transparency, and around what pad centres"`
	Classes      []string `yaml:"classes" doc:"the classes wanted, in order; names what IDX files only number"`
	TestFraction float64  `yaml:"test_fraction" min:"0" max:"0.9" doc:"share of test images where the source has no split of its own"`
	Seed         int      `yaml:"seed" min:"0" doc:"of the built-in set's pictures"`

	// key:"-": Digest has what the file of captions says, as it has what lies at Source, and the phrases; where there are no
	// captions, the key says nothing of them.
	Captions     string   `yaml:"captions" key:"-" doc:"a .jsonl, .csv or .tsv file with a row an image: file_name, text, and numbers; drawn: what critters show"`
	ClassWords   []string `yaml:"class_words" key:"-" doc:"phrases: an image is of the class of the first that its caption has, whatever folder it lies in"`
	TestCaptions []string `yaml:"test_captions" key:"-" doc:"phrases: images whose caption has one of them are test images"`
}

// Default returns the settings that stand where pipeline.yaml says nothing. Source has none.
func Default() *Config {
	return &Config{Count: 6000, Size: 32, Fit: "crop", Background: "white", TestFraction: 0.1}
}

// generated reports whether the images are drawn, not read.
func (c *Config) generated() bool { return c.Source == "critters" }

// Captioned reports whether the images have captions.
func (c *Config) Captioned() bool { return c.Captions != "" }

// Validate reports the first setting that makes no sense. The error's Field method names it.
func (c *Config) Validate() error {
	if c.Source == "" {
		return fieldError{"source", "is missing: give the path of a folder, .tar or .zip of images, or critters for the built-in set"}
	}
	if c.Count < 1 {
		return fieldError{"count", "must be at least 1"}
	}
	if c.Size < 1 || c.Size > 1024 {
		return fieldError{"size", "must lie in 1 … 1024"}
	}
	if c.Fit != "crop" && c.Fit != "pad" {
		return fieldError{"fit", fmt.Sprintf("is %q: want crop or pad", c.Fit)}
	}
	if _, err := parseColor(c.Background); err != nil {
		return fieldError{"background", err.Error()}
	}
	if !(c.TestFraction >= 0 && c.TestFraction <= 0.9) {
		return fieldError{"test_fraction", "must lie in 0 … 0.9"}
	}
	if c.Seed < 0 {
		return fieldError{"seed", "must not be negative"}
	}
	if err := c.validateCaptions(); err != nil {
		return err
	}
	return c.validateClasses()
}

func (c *Config) validateClasses() error {
	seen := map[string]bool{}
	for _, name := range c.Classes {
		switch {
		case name == "":
			return fieldError{"classes", "has an empty name"}
		case seen[name]:
			return fieldError{"classes", fmt.Sprintf("names %q twice", name)}
		case c.generated() && !contains(critters.Classes, name):
			return fieldError{"classes", fmt.Sprintf("names %q; the critters are %s", name, strings.Join(critters.Classes, ", "))}
		}
		seen[name] = true
	}
	return nil
}

// fieldError is a wrong setting.
type fieldError struct{ field, msg string }

func (e fieldError) Error() string { return e.field + " " + e.msg }

// Field names the setting, so that its line in pipeline.yaml can be shown.
func (e fieldError) Field() string { return e.field }

// parseColor reads black, white, grey, gray or #rrggbb.
func parseColor(s string) (color.RGBA, error) {
	switch strings.ToLower(s) {
	case "black":
		return color.RGBA{0, 0, 0, 255}, nil
	case "white":
		return color.RGBA{255, 255, 255, 255}, nil
	case "grey", "gray":
		return color.RGBA{128, 128, 128, 255}, nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(s, "#"))
	if err != nil || len(b) != 3 || !strings.HasPrefix(s, "#") {
		return color.RGBA{}, fmt.Errorf("is %q: want black, white, grey or #rrggbb", s)
	}
	return color.RGBA{b[0], b[1], b[2], 255}, nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
