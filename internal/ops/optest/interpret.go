package optest

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
)

// Interpret computes the wanted nodes of a graph, or all if none are named, from the values
// of its leaves, by the references in float32 or float64. The result holds every node on the
// way as well; a bundle's value is its flat vector, as on the tape machine.
func Interpret[F float32 | float64](g *gorgonia.ExprGraph, feeds Feeds, wanted ...*gorgonia.Node) map[*gorgonia.Node][]F {
	leaves := make(map[*gorgonia.Node][]F, len(feeds))
	for n, v := range feeds {
		leaves[n] = convert[F](v)
	}
	return InterpretFrom(g, leaves, wanted...)
}

func convert[F float32 | float64](v []float32) []F {
	x := make([]F, len(v))
	for i := range v {
		x[i] = F(v[i])
	}
	return x
}

// InterpretFrom is Interpret with leaves of the precision that it computes in.
func InterpretFrom[F float32 | float64](g *gorgonia.ExprGraph, leaves map[*gorgonia.Node][]F, wanted ...*gorgonia.Node) map[*gorgonia.Node][]F {
	sorted, err := gorgonia.Sort(g)
	if err != nil {
		panic("optest: " + err.Error())
	}
	needed := map[*gorgonia.Node]bool{}
	for _, n := range wanted {
		needed[n] = true
	}
	for _, n := range sorted { // what is computed comes before its inputs
		if len(wanted) == 0 || needed[n] {
			needed[n] = true
			for _, m := range ops.Inputs(n) {
				needed[m] = true
			}
		}
	}
	values := make(map[*gorgonia.Node][]F, len(sorted))
	for i := len(sorted) - 1; i >= 0; i-- {
		n := sorted[i]
		if !needed[n] {
			continue
		}
		if n.Op() == nil {
			values[n] = leaves[n]
			if len(values[n]) != n.Shape().TotalSize() {
				panic(fmt.Sprintf("optest: %s is given %d numbers, its shape %v wants %d", n.Name(), len(values[n]), n.Shape(), n.Shape().TotalSize()))
			}
			continue
		}
		var src [][]F
		var in []tensor.Shape
		for _, m := range ops.Inputs(n) {
			src, in = append(src, values[m]), append(in, m.Shape())
		}
		values[n] = evaluate(n, src, in)
	}
	return values
}

func evaluate[F float32 | float64](n *gorgonia.Node, src [][]F, in []tensor.Shape) []F {
	out := make([]F, n.Shape().TotalSize())
	if c, ok := ops.Constant(n); ok {
		out[0] = F(c)
		return out
	}
	if ops.IsSum(n) {
		for i := range out {
			out[i] = src[0][i] + src[1][i]
		}
		return out
	}
	op, ok := n.Op().(ops.Op)
	if !ok {
		panic(fmt.Sprintf("optest: no reference for %v", n.Op()))
	}
	var dst [][]F
	rest := out
	for _, s := range ops.Results(n) {
		size := s.TotalSize()
		dst, rest = append(dst, rest[:size:size]), rest[size:]
	}
	switch dst := any(dst).(type) {
	case [][]float32:
		op.Reference().F32(dst, any(src).([][]float32), in)
	case [][]float64:
		op.Reference().F64(dst, any(src).([][]float64), in)
	}
	return out
}
