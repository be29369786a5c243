package flow

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/crossattn"
	"lfm/internal/nn"
	"lfm/internal/ops"
)

// unet is the velocity network of latent diffusion (Rombach et al. 2022, section 3.3, after Ho et
// al. 2020 and Dhariwal & Nichol 2021), over latents as images:
//
//	z (N, h, w, C) ─inp─▶ down.0 ────────────────skips────────────────▶ up.last ─norm, out─▶ v
//	                        └──down──▶ down.1 ───skips───▶ up.… ──up──────┘
//	                                     └─▶ … ───▶ mid ───▶ … ─┘
//
// Each level of the way down has Arch.Blocks blocks and hands what each of them made to the level
// of the way up beside it, which has a block more: for what came into the level. The first level
// has half the channels of the others, as the channels 1, 2, 2, 2 of Ho et al. have. Half of an odd
// side is rounded up, so latents of any size go down and up again.
type unet struct {
	arch  Arch
	inp   nn.Conv2d
	time  timeMLP
	cond  crossattn.Encoder
	down  []*unetLevel
	mid   unetBlock
	mid2  *resBlock
	up    []*unetLevel // the lowest first
	norm  nn.GroupNorm
	out   nn.Conv2d
	attns []*attnBlock // all of them, in the order in which they are applied
}

// unetLevel is the blocks at one resolution, and what leads to the next: a convolution of stride
// 2 on the way down, a doubling one on the way up, and nil at the end of either.
type unetLevel struct {
	blocks []unetBlock
	down   *nn.Conv2d
	up     *nn.UpsampleConv
}

// unetBlock is a residual block with attention behind it.
type unetBlock struct {
	res  *resBlock
	attn *attnBlock
}

// The most levels and blocks that the settings allow: see maxDepth.
const (
	maxLevels = 6
	maxBlocks = 8
)

func (a Arch) validateUNet() error {
	if a.Levels < 1 || a.Levels > maxLevels || a.Blocks < 1 || a.Blocks > maxBlocks {
		return fmt.Errorf("flow: levels and blocks are %d and %d, want 1 to %d and 1 to %d", a.Levels, a.Blocks, maxLevels, maxBlocks)
	}
	if a.Width%(2*a.Heads) != 0 {
		return fmt.Errorf("flow: half a width of %d does not make %d heads", a.Width, a.Heads)
	}
	if a.Rows < 1 || a.Tokens%a.Rows != 0 {
		return fmt.Errorf("flow: %d tokens do not make %d rows", a.Tokens, a.Rows)
	}
	return nil
}

// levelChannels are the channels at each resolution, from the latent's down: D but for the first,
// which has half as many.
func (a Arch) levelChannels() []int {
	channels := slices.Repeat([]int{a.Width}, a.Levels)
	channels[0] = a.Width / 2
	return channels
}

// newUNet makes the layers of the network. What each block adds to its input begins as nought,
// and so does the velocity.
func newUNet(s nn.Scope, a Arch) *unet {
	channels := a.levelChannels()
	last := len(channels) - 1
	n := &unet{
		arch: a,
		inp:  nn.NewConv2d(s.In("inp"), a.Channels, channels[0], 3, 1),
		time: newTimeMLP(s.In("time"), a.Width),
		cond: newEncoder(s.In("cond"), a),
	}
	c, skips := channels[0], []int{channels[0]}
	for i, out := range channels {
		at, level := s.In("down").At(i), &unetLevel{}
		for j := range a.Blocks {
			level.blocks = append(level.blocks, n.block(at.In("blocks").At(j), c, out))
			c, skips = out, append(skips, out)
		}
		if i < last {
			down := nn.NewConv2d(at.In("down"), c, c, 3, 2)
			level.down, skips = &down, append(skips, c)
		}
		n.down = append(n.down, level)
	}
	n.mid = n.block(s.In("mid", "0"), c, c)
	n.mid2 = newResBlock(s.In("mid", "1", "res"), a, c, c)
	for i := range channels {
		out, level := channels[last-i], &unetLevel{}
		at := s.In("up").At(i)
		for j := range a.Blocks + 1 {
			skip := skips[len(skips)-1]
			level.blocks = append(level.blocks, n.block(at.In("blocks").At(j), c+skip, out))
			c, skips = out, skips[:len(skips)-1]
		}
		if i < last {
			up := nn.NewUpsampleConv(at.In("up"), c, c)
			level.up = &up
		}
		n.up = append(n.up, level)
	}
	n.norm = newUNetNorm(s.In("norm"), c)
	n.out = nn.NewZeroConv2d(s.In("out"), c, a.Channels, 3, 1)
	return n
}

