package cpu

import (
	"gorgonia.org/gorgonia"

	"lfm/internal/kernels"
	"lfm/internal/ops"
)

// pointwise computes a block: dst and the operands are of one length, and dst may be one
// of the operands.
type pointwise func(dst []float32, src *[4][]float32)

// pointwiseTable leads from a point-wise kind to its kernel. An operation's settings become
// part of the function, gorgonia's own + has none.
var pointwiseTable = map[ops.Kind]func(op gorgonia.Op) pointwise{
	"silu":           unary(kernels.SiLU),
	"silu-grad":      binary(kernels.SiLUGrad),
	"gelu":           unary(kernels.GELU),
	"gelu-grad":      binary(kernels.GELUGrad),
	"selu":           unary(kernels.SELU),
	"selu-grad":      binary(kernels.SELUGrad),
	"exp":            unary(kernels.Exp),
	"add":            binary(kernels.Add),
	"sub":            binary(kernels.Sub),
	"mul":            binary(kernels.Mul),
	"scale":          scale,
	"clamp":          clamp,
	"clamp-grad":     clampGrad,
	"reparameterize": reparameterize,
}

func unary(f func(y, x []float32)) func(gorgonia.Op) pointwise {
	return func(gorgonia.Op) pointwise {
		return func(dst []float32, src *[4][]float32) { f(dst, src[0]) }
	}
}

func binary(f func(dst, a, b []float32)) func(gorgonia.Op) pointwise {
	return func(gorgonia.Op) pointwise {
		return func(dst []float32, src *[4][]float32) { f(dst, src[0], src[1]) }
	}
}

func scale(op gorgonia.Op) pointwise {
	by := op.(*ops.ScaleOp).By
	return func(dst []float32, src *[4][]float32) { kernels.Scale(dst, src[0], by) }
}

func clamp(op gorgonia.Op) pointwise {
	lo, hi := op.(*ops.ClampOp).Lo, op.(*ops.ClampOp).Hi
	return func(dst []float32, src *[4][]float32) { kernels.Clamp(dst, src[0], lo, hi) }
}

func clampGrad(op gorgonia.Op) pointwise {
	lo, hi := op.(*ops.ClampGradOp).Lo, op.(*ops.ClampGradOp).Hi
	return func(dst []float32, src *[4][]float32) { kernels.ClampGrad(dst, src[0], src[1], lo, hi) }
}

func reparameterize(gorgonia.Op) pointwise {
	return func(dst []float32, src *[4][]float32) { kernels.Reparameterize(dst, src[0], src[1], src[2]) }
}
