package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// perSample checks that the inputs are of one shape (N, ...) and gives (N).
func perSample(op Op, in []tensor.Shape) []tensor.Shape {
	s := sameShape(op, in, 2)[0]
	wantsRank(op, "input 0", s, 2, 4)
	return []tensor.Shape{{s[0]}}
}

// perSampleGrad checks de (N) and two inputs of one shape (N, ...), which it returns.
func perSampleGrad(op Op, in []tensor.Shape) tensor.Shape {
	wants(op, in, 3, 3)
	s := sameShape(op, in[1:], 2)[0]
	wantsShape(op, "de", in[0], s[0])
	return s
}

// SquaredErrorOp is e = the mean of (a - b)² over a sample: a and b (N, ...), e (N).
type SquaredErrorOp struct{ base }

// SquaredError is the mean squared difference of a and b (N, ...) in each sample (N).
func SquaredError(a, b *gorgonia.Node) *gorgonia.Node { return apply(&SquaredErrorOp{}, a, b) }

func (o *SquaredErrorOp) Kind() Kind                               { return "squared-error" }
func (o *SquaredErrorOp) Results(in []tensor.Shape) []tensor.Shape { return perSample(o, in) }

func (o *SquaredErrorOp) SymDiff(in gorgonia.Nodes, _, de *gorgonia.Node) (gorgonia.Nodes, error) {
	da := apply(&SquaredErrorGradOp{}, de, in[0], in[1])
	return gorgonia.Nodes{da, Scale(da, -1)}, nil
}

func (o *SquaredErrorOp) Reference() Reference { return define(o, squaredError, squaredError) }

func squaredError[F ref.Float](_ *SquaredErrorOp, dst, src [][]F, in []tensor.Shape) {
	ref.SquaredError(dst[0], src[0], src[1], in[0][0], product(in[0][1:]))
}

// SquaredErrorGradOp reads de (N), a and b (N, ...), and gives da; db is -da.
type SquaredErrorGradOp struct{ base }

func (o *SquaredErrorGradOp) Kind() Kind { return "squared-error-grad" }

func (o *SquaredErrorGradOp) Results(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{perSampleGrad(o, in)}
}

func (o *SquaredErrorGradOp) Reference() Reference {
	return define(o, squaredErrorGrad, squaredErrorGrad)
}

func squaredErrorGrad[F ref.Float](_ *SquaredErrorGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.SquaredErrorGrad(dst[0], src[0], src[1], src[2], in[1][0], product(in[1][1:]))
}

// AbsoluteErrorOp is e = the mean of |a - b| over a sample: a and b (N, ...), e (N).
type AbsoluteErrorOp struct{ base }

// AbsoluteError is the mean absolute difference of a and b (N, ...) in each sample (N). Where
// they are equal its gradient is 0, as PyTorch's.
func AbsoluteError(a, b *gorgonia.Node) *gorgonia.Node { return apply(&AbsoluteErrorOp{}, a, b) }

func (o *AbsoluteErrorOp) Kind() Kind                               { return "absolute-error" }
func (o *AbsoluteErrorOp) Results(in []tensor.Shape) []tensor.Shape { return perSample(o, in) }

func (o *AbsoluteErrorOp) SymDiff(in gorgonia.Nodes, _, de *gorgonia.Node) (gorgonia.Nodes, error) {
	da := apply(&AbsoluteErrorGradOp{}, de, in[0], in[1])
	return gorgonia.Nodes{da, Scale(da, -1)}, nil
}

func (o *AbsoluteErrorOp) Reference() Reference { return define(o, absoluteError, absoluteError) }

func absoluteError[F ref.Float](_ *AbsoluteErrorOp, dst, src [][]F, in []tensor.Shape) {
	ref.AbsoluteError(dst[0], src[0], src[1], in[0][0], product(in[0][1:]))
}

// AbsoluteErrorGradOp reads de (N), a and b (N, ...), and gives da; db is -da.
type AbsoluteErrorGradOp struct{ base }

func (o *AbsoluteErrorGradOp) Kind() Kind { return "absolute-error-grad" }

func (o *AbsoluteErrorGradOp) Results(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{perSampleGrad(o, in)}
}

func (o *AbsoluteErrorGradOp) Reference() Reference {
	return define(o, absoluteErrorGrad, absoluteErrorGrad)
}

func absoluteErrorGrad[F ref.Float](_ *AbsoluteErrorGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.AbsoluteErrorGrad(dst[0], src[0], src[1], src[2], in[1][0], product(in[1][1:]))
}

// KLOp is the divergence of N(mean, e^logvar) from N(0, 1): mean and logvar (N, ...), e (N),
// the mean over a sample of (mean² + e^logvar - 1 - logvar)/2. Kingma & Welling (2013), appendix B.
type KLOp struct{ base }

// KL is the Kullback-Leibler divergence of a Gaussian from the standard one, averaged over
// the dimensions of each sample (N).
func KL(mean, logvar *gorgonia.Node) *gorgonia.Node { return apply(&KLOp{}, mean, logvar) }

func (o *KLOp) Kind() Kind                               { return "kl" }
func (o *KLOp) Results(in []tensor.Shape) []tensor.Shape { return perSample(o, in) }

