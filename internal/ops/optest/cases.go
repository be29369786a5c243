package optest

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lfm/internal/ops"
)

// Cases are all operations: sizes of one, odd tails, batches that do not divide by 16, and
// layers of the reference model at a small batch.
var Cases = concat(
	linearCases, convCases, normCases, modulateCases, attentionCases, pointwiseCases,
	shapeCases, embeddingCases, lossCases, fanOutCases,
)

func concat(lists ...[]Case) (all []Case) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var linearCases = []Case{
	linear(1, 1, 1, 1),
	linear(2, 3, 5, 7),
	linear(17, 1, 9, 4),
	linear(33, 4, 16, 33),
	{Name: "linear/no-bias", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Linear(in.Learned("x", 3, 2, 5), in.Learned("w", 4, 5), nil)
	}},
	{Name: "linear/rows", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Linear(in.Learned("x", 18, 5), in.Learned("w", 4, 5), in.Learned("b", 4))
	}},
	{Name: "linear/image", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Linear(in.Learned("x", 2, 3, 4, 5), in.Learned("w", 4, 5), in.Learned("b", 4))
	}},
	large(linear(8, 64, 256, 1024)),
	large(linear(8, 64, 1024, 256)),
	large(linear(8, 64, 4, 256)),
	large(linear(64, 1, 256, 1536)),
}

// linear is a layer over n samples of l tokens.
func linear(n, l, in, out int) Case {
	return Case{
		Name: fmt.Sprintf("linear/N=%d,L=%d,in=%d,out=%d", n, l, in, out),
		Output: func(i *Inputs) *gorgonia.Node {
			return ops.Linear(i.Learned("x", n, l, in), i.Learned("w", out, in), i.Learned("b", out))
		},
		FLOP: 2 * float64(n*l*in*out),
	}
}

func large(c Case) Case {
	c.Large = true
	return c
}

var convCases = []Case{
	conv(1, 1, 1, 1, 1, 1, 1),
	conv(1, 1, 1, 2, 3, 3, 1),
	conv(2, 5, 4, 3, 2, 3, 1),
	conv(2, 5, 4, 3, 2, 1, 1),
	conv(2, 6, 4, 3, 5, 3, 2),
	conv(1, 5, 7, 2, 3, 3, 2),
	conv(17, 3, 3, 2, 2, 3, 1),
	conv(2, 4, 3, 17, 18, 3, 1),
	{Name: "conv2d/no-bias", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Conv2d(in.Learned("x", 2, 3, 4, 2), in.Learned("w", 3, 2, 3, 3), nil, 1)
	}},
	upsampleConv(1, 1, 1, 1, 1),
	upsampleConv(2, 3, 2, 3, 4),
	upsampleConv(17, 1, 3, 2, 3),
	upsampleConv(2, 2, 3, 17, 18),
	{Name: "upsample-conv/no-bias", Output: func(in *Inputs) *gorgonia.Node {
		return ops.UpsampleConv(in.Learned("x", 2, 3, 4, 2), in.Learned("w", 3, 2, 3, 3), nil)
	}},
	large(conv(4, 32, 32, 3, 32, 3, 1)),
	large(conv(4, 32, 32, 32, 32, 3, 1)),
	large(conv(4, 32, 32, 32, 32, 3, 2)),
	large(conv(4, 16, 16, 64, 64, 3, 1)),
	large(conv(4, 8, 8, 128, 128, 3, 1)),
	large(conv(4, 16, 16, 128, 64, 1, 1)),
	large(conv(4, 8, 8, 4, 128, 3, 1)),
	large(conv(4, 32, 32, 32, 3, 3, 1)),
	large(upsampleConv(1, 8, 8, 128, 128)),
	large(upsampleConv(1, 16, 16, 64, 64)),
}

func conv(n, h, w, cin, cout, k, stride int) Case {
	return Case{
		Name: fmt.Sprintf("conv2d/N=%d,H=%d,W=%d,Cin=%d,Cout=%d,K=%d,S=%d", n, h, w, cin, cout, k, stride),
		Output: func(in *Inputs) *gorgonia.Node {
			return ops.Conv2d(in.Learned("x", n, h, w, cin), in.Learned("w", cout, cin, k, k), in.Learned("b", cout), stride)
		},
		FLOP: 2 * float64(n*((h+stride-1)/stride)*((w+stride-1)/stride)*cin*cout*k*k),
	}
}

