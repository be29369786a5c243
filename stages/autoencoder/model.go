package autoencoder

import (
	"fmt"
	"math/bits"

	"gorgonia.org/gorgonia"

	"lfm/internal/nn"
	"lfm/internal/ops"
)

// Arch is the size of an autoencoder: a family with the reference model R1 in it.
type Arch struct {
	Channels       int `json:"channels"` // of the first level, even; they double at each level below
	LatentChannels int `json:"latent_channels"`
	Downsample     int `json:"downsample"` // 2, 4 or 8: how many pixels a latent spans in each direction
	Size           int `json:"size"`       // of the square images, a multiple of Downsample
}

// R1 is the reference model: 32x32 images, 8x8x4 latents.
var R1 = Arch{Channels: 32, LatentChannels: 4, Downsample: 4, Size: 32}

// Validate says what is wrong with an architecture.
func (a Arch) Validate() error {
	switch {
	case a.Downsample != 2 && a.Downsample != 4 && a.Downsample != 8:
		return fmt.Errorf("autoencoder: downsample is %d, want 2, 4 or 8", a.Downsample)
	case a.Size < a.Downsample || a.Size%a.Downsample != 0:
		return fmt.Errorf("autoencoder: images of size %d are no multiple of downsample %d", a.Size, a.Downsample)
	case a.LatentChannels < 1:
		return fmt.Errorf("autoencoder: latent_channels is %d, want at least 1", a.LatentChannels)
	case a.Channels < 2 || a.Channels%groups(a.Channels) != 0:
		return fmt.Errorf("autoencoder: channels is %d, want an even number up to 32 or a multiple of 16", a.Channels)
	}
	return nil
}

// LatentSize is the height and width of a latent.
func (a Arch) LatentSize() int { return a.Size / a.Downsample }

// levels are the channels at each resolution, from the image's down.
func (a Arch) levels() []int {
	channels := make([]int, bits.Len(uint(a.Downsample)))
	for i := range channels {
		channels[i] = a.Channels << i
	}
	return channels
}

// groups is how many groups of channels a norm has.
func groups(channels int) int { return min(16, channels/2) }

// layer is one step of a sequence of layers.
type layer interface {
	Apply(x *gorgonia.Node) *gorgonia.Node
}

// resBlock is x' + c2(SiLU(n2(c1(SiLU(n1(x)))))), where x' is x, or its 1x1 convolution skip
// where the number of channels changes. He et al. (2016), pre-activated.
type resBlock struct {
	n1, n2 nn.GroupNorm
	c1, c2 nn.Conv2d
	skip   *nn.Conv2d
}

func newResBlock(s nn.Scope, in, out int) resBlock {
	b := resBlock{
		n1: nn.NewGroupNorm(s.In("n1"), in, groups(in)),
		c1: nn.NewConv2d(s.In("c1"), in, out, 3, 1),
		n2: nn.NewGroupNorm(s.In("n2"), out, groups(out)),
		c2: nn.NewConv2d(s.In("c2"), out, out, 3, 1),
	}
	if in != out {
		skip := nn.NewConv2d(s.In("skip"), in, out, 1, 1)
		b.skip = &skip
	}
	return b
}

// Apply takes x (N, H, W, in) to (N, H, W, out).
func (b resBlock) Apply(x *gorgonia.Node) *gorgonia.Node {
	h := b.c1.Apply(ops.SiLU(b.n1.Apply(x)))
	h = b.c2.Apply(ops.SiLU(b.n2.Apply(h)))
	if b.skip != nil {
		x = b.skip.Apply(x)
	}
	return ops.Add(x, h)
}

// trunk is what encoder and decoder have in common: a convolution, blocks, and a normalised
// convolution.
type trunk struct {
	stem   nn.Conv2d
	blocks []layer
	norm   nn.GroupNorm
	out    nn.Conv2d
}

func (t *trunk) apply(x *gorgonia.Node) *gorgonia.Node {
	x = t.stem.Apply(x)
	for _, b := range t.blocks {
		x = b.Apply(x)
	}
	return t.out.Apply(ops.SiLU(t.norm.Apply(x)))
}

// Encoder takes images to the parameters of a Gaussian over latents.
type Encoder struct{ trunk }

// NewEncoder makes the encoder's layers: at each level a block and, but for the last, a
// convolution of stride 2; and one more block at the last.
func NewEncoder(s nn.Scope, a Arch) *Encoder {
	levels := a.levels()
	c := levels[0]
	e := &Encoder{trunk{stem: nn.NewConv2d(s.In("stem"), 3, c, 3, 1)}}
	blocks := s.In("blocks")
	next := func() nn.Scope { return blocks.At(len(e.blocks)) }
	for i, level := range levels {
		e.blocks = append(e.blocks, newResBlock(next(), c, level))
		c = level
		if i < len(levels)-1 {
			e.blocks = append(e.blocks, nn.NewConv2d(next(), c, c, 3, 2))
		}
	}
	e.blocks = append(e.blocks, newResBlock(next(), c, c))
	e.norm = nn.NewGroupNorm(s.In("norm"), c, groups(c))
	e.out = nn.NewConv2d(s.In("out"), c, 2*a.LatentChannels, 3, 1)
	return e
}

// Encode takes images x (N, S, S, 3) to mean and logvar (N, s, s, C) of their latents;
// logvar is limited to [-30, 20].
func (e *Encoder) Encode(x *gorgonia.Node) (mean, logvar *gorgonia.Node) {
	y := e.apply(x)
	z := y.Shape()[3] / 2
	return ops.Slice(y, 0, z), ops.Clamp(ops.Slice(y, z, 2*z), -30, 20)
}

// Decoder takes latents to images.
type Decoder struct{ trunk }

// NewDecoder makes the decoder's layers: the encoder's mirrored, with nearest upsampling
// before a convolution in the place of strides.
func NewDecoder(s nn.Scope, a Arch) *Decoder {
	levels := a.levels()
	c := levels[len(levels)-1]
	d := &Decoder{trunk{stem: nn.NewConv2d(s.In("stem"), a.LatentChannels, c, 3, 1)}}
	blocks, number := s.In("blocks"), 0
	next := func() nn.Scope { number++; return blocks.At(number - 1) }
	d.blocks = append(d.blocks, newResBlock(next(), c, c))
	for i := len(levels) - 1; i >= 0; i-- {
		d.blocks = append(d.blocks, newResBlock(next(), c, levels[i]))
		c = levels[i]
		if i > 0 {
			number++ // the upsampling's, which has no parameters
			d.blocks = append(d.blocks, nn.NewUpsampleConv(next(), c, c))
		}
	}
	d.norm = nn.NewGroupNorm(s.In("norm"), c, groups(c))
	d.out = nn.NewConv2d(s.In("out"), c, 3, 3, 1)
	return d
}

// Decode takes latents z (N, s, s, C) to images (N, S, S, 3).
func (d *Decoder) Decode(z *gorgonia.Node) *gorgonia.Node { return d.apply(z) }
