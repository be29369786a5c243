package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// ReparameterizeOp is z = mean + noise e^(logvar/2), all of one shape: a draw from a
// Gaussian as a function of its parameters. Kingma & Welling (2013), section 2.4.
type ReparameterizeOp struct{ pointwise }

// Reparameterize draws from the Gaussian of mean and logvar with the standard normal noise.
// It is not differentiated by the noise.
func Reparameterize(mean, logvar, noise *gorgonia.Node) *gorgonia.Node {
	return apply(&ReparameterizeOp{}, mean, logvar, noise)
}

func (o *ReparameterizeOp) Kind() Kind { return "reparameterize" }

func (o *ReparameterizeOp) Results(in []tensor.Shape) []tensor.Shape { return sameShape(o, in, 3) }

func (o *ReparameterizeOp) DiffWRT(int) []bool { return []bool{true, true, false} }

func (o *ReparameterizeOp) SymDiff(in gorgonia.Nodes, _, dz *gorgonia.Node) (gorgonia.Nodes, error) {
	d := apply(&ReparameterizeGradOp{}, dz, in[1], in[2])
	return gorgonia.Nodes{Part(d, 0), Part(d, 1), nil}, nil
}

func (o *ReparameterizeOp) Reference() Reference { return define(o, reparameterize, reparameterize) }

func reparameterize[F ref.Float](_ *ReparameterizeOp, dst, src [][]F, _ []tensor.Shape) {
	ref.Reparameterize(dst[0], src[0], src[1], src[2])
}

// ReparameterizeGradOp reads dz, logvar and noise, and is a bundle of dmean and dlogvar.
type ReparameterizeGradOp struct{ base }

func (o *ReparameterizeGradOp) Kind() Kind { return "reparameterize-grad" }

func (o *ReparameterizeGradOp) Results(in []tensor.Shape) []tensor.Shape {
	s := sameShape(o, in, 3)[0]
	return []tensor.Shape{s, s}
}

func (o *ReparameterizeGradOp) Reference() Reference {
	return define(o, reparameterizeGrad, reparameterizeGrad)
}

func reparameterizeGrad[F ref.Float](_ *ReparameterizeGradOp, dst, src [][]F, _ []tensor.Shape) {
	ref.ReparameterizeGrad(dst[0], dst[1], src[0], src[1], src[2])
}
