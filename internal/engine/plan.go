package engine

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
)

// Plan is a compiled graph: what is computed, in which order, and where everything lies.
// It is data and does not change; any number of machines may run it.
type Plan struct {
	Values  []Value  // every tensor
	Buffers []Buffer // every stretch of memory
	Passes  []Pass   // in order
	Inputs  []int    // values that Machine.Set fills
	Outputs []int    // values asked for, in that order; kept until the next run
	Updates []Update // after the last pass; all parameters are here, moved or not
	Sizes   Sizes    // how much of each place is used

	index map[*gorgonia.Node]int // the value of a node
}

// Value is a tensor: a shape over a part of a buffer.
type Value struct {
	Name   string // a leaf's own name; "linear#12" otherwise
	Node   *gorgonia.Node
	Shape  tensor.Shape
	Root   int       // the value that this one is a view of, itself if none
	Buffer int       // -1 for a result that nobody wants
	Offset int       // floats from the buffer's beginning; not nought only in views
	Data   []float32 // a constant's elements
}

// Size is the number of elements.
func (v *Value) Size() int { return elements(v.Shape) }

// Place is a kind of memory.
type Place uint8

const (
	// Arena memory is reused: a buffer owns its stretch from its first pass to its last.
	Arena Place = iota
	// Local memory is a slot of one block of a chain; it is never there as a whole.
	Local
	// Input memory holds what Machine.Set brought, from run to run.
	Input
	// Param memory holds weights; a machine may share it with another.
	Param
	// Constant memory is written when a machine opens.
	Constant
)

var placeNames = [...]string{"arena", "local", "input", "param", "constant"}

func (p Place) String() string { return placeNames[p] }

// Buffer is a stretch of memory. First and Last are the passes between which an arena
// buffer is in use, both included; an output's Last is len(Passes).
type Buffer struct {
	Place       Place
	Offset      int // floats from the beginning of the place; a Local's slot
	Size        int // floats
	First, Last int
}

// Pass goes over its operands once: a single step, or a chain of point-wise steps that a
// back end runs block by block, all steps on one block before the next.
type Pass struct {
	Steps    []Step
	Elements int // of each operand, if the steps are point-wise; otherwise 0
	Slots    int // blocks that Local values need
}

// Step is one operation at work. Out holds -1 for a result that nobody wants.
type Step struct {
	Kind ops.Kind
	Op   gorgonia.Op // an ops.Op with its settings, or gorgonia's own +
	Name string      // kind and node, "linear#12"
	In   []int       // values
	Out  []int       // values

	Results []tensor.Shape // of all results, wanted or not
}

// rename gives the step another kind.
func (s *Step) rename(kind ops.Kind) {
	s.Name = string(kind) + strings.TrimPrefix(s.Name, string(s.Kind))
	s.Kind = kind
}

// Update is an entry of the optimizer, see ops.Update. Grad is -1 for a parameter that
// stays as it is.
type Update struct {
	Param, Grad int // values
	Decay, EMA  bool
}

// Trained says whether the optimizer moves the parameter.
func (u Update) Trained() bool { return u.Grad >= 0 }

// Sizes counts floats by what they are for.
type Sizes struct {
	Arena     int // activations and gradients, after reuse
	Inputs    int
	Constants int
	Params    int
	Moments   int // two for each trained parameter
	Averages  int // moving averages of weights
}

// Peak is the memory in bytes that a machine needs for this plan, parameters and the
// optimizer's state included. A back end adds its scratch memory to it.
func (p *Plan) Peak() int64 {
	s := p.Sizes
	return 4 * int64(s.Arena+s.Inputs+s.Constants+s.Params+s.Moments+s.Averages)
}

// Value gives the number of the value that stands for a node, or -1 when the plan dropped
// the node, or needs it only within itself.
func (p *Plan) Value(n *gorgonia.Node) int {
	if v, ok := p.index[n]; ok {
		return v
	}
	return -1
}

// Place gives where a wanted value lies.
func (p *Plan) Place(value int) Place { return p.Buffers[p.Values[value].Buffer].Place }

// Label names a pass for people: its kinds.
func (p *Pass) Label() string {
	names := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		names[i] = string(s.Kind)
	}
	return strings.Join(names, "+")
}

// String writes the plan out: one line a pass, then the updates and the sizes.
func (p *Plan) String() string {
	var b strings.Builder
	for i, pass := range p.Passes {
		for j, s := range pass.Steps {
			lead := fmt.Sprintf("%4d", i)
			if j > 0 {
				lead = "   +"
			}
			fmt.Fprintf(&b, "%s  %s = %s(%s)\n", lead, p.list(s.Out), s.Name, p.list(s.In))
		}
	}
	for _, u := range p.Updates {
		if u.Trained() {
			fmt.Fprintf(&b, "      update %s by %s\n", p.Values[u.Param].Name, p.text(u.Grad))
		}
	}
	fmt.Fprintf(&b, "      %d passes, %d bytes: %+v floats\n", len(p.Passes), p.Peak(), p.Sizes)
	return b.String()
}

func (p *Plan) list(values []int) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = p.text(v)
	}
	return strings.Join(texts, ", ")
}

func (p *Plan) text(value int) string {
	if value < 0 {
		return "_"
	}
	v := &p.Values[value]
	switch b := p.Buffers[v.Buffer]; b.Place {
	case Arena:
		return fmt.Sprintf("%v@%d", v.Shape, b.Offset+v.Offset)
	case Local:
		return fmt.Sprintf("%v@slot%d", v.Shape, b.Offset)
	default:
		return v.Name
	}
}

func elements(s tensor.Shape) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}
