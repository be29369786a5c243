package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lfm/artifacts"
	"lfm/crossattn"
	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/latent"
	"lfm/internal/nn"
	"lfm/internal/path"
)

// Output is the kind of the artifact that the stage makes.
const Output = "flow"

// The files of its payload.
const (
	specFile       = "flow.json"             // Spec
	rawFile        = "flow.safetensors"      // the last weights, by PyTorch's names
	averageFile    = "flow-ema.safetensors"  // their moving average
	metricsFile    = "metrics.jsonl"         // loss and gradient norm by step
	evaluationFile = "evaluation.json"       // HeldOut
	baseFile       = "flow-base.safetensors" // Base, where it is not N(0, I)
)

// format is the version of the payload's layout.
const format = 1

// A model is only ever sampled along the path that it was trained on. Each path stands for the
// one thing that is predicted along it: on the straight path, z_t = (1-t) x + (t + sigma_min) eps, the
// velocity x - eps; on those of diffusion models, eps.
var objectives = []path.Objective{
	{Path: path.Straight{}, Predicts: path.Velocity},
	{Path: path.LinearBeta, Predicts: path.Noise},
	{Path: path.Cosine, Predicts: path.Noise},
}

// Spec is what one must know of a trained flow beside its weights.
type Spec struct {
	Format      int          `json:"format"`
	Arch        Arch         `json:"arch"`
	Latent      latent.Shape `json:"latent"`
	Stats       latent.Stats `json:"stats"` // of the latents that it was trained on: it knows them normalised
	Classes     []string     `json:"classes"`
	Path        string       `json:"path"`
	SigmaMin    float64      `json:"sigma_min"`
	Coupling    string       `json:"coupling,omitempty"` // of noise and data in training; "" is independent
	Base        string       `json:"base,omitempty"`     // what noise is; "" is N(0, I)
	Averaged    bool         `json:"averaged"`           // flow-ema.safetensors is there
	Autoencoder string       `json:"autoencoder"`        // output ID of the autoencoder that made the latents

	// What it is conditioned on, if that is not the class: Classes are then captions or properties
	// that it shows where no others are asked for.
	Tokenizer  *crossattn.Tokenizer `json:"tokenizer,omitempty"`
	Properties []Property           `json:"properties,omitempty"`

	// Unguided is set where condition_dropout was 0: the null context was not trained, and there is nothing to guide away
	// from. It is in no file: who opens a flow finds it in the key text.
	Unguided bool `json:"-"`

	base Base // the one that is named
}

// objective is what the network was trained for.
func (s *Spec) objective() path.Objective {
	for _, o := range objectives[1:] {
		if o.Path.Name() == s.Path {
			return o
		}
	}
	return path.Objective{Path: path.Straight{SigmaMin: float32(s.SigmaMin)}, Predicts: path.Velocity}
}

// Samples says why a solver cannot sample the model, if it cannot. Those that add noise on their
// way know how much by the score, which follows from a prediction where noise is Gaussian and drawn
// apart from the data.
func (s *Spec) Samples(solver string) error {
	if !slices.Contains(stochastic, solver) {
		return nil
	}
	if s.Base != "" {
		return fmt.Errorf("%s cannot sample a model of base %s: the score, which it follows, is known where noise is N(0, I); choose a solver that adds no noise", solver, s.Base)
	}
	if s.Coupling != "" {
		return fmt.Errorf("%s cannot sample a model of coupling %s: the score, which it follows, is known where noise and data are drawn independently; choose a solver that adds no noise", solver, s.Coupling)
	}
	return nil
}

// Conditional says whether there is more than one class to ask for, or other conditions.
func (s *Spec) Conditional() bool { return len(s.Classes) > 1 || !s.Arch.classed() }

// Null is the label of no class.
func (s *Spec) Null() int { return s.Arch.Classes }

// Label is the label that asks for a class. With a single class there is nothing to ask
// for: training and sampling know the null context alone.
func (s *Spec) Label(class int) int {
	if !s.Conditional() {
		return s.Null()
	}
	return class
}

// Guidance is the scale that samples are drawn with where w is asked for: nought with a
// single class, as there is nothing to be guided to, and 1 where there is nothing to be
// guided away from.
func (s *Spec) Guidance(w float64) float64 {
	switch {
	case !s.Conditional():
		return 0
	case s.Unguided:
		return 1
	}
	return w
}

// Model is a trained flow.
type Model struct {
	Spec
	ID      artifacts.ID // its output ID; zero if it was not read from a store
	weights [2]*checkpoint.File
}

// NewModel is a model of those weights, which go by PyTorch's names; they stand for their
// average too.
func NewModel(s Spec, weights *checkpoint.File) *Model {
	return &Model{Spec: s, weights: [2]*checkpoint.File{weights, weights}}
}

// Open reads a trained flow from its artifact.
func Open(a *artifacts.Artifact) (*Model, error) {
	data, err := a.ReadFile(specFile)
	if err != nil {
		return nil, err
	}
	m := &Model{ID: a.ID}
	if err := json.Unmarshal(data, &m.Spec); err != nil {
		return nil, fmt.Errorf("flow: %s: %w", a.Path(specFile), err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("flow: %s: format %d, this lfm reads %d: run the stage again", a.Path(specFile), m.Format, format)
	}
	if err := m.checkPath(); err != nil {
		return nil, fmt.Errorf("flow: %s: %w", a.Path(specFile), err)
	}
	if err := m.Arch.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Path(specFile), err)
	}
	if err := m.checkCondition(); err != nil {
		return nil, fmt.Errorf("flow: %s: %w: run the stage again", a.Path(specFile), err)
	}
	if m.Base != "" {
		f, err := checkpoint.ReadFile(a.Path(baseFile))
		if err != nil {
			return nil, err
		}
		if m.base, err = readBase(m.Base, m.Latent, len(m.Classes), f); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Path(baseFile), err)
		}
	}
	if m.weights[engine.Raw], err = checkpoint.ReadFile(a.Path(rawFile)); err != nil {
		return nil, err
	}
	m.weights[engine.Average] = m.weights[engine.Raw]
	if m.Averaged {
		m.weights[engine.Average], err = checkpoint.ReadFile(a.Path(averageFile))
	}
	return m, err
}

// checkPath refuses a path that this lfm does not know, or not with this sigma_min.
func (s *Spec) checkPath() error {
	var names []string
	for _, o := range objectives {
		names = append(names, o.Path.Name())
	}
	switch {
	case !slices.Contains(names, s.Path):
		return fmt.Errorf("trained on the path %q, this lfm samples %s", s.Path, strings.Join(names, ", "))
	case s.SigmaMin < 0 || s.SigmaMin > 0 && s.Path != names[0]:
		return fmt.Errorf("trained on the path %q with sigma_min %v, which it has not", s.Path, s.SigmaMin)
	}
	return nil
}

// load gives each parameter its weights.
func (m *Model) load(set func(p *nn.Param, v []float32), params *nn.Params, w engine.Weights) error {
	for _, p := range params.All() {
		values, err := m.weights[w].Floats(p.Name, p.Shape()...)
		if err != nil {
			return fmt.Errorf("flow: weights of %s: %w", m.ID.Short(), err)
		}
		set(p, values)
	}
	return nil
}
