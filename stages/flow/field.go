package flow

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/optim"
)

// field is the network as a velocity field, compiled for a fixed number of samples under a
// fixed number of conditions each.
type field struct {
	evaluation   *Evaluation
	machine      engine.Machine
	conditioning *Conditioning
	contexts     engine.Machine // has the weights of machine

	// Keys and values of each cross-attention, on their way from one machine to the other.
	keysValues [][]float32
	time       [1]float32

	book       *book     // of labels; nil where they are classes
	conditions []float32 // rows of the book
}

// newField compiles the network. With options that share a machine it has that machine's
// weights.
func newField(b engine.Backend, a Arch, n, conditions int, o engine.Options) (*field, error) {
	e, err := NewEvaluation(a, n, conditions)
	if err != nil {
		return nil, err
	}
	return openField(b, a, e, gorgonia.Nodes{e.Velocity}, n*conditions, o)
}

// newDifferential compiles the network of n samples with the products of its Jacobian.
func newDifferential(b engine.Backend, a Arch, n int, o engine.Options) (*field, error) {
	e, err := NewEvaluation(a, n, 1)
	if err != nil {
		return nil, err
	}
	if err := e.Differentiate(); err != nil {
		return nil, err
	}
	return openField(b, a, e, gorgonia.Nodes{e.Velocity, e.Product}, n, o)
}

// openField compiles an evaluation for those outputs, and the contexts of its rows.
func openField(b engine.Backend, a Arch, e *Evaluation, outputs gorgonia.Nodes, rows int, o engine.Options) (*field, error) {
	c, err := NewConditioning(a, rows)
	if err != nil {
		return nil, err
	}
	f := &field{evaluation: e, conditioning: c}
	if f.machine, err = open(b, e.Graph, outputs, e.Params, o); err != nil {
		return nil, err
	}
	if f.contexts, err = open(b, c.Graph, c.KeysValues, c.Params, engine.Options{Share: f.machine}); err != nil {
		f.machine.Close()
		return nil, err
	}
	f.conditions = make([]float32, c.Labels.Shape().TotalSize())
	for _, kv := range e.KeysValues {
		f.keysValues = append(f.keysValues, make([]float32, kv.Shape().TotalSize()))
	}
	return f, nil
}

// open compiles a graph whose parameters stay as they are.
func open(b engine.Backend, g *gorgonia.ExprGraph, outputs gorgonia.Nodes, params *nn.Params, o engine.Options) (engine.Machine, error) {
	plan, err := engine.Compile(g, outputs, optim.Frozen(params.Nodes()))
	if err != nil {
		return nil, err
	}
	return b.Open(plan, o)
}

// load gives the parameters a model's weights, and labels what they stand for.
func (f *field) load(m *Model, w engine.Weights) (err error) {
	if f.book, err = m.book(); err != nil {
		return err
	}
	return m.load(func(p *nn.Param, v []float32) { f.machine.Set(p.Node, v) }, f.evaluation.Params, w)
}

// condition computes the contexts of labels (n · conditions), for the velocities to come.
func (f *field) condition(labels []float32) error {
	conditions := labels
	if f.book != nil {
		conditions = f.conditions
		f.book.look(conditions, labels)
	}
	f.contexts.Set(f.conditioning.Labels, conditions)
	if err := f.contexts.RunAll(); err != nil {
		return fmt.Errorf("flow: contexts: %w", err)
	}
	for i, kv := range f.conditioning.KeysValues {
		f.contexts.Get(kv, f.keysValues[i])
		f.machine.Set(f.evaluation.KeysValues[i], f.keysValues[i])
	}
	return nil
}

// velocity sets v (n · conditions, L, C) to the velocity at z (n, L, C) under each condition,
// all at one time.
func (f *field) velocity(v, z []float32, t float64) error {
	f.time[0] = float32(t)
	f.machine.Set(f.evaluation.Z, z)
	f.machine.Set(f.evaluation.T, f.time[:])
	if err := f.machine.RunAll(); err != nil {
		return fmt.Errorf("flow: velocity at t = %.3f: %w", t, err)
	}
	f.machine.Get(f.evaluation.Velocity, v)
	return nil
}

// products sets v (n, L, C) to the velocity at z (n, L, C), and g to probeᵀ ∂v/∂z of each sample.
func (f *field) products(v, g, z, probe []float32, t float64) error {
	f.machine.Set(f.evaluation.Probe, probe)
	if err := f.velocity(v, z, t); err != nil {
		return err
	}
	f.machine.Get(f.evaluation.Product, g)
	return nil
}

// Close frees both machines.
func (f *field) Close() error { return errors.Join(f.contexts.Close(), f.machine.Close()) }