func upsampleConv(n, h, w, cin, cout int) Case {
	return Case{
		Name: fmt.Sprintf("upsample-conv/N=%d,H=%d,W=%d,Cin=%d,Cout=%d", n, h, w, cin, cout),
		Output: func(in *Inputs) *gorgonia.Node {
			return ops.UpsampleConv(in.Learned("x", n, h, w, cin), in.Learned("w", cout, cin, 3, 3), in.Learned("b", cout))
		},
		FLOP: 2 * float64(n*4*h*w*cin*cout*9),
	}
}

var normCases = []Case{
	groupNorm(2, 5, 4, 8, 4),
	groupNorm(1, 1, 1, 4, 1),
	groupNorm(17, 2, 3, 6, 3),
	groupNorm(2, 3, 3, 7, 1),
	large(groupNorm(4, 32, 32, 32, 16)),
	large(groupNorm(4, 8, 8, 128, 16)),
	layerNorm(2, 3, 5),
	layerNorm(1, 1, 3),
	layerNorm(3, 2, 33),
	large(layerNorm(8, 64, 256)),
}

func groupNorm(n, h, w, c, groups int) Case {
	return Case{
		Name: fmt.Sprintf("group-norm/N=%d,H=%d,W=%d,C=%d,G=%d", n, h, w, c, groups),
		Output: func(in *Inputs) *gorgonia.Node {
			return ops.GroupNorm(in.Learned("x", n, h, w, c), in.Learned("gamma", c), in.Learned("beta", c), groups)
		},
	}
}

func layerNorm(n, l, d int) Case {
	return Case{
		Name:   fmt.Sprintf("layer-norm/N=%d,L=%d,D=%d", n, l, d),
		Output: func(in *Inputs) *gorgonia.Node { return ops.LayerNorm(in.Learned("x", n, l, d)) },
	}
}

var modulateCases = []Case{
	scaleShift(1, 1, 1),
	scaleShift(3, 5, 7),
	large(scaleShift(8, 64, 256)),
	gate(1, 1, 1),
	gate(3, 5, 7),
	large(gate(8, 64, 256)),
}

func scaleShift(n, l, d int) Case {
	return Case{
		Name: fmt.Sprintf("scale-shift/N=%d,L=%d,D=%d", n, l, d),
		Output: func(in *Inputs) *gorgonia.Node {
			return ops.ScaleShift(in.Learned("x", n, l, d), in.Learned("scale", n, d), in.Learned("shift", n, d))
		},
	}
}

func gate(n, l, d int) Case {
	return Case{
		Name: fmt.Sprintf("gate/N=%d,L=%d,D=%d", n, l, d),
		Output: func(in *Inputs) *gorgonia.Node {
			return ops.Gate(in.Learned("x", n, l, d), in.Learned("h", n, l, d), in.Learned("gate", n, d))
		},
	}
}

var attentionCases = []Case{
	attention(1, 1, 2, 1, 1),
	attention(1, 7, 3, 16, 2),
	attention(2, 3, 5, 6, 3),
	attention(2, 5, 17, 8, 1),
	{Name: "attention/self", Output: func(in *Inputs) *gorgonia.Node {
		x := in.Learned("x", 2, 5, 6)
		q := ops.Linear(x, in.Learned("wq", 6, 6), nil)
		kv := ops.Linear(x, in.Learned("wkv", 12, 6), nil)
		return ops.Attention(q, kv, 2)
	}},
	large(attention(8, 64, 64, 256, 4)),
	large(attention(8, 64, 8, 256, 4)),
	large(attention(2, 64, 8, 128, 4)),
}

func attention(n, l, m, d, heads int) Case {
	return Case{
		Name: fmt.Sprintf("attention/N=%d,L=%d,M=%d,D=%d,heads=%d", n, l, m, d, heads),
		Output: func(in *Inputs) *gorgonia.Node {
			return ops.Attention(in.Learned("q", n, l, d), in.Learned("kv", n, m, 2*d), heads)
		},
		FLOP: 4 * float64(n*l*m*d),
	}
}

