package main

import (
	"context"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
)

// watch is the CPU whose training steps a test looks at. A machine that is given the
// optimizer's numbers is at a training step; others pass unseen.
type watch struct {
	before func(inputs map[string][]float32) // ahead of a step, with its inputs by name; nil: not called
	after  func()                            // behind it; nil: not called
}

// open is an engine.Open.
func (w *watch) open(_ context.Context, _ string, threads int) (engine.Backend, error) {
	return watchedBackend{cpu.Open(threads), w}, nil
}

type watchedBackend struct {
	engine.Backend
	watch *watch
}

func (b watchedBackend) Open(p *engine.Plan, o engine.Options) (engine.Machine, error) {
	if shared, ok := o.Share.(*watchedMachine); ok {
		o.Share = shared.Machine
	}
	m, err := b.Backend.Open(p, o)
	if err != nil {
		return nil, err
	}
	return &watchedMachine{Machine: m, watch: b.watch, inputs: map[string][]float32{}}, nil
}

type watchedMachine struct {
	engine.Machine
	watch  *watch
	inputs map[string][]float32 // what was set, copied: the caller may write to it again
	trains bool
}

func (m *watchedMachine) Set(n *gorgonia.Node, v []float32) {
	if m.watch.before != nil {
		m.inputs[n.Name()] = append(m.inputs[n.Name()][:0], v...)
	}
	m.Machine.Set(n, v)
}

func (m *watchedMachine) SetScalars(s engine.Scalars) {
	m.trains = true
	m.Machine.SetScalars(s)
}

func (m *watchedMachine) RunAll() error {
	if m.trains && m.watch.before != nil {
		m.watch.before(m.inputs)
	}
	err := m.Machine.RunAll()
	if m.trains && m.watch.after != nil {
		m.watch.after()
	}
	return err
}
