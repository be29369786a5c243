package ops

import (
	"fmt"
	"hash"
	"hash/fnv"
	"reflect"
	"strings"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// Kind names what an operation computes, "conv2d" or "conv2d-grad-input". The kernels of a
// back end are keyed by it.
type Kind string

// Op is an operation of this package. Its attributes are exported fields of the concrete
// type; everything else about a node follows from the shapes of its inputs.
type Op interface {
	gorgonia.Op

	Kind() Kind

	// Results gives the shapes of the results for inputs of the shapes in, and panics if
	// they do not fit the operation. One result is the node's value as it stands; several
	// make a bundle.
	Results(in []tensor.Shape) []tensor.Shape

	// Reference is the definition of the operation.
	Reference() Reference
}

// Pointwise marks operations that compute element i of their only result from element i of
// each of their inputs, all of one shape. A back end may run them in place and in chains.
type Pointwise interface {
	Op
	Pointwise()
}

// Reference computes an operation's results dst from its inputs src, whose shapes are in,
// by the definitions of package ref.
type Reference struct {
	F32 func(dst, src [][]float32, in []tensor.Shape)
	F64 func(dst, src [][]float64, in []tensor.Shape)
}

// Update asks an engine to bring one parameter up to date after the backward pass.
type Update struct {
	Param, Grad *gorgonia.Node
	Decay       bool // weight decay applies
	EMA         bool // a moving average of the parameter is kept
}

// define instantiates a generic definition for o.
func define[O any](o O, f32 func(O, [][]float32, [][]float32, []tensor.Shape), f64 func(O, [][]float64, [][]float64, []tensor.Shape)) Reference {
	return Reference{
		F32: func(dst, src [][]float32, in []tensor.Shape) { f32(o, dst, src, in) },
		F64: func(dst, src [][]float64, in []tensor.Shape) { f64(o, dst, src, in) },
	}
}

// base is what gorgonia asks of an operation, answered once for all of them. It is filled
// by apply, and never changed afterwards.
type base struct {
	self    Op
	in      []tensor.Shape
	results []tensor.Shape
	text    string // kind and attributes
	serial  int    // nodes in the graph before this one; keeps gorgonia from merging nodes
}

// operation is an Op in the making.
type operation interface {
	Op
	common() *base
}

func (b *base) common() *base { return b }

// apply enters op into the graph of its inputs and returns its node.
func apply(op operation, in ...*gorgonia.Node) *gorgonia.Node {
	b := op.common()
	b.self = op
	for i, n := range in {
		if n == nil {
			fail(op, "input %d is nil", i)
		}
		if n.Dtype() != tensor.Float32 {
			fail(op, "input %d is %v, want float32", i, n.Dtype())
		}
		if s := n.Shape(); product(s) < 1 {
			fail(op, "input %d is empty: %v", i, s)
		}
		b.in = append(b.in, n.Shape())
	}
	b.results = op.Results(b.in)
	b.text = describe(op)
	b.serial = len(in[0].Graph().AllNodes())
	n, err := gorgonia.ApplyOp(op, in...)
	if err != nil {
		fail(op, "%v", err)
	}
	return n
}

// fail panics with the voice of this package. Constructors call it, so it is a mistake of
// the program and not of its data; see Check.
func fail(op Op, format string, args ...any) {
	panic(fmt.Sprintf("ops: %s: %s", op.Kind(), fmt.Sprintf(format, args...)))
}

// describe writes kind and exported attributes: "conv2d Stride=2".
func describe(op Op) string {
	var s strings.Builder
	s.WriteString(string(op.Kind()))
	v := reflect.ValueOf(op).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			fmt.Fprintf(&s, " %s=%v", f.Name, v.Field(i))
		}
	}
	return s.String()
}

func (b *base) Arity() int { return len(b.in) }

// Type builds new types at each call: gorgonia returns them to a pool.
func (b *base) Type() hm.Type {
	types := make([]hm.Type, 0, len(b.in)+1)
	for _, s := range b.in {
		types = append(types, typeOf(s))
	}
	return hm.NewFnType(append(types, typeOf(b.value()))...)
}

func typeOf(s tensor.Shape) hm.Type {
	if s.Dims() == 0 {
		return tensor.Float32
	}
	return gorgonia.TensorType{Dims: s.Dims(), Of: tensor.Float32}
}

// value is the shape of the node's value: the only result's, or the flat vector's.
func (b *base) value() tensor.Shape {
	if len(b.results) == 1 {
		return b.results[0]
	}
	total := 0
	for _, s := range b.results {
		total += product(s)
	}
	return tensor.Shape{total}
}

