package profile

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
	"lfm/internal/ops"
)

// GraphFLOP is the work of a graph's operations.
func GraphFLOP(g *gorgonia.ExprGraph) (total float64) {
	for _, n := range g.AllNodes() {
		if n.Op() == nil {
			continue
		}
		var in []tensor.Shape
		for operands := g.From(n.ID()); operands.Next(); {
			in = append(in, operands.Node().(*gorgonia.Node).Shape())
		}
		flop, _ := work(n.Op(), in)
		total += flop
	}
	return total
}

// Operations that know their size, and their gradients.
type (
	convolution interface {
		Shape(in []tensor.Shape) ref.ConvShape
	}
	upsampledConvolution interface {
		Shape(in []tensor.Shape) ref.UpsampleConvShape
	}
	attention interface {
		Kind() ops.Kind
		Shape(in []tensor.Shape) ref.AttentionShape
	}
)

// work gives the work of an operation on inputs of the shapes in, and its size in words:
// multiply-adds times 2 of convolutions, linear layers and attention. The gradient of either
// factor of a product is as much work as the product; attention is two products, and its
// gradient four. Other operations are no work that is counted.
func work(op gorgonia.Op, in []tensor.Shape) (flop float64, size string) {
	switch op := op.(type) {
	case convolution:
		return conv(op.Shape(in))
	case upsampledConvolution:
		s := op.Shape(in)
		flop, _ = conv(s.Conv())
		return flop, fmt.Sprintf("3x3 %d->%d, %dx%d->%dx%d", s.Cin, s.Cout, s.H, s.W, 2*s.H, 2*s.W)
	case attention:
		s := op.Shape(in)
		flop = 4 * product(s.N, s.L, s.M, s.D)
		if op.Kind() == "attention-grad" {
			flop *= 2
		}
		return flop, fmt.Sprintf("L=%d M=%d D=%d", s.L, s.M, s.D)
	case *ops.LinearOp:
		return linear(in[0], in[1][1], in[1][0])
	case *ops.LinearGradInputOp:
		return linear(in[0], in[1][1], in[1][0])
	case *ops.LinearGradWeightOp:
		return linear(in[0], last(in[1]), last(in[0]))
	}
	if len(in) == 0 {
		return 0, ""
	}
	return 0, fmt.Sprint(in[0])
}

// conv is the work of a convolution or of one of its gradients.
func conv(s ref.ConvShape) (flop float64, size string) {
	size = fmt.Sprintf("%dx%d %d->%d, %dx%d->%dx%d", s.Kernel, s.Kernel, s.Cin, s.Cout, s.H, s.W, s.OutH(), s.OutW())
	return 2 * product(s.N, s.OutH(), s.OutW(), s.Cout, s.Cin, s.Kernel, s.Kernel), size
}

// linear is the work of a linear layer, or of one of its gradients, over the rows of x.
func linear(x tensor.Shape, in, out int) (flop float64, size string) {
	rows := x.TotalSize() / last(x)
	return 2 * product(rows, in, out), fmt.Sprintf("%d->%d, %d rows", in, out, rows)
}

func last(s tensor.Shape) int { return s[len(s)-1] }

func product(factors ...int) float64 {
	p := 1.0
	for _, f := range factors {
		p *= float64(f)
	}
	return p
}
