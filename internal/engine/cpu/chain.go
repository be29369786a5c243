package cpu

import (
	"fmt"

	"lfm/internal/engine"
)

// blockSize is how many elements of each operand a chain works on at a time: 8 KiB, of
// which a first-level cache of 32 KiB holds the four that a step has at most.
const blockSize = 2048

// link is a step of a chain, bound.
type link struct {
	kernel pointwise
	in     []source
	out    source
	step   *engine.Step
}

// source is where a block of an operand lies: in memory that holds all of it, or in a slot
// of the worker's scratch.
type source struct {
	data []float32
	slot int // if data is nil
}

func (s *source) block(scratch []float32, from, to int) []float32 {
	if s.data == nil {
		at := s.slot * blockSize
		return scratch[at : at+to-from : at+to-from]
	}
	return s.data[from:to:to]
}

// chain binds a pass of point-wise steps to one loop over blocks.
func (b *binder) chain(pass *engine.Pass, values [][]float32) ([]link, phase, error) {
	var links []link
	at := func(v int) source {
		return source{values[v], b.m.plan.Buffers[b.m.plan.Values[v].Buffer].Offset}
	}
	for i := range pass.Steps {
		s := &pass.Steps[i]
		bind, ok := pointwiseTable[s.Kind]
		if !ok {
			return nil, phase{}, fmt.Errorf("cpu: no point-wise kernel for %s (%s)", s.Kind, s.Name)
		}
		l := link{kernel: bind(s.Op), out: at(s.Out[0]), step: s}
		for _, v := range s.In {
			l.in = append(l.in, at(v))
		}
		links = append(links, l)
	}
	b.perWorker = max(b.perWorker, pass.Slots*blockSize)

	m, elements := b.m, pass.Elements
	return links, phase{items: (elements + blockSize - 1) / blockSize, run: func(worker, i0, i1 int) {
		for i := i0; i < i1; i++ {
			from, to := i*blockSize, min((i+1)*blockSize, elements)
			for k := range links {
				links[k].run(m, worker, from, to)
			}
		}
	}}, nil
}

// run computes one block. The operands' slices stand in the machine, because what a called
// function value is given would move to the heap.
func (l *link) run(m *Machine, worker, from, to int) {
	src := &m.operands[worker]
	for i := range l.in {
		src[i] = l.in[i].block(m.scratch[worker], from, to)
	}
	l.kernel(l.out.block(m.scratch[worker], from, to), src)
}
