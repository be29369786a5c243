package decode

// Config is what stands under `with:` of a stage that uses decode.
type Config struct {
	PerClass int     `yaml:"per_class" min:"1" max:"1000000" doc:"pictures of each class"`
	Guidance float64 `yaml:"guidance" min:"0" max:"100" doc:"v = v(null) + guidance (v(class) - v(null)): 0 without class, 1 plainly conditional, more: clearer and less varied"`
	Steps    int     `yaml:"steps" min:"1" max:"10000" doc:"steps from noise to data"`
	Solver   string  `yaml:"solver" oneof:"euler heun" doc:"euler evaluates the network once a step, heun twice"`
	Weights  string  `yaml:"weights" oneof:"ema raw" doc:"the averaged weights or the last ones"`

	// key:"-": a picture has the same bits in any batch.
	Batch int `yaml:"batch" key:"-" min:"1" max:"4096" doc:"pictures drawn at a time"`
}

// DefaultConfig draws a small grid.
func DefaultConfig() *Config {
	return &Config{PerClass: 8, Guidance: 2.5, Steps: 20, Solver: "heun", Weights: "ema", Batch: 64}
}
