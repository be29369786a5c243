package classifier

import (
	"context"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/optim"
)

// Judge looks at images with a classifier, any number at a time. What it says of one does not
// depend on the others.
type Judge struct {
	arch    Arch
	graph   *Judging
	machine engine.Machine
	batch   int
	x       []float32 // (batch, S, S, 3)
	f, y    []float32 // (batch, F), (batch, K)
}

// NewJudge compiles the classifier for batches.
func (m *Model) NewJudge(b engine.Backend, batch int) (*Judge, error) {
	j, err := newJudge(b, m.Arch, batch, engine.Options{})
	if err != nil {
		return nil, err
	}
	if err := m.load(func(p *nn.Param, v []float32) { j.machine.Set(p.Node, v) }, j.graph.Params); err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// newJudge compiles an architecture. With options that share a machine it has that machine's
// weights.
func newJudge(b engine.Backend, a Arch, batch int, o engine.Options) (*Judge, error) {
	g, err := NewJudging(a, batch)
	if err != nil {
		return nil, err
	}
	plan, err := engine.Compile(g.Graph, gorgonia.Nodes{g.Features, g.Logits}, optim.Frozen(g.Params.Nodes()))
	if err != nil {
		return nil, err
	}
	machine, err := b.Open(plan, o)
	if err != nil {
		return nil, err
	}
	return &Judge{arch: a, graph: g, machine: machine, batch: batch,
		x: make([]float32, batch*a.Size*a.Size*3), f: make([]float32, batch*a.Features), y: make([]float32, batch*a.Classes)}, nil
}

// Batch is how many images are looked at at a time.
func (j *Judge) Batch() int { return j.batch }

// Close frees the machine.
func (j *Judge) Close() error { return j.machine.Close() }

// Verdicts says of as many images as there are labels which class each has: predicted[i]. Where
// features (n, F) is not nil it is filled too. read fills x (S, S, 3) with image i; it is called
// for each in order. When ctx ends, it stops before the next batch and returns ctx's error.
func (j *Judge) Verdicts(ctx context.Context, predicted []int, features []float32, read func(x []float32, i int) error) error {
	pixels, width, classes := len(j.x)/j.batch, j.arch.Features, j.arch.Classes
	for from := 0; from < len(predicted); from += j.batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(j.batch, len(predicted)-from)
		for i := range n {
			if err := read(j.x[i*pixels:(i+1)*pixels], from+i); err != nil {
				return err
			}
		}
		clear(j.x[n*pixels:])
		j.machine.Set(j.graph.X, j.x)
		if err := j.machine.RunAll(); err != nil {
			return err
		}
		j.machine.Get(j.graph.Logits, j.y)
		for i := range n {
			predicted[from+i] = largest(j.y[i*classes : (i+1)*classes])
		}
		if features != nil {
			j.machine.Get(j.graph.Features, j.f)
			copy(features[from*width:], j.f[:n*width])
		}
	}
	return nil
}

// largest is the index of the largest number, the first of equals.
func largest(v []float32) (at int) {
	for i := range v {
		if v[i] > v[at] {
			at = i
		}
	}
	return at
}
