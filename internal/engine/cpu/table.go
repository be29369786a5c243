package cpu

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
)

// kernelTable leads from a kind to what binds its kernel.
var kernelTable = map[ops.Kind]func(c *call){
	"linear": reference, "linear-grad-input": reference, "linear-grad-weight": reference,
	"conv2d": reference, "conv2d-grad-input": reference, "conv2d-grad-weight": reference,
	"upsample2": reference, "upsample2-grad": reference,
	"group-norm": reference, "group-norm-grad": reference,
	"layer-norm": reference, "layer-norm-grad": reference,
	"scale-shift": reference, "scale-shift-grad": reference,
	"gate": reference, "gate-grad": reference,
	"attention": reference, "attention-grad": reference,
	"slice": reference, "slice-grad": reference,
	"broadcast-add": reference, "broadcast-add-grad": reference,
	"time-embedding": reference, "embedding": reference, "embedding-grad": reference,
	"reparameterize-grad": reference,
	"squared-error":       reference, "squared-error-grad": reference,
	"absolute-error": reference, "absolute-error-grad": reference,
	"kl": reference, "kl-grad": reference,
	"mean": reference, "mean-grad": reference,
}

// pointwiseTable leads from a point-wise kind to its kernel for one block.
var pointwiseTable = map[ops.Kind]func(op gorgonia.Op) pointwise{
	"silu": pointwiseReference, "silu-grad": pointwiseReference,
	"gelu": pointwiseReference, "gelu-grad": pointwiseReference,
	"exp": pointwiseReference, "clamp": pointwiseReference, "clamp-grad": pointwiseReference,
	"add": add, "sub": pointwiseReference, "mul": pointwiseReference, "scale": pointwiseReference,
	"reparameterize": pointwiseReference,
}

// reference runs an operation's definition, on one thread.
func reference(c *call) {
	define := c.op.Reference().F32
	var dst, src [][]float32
	var shapes []tensor.Shape
	for i := range c.out {
		dst = append(dst, c.result(i))
	}
	for _, in := range c.in {
		src = append(src, in.data)
		shapes = append(shapes, in.shape)
	}
	c.loop(1, 0, func(_ []float32, _, _ int) { define(dst, src, shapes) })
}

func pointwiseReference(op gorgonia.Op) pointwise {
	define := op.(ops.Op).Reference().F32
	n := op.Arity()
	return func(dst []float32, src *[4][]float32) { define([][]float32{dst}, src[:n], nil) }
}

func add(gorgonia.Op) pointwise {
	return func(dst []float32, src *[4][]float32) {
		for i := range dst {
			dst[i] = src[0][i] + src[1][i]
		}
	}
}
