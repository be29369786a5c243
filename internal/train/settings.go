package train

// Settings are the settings that every trained stage has. A stage's Config embeds them, so
// that they stand under `with:` beside the stage's own.
type Settings struct {
	Batch        int     `yaml:"batch" min:"1" max:"65536" doc:"items a training step sees"`
	Steps        int     `yaml:"steps" min:"1" doc:"training steps"`
	LearningRate float64 `yaml:"learning_rate" above:"0" max:"1" doc:"peak learning rate of AdamW"`
	WeightDecay  float64 `yaml:"weight_decay" min:"0" max:"1" doc:"AdamW's decoupled weight decay"`
	Warmup       float64 `yaml:"warmup" min:"0" max:"1" doc:"part of the steps over which the rate rises; a cosine takes it to nought afterwards"`
	Clip         float64 `yaml:"clip" min:"0" doc:"largest global norm of the gradient; 0: no clipping"`
	EMA          float64 `yaml:"ema" min:"0" below:"1" doc:"decay of the moving average of the weights; 0: none is kept"`

	// key:"-": when a checkpoint is written changes no byte of the result, because a
	// resumed run equals a straight one.
	CheckpointEvery int `yaml:"checkpoint_every" key:"-" min:"0" doc:"steps between checkpoints; 0: one every 30 seconds"`
}

// DefaultSettings are settings that train the models of this module well at budgets of
// some hundred to some thousand steps.
func DefaultSettings() Settings {
	return Settings{
		Batch: 64, Steps: 500, LearningRate: 1e-3, WeightDecay: 0.01, Warmup: 0.1, Clip: 1,
	}
}