func (b *base) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) { return b.value().Clone(), nil }

// Do runs the reference on the values of the inputs.
func (b *base) Do(inputs ...gorgonia.Value) (gorgonia.Value, error) {
	if len(inputs) != len(b.in) {
		return nil, fmt.Errorf("ops: %s: %d inputs, want %d", b.text, len(inputs), len(b.in))
	}
	src := make([][]float32, len(inputs))
	for i, v := range inputs {
		x, err := Floats(v)
		if err != nil {
			return nil, fmt.Errorf("ops: %s: input %d: %w", b.text, i, err)
		}
		if len(x) != product(b.in[i]) {
			return nil, fmt.Errorf("ops: %s: input %d holds %d numbers, its shape %v wants %d", b.text, i, len(x), b.in[i], product(b.in[i]))
		}
		src[i] = x
	}
	shape := b.value()
	out := make([]float32, product(shape))
	b.self.Reference().F32(split(out, b.results), src, b.in)
	if shape.Dims() == 0 {
		return gorgonia.NewF32(out[0]), nil
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(out)), nil
}

// split cuts the results out of the flat vector that holds them end to end.
func split[F ref.Float](flat []F, results []tensor.Shape) [][]F {
	parts := make([][]F, len(results))
	for i, s := range results {
		n := product(s)
		parts[i], flat = flat[:n:n], flat[n:]
	}
	return parts
}

// Floats gives the numbers of a float32 value, without copying where it can.
func Floats(v gorgonia.Value) ([]float32, error) {
	switch v := v.(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}, nil
	case *tensor.Dense:
		if v.RequiresIterator() {
			v = v.Materialize().(*tensor.Dense)
		}
		switch data := v.Data().(type) {
		case []float32:
			return data, nil
		case float32:
			return []float32{data}, nil
		}
		return nil, fmt.Errorf("a tensor of %v, want float32", v.Dtype())
	}
	return nil, fmt.Errorf("a value of type %T, want a dense float32 tensor or scalar", v)
}

func (b *base) ReturnsPtr() bool     { return false } // a fresh value, never one of the inputs
func (b *base) CallsExtern() bool    { return false }
func (b *base) OverwritesInput() int { return -1 }
func (b *base) String() string       { return b.text }

func (b *base) WriteHash(h hash.Hash) { fmt.Fprintf(h, "lfm %s #%d", b.text, b.serial) }

func (b *base) Hashcode() uint32 {
	h := fnv.New32a()
	b.WriteHash(h)
	return h.Sum32()
}

// DiffWRT says that all inputs can be differentiated; operations for which that is not so
// answer themselves. Only operations with SymDiff are ever asked.
func (b *base) DiffWRT(inputs int) []bool {
	all := make([]bool, inputs)
	for i := range all {
		all[i] = true
	}
	return all
}

// wants checks the number of inputs.
func wants(op Op, in []tensor.Shape, least, most int) {
	if len(in) < least || len(in) > most {
		fail(op, "%d inputs, want %d to %d", len(in), least, most)
	}
}

// wantsRank checks the rank of an input.
func wantsRank(op Op, name string, s tensor.Shape, least, most int) {
	if s.Dims() < least || s.Dims() > most {
		if least == most {
			fail(op, "%s is %v, want rank %d", name, s, least)
		}
		fail(op, "%s is %v, want rank %d to %d", name, s, least, most)
	}
}

// wantsShape checks the shape of an input.
func wantsShape(op Op, name string, s tensor.Shape, want ...int) {
	if !equal(s, want) {
		fail(op, "%s is %v, want %v", name, s, tensor.Shape(want))
	}
}

// equal compares shapes number by number. (tensor's own Eq lets column vectors and scalars
// pass for vectors.)
func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// product is the size of a shape or of a part of one; 1 if it is empty.
func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// last is the last dimension.
func last(s tensor.Shape) int { return s[len(s)-1] }

// rows is the number of rows along the last dimension.
func rows(s tensor.Shape) int { return product(s[:len(s)-1]) }

// withLast is s with another last dimension.
func withLast(s tensor.Shape, d int) tensor.Shape {
	t := s.Clone()
	t[len(t)-1] = d
	return t
}

// optional is source i, or nil where there are not so many.
func optional[F ref.Float](src [][]F, i int) []F {
	if i < len(src) {
		return src[i]
	}
	return nil
}

// given drops nil nodes at the end of a list of inputs.
func given(in ...*gorgonia.Node) []*gorgonia.Node {
	for len(in) > 0 && in[len(in)-1] == nil {
		in = in[:len(in)-1]
	}
	return in
}