var pointwiseCases = concat(
	unary("silu", ops.SiLU), unary("gelu", ops.GELU), unary("selu", ops.SELU), unary("exp", ops.Exp),
	unary("scale", func(x *gorgonia.Node) *gorgonia.Node { return ops.Scale(x, -1.5) }),
	unary("clamp", func(x *gorgonia.Node) *gorgonia.Node { return ops.Clamp(x, -0.5, 0.25) }),
	unary("silu/wide", func(x *gorgonia.Node) *gorgonia.Node { return ops.SiLU(ops.Scale(x, 30)) }),
	unary("gelu/wide", func(x *gorgonia.Node) *gorgonia.Node { return ops.GELU(ops.Scale(x, 30)) }),
	unary("selu/wide", func(x *gorgonia.Node) *gorgonia.Node { return ops.SELU(ops.Scale(x, 30)) }),
	binary("add", ops.Add), binary("sub", ops.Sub), binary("mul", ops.Mul),
	[]Case{{Name: "scalars", Output: func(in *Inputs) *gorgonia.Node {
		a, b := ops.Mean(in.Learned("a", 5)), ops.Mean(in.Learned("b", 3, 2))
		return ops.Add(ops.Scale(ops.Mul(a, b), 3), ops.Sub(b, ops.SiLU(a)))
	}}},
)

func unary(name string, f func(x *gorgonia.Node) *gorgonia.Node) []Case {
	make := func(shape ...int) Case {
		return Case{
			Name:   fmt.Sprintf("%s/%v", name, shape),
			Output: func(in *Inputs) *gorgonia.Node { return f(in.Learned("x", shape...)) },
		}
	}
	return []Case{make(1), make(33), make(2, 3, 5), large(make(8, 64, 1024))}
}

func binary(name string, f func(a, b *gorgonia.Node) *gorgonia.Node) []Case {
	make := func(shape ...int) Case {
		return Case{
			Name:   fmt.Sprintf("%s/%v", name, shape),
			Output: func(in *Inputs) *gorgonia.Node { return f(in.Learned("a", shape...), in.Learned("b", shape...)) },
		}
	}
	return []Case{make(1), make(33), make(2, 3, 5), large(make(8, 64, 256)),
		{Name: name + "/same", Output: func(in *Inputs) *gorgonia.Node {
			x := in.Learned("x", 7)
			return f(x, x)
		}}}
}

var shapeCases = []Case{
	{Name: "reshape", Output: func(in *Inputs) *gorgonia.Node {
		return ops.SiLU(ops.Reshape(in.Learned("x", 2, 3, 4), 6, 4))
	}},
	{Name: "reshape/of-input", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Reshape(in.Learned("x", 2, 3, 4), 2, 12)
	}},
	{Name: "slice/first", Output: func(in *Inputs) *gorgonia.Node { return ops.Slice(in.Learned("x", 3, 7), 0, 2) }},
	{Name: "slice/last", Output: func(in *Inputs) *gorgonia.Node { return ops.Slice(in.Learned("x", 2, 3, 3, 7), 4, 7) }},
	{Name: "slice/all", Output: func(in *Inputs) *gorgonia.Node { return ops.Slice(in.Learned("x", 2, 5), 0, 5) }},
	{Name: "slice/chunks", Output: func(in *Inputs) *gorgonia.Node {
		x := in.Learned("x", 3, 6)
		return ops.Add(ops.Mul(ops.Slice(x, 0, 2), ops.Slice(x, 2, 4)), ops.Slice(x, 4, 6))
	}},
	{Name: "concat", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Concat(in.Learned("a", 2, 3, 3, 4), in.Learned("b", 2, 3, 3, 7))
	}},
	{Name: "concat/one-row", Output: func(in *Inputs) *gorgonia.Node {
		return ops.SiLU(ops.Concat(in.Learned("a", 1, 4), in.Learned("b", 1, 3)))
	}},
	{Name: "concat/with-itself", Output: func(in *Inputs) *gorgonia.Node {
		x := in.Learned("x", 17, 2, 5)
		return ops.Concat(x, x)
	}},
	{Name: "broadcast-add", Output: func(in *Inputs) *gorgonia.Node {
		return ops.BroadcastAdd(in.Learned("x", 3, 2, 5), in.Learned("b", 2, 5))
	}},
	{Name: "broadcast-add/leading-1", Output: func(in *Inputs) *gorgonia.Node {
		return ops.BroadcastAdd(in.Learned("x", 19, 2, 5), in.Learned("b", 1, 2, 5))
	}},
	large(Case{Name: "concat/skip", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Concat(in.Learned("a", 8, 8, 8, 128), in.Learned("b", 8, 8, 8, 64))
	}}),
	large(Case{Name: "broadcast-add/positions", Output: func(in *Inputs) *gorgonia.Node {
		return ops.BroadcastAdd(in.Learned("x", 8, 64, 256), in.Learned("b", 1, 64, 256))
	}}),
}

