package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/kernels/ref"
)

// pointwise is what operations have in common whose inputs and result are of one shape, of
// any rank.
type pointwise struct{ base }

func (p *pointwise) Pointwise() {}

// sameShape checks that there are n inputs of one shape and returns it as the result's.
func sameShape(op Op, in []tensor.Shape, n int) []tensor.Shape {
	wants(op, in, n, n)
	for i, s := range in[1:] {
		if !equal(s, in[0]) {
			fail(op, "input %d is %v, input 0 is %v; want one shape", i+1, s, in[0])
		}
	}
	return []tensor.Shape{in[0].Clone()}
}

// SiLUOp is y = x / (1 + e⁻ˣ). Elfwing et al. (2017).
type SiLUOp struct{ pointwise }

// SiLU is the sigmoid-weighted linear unit of x.
func SiLU(x *gorgonia.Node) *gorgonia.Node { return apply(&SiLUOp{}, x) }

func (o *SiLUOp) Kind() Kind                                        { return "silu" }
func (o *SiLUOp) Results(in []tensor.Shape) []tensor.Shape          { return sameShape(o, in, 1) }
func (o *SiLUOp) Reference() Reference                              { return define(o, silu, silu) }
func silu[F ref.Float](_ *SiLUOp, dst, src [][]F, _ []tensor.Shape) { ref.SiLU(dst[0], src[0]) }

func (o *SiLUOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&SiLUGradOp{}, dy, in[0])}, nil
}

// SiLUGradOp reads dy and x and gives dx.
type SiLUGradOp struct{ pointwise }

func (o *SiLUGradOp) Kind() Kind                               { return "silu-grad" }
func (o *SiLUGradOp) Results(in []tensor.Shape) []tensor.Shape { return sameShape(o, in, 2) }
func (o *SiLUGradOp) Reference() Reference                     { return define(o, siluGrad, siluGrad) }
func siluGrad[F ref.Float](_ *SiLUGradOp, dst, src [][]F, _ []tensor.Shape) {
	ref.SiLUGrad(dst[0], src[0], src[1])
}

// GELUOp is y = x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), the tanh form of Hendrycks &
// Gimpel (2016).
type GELUOp struct{ pointwise }

// GELU is the Gaussian error linear unit of x, in its tanh form.
func GELU(x *gorgonia.Node) *gorgonia.Node { return apply(&GELUOp{}, x) }

func (o *GELUOp) Kind() Kind                                        { return "gelu" }
func (o *GELUOp) Results(in []tensor.Shape) []tensor.Shape          { return sameShape(o, in, 1) }
func (o *GELUOp) Reference() Reference                              { return define(o, gelu, gelu) }
func gelu[F ref.Float](_ *GELUOp, dst, src [][]F, _ []tensor.Shape) { ref.GELU(dst[0], src[0]) }

func (o *GELUOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&GELUGradOp{}, dy, in[0])}, nil
}

// GELUGradOp reads dy and x and gives dx.
type GELUGradOp struct{ pointwise }

func (o *GELUGradOp) Kind() Kind                               { return "gelu-grad" }
func (o *GELUGradOp) Results(in []tensor.Shape) []tensor.Shape { return sameShape(o, in, 2) }
func (o *GELUGradOp) Reference() Reference                     { return define(o, geluGrad, geluGrad) }
func geluGrad[F ref.Float](_ *GELUGradOp, dst, src [][]F, _ []tensor.Shape) {
	ref.GELUGrad(dst[0], src[0], src[1])
}

// SELUOp is y = λ x where x > 0, and λ α (eˣ - 1) elsewhere. Klambauer et al. (2017).
type SELUOp struct{ pointwise }

// SELU is the scaled exponential linear unit of x.
func SELU(x *gorgonia.Node) *gorgonia.Node { return apply(&SELUOp{}, x) }

func (o *SELUOp) Kind() Kind                                        { return "selu" }
func (o *SELUOp) Results(in []tensor.Shape) []tensor.Shape          { return sameShape(o, in, 1) }
func (o *SELUOp) Reference() Reference                              { return define(o, selu, selu) }
func selu[F ref.Float](_ *SELUOp, dst, src [][]F, _ []tensor.Shape) { ref.SELU(dst[0], src[0]) }

func (o *SELUOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&SELUGradOp{}, dy, in[0])}, nil
}

// SELUGradOp reads dy and x and gives dx.
type SELUGradOp struct{ pointwise }

func (o *SELUGradOp) Kind() Kind                               { return "selu-grad" }
func (o *SELUGradOp) Results(in []tensor.Shape) []tensor.Shape { return sameShape(o, in, 2) }
func (o *SELUGradOp) Reference() Reference                     { return define(o, seluGrad, seluGrad) }
func seluGrad[F ref.Float](_ *SELUGradOp, dst, src [][]F, _ []tensor.Shape) {
	ref.SELUGrad(dst[0], src[0], src[1])
}

// ExpOp is y = eˣ.
type ExpOp struct{ pointwise }

// Exp is the exponential of x.
func Exp(x *gorgonia.Node) *gorgonia.Node { return apply(&ExpOp{}, x) }

