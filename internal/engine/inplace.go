package engine

import (
	"slices"

	"lfm/internal/ops"
)

// replaces lists, for operations that are not point-wise, which operands each result may be
// written over: the kernels read each stretch of the operand wholly before they write the
// same stretch of the result, and do not come back to it. A back end's kernels must keep
// to this, and to the same for every point-wise operation.
var replaces = map[ops.Kind][][]int{ // by result: operands
	"broadcast-add":         {{0}},
	"scale-shift":           {{0}},
	"scale-shift-grad":      {{0, 1}},
	"gate":                  {{0, 1}},
	"gate-grad":             {{0, 1}},
	"layer-norm":            {{0}},
	KindLayerNormScaleShift: {{0}, {0}},
	"layer-norm-grad":       {{0, 1}},

	KindLayerNormScaleShiftGrad:    {{0, 1, 3}},
	KindLayerNormScaleShiftGradAdd: {{0, 1, 3, 6}},

	"group-norm":          {{0}},
	"group-norm-grad":     {{0}},
	KindGroupNormSiLU:     {{0}},
	KindGroupNormSiLUGrad: {{0}},
	"squared-error-grad":  {{1, 2}},
	"absolute-error-grad": {{1, 2}},
	"kl-grad":             {{1}, {2}},
	"cross-entropy-grad":  {{1}},
	"reparameterize-grad": {{0}},
}

// inPlace says whether result k of a step may lie where operand j lies.
func (s *Step) inPlace(j, k int) bool {
	switch s.Kind {
	case KindLinearAdd, KindLinearGradInputAdd, KindConv2dAdd, KindConv2dGradInputAdd:
		return j == len(s.In)-1
	}
	results := replaces[s.Kind]
	return k < len(results) && slices.Contains(results[k], j)
}
