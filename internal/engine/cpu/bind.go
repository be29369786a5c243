package cpu

import (
	"fmt"

	"gorgonia.org/tensor"

	"lfm/internal/engine"
	"lfm/internal/ops"
)

// phase is a loop over items that workers share.
type phase struct {
	items int
	run   func(worker, i0, i1 int)
}

// call is a step while its kernel is being bound: what it reads and writes, and the phases
// that the binder leaves behind. Binders run twice, at first without memory (all slices
// are nil) only to find out how much scratch there must be.
type call struct {
	kind    ops.Kind
	op      ops.Op
	in, out []operand
	b       *binder
	phases  []phase
	shared  int // floats taken so far from the scratch that all workers see
}

// operand is a tensor of a step.
type operand struct {
	data   []float32
	shape  tensor.Shape
	wanted bool // of a result: somebody reads it
}

// loop adds a phase. Scratch is what each worker needs for itself, in floats.
func (c *call) loop(items, scratch int, run func(scratch []float32, i0, i1 int)) {
	c.b.perWorker = max(c.b.perWorker, scratch)
	m := c.b.m
	c.phases = append(c.phases, phase{items, func(worker, i0, i1 int) {
		if i0 < i1 {
			run(m.scratch[worker][:scratch], i0, i1)
		}
	}})
}

// scratch takes floats that all workers see, for the time of this step: packed weights, or
// a result that the kernel must write although nobody wants it.
func (c *call) scratch(floats int) []float32 {
	from := c.shared
	c.shared += engine.Align(floats)
	c.b.shared = max(c.b.shared, c.shared)
	if c.b.sharedMemory == nil {
		return nil
	}
	return c.b.sharedMemory[from : from+floats : from+floats]
}

// result is the i-th result's memory, or scratch if nobody wants it.
func (c *call) result(i int) []float32 {
	if o := &c.out[i]; o.wanted {
		return o.data
	}
	return c.scratch(c.out[i].shape.TotalSize())
}

// optional is the i-th operand's memory, or nil if the operation has none.
func (c *call) optional(i int) []float32 {
	if i < len(c.in) {
		return c.in[i].data
	}
	return nil
}

// shapes are those of the operands.
func (c *call) shapes() []tensor.Shape {
	var list []tensor.Shape
	for _, in := range c.in {
		list = append(list, in.shape)
	}
	return list
}

// binder turns the passes of a plan into phases.
type binder struct {
	m                 *Machine
	perWorker, shared int // floats of scratch
	sharedMemory      []float32
}

// measure binds without memory, to learn how much scratch there must be, and whether every
// kind has a kernel.
func (b *binder) measure() error {
	if len(b.m.plan.Passes) == 0 {
		return nil
	}
	values := make([][]float32, len(b.m.plan.Values))
	return b.passes(values)
}

// total is the scratch of all workers together, in floats.
func (b *binder) total() int {
	return b.m.backend.pool.workers*engine.Align(b.perWorker) + engine.Align(b.shared)
}

// bind binds for good.
func (b *binder) bind() error {
	memory, err := b.m.allocate(b.total())
	if err != nil {
		return err
	}
	b.m.operands = make([][4][]float32, b.m.backend.pool.workers)
	size := engine.Align(b.perWorker)
	for range b.m.backend.pool.workers {
		b.m.scratch = append(b.m.scratch, memory[:size:size])
		memory = memory[size:]
	}
	b.sharedMemory = memory
	return b.passes(b.m.values)
}

func (b *binder) passes(values [][]float32) error {
	b.m.passes, b.m.chains = nil, nil
	for i := range b.m.plan.Passes {
		pass := &b.m.plan.Passes[i]
		if pass.Elements > 0 {
			links, loop, err := b.chain(pass, values)
			if err != nil {
				return err
			}
			b.m.passes = append(b.m.passes, []phase{loop})
			b.m.chains = append(b.m.chains, links)
			continue
		}
		phases, err := b.step(&pass.Steps[0], values)
		if err != nil {
			return err
		}
		b.m.passes = append(b.m.passes, phases)
		b.m.chains = append(b.m.chains, nil)
	}
	return nil
}

func (b *binder) step(s *engine.Step, values [][]float32) ([]phase, error) {
	bind, ok := kernelTable[s.Kind]
	if !ok {
		return nil, fmt.Errorf("cpu: no kernel for %s (%s)", s.Kind, s.Name)
	}
	c := &call{kind: s.Kind, op: s.Op.(ops.Op), b: b}
	for _, v := range s.In {
		c.in = append(c.in, operand{values[v], b.m.plan.Values[v].Shape, true})
	}
	for i, shape := range s.Results {
		out := operand{shape: shape, wanted: s.Out[i] >= 0}
		if out.wanted {
			out.data = values[s.Out[i]]
		}
		c.out = append(c.out, out)
	}
	bind(c)
	return c.phases, nil
}
