package cpu

import (
	"gorgonia.org/tensor"

	"lfm/internal/engine"
	"lfm/internal/ops"
)

// kernelTable leads from a kind to what binds its kernel. The files named after the kernels'
// own hold the binders.
var kernelTable = map[ops.Kind]func(c *call){
	"linear":                      linear,
	"linear-grad-input":           linearGradInput,
	"linear-grad-weight":          linearGradWeight,
	engine.KindLinearAdd:          linear,
	engine.KindLinearGradInputAdd: linearGradInput,

	"conv2d":                      conv2d,
	"conv2d-grad-input":           conv2dGradInput,
	"conv2d-grad-weight":          conv2dGradWeight,
	engine.KindConv2dAdd:          conv2d,
	engine.KindConv2dGradInputAdd: conv2dGradInput,

	"upsample-conv":             upsampleConv,
	"upsample-conv-grad-input":  upsampleConvGradInput,
	"upsample-conv-grad-weight": upsampleConvGradWeight,

	"group-norm":                   groupNorm,
	"group-norm-grad":              groupNormGrad,
	engine.KindGroupNormSiLU:       groupNorm,
	engine.KindGroupNormSiLUGrad:   groupNormGrad,
	"layer-norm":                   layerNorm,
	engine.KindLayerNormScaleShift: layerNormScaleShift,
	"layer-norm-grad":              layerNormGrad,

	engine.KindLayerNormScaleShiftGrad:    layerNormScaleShiftGrad,
	engine.KindLayerNormScaleShiftGradAdd: layerNormScaleShiftGrad,

	"scale-shift":      scaleShift,
	"scale-shift-grad": scaleShiftGrad,
	"gate":             gate,
	"gate-grad":        gateGrad,

	"attention":      attention,
	"attention-grad": attentionGrad,

	"slice":              slice,
	"slice-grad":         sliceGrad,
	"concat":             concat,
	"broadcast-add":      broadcastAdd,
	"broadcast-add-grad": broadcastAddGrad,

	"embedding":      embedding,
	"embedding-grad": embeddingGrad,
	"time-embedding": timeEmbedding,

	"reparameterize-grad": reparameterizeGrad,
	"squared-error":       squaredError,
	"squared-error-grad":  squaredErrorGrad,
	"absolute-error":      absoluteError,
	"absolute-error-grad": absoluteErrorGrad,
	"kl":                  kl,
	"kl-grad":             klGrad,
	"cross-entropy":       crossEntropy,
	"cross-entropy-grad":  crossEntropyGrad,
	"mean":                mean,
	"mean-grad":           meanGrad,
}

// rows is the number of rows along the last dimension, width its length.
func rows(s tensor.Shape) int  { return s.TotalSize() / width(s) }
func width(s tensor.Shape) int { return s[len(s)-1] }