// block makes a block from in to out channels.
func (n *unet) block(s nn.Scope, in, out int) unetBlock {
	b := unetBlock{res: newResBlock(s.In("res"), n.arch, in, out), attn: newAttnBlock(s.In("attn"), n.arch, out)}
	n.attns = append(n.attns, b.attn)
	return b
}

// Time embeds times t (N) as SiLU(embedding) (N, D), from which each residual block reads a scale
// and a shift.
func (n *unet) Time(t *gorgonia.Node) *gorgonia.Node { return n.time.apply(t) }

// Context gives the keys and values that each attention block reads for labels (N).
func (n *unet) Context(labels *gorgonia.Node) gorgonia.Nodes {
	tokens := n.cond.Encode(labels)
	kv := make(gorgonia.Nodes, len(n.attns))
	for i, a := range n.attns {
		kv[i] = a.crossAttn.KeysValues(tokens)
	}
	return kv
}

// ContextShapes are those of Context: as wide as the channels where they are read.
func (n *unet) ContextShapes(labels int) []tensor.Shape {
	shapes := make([]tensor.Shape, len(n.attns))
	for i, a := range n.attns {
		shapes[i] = tensor.Shape{labels, n.arch.ContextTokens, 2 * a.crossAttn.Width}
	}
	return shapes
}

// Velocity takes z as images down and up again.
func (n *unet) Velocity(z, time *gorgonia.Node, context gorgonia.Nodes) *gorgonia.Node {
	samples, a := z.Shape()[0], n.arch
	each := forEach(z, context[0].Shape()[0])
	apply := func(b unetBlock, x *gorgonia.Node) *gorgonia.Node {
		kv := context[0]
		context = context[1:]
		return b.attn.apply(b.res.apply(x, time), kv, each)
	}

	x := n.inp.Apply(ops.Reshape(z, samples, a.Rows, a.Tokens/a.Rows, a.Channels))
	skips := gorgonia.Nodes{x}
	for _, level := range n.down {
		for _, b := range level.blocks {
			x = apply(b, x)
			skips = append(skips, x)
		}
		if level.down != nil {
			x = level.down.Apply(x)
			skips = append(skips, x)
		}
	}
	x = n.mid2.apply(apply(n.mid, x), time)
	for _, level := range n.up {
		for _, b := range level.blocks {
			x = apply(b, ops.Concat(x, each(skips[len(skips)-1])))
			skips = skips[:len(skips)-1]
		}
		if level.up != nil {
			x = crop(level.up.Apply(x), skips[len(skips)-1].Shape())
		}
	}
	v := n.out.Apply(ops.SiLU(n.norm.Apply(x)))
	return ops.Reshape(v, v.Shape()[0], a.Tokens, a.Channels)
}

// crop takes from images (N, H, W, C) the upper left corner, as high and wide as images of a shape:
// half of an odd side is rounded up, and its double is one too many. Slice cuts the last dimension, so
// that lines are cut where an image is one row of numbers, and pixels where a line is.
func crop(x *gorgonia.Node, to tensor.Shape) *gorgonia.Node {
	n, high, wide, c := x.Shape()[0], x.Shape()[1], x.Shape()[2], x.Shape()[3]
	h, w := to[1], to[2]
	if high > h {
		x = ops.Reshape(ops.Slice(ops.Reshape(x, n, high*wide*c), 0, h*wide*c), n, h, wide, c)
	}
	if wide > w {
		x = ops.Reshape(ops.Slice(ops.Reshape(x, n, h, wide*c), 0, w*c), n, h, w, c)
	}
	return x
}

// forEach gives the function that lets the samples of x (N, ...) take turns in so many rows, one
// for each context, unless they do already. N is that of z.
func forEach(z *gorgonia.Node, rows int) func(x *gorgonia.Node) *gorgonia.Node {
	if rows == z.Shape()[0] {
		return func(x *gorgonia.Node) *gorgonia.Node { return x }
	}
	turn := turns(z, rows)
	return func(x *gorgonia.Node) *gorgonia.Node {
		if x.Shape()[0] == rows {
			return x
		}
		return repeat(x, turn)
	}
}

