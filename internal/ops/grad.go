package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Grad builds the backward graph of a scalar loss and returns the gradients of params, each
// of its parameter's shape. It works once a graph, because gorgonia remembers derivatives
// in the nodes. A parameter that the loss does not depend on is an error that names it.
func Grad(loss *gorgonia.Node, params ...*gorgonia.Node) (gorgonia.Nodes, error) {
	if loss.Type() != tensor.Float32 {
		return nil, fmt.Errorf("ops: grad: the loss is %v, want a float32 scalar", loss.Type())
	}
	for _, n := range loss.Graph().AllNodes() {
		if n.Deriv() != nil {
			return nil, fmt.Errorf("ops: grad: the graph has a backward pass already; build a new graph")
		}
	}
	upstream := ancestors(loss)
	for _, p := range params {
		if p.Op() != nil {
			return nil, fmt.Errorf("ops: grad: %s is computed, want a parameter", p.Name())
		}
		if !upstream[p] {
			return nil, fmt.Errorf("ops: grad: the loss does not depend on parameter %s", p.Name())
		}
	}
	var grads gorgonia.Nodes
	err := Check(func() (err error) {
		grads, err = gorgonia.Grad(loss, params...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ops: grad: %w", err)
	}
	for i, p := range params {
		if !equal(grads[i].Shape(), p.Shape()) {
			return nil, fmt.Errorf("ops: grad: the gradient of %s is %v, want %v", p.Name(), grads[i].Shape(), p.Shape())
		}
	}
	return grads, nil
}

// ancestors are the nodes that n is computed from, and n.
func ancestors(n *gorgonia.Node) map[*gorgonia.Node]bool {
	seen := map[*gorgonia.Node]bool{n: true}
	todo := gorgonia.Nodes{n}
	for len(todo) > 0 {
		n, todo = todo[len(todo)-1], todo[:len(todo)-1]
		for _, m := range Inputs(n) {
			if !seen[m] {
				seen[m] = true
				todo = append(todo, m)
			}
		}
	}
	return seen
}

// Inputs are the nodes that n is computed from, in the order of the operation's inputs.
func Inputs(n *gorgonia.Node) gorgonia.Nodes {
	from := n.Graph().From(n.ID())
	in := make(gorgonia.Nodes, 0, from.Len())
	for from.Next() {
		in = append(in, from.Node().(*gorgonia.Node))
	}
	return in
}

// IsSum says whether n is gorgonia's own sum of two nodes of one shape, which Grad puts
// where gradients meet.
func IsSum(n *gorgonia.Node) bool {
	op := n.Op()
	if op == nil || op.Arity() != 2 {
		return false
	}
	_, ours := op.(Op)
	return !ours && op.String() == "+ false"
}

// Constant gives the value of a constant scalar of gorgonia's, such as the one at the root
// of a backward pass.
func Constant(n *gorgonia.Node) (value float32, ok bool) {
	if n.Op() == nil || n.Op().Arity() != 0 {
		return 0, false
	}
	v, ok := n.Value().(*gorgonia.F32)
	if !ok {
		return 0, false
	}
	return float32(*v), true
}
