package autoencoder

import (
	"gorgonia.org/gorgonia"

	"lfm/internal/nn"
	"lfm/internal/ops"
)

// klWeight is the weight of the Kullback-Leibler term in the loss: enough to keep latents
// near the origin, too little to blur images (Rombach et al. 2022, appendix G).
const klWeight = 1e-6

// Training is the graph of one training step, backward pass included.
type Training struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params

	X     *gorgonia.Node // input: images (N, S, S, 3) in [-1, 1]
	Noise *gorgonia.Node // input: standard normal (N, s, s, C)

	Loss           *gorgonia.Node // |reconstruction - x|, averaged, + klWeight · KL
	Error, KL      *gorgonia.Node // the two terms of each sample (N)
	Grads          gorgonia.Nodes // of Params, in their order
	Mean, LogVar   *gorgonia.Node // (N, s, s, C)
	Reconstruction *gorgonia.Node // (N, S, S, 3)
}

// NewTraining builds the training graph for batches of n images.
func NewTraining(a Arch, n int) (*Training, error) {
	t := &Training{Graph: gorgonia.NewGraph()}
	t.Params = nn.NewParams(t.Graph)
	return t, build(a, func() (err error) {
		s, l := a.Size, a.LatentSize()
		t.X = nn.Input(t.Graph, "x", n, s, s, 3)
		t.Noise = nn.Input(t.Graph, "noise", n, l, l, a.LatentChannels)
		t.Mean, t.LogVar = NewEncoder(t.Params.Root().In("enc"), a).Encode(t.X)
		z := ops.Reparameterize(t.Mean, t.LogVar, t.Noise)
		t.Reconstruction = NewDecoder(t.Params.Root().In("dec"), a).Decode(z)
		t.Error = ops.AbsoluteError(t.Reconstruction, t.X)
		t.KL = ops.KL(t.Mean, t.LogVar)
		t.Loss = ops.Add(ops.Mean(t.Error), ops.Scale(ops.Mean(t.KL), klWeight))
		t.Grads, err = ops.Grad(t.Loss, t.Params.Nodes()...)
		return err
	})
}

// Encoding is the graph that encodes a batch. Its parameters are the encoder's.
type Encoding struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params
	X      *gorgonia.Node // input: images (N, S, S, 3) in [-1, 1]
	Mean   *gorgonia.Node // (N, s, s, C), the latents
	LogVar *gorgonia.Node // (N, s, s, C)
}

// NewEncoding builds the encoding graph for batches of n images.
func NewEncoding(a Arch, n int) (*Encoding, error) {
	e := &Encoding{Graph: gorgonia.NewGraph()}
	e.Params = nn.NewParams(e.Graph)
	return e, build(a, func() error {
		e.X = nn.Input(e.Graph, "x", n, a.Size, a.Size, 3)
		e.Mean, e.LogVar = NewEncoder(e.Params.Root().In("enc"), a).Encode(e.X)
		return nil
	})
}

// Decoding is the graph that decodes a batch. Its parameters are the decoder's.
type Decoding struct {
	Graph  *gorgonia.ExprGraph
	Params *nn.Params
	Z      *gorgonia.Node // input: latents (N, s, s, C)
	Images *gorgonia.Node // (N, S, S, 3), near [-1, 1] but not limited to it
}

// NewDecoding builds the decoding graph for batches of n latents.
func NewDecoding(a Arch, n int) (*Decoding, error) {
	d := &Decoding{Graph: gorgonia.NewGraph()}
	d.Params = nn.NewParams(d.Graph)
	return d, build(a, func() error {
		l := a.LatentSize()
		d.Z = nn.Input(d.Graph, "z", n, l, l, a.LatentChannels)
		d.Images = NewDecoder(d.Params.Root().In("dec"), a).Decode(d.Z)
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