func (o *KLOp) SymDiff(in gorgonia.Nodes, _, de *gorgonia.Node) (gorgonia.Nodes, error) {
	d := apply(&KLGradOp{}, de, in[0], in[1])
	return gorgonia.Nodes{Part(d, 0), Part(d, 1)}, nil
}

func (o *KLOp) Reference() Reference { return define(o, kl, kl) }

func kl[F ref.Float](_ *KLOp, dst, src [][]F, in []tensor.Shape) {
	ref.KL(dst[0], src[0], src[1], in[0][0], product(in[0][1:]))
}

// KLGradOp reads de (N), mean and logvar (N, ...), and is a bundle of dmean and dlogvar.
type KLGradOp struct{ base }

func (o *KLGradOp) Kind() Kind { return "kl-grad" }

func (o *KLGradOp) Results(in []tensor.Shape) []tensor.Shape {
	s := perSampleGrad(o, in)
	return []tensor.Shape{s, s}
}

func (o *KLGradOp) Reference() Reference { return define(o, klGrad, klGrad) }

func klGrad[F ref.Float](_ *KLGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.KLGrad(dst[0], dst[1], src[0], src[1], src[2], in[1][0], product(in[1][1:]))
}

// CrossEntropyOp is minus the logarithm of the probability that the softmax of x gives to the
// label: x (N, K), labels (N), e (N).
type CrossEntropyOp struct{ base }

// CrossEntropy is log Σ exp(x[n]) - x[n, labels[n]] of each sample (N), for x (N, K) and labels
// (N), whole numbers in float32 below K. It is not differentiated by the labels.
func CrossEntropy(x, labels *gorgonia.Node) *gorgonia.Node {
	return apply(&CrossEntropyOp{}, x, labels)
}

func (o *CrossEntropyOp) Kind() Kind { return "cross-entropy" }

func (o *CrossEntropyOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 2, 2)
	wantsRank(o, "x", in[0], 2, 2)
	wantsShape(o, "labels", in[1], in[0][0])
	return []tensor.Shape{{in[0][0]}}
}

// DiffWRT: labels are no numbers to differentiate by.
func (o *CrossEntropyOp) DiffWRT(int) []bool { return []bool{true, false} }

func (o *CrossEntropyOp) SymDiff(in gorgonia.Nodes, _, de *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&CrossEntropyGradOp{}, de, in[0], in[1]), nil}, nil
}

func (o *CrossEntropyOp) Reference() Reference { return define(o, crossEntropy, crossEntropy) }

func crossEntropy[F ref.Float](_ *CrossEntropyOp, dst, src [][]F, in []tensor.Shape) {
	ref.CrossEntropy(dst[0], src[0], src[1], in[0][0], in[0][1])
}

// CrossEntropyGradOp reads de (N), x (N, K) and labels (N), and gives dx.
type CrossEntropyGradOp struct{ base }

func (o *CrossEntropyGradOp) Kind() Kind { return "cross-entropy-grad" }

func (o *CrossEntropyGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 3, 3)
	wantsRank(o, "x", in[1], 2, 2)
	wantsShape(o, "de", in[0], in[1][0])
	wantsShape(o, "labels", in[2], in[1][0])
	return []tensor.Shape{in[1].Clone()}
}

func (o *CrossEntropyGradOp) Reference() Reference {
	return define(o, crossEntropyGrad, crossEntropyGrad)
}

func crossEntropyGrad[F ref.Float](_ *CrossEntropyGradOp, dst, src [][]F, in []tensor.Shape) {
	ref.CrossEntropyGrad(dst[0], src[0], src[1], src[2], in[1][0], in[1][1])
}

// MeanOp is the mean of x (N, ...), a scalar. Samples are summed by the rule of 16.
type MeanOp struct{ base }

// Mean is the mean of all of x, a scalar: what a loss ends in.
func Mean(x *gorgonia.Node) *gorgonia.Node { return apply(&MeanOp{}, x) }

func (o *MeanOp) Kind() Kind { return "mean" }

func (o *MeanOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	wantsRank(o, "x", in[0], 1, 4)
	return []tensor.Shape{{}}
}

func (o *MeanOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&MeanGradOp{Shape: in[0].Shape()}, dy)}, nil
}

func (o *MeanOp) Reference() Reference { return define(o, mean, mean) }

func mean[F ref.Float](_ *MeanOp, dst, src [][]F, in []tensor.Shape) {
	ref.Mean(dst[0], src[0], product(in[0]))
}

// MeanGradOp spreads the scalar dy evenly over Shape.
type MeanGradOp struct {
	base
	Shape tensor.Shape
}

func (o *MeanGradOp) Kind() Kind { return "mean-grad" }

func (o *MeanGradOp) Results(in []tensor.Shape) []tensor.Shape {
	wants(o, in, 1, 1)
	wantsRank(o, "dy", in[0], 0, 0)
	return []tensor.Shape{o.Shape.Clone()}
}

func (o *MeanGradOp) Reference() Reference { return define(o, meanGrad, meanGrad) }

func meanGrad[F ref.Float](o *MeanGradOp, dst, src [][]F, _ []tensor.Shape) {
	ref.MeanGrad(dst[0], src[0], product(o.Shape))
}