var embeddingCases = []Case{
	{Name: "embedding", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Embedding(in.Learned("table", 4, 6), in.Labels("ids", 19, 3), 2, 3)
	}},
	{Name: "embedding/rows", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Embedding(in.Learned("table", 5, 3), in.Labels("ids", 2, 5))
	}},
	large(Case{Name: "embedding/context", Output: func(in *Inputs) *gorgonia.Node {
		return ops.Embedding(in.Learned("table", 11, 8*256), in.Labels("ids", 64, 11), 8, 256)
	}}),
	// Angles go up to 1000; float32 holds them to 3e-5, and so their sines.
	{Name: "time-embedding", Tolerance: 1e-4, Output: func(in *Inputs) *gorgonia.Node {
		return ops.TimeEmbedding(in.Times("t", 5), 8)
	}},
	large(Case{Name: "time-embedding/256", Tolerance: 1e-4, Output: func(in *Inputs) *gorgonia.Node {
		return ops.TimeEmbedding(in.Times("t", 64), 256)
	}}),
}

var lossCases = concat(
	loss("squared-error", ops.SquaredError), loss("absolute-error", ops.AbsoluteError), loss("kl", ops.KL),
	[]Case{
		{Name: "reparameterize", Output: func(in *Inputs) *gorgonia.Node {
			return ops.Reparameterize(in.Learned("mean", 3, 2, 2, 5), in.Learned("logvar", 3, 2, 2, 5), in.Given("noise", 3, 2, 2, 5))
		}},
		large(Case{Name: "reparameterize/latents", Output: func(in *Inputs) *gorgonia.Node {
			return ops.Reparameterize(in.Learned("mean", 64, 8, 8, 4), in.Learned("logvar", 64, 8, 8, 4), in.Given("noise", 64, 8, 8, 4))
		}}),
		crossEntropy(1, 1), crossEntropy(19, 3), crossEntropy(2, 5), large(crossEntropy(64, 1000)),
		{Name: "cross-entropy/sure", Output: func(in *Inputs) *gorgonia.Node { // logits far beyond where exp overflows
			return ops.CrossEntropy(ops.Scale(in.Learned("x", 5, 4), 200), in.Labels("labels", 5, 4))
		}},
		{Name: "mean/1", Output: func(in *Inputs) *gorgonia.Node { return ops.Mean(in.Learned("x", 1)) }},
		{Name: "mean/37", Output: func(in *Inputs) *gorgonia.Node { return ops.Mean(in.Learned("x", 37)) }},
		{Name: "mean/image", Output: func(in *Inputs) *gorgonia.Node { return ops.Mean(in.Learned("x", 2, 3, 3, 2)) }},
	},
)

func loss(name string, f func(a, b *gorgonia.Node) *gorgonia.Node) []Case {
	make := func(shape ...int) Case {
		return Case{
			Name:   fmt.Sprintf("%s/%v", name, shape),
			Output: func(in *Inputs) *gorgonia.Node { return f(in.Learned("a", shape...), in.Learned("b", shape...)) },
		}
	}
	return []Case{make(1, 1), make(19, 3), make(2, 3, 5), make(2, 2, 3, 3), large(make(64, 32, 32, 3))}
}

func crossEntropy(n, classes int) Case {
	return Case{
		Name: fmt.Sprintf("cross-entropy/N=%d,K=%d", n, classes),
		Output: func(in *Inputs) *gorgonia.Node {
			return ops.CrossEntropy(in.Learned("x", n, classes), in.Labels("labels", n, classes))
		},
	}
}

// fanOutCases use a value several times, so that gradients meet and pass through.
var fanOutCases = []Case{
	{Name: "fan-out/residual", Output: func(in *Inputs) *gorgonia.Node {
		x := in.Learned("x", 2, 3, 4)
		x = ops.Add(x, ops.SiLU(x))
		return ops.Gate(x, ops.LayerNorm(x), in.Learned("gate", 2, 4))
	}},
	{Name: "fan-out/shared-weight", Output: func(in *Inputs) *gorgonia.Node {
		x, w, b := in.Learned("x", 3, 2, 4), in.Learned("w", 4, 4), in.Learned("b", 4)
		return ops.Linear(ops.GELU(ops.Linear(ops.GELU(ops.Linear(x, w, b)), w, b)), w, b)
	}},
	{Name: "fan-out/context", Output: func(in *Inputs) *gorgonia.Node {
		c := ops.Embedding(in.Learned("table", 3, 8), in.Labels("ids", 2, 3), 2, 4)
		x := in.Learned("x", 2, 5, 4)
		for _, name := range []string{"w1", "w2", "w3"} {
			x = ops.Add(x, ops.Attention(x, ops.Linear(c, in.Learned(name, 8, 4), nil), 2))
		}
		return x
	}},
}
