package autoencoder

import (
	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/optim"
)

// Coder runs one half of an autoencoder on a back end, any number of items at a time.
type Coder struct {
	machine   engine.Machine
	in, out   *gorgonia.Node
	batch     int
	nin, nout int // floats of one item
	x, y      []float32
}

// NewImageEncoder compiles the encoder for batches: it takes images (S, S, 3) in [-1, 1] to
// latents (s, s, C), the means.
func (m *Model) NewImageEncoder(b engine.Backend, batch int) (*Coder, error) {
	e, err := NewEncoding(m.Arch, batch)
	if err != nil {
		return nil, err
	}
	c, err := newCoder(b, e.Graph, e.Params, e.X, e.Mean, engine.Options{})
	if err != nil {
		return nil, err
	}
	return c.loaded(m, e.Params)
}

// NewLatentDecoder compiles the decoder for batches: it takes latents (s, s, C) to images
// (S, S, 3), near [-1, 1] but not limited to it.
func (m *Model) NewLatentDecoder(b engine.Backend, batch int) (*Coder, error) {
	d, err := NewDecoding(m.Arch, batch)
	if err != nil {
		return nil, err
	}
	c, err := newCoder(b, d.Graph, d.Params, d.Z, d.Images, engine.Options{})
	if err != nil {
		return nil, err
	}
	return c.loaded(m, d.Params)
}

// newCoder compiles a graph from in to out. With options that share a machine it computes
// with that machine's weights.
func newCoder(b engine.Backend, g *gorgonia.ExprGraph, params *nn.Params, in, out *gorgonia.Node, o engine.Options) (*Coder, error) {
	plan, err := engine.Compile(g, gorgonia.Nodes{out}, optim.Frozen(params.Nodes()))
	if err != nil {
		return nil, err
	}
	machine, err := b.Open(plan, o)
	if err != nil {
		return nil, err
	}
	batch := in.Shape()[0]
	c := &Coder{machine: machine, in: in, out: out, batch: batch,
		nin: in.Shape().TotalSize() / batch, nout: out.Shape().TotalSize() / batch}
	c.x, c.y = make([]float32, batch*c.nin), make([]float32, batch*c.nout)
	return c, nil
}

func (c *Coder) loaded(m *Model, params *nn.Params) (*Coder, error) {
	if err := m.load(func(p *nn.Param, v []float32) { c.machine.Set(p.Node, v) }, params); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Apply fills dst with what becomes of src, item by item. An item's result does not depend
// on what it shares a batch with.
func (c *Coder) Apply(dst, src []float32) error {
	n := len(src) / c.nin
	if len(src) != n*c.nin || len(dst) != n*c.nout {
		panic("autoencoder: apply: dst and src are not of as many whole items")
	}
	for from := 0; from < n; from += c.batch {
		k := min(c.batch, n-from)
		copy(c.x, src[from*c.nin:(from+k)*c.nin])
		clear(c.x[k*c.nin:])
		c.machine.Set(c.in, c.x)
		if err := c.machine.RunAll(); err != nil {
			return err
		}
		c.machine.Get(c.out, c.y)
		copy(dst[from*c.nout:(from+k)*c.nout], c.y)
	}
	return nil
}

// Batch is how many items go through at a time.
func (c *Coder) Batch() int { return c.batch }

// Close frees the machine.
func (c *Coder) Close() error { return c.machine.Close() }
