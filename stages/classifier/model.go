package classifier

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/nn"
	"lfm/internal/ops"
)

// Arch is the size of a classifier.
type Arch struct {
	Channels int `json:"channels"` // of the first level, even
	Features int `json:"features"` // numbers that the last layer sees
	Classes  int `json:"classes"`
	Size     int `json:"size"` // of the square images
}

// Validate says what is wrong with an architecture.
func (a Arch) Validate() error {
	switch {
	case a.Size < 1:
		return fmt.Errorf("classifier: images of size %d", a.Size)
	case a.Classes < 1:
		return fmt.Errorf("classifier: %d classes", a.Classes)
	case a.Features < 1:
		return fmt.Errorf("classifier: features is %d, want at least 1", a.Features)
	case a.Channels < 2 || a.Channels%groups(a.Channels) != 0:
		return fmt.Errorf("classifier: channels is %d, want an even number up to 32 or a multiple of 16", a.Channels)
	}
	return nil
}

// groups is how many groups of channels a norm has.
func groups(channels int) int { return min(16, channels/2) }

// lastSize is the side that images are brought down to before all that is left is one vector.
const lastSize = 4

// level is one step down: a convolution of stride 2, a norm and SiLU.
type level struct {
	conv nn.Conv2d
	norm nn.GroupNorm
}

// net is a classifier's layers.
type net struct {
	levels   []level
	features nn.Linear
	out      nn.Linear
}

// newNet makes the layers: as many levels as it takes to come to lastSize, one at least.
func newNet(s nn.Scope, a Arch) *net {
	n := &net{}
	in, side := 3, a.Size
	for len(n.levels) == 0 || side > lastSize {
		i := len(n.levels)
		out := a.Channels << min(i, 2)
		at := s.In("levels").At(i)
		n.levels = append(n.levels, level{
			conv: nn.NewConv2d(at.In("conv"), in, out, 3, 2),
			norm: nn.NewGroupNorm(at.In("norm"), out, groups(out)),
		})
		in, side = out, (side+1)/2
	}
	n.features = nn.NewLinear(s.In("features"), side*side*in, a.Features)
	n.out = nn.NewLinear(s.In("out"), a.Features, a.Classes)
	return n
}

// apply takes images x (N, S, S, 3) to features (N, F) and logits (N, K).
func (n *net) apply(x *gorgonia.Node) (features, logits *gorgonia.Node) {
	for _, l := range n.levels {
		x = ops.SiLU(l.norm.Apply(l.conv.Apply(x)))
	}
	batch := x.Shape()[0]
	features = ops.SiLU(n.features.Apply(ops.Reshape(x, batch, x.Shape().TotalSize()/batch)))
	return features, n.out.Apply(features)
}

// Training is the graph of one training step, backward pass included.
type Training struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params

	X      *gorgonia.Node // input: images (N, S, S, 3) in [-1, 1]
	Labels *gorgonia.Node // input: their classes (N)

	Loss  *gorgonia.Node // cross-entropy, averaged
	Grads gorgonia.Nodes // of Params, in their order
}

// NewTraining builds the training graph for batches of n images.
func NewTraining(a Arch, n int) (*Training, error) {
	t := &Training{Graph: gorgonia.NewGraph()}
	t.Params = nn.NewParams(t.Graph)
	return t, build(a, func() (err error) {
		t.X = nn.Input(t.Graph, "x", n, a.Size, a.Size, 3)
		t.Labels = nn.Input(t.Graph, "labels", n)
		_, logits := newNet(t.Params.Root(), a).apply(t.X)
		t.Loss = ops.Mean(ops.CrossEntropy(logits, t.Labels))
		t.Grads, err = ops.Grad(t.Loss, t.Params.Nodes()...)
		return err
	})
}

// Judging is the graph that looks at a batch.
type Judging struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params

	X                *gorgonia.Node // input: images (N, S, S, 3) in [-1, 1]
	Features, Logits *gorgonia.Node // (N, F) and (N, K)
}

// NewJudging builds the graph for batches of n images.
func NewJudging(a Arch, n int) (*Judging, error) {
	j := &Judging{Graph: gorgonia.NewGraph()}
	j.Params = nn.NewParams(j.Graph)
	return j, build(a, func() error {
		j.X = nn.Input(j.Graph, "x", n, a.Size, a.Size, 3)
		j.Features, j.Logits = newNet(j.Params.Root(), a).apply(j.X)
		return nil
	})
}

// build runs f for an architecture that is in order, and turns panics into errors.
func build(a Arch, f func() error) error {
	if err := a.Validate(); err != nil {
		return err
	}
	return ops.Check(f)
}
