package flow

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/optim"
)

// field is the network as a velocity field, compiled for a fixed number of rows.
type field struct {
	machine engine.Machine
	graph   *Evaluation
	params  *nn.Params
	times   []float32
}

// newField compiles the network. With options that share a machine it has that machine's
// weights.
func newField(b engine.Backend, a Arch, rows int, o engine.Options) (*field, error) {
	e, err := NewEvaluation(a, rows)
	if err != nil {
		return nil, err
	}
	plan, err := engine.Compile(e.Graph, gorgonia.Nodes{e.Velocity}, optim.Frozen(e.Params.Nodes()))
	if err != nil {
		return nil, err
	}
	machine, err := b.Open(plan, o)
	if err != nil {
		return nil, err
	}
	return &field{machine: machine, graph: e, params: e.Params, times: make([]float32, rows)}, nil
}

// set gives a parameter its weights.
func (f *field) set(p *nn.Param, v []float32) { f.machine.Set(p.Node, v) }

// velocity sets v to the velocity at z, (rows, L, C) both, all rows at one time.
func (f *field) velocity(v, z []float32, t float64, labels []float32) error {
	for i := range f.times {
		f.times[i] = float32(t)
	}
	f.machine.Set(f.graph.Z, z)
	f.machine.Set(f.graph.T, f.times)
	f.machine.Set(f.graph.Labels, labels)
	if err := f.machine.RunAll(); err != nil {
		return fmt.Errorf("flow: velocity at t = %.3f: %w", t, err)
	}
	f.machine.Get(f.graph.Velocity, v)
	return nil
}

// Close frees the machine.
func (f *field) Close() error { return f.machine.Close() }
