package autoencoder

import (
	"encoding/json"
	"fmt"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/nn"
)

// Output is the kind of the artifact that the stage makes.
const Output = "autoencoder"

// The files of its payload.
const (
	specFile       = "autoencoder.json"        // Spec
	weightsFile    = "autoencoder.safetensors" // weights by PyTorch's names
	metricsFile    = "metrics.jsonl"           // loss and gradient norm by step
	evaluationFile = "evaluation.json"         // Evaluation
	picturesFile   = "reconstructions.png"     // held-out originals beside their reconstructions
)

// format is the version of the payload's layout.
const format = 1

// Spec is what one must know of a trained autoencoder beside its weights.
type Spec struct {
	Format int  `json:"format"`
	Arch   Arch `json:"arch"`
}

// Model is a trained autoencoder.
type Model struct {
	Spec
	ID      artifacts.ID // its output ID; zero if it was not read from a store
	weights *checkpoint.File
}

// NewModel is a model of those weights, which go by PyTorch's names.
func NewModel(a Arch, weights *checkpoint.File) *Model {
	return &Model{Spec: Spec{Format: format, Arch: a}, weights: weights}
}

// Open reads a trained autoencoder from its artifact.
func Open(a *artifacts.Artifact) (*Model, error) {
	data, err := a.ReadFile(specFile)
	if err != nil {
		return nil, err
	}
	m := &Model{ID: a.ID}
	if err := json.Unmarshal(data, &m.Spec); err != nil {
		return nil, fmt.Errorf("autoencoder: %s: %w", a.Path(specFile), err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("autoencoder: %s: format %d, this lfm reads %d: run the stage again", a.Path(specFile), m.Format, format)
	}
	if err := m.Arch.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Path(specFile), err)
	}
	if m.weights, err = checkpoint.ReadFile(a.Path(weightsFile)); err != nil {
		return nil, err
	}
	return m, nil
}

// load gives each parameter its weights.
func (m *Model) load(set func(p *nn.Param, v []float32), params *nn.Params) error {
	for _, p := range params.All() {
		values, err := m.weights.Floats(p.Name, p.Shape()...)
		if err != nil {
			return fmt.Errorf("autoencoder: weights of %s: %w", m.ID.Short(), err)
		}
		set(p, values)
	}
	return nil
}