// resBlock is a residual block whose second norm the time modulates (Dhariwal & Nichol 2021,
// section 3.1, adaptive group normalization):
//
//	h = conv1(SiLU(norm1(x)))
//	y = skip(x) + conv2(SiLU(norm2(h) (1 + scale) + shift))
//
// where scale and shift are mod(time), and skip is a 1x1 convolution where the number of channels
// changes, or x.
type resBlock struct {
	norm1, norm2 nn.GroupNorm
	conv1, conv2 nn.Conv2d
	mod          nn.Linear
	skip         *nn.Conv2d
}

func newResBlock(s nn.Scope, a Arch, in, out int) *resBlock {
	b := &resBlock{
		norm1: newUNetNorm(s.In("norm1"), in),
		conv1: nn.NewConv2d(s.In("conv1"), in, out, 3, 1),
		mod:   nn.NewLinear(s.In("mod"), a.Width, 2*out),
		norm2: newUNetNorm(s.In("norm2"), out),
		conv2: nn.NewZeroConv2d(s.In("conv2"), out, out, 3, 1),
	}
	if in != out {
		skip := nn.NewConv2d(s.In("skip"), in, out, 1, 1)
		b.skip = &skip
	}
	return b
}

// apply takes x (N, h, w, in) and time (N, D) or (1, D) to (N, h, w, out).
func (b *resBlock) apply(x, time *gorgonia.Node) *gorgonia.Node {
	h := b.conv1.Apply(ops.SiLU(b.norm1.Apply(x)))
	m := chunk(b.mod.Apply(time), 2)
	modulated := scaleShift(tokens(b.norm2.Apply(h)), m[0], m[1])
	h = b.conv2.Apply(ops.SiLU(ops.Reshape(modulated, h.Shape()...)))
	if b.skip != nil {
		x = b.skip.Apply(x)
	}
	return ops.Add(x, h)
}

// attnBlock lets the places of an image read each other and the context, as the spatial
// transformer of latent diffusion does (Rombach et al. 2022, appendix E.2.1), without its
// feed-forward layer: what that would compute, the residual blocks around it do.
//
//	h = norm(x)
//	h += selfAttn(h)
//	h += crossAttn(LN(h), context)
//	y = x + out(h)
type attnBlock struct {
	norm                nn.GroupNorm
	selfAttn, crossAttn *crossattn.Attention
	out                 nn.Linear
}

func newAttnBlock(s nn.Scope, a Arch, channels int) *attnBlock {
	return &attnBlock{
		norm:      newUNetNorm(s.In("norm"), channels),
		selfAttn:  crossattn.NewAttention(s.In("self_attn"), channels, channels, a.Heads),
		crossAttn: crossattn.NewAttention(s.In("cross_attn"), channels, a.Width, a.Heads),
		out:       nn.NewZeroLinear(s.In("out"), channels, channels),
	}
}

// apply takes x (N, h, w, C) and the block's contexts kv (R, M, 2C) to (R, h, w, C); each gives
// samples a row for each context.
func (b *attnBlock) apply(x, kv *gorgonia.Node, each func(*gorgonia.Node) *gorgonia.Node) *gorgonia.Node {
	h := tokens(b.norm.Apply(x))
	h = ops.Add(h, b.selfAttn.Apply(h, h))
	q := each(b.crossAttn.Queries(ops.LayerNorm(h)))
	x, h = each(x), each(h)
	h = ops.Add(h, b.crossAttn.Answer(q, kv))
	return ops.Add(x, ops.Reshape(b.out.Apply(h), x.Shape()...))
}

// tokens views images (N, h, w, C) as tokens (N, L, C).
func tokens(x *gorgonia.Node) *gorgonia.Node {
	s := x.Shape()
	return ops.Reshape(x, s[0], s[1]*s[2], s[3])
}

// newUNetNorm normalises channels in up to 16 groups of at least two, if they are no odd number.
func newUNetNorm(s nn.Scope, channels int) nn.GroupNorm {
	groups := 1
	for groups < 16 && channels%(4*groups) == 0 {
		groups *= 2
	}
	return nn.NewGroupNorm(s, channels, groups)
}
