package crossattn

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"lfm/internal/ops"
)

// Attention is a layer of multi-head attention from tokens x (N, L, D) to a context (N, M,
// W), Vaswani et al. (2017), section 3.2:
//
//	q, (k, v) = x Wqᵀ + bq, c Wkvᵀ + bkv
//	y = concat over heads of softmax(q kᵀ / √(D/heads)) v
//	o = y Woᵀ + bo
//
// With x itself as the context it is self-attention.
type Attention struct {
	Width int // D
	Heads int

	q, kv, o linear
}

// linear is a learned affine map: weight (out, in), bias (out).
type linear struct{ weight, bias *gorgonia.Node }

// newLinear makes one whose parameters begin uniform within ±1/√in, PyTorch's default.
func newLinear(p Parameters, name string, in, out int) linear {
	bound := 1 / math.Sqrt(float64(in))
	return linear{weight: p.Uniform(name+".weight", bound, out, in), bias: p.Uniform(name+".bias", bound, out)}
}

func (l linear) apply(x *gorgonia.Node) *gorgonia.Node { return ops.Linear(x, l.weight, l.bias) }

// NewAttention makes a layer for tokens of width D and a context of width contextWidth, with
// parameters q, kv and o. Width must be a multiple of heads.
func NewAttention(p Parameters, width, contextWidth, heads int) *Attention {
	if heads < 1 || width%heads != 0 {
		panic(fmt.Sprintf("crossattn: a width of %d does not make %d heads", width, heads))
	}
	return &Attention{Width: width, Heads: heads,
		q:  newLinear(p, "q", width, width),
		kv: newLinear(p, "kv", contextWidth, 2*width),
		o:  newLinear(p, "o", width, width),
	}
}

// KeysValues projects a context (N, M, W) to its keys and values (N, M, 2D), which hold for
// as long as the context and the weights do.
func (a *Attention) KeysValues(context *gorgonia.Node) *gorgonia.Node { return a.kv.apply(context) }

// Queries are what tokens x (N, L, D) ask, (N, L, D).
func (a *Attention) Queries(x *gorgonia.Node) *gorgonia.Node { return a.q.apply(x) }

// Answer lets queries (N, L, D) read keys and values (N, M, 2D), and gives (N, L, D).
func (a *Attention) Answer(queries, keysValues *gorgonia.Node) *gorgonia.Node {
	return a.o.apply(ops.Attention(queries, keysValues, a.Heads))
}

// Attend lets tokens x (N, L, D) read keys and values (N, M, 2D), and gives (N, L, D).
func (a *Attention) Attend(x, keysValues *gorgonia.Node) *gorgonia.Node {
	return a.Answer(a.Queries(x), keysValues)
}

// Apply lets tokens x (N, L, D) read a context (N, M, W), and gives (N, L, D).
func (a *Attention) Apply(x, context *gorgonia.Node) *gorgonia.Node {
	return a.Attend(x, a.KeysValues(context))
}