func (o *ExpOp) Kind() Kind                                       { return "exp" }
func (o *ExpOp) Results(in []tensor.Shape) []tensor.Shape         { return sameShape(o, in, 1) }
func (o *ExpOp) Reference() Reference                             { return define(o, exp, exp) }
func exp[F ref.Float](_ *ExpOp, dst, src [][]F, _ []tensor.Shape) { ref.Exp(dst[0], src[0]) }

func (o *ExpOp) SymDiff(_ gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{Mul(dy, y)}, nil
}

// ClampOp is y = min(max(x, Lo), Hi).
type ClampOp struct {
	pointwise
	Lo, Hi float32
}

// Clamp limits x to [lo, hi]. Its gradient is that of x inside and on the limits, and zero
// beyond, as PyTorch's.
func Clamp(x *gorgonia.Node, lo, hi float32) *gorgonia.Node {
	return apply(&ClampOp{Lo: lo, Hi: hi}, x)
}

func (o *ClampOp) Kind() Kind                               { return "clamp" }
func (o *ClampOp) Results(in []tensor.Shape) []tensor.Shape { return sameShape(o, in, 1) }
func (o *ClampOp) Reference() Reference                     { return define(o, clamp, clamp) }
func clamp[F ref.Float](o *ClampOp, dst, src [][]F, _ []tensor.Shape) {
	ref.Clamp(dst[0], src[0], F(o.Lo), F(o.Hi))
}

func (o *ClampOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{apply(&ClampGradOp{Lo: o.Lo, Hi: o.Hi}, dy, in[0])}, nil
}

// ClampGradOp reads dy and x and gives dx.
type ClampGradOp struct {
	pointwise
	Lo, Hi float32
}

func (o *ClampGradOp) Kind() Kind                               { return "clamp-grad" }
func (o *ClampGradOp) Results(in []tensor.Shape) []tensor.Shape { return sameShape(o, in, 2) }
func (o *ClampGradOp) Reference() Reference                     { return define(o, clampGrad, clampGrad) }
func clampGrad[F ref.Float](o *ClampGradOp, dst, src [][]F, _ []tensor.Shape) {
	ref.ClampGrad(dst[0], src[0], src[1], F(o.Lo), F(o.Hi))
}

// AddOp is y = a + b.
type AddOp struct{ pointwise }

// Add is a + b, of one shape.
func Add(a, b *gorgonia.Node) *gorgonia.Node { return apply(&AddOp{}, a, b) }

func (o *AddOp) Kind() Kind                                       { return "add" }
func (o *AddOp) Results(in []tensor.Shape) []tensor.Shape         { return sameShape(o, in, 2) }
func (o *AddOp) Reference() Reference                             { return define(o, add, add) }
func add[F ref.Float](_ *AddOp, dst, src [][]F, _ []tensor.Shape) { ref.Add(dst[0], src[0], src[1]) }

func (o *AddOp) SymDiff(_ gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{dy, dy}, nil
}

// SubOp is y = a - b.
type SubOp struct{ pointwise }

// Sub is a - b, of one shape.
func Sub(a, b *gorgonia.Node) *gorgonia.Node { return apply(&SubOp{}, a, b) }

func (o *SubOp) Kind() Kind                                       { return "sub" }
func (o *SubOp) Results(in []tensor.Shape) []tensor.Shape         { return sameShape(o, in, 2) }
func (o *SubOp) Reference() Reference                             { return define(o, sub, sub) }
func sub[F ref.Float](_ *SubOp, dst, src [][]F, _ []tensor.Shape) { ref.Sub(dst[0], src[0], src[1]) }

func (o *SubOp) SymDiff(_ gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{dy, Scale(dy, -1)}, nil
}

// MulOp is y = a b.
type MulOp struct{ pointwise }

// Mul is a b element by element, of one shape.
func Mul(a, b *gorgonia.Node) *gorgonia.Node { return apply(&MulOp{}, a, b) }

func (o *MulOp) Kind() Kind                                       { return "mul" }
func (o *MulOp) Results(in []tensor.Shape) []tensor.Shape         { return sameShape(o, in, 2) }
func (o *MulOp) Reference() Reference                             { return define(o, mul, mul) }
func mul[F ref.Float](_ *MulOp, dst, src [][]F, _ []tensor.Shape) { ref.Mul(dst[0], src[0], src[1]) }

func (o *MulOp) SymDiff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{Mul(dy, in[1]), Mul(dy, in[0])}, nil
}

// ScaleOp is y = By x.
type ScaleOp struct {
	pointwise
	By float32
}

// Scale is c x.
func Scale(x *gorgonia.Node, c float32) *gorgonia.Node { return apply(&ScaleOp{By: c}, x) }

func (o *ScaleOp) Kind() Kind                               { return "scale" }
func (o *ScaleOp) Results(in []tensor.Shape) []tensor.Shape { return sameShape(o, in, 1) }
func (o *ScaleOp) Reference() Reference                     { return define(o, scale, scale) }
func scale[F ref.Float](o *ScaleOp, dst, src [][]F, _ []tensor.Shape) {
	ref.Scale(dst[0], src[0], F(o.By))
}

func (o *ScaleOp) SymDiff(_ gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{Scale(dy, o.By)}, nil
}
