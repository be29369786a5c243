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
	least int // items that a call should have, or 0
	run   func(worker, i0, i1 int)
	rates rates // of the workers, where shares are cut by them
	made  *made // what the loop makes, if that is kept from run to run
}

// coarse is how many pieces of the least size a share must have for unequal workers to end together by taking from one another.
// With fewer, shares are cut by rates: with one or two, a weight gradient took a third longer beside a worker of half the speed.
// Loops that do not name a least size are of single items.
const coarse = 4

// made is something made of parameters that do not change in this machine, packed weights
// say: it is made again only after somebody else changed them.
type made struct {
	from    *memory
	version uint64 // of from that it was made of; 0 is none
}

// call is a step while its kernel is being bound: what it reads and writes, and the phases
// that the binder leaves behind. Binders run twice, at first without memory (all slices
// are nil) only to find out how much scratch there must be.
type call struct {
	kind    ops.Kind
	op      ops.Op
	in, out []operand
	values  []int // of the operands
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
	c.loopBy(0, items, scratch, run)
}

// loopBy is loop for items of which a call should have whole groups of least.
func (c *call) loopBy(least, items, scratch int, run func(scratch []float32, i0, i1 int)) {
	c.b.perWorker = max(c.b.perWorker, scratch)
	m := c.b.m
	p := phase{items: items, least: least, run: func(worker, i0, i1 int) {
		if i0 < i1 {
			run(m.scratch[worker][:scratch], i0, i1)
		}
	}}
	if workers := m.backend.pool.workers; items < coarse*least*workers {
		p.rates = newRates(workers)
	}
	c.phases = append(c.phases, p)
}

// pack takes floats for the packed form of weights, the i-th operand, and adds the phase
// that packs them. Weights that are trained here change with every run, so that their packed
// form is scratch; that of others is kept.
func (c *call) pack(i, floats, items int, run func(packed []float32, i0, i1 int)) (packed []float32) {
	source := c.b.frozen(c.values[i])
	if source == nil {
		packed = c.scratch(floats)
	} else {
		packed = c.b.keep(floats)
	}
	c.loop(items, 0, func(_ []float32, i0, i1 int) { run(packed, i0, i1) })
	if source != nil {
		c.phases[len(c.phases)-1].made = &made{from: source}
	}
	return packed
}

// frozen says that the i-th operand is a parameter that this machine does not train, whose packed form is kept.
func (c *call) frozen(i int) bool { return c.b.frozen(c.values[i]) != nil }

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

// sum takes the last operand off the list where the step adds its result to it, and copies it
// to the result unless it lies there already.
func (c *call) sum() bool {
	switch c.kind {
	case engine.KindLinearAdd, engine.KindLinearGradInputAdd, engine.KindConv2dAdd, engine.KindConv2dGradInputAdd:
	default:
		return false
	}
	last := len(c.in) - 1
	from, to := c.in[last].data, c.out[0].data
	c.in = c.in[:last]
	if from != nil && &from[0] != &to[0] {
		c.loop((len(to)+blockSize-1)/blockSize, 0, func(_ []float32, i0, i1 int) {
			copy(to[i0*blockSize:min(i1*blockSize, len(to))], from[i0*blockSize:])
		})
	}
	return true
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
	kept              int // floats that stay from run to run
	sharedMemory      []float32
	keptMemory        []float32
}

// frozen gives the memory of a parameter that this machine does not train, or nil for any
// other value.
func (b *binder) frozen(value int) *memory {
	for i, u := range b.m.plan.Updates {
		if u.Param == b.m.plan.Values[value].Root && !u.Trained() {
			return b.m.params[i].block
		}
	}
	return nil
}

// keep takes floats that no other step touches.
func (b *binder) keep(floats int) []float32 {
	from := b.kept
	b.kept += engine.Align(floats)
	if b.keptMemory == nil {
		return nil
	}
	return b.keptMemory[from : from+floats : from+floats]
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

// total is what measure found to be needed, in floats.
func (b *binder) total() int {
	return b.m.backend.pool.workers*engine.Align(b.perWorker) + engine.Align(b.shared) + b.kept
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
	b.keptMemory, b.sharedMemory = memory[:b.kept], memory[b.kept:]
	b.kept = 0
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
	c := &call{kind: s.Kind, op: s.Op.(ops.Op), values: s.In, b: b}
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
