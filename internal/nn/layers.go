package nn

import (
	"math"

	"gorgonia.org/gorgonia"

	"lfm/internal/ops"
)

// PyTorch starts matrices and kernels by kaiming_uniform_ with a = √5 (He et al. 2015): the
// bound is √(6/((1+5)·fan in)) = 1/√(fan in), and biases share it.
func defaultBound(fanIn int) float64 { return 1 / math.Sqrt(float64(fanIn)) }

// Linear is a matrix and a bias: weight (out, in), bias (out).
type Linear struct{ Weight, Bias *gorgonia.Node }

// NewLinear makes a linear layer from in to out numbers.
func NewLinear(s Scope, in, out int) Linear {
	bound := defaultBound(in)
	return Linear{Weight: s.Uniform("weight", bound, out, in), Bias: s.Uniform("bias", bound, out)}
}

// NewZeroLinear makes a linear layer that begins as nought: what it feeds is as if it were
// not there until training finds a use for it.
func NewZeroLinear(s Scope, in, out int) Linear {
	return Linear{Weight: s.Constant("weight", 0, out, in), Bias: s.Constant("bias", 0, out)}
}

// Apply takes x (..., in) to (..., out).
func (l Linear) Apply(x *gorgonia.Node) *gorgonia.Node { return ops.Linear(x, l.Weight, l.Bias) }

// Conv2d is a convolution with a kernel of 1 or 3, padded by half of it: weight (out, in,
// kernel, kernel), bias (out).
type Conv2d struct {
	Weight, Bias *gorgonia.Node
	Stride       int
}

// NewConv2d makes a convolution from in to out channels.
func NewConv2d(s Scope, in, out, kernel, stride int) Conv2d {
	bound := defaultBound(in * kernel * kernel)
	return Conv2d{Weight: s.Uniform("weight", bound, out, in, kernel, kernel), Bias: s.Uniform("bias", bound, out), Stride: stride}
}

// NewZeroConv2d makes a convolution that begins as nought, as NewZeroLinear does.
func NewZeroConv2d(s Scope, in, out, kernel, stride int) Conv2d {
	return Conv2d{Weight: s.Constant("weight", 0, out, in, kernel, kernel), Bias: s.Constant("bias", 0, out), Stride: stride}
}

// Apply takes x (N, H, W, in) to (N, H/stride, W/stride, out), rounded up.
func (c Conv2d) Apply(x *gorgonia.Node) *gorgonia.Node {
	return ops.Conv2d(x, c.Weight, c.Bias, c.Stride)
}

// UpsampleConv is a convolution with a kernel of 3 behind a doubling by nearest pixels: weight
// (out, in, 3, 3), bias (out).
type UpsampleConv struct{ Weight, Bias *gorgonia.Node }

// NewUpsampleConv makes a doubling convolution from in to out channels.
func NewUpsampleConv(s Scope, in, out int) UpsampleConv {
	c := NewConv2d(s, in, out, 3, 1)
	return UpsampleConv{Weight: c.Weight, Bias: c.Bias}
}

// Apply takes x (N, H, W, in) to (N, 2H, 2W, out).
func (c UpsampleConv) Apply(x *gorgonia.Node) *gorgonia.Node {
	return ops.UpsampleConv(x, c.Weight, c.Bias)
}

// GroupNorm normalises channels in groups, then scales and shifts them: weight (C) and bias
// (C), which begin as ones and zeros.
type GroupNorm struct {
	Weight, Bias *gorgonia.Node
	Groups       int
}

// NewGroupNorm makes a normalisation of so many channels in so many groups.
func NewGroupNorm(s Scope, channels, groups int) GroupNorm {
	return GroupNorm{Weight: s.Constant("weight", 1, channels), Bias: s.Constant("bias", 0, channels), Groups: groups}
}

// Apply takes x (N, ..., C) to the same shape.
func (n GroupNorm) Apply(x *gorgonia.Node) *gorgonia.Node {
	return ops.GroupNorm(x, n.Weight, n.Bias, n.Groups)
}
