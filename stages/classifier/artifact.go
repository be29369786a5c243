package classifier

import (
	"encoding/json"
	"fmt"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/nn"
)

// Output is the kind of the artifact that the stage makes.
const Output = "classifier"

// The files of its payload.
const (
	specFile       = "classifier.json"        // Spec
	weightsFile    = "classifier.safetensors" // weights by PyTorch's names
	metricsFile    = "metrics.jsonl"          // loss and gradient norm by step
	evaluationFile = "evaluation.json"        // Evaluation
)

// format is the version of the payload's layout.
const format = 1

// Spec is what one must know of a trained classifier beside its weights.
type Spec struct {
	Format  int      `json:"format"`
	Arch    Arch     `json:"arch"`
	Classes []string `json:"classes"` // by label
	HFlip   bool     `json:"hflip"`   // it was trained on mirror images too
}

// Evaluation is how good a trained classifier is.
type Evaluation struct {
	Train   Accuracy  `json:"train"`
	HeldOut *Accuracy `json:"held_out"` // of the test split; null where there is none
}

// Accuracy is the part of images whose class was told.
type Accuracy struct {
	Images   int       `json:"images"`
	Accuracy float64   `json:"accuracy"`
	ByClass  []float64 `json:"by_class"` // by label; 0 for a class without images
}

// Model is a trained classifier.
type Model struct {
	Spec
	ID      artifacts.ID // its output ID
	weights *checkpoint.File
}

// Open reads a trained classifier from its artifact.
func Open(a *artifacts.Artifact) (*Model, error) {
	data, err := a.ReadFile(specFile)
	if err != nil {
		return nil, err
	}
	m := &Model{ID: a.ID}
	if err := json.Unmarshal(data, &m.Spec); err != nil {
		return nil, fmt.Errorf("classifier: %s: %w", a.Path(specFile), err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("classifier: %s: format %d, this lfm reads %d: run the stage again", a.Path(specFile), m.Format, format)
	}
	if err := m.Arch.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Path(specFile), err)
	}
	m.weights, err = checkpoint.ReadFile(a.Path(weightsFile))
	return m, err
}

// load gives each parameter its weights.
func (m *Model) load(set func(p *nn.Param, v []float32), params *nn.Params) error {
	for _, p := range params.All() {
		values, err := m.weights.Floats(p.Name, p.Shape()...)
		if err != nil {
			return fmt.Errorf("classifier: weights of %s: %w", m.ID.Short(), err)
		}
		set(p, values)
	}
	return nil
}
