package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// PartOp takes one result out of a bundle: elements [Offset, Offset+size of Shape) of its
// vector, in the result's shape.
type PartOp struct {
	base
	Index  int // which result
	Offset int // where it begins in the bundle's vector
	Shape  tensor.Shape
}

// Part is result i of a bundle, in its own shape.
func Part(bundle *gorgonia.Node, i int) *gorgonia.Node {
	results := Results(bundle)
	if i < 0 || i >= len(results) || len(results) == 1 {
		panic("ops: part: no such result in a bundle")
	}
	offset := 0
	for _, s := range results[:i] {
		offset += product(s)
	}
	return apply(&PartOp{Index: i, Offset: offset, Shape: results[i].Clone()}, bundle)
}

// Results gives the shapes of the results of a node, several if it is a bundle. For a node
// that is not of this package it is the node's shape.
func Results(n *gorgonia.Node) []tensor.Shape {
	if op, ok := n.Op().(operation); ok {
		return op.common().results
	}
	return []tensor.Shape{n.Shape()}
}

func (o *PartOp) Kind() Kind { return "part" }

func (o *PartOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	return []tensor.Shape{o.Shape}
}

// DiffWRT: only the first result of a bundle carries a gradient.
func (o *PartOp) DiffWRT(int) []bool { return []bool{o.Index == 0} }

// SymDiff hands the gradient of the part on as the bundle's.
func (o *PartOp) SymDiff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{grad}, nil
}

func (o *PartOp) Reference() Reference { return define(o, part, part) }

func part[F ref.Float](o *PartOp, dst, src [][]F, _ []tensor.Shape) {
	copy(dst[0], src[0][o.Offset:])
}
