package engine

import (
	"slices"

	"lfm/internal/ops"
)

// Kinds that only plans have, as Compile makes one step of two or three. A step of such a kind has
// the operation, and so the settings, of the normalisation or of the product, and
// KindLayerNormScaleShiftGrad that of the scale-shift's gradient.
const (
	// KindGroupNormSiLU is SiLU of a group norm: reads x, gamma, beta; gives y, mean, rstd.
	KindGroupNormSiLU ops.Kind = "group-norm-silu"
	// KindGroupNormSiLUGrad is its gradient: reads dy, x, mean, rstd, gamma, beta; gives dx,
	// dgamma, dbeta. It makes the argument of SiLU again.
	KindGroupNormSiLUGrad ops.Kind = "group-norm-silu-grad"

	// KindLayerNormScaleShift is a scale-shift of a layer norm: reads x, scale, shift; gives y, and the
	// norm's h, mean, rstd. It has the norm's operation.
	KindLayerNormScaleShift ops.Kind = "layer-norm-scale-shift"

	// KindLayerNormScaleShiftGrad is its gradient: reads dy, h, scale, x, mean, rstd; gives dx, dscale, dshift.
	KindLayerNormScaleShiftGrad ops.Kind = "layer-norm-scale-shift-grad"

	// Steps whose first result is added to their last operand, which it may lie over.
	KindLinearAdd                  ops.Kind = "linear-add"
	KindLinearGradInputAdd         ops.Kind = "linear-grad-input-add"
	KindConv2dAdd                  ops.Kind = "conv2d-add"
	KindConv2dGradInputAdd         ops.Kind = "conv2d-grad-input-add"
	KindLayerNormScaleShiftGradAdd ops.Kind = "layer-norm-scale-shift-grad-add"
)

// added gives the kinds of steps whose first result can be added to something.
var added = map[ops.Kind]ops.Kind{
	"linear":                    KindLinearAdd,
	"linear-grad-input":         KindLinearGradInputAdd,
	"conv2d":                    KindConv2dAdd,
	"conv2d-grad-input":         KindConv2dGradInputAdd,
	KindLayerNormScaleShiftGrad: KindLayerNormScaleShiftGradAdd,
}

// fuse makes one step of a group norm and the SiLU behind it, and one of their gradients,
// where nobody else reads what is between them. That saves two trips to memory each way,
// and the memory of the norm's result from forward to backward pass.
func (c *compiler) fuse() {
	readers := c.readers()
	gone := make([]bool, len(c.steps))
	for i := range c.steps {
		norm := &c.steps[i]
		if norm.Kind != "group-norm" || norm.Out[0] < 0 || c.kept[norm.Out[0]] {
			continue
		}
		silu, siluGrad, alone := c.readBySiLU(norm.Out[0], readers)
		if !alone {
			continue
		}
		if siluGrad >= 0 {
			normGrad := c.normGradOf(norm, c.steps[siluGrad].Out[0], readers)
			if normGrad < 0 {
				continue
			}
			s := &c.steps[normGrad]
			s.rename(KindGroupNormSiLUGrad)
			s.In = slices.Concat(c.steps[siluGrad].In[:1], s.In[1:5], norm.In[2:3])
			gone[siluGrad] = true
		}
		norm.rename(KindGroupNormSiLU)
		norm.Out[0] = c.steps[silu].Out[0]
		gone[silu] = true
	}
	c.drop(gone)
}

// modulate makes one step of a layer norm and the scale-shift behind it, if nobody but that and its
// gradient reads what is between them. That saves a trip to memory, and without a gradient two.
func (c *compiler) modulate() {
	readers := c.readers()
	gone := make([]bool, len(c.steps))
	for i := range c.steps {
		norm := &c.steps[i]
		if norm.Kind != "layer-norm" || norm.Out[0] < 0 || c.kept[norm.Out[0]] {
			continue
		}
		at := c.readByScaleShift(norm.Out[0], readers)
		if at < 0 {
			continue
		}
		s := &c.steps[at]
		if len(readers[norm.Out[0]]) == 1 {
			norm.Out[0] = -1
		}
		s.rename(KindLayerNormScaleShift)
		s.Op = norm.Op
		s.In = slices.Concat(norm.In, s.In[1:])
		s.Out = slices.Concat(s.Out, norm.Out)
		s.Results = slices.Concat(s.Results, norm.Results)
		gone[i] = true
	}
	c.drop(gone)
}

// modulateGrad makes one step of the gradient of a scale-shift and that of the layer norm before it, if
// nobody else reads what is between them. That saves two trips to memory.
func (c *compiler) modulateGrad() {
	readers, producer := c.readers(), c.producers()
	gone := make([]bool, len(c.steps))
	for i := range c.steps {
		norm := &c.steps[i]
		if norm.Kind != "layer-norm-grad" {
			continue
		}
		dh := c.root(norm.In[0])
		at, ok := producer[dh]
		if !ok || c.steps[at].Kind != "scale-shift-grad" || c.kept[dh] || len(readers[dh]) != 1 || !c.whole(norm.In[0]) {
			continue
		}
		s := &c.steps[at]
		s.rename(KindLayerNormScaleShiftGrad)
		s.In = slices.Concat(s.In, norm.In[1:])
		s.Out = slices.Concat(norm.Out, s.Out[1:])
		s.Results = slices.Concat(norm.Results, s.Results[1:])
		gone[i] = true
	}
	c.drop(gone)
}

// readByScaleShift finds the scale-shift that reads h, -1 if there is none or anybody else but its
// gradient reads h.
func (c *compiler) readByScaleShift(h int, readers map[int][]int) int {
	at := -1
	for _, r := range readers[h] {
		switch s := &c.steps[r]; {
		case s.Kind == "scale-shift" && at < 0 && c.whole(s.In[0]):
			at = r
		case s.Kind == "scale-shift-grad" && c.root(s.In[0]) != h:
			// It reads h long after.
		default:
			return -1
		}
	}
	return at
}

// whole says whether a value is all of what it is a view of, if it is one.
func (c *compiler) whole(v int) bool {
	return c.plan.Values[v].Size() == c.plan.Values[c.root(v)].Size()
}

// readers lists the steps that read a value that no view is, or a view of it, once for each
// operand.
func (c *compiler) readers() map[int][]int {
	readers := map[int][]int{}
	for i, s := range c.steps {
		for _, v := range s.In {
			readers[c.root(v)] = append(readers[c.root(v)], i)
		}
	}
	return readers
}

// readBySiLU finds the SiLU that reads y, and its gradient, -1 if there is none. They are
// not alone if anybody else reads y.
func (c *compiler) readBySiLU(y int, readers map[int][]int) (silu, siluGrad int, alone bool) {
	silu, siluGrad = -1, -1
	for _, r := range readers[y] {
		switch s := &c.steps[r]; {
		case s.Kind == "silu" && silu < 0 && c.whole(s.In[0]):
			silu = r
		case s.Kind == "silu-grad" && siluGrad < 0 && c.root(s.In[0]) != y && c.whole(s.In[1]):
			siluGrad = r
		default:
			return -1, -1, false
		}
	}
	return silu, siluGrad, silu >= 0
}

// normGradOf finds the step that takes du, a gradient of the norm's result, on to the
// norm's operands, if it is du's only reader; otherwise -1.
func (c *compiler) normGradOf(norm *Step, du int, readers map[int][]int) int {
	if du < 0 || c.kept[du] || len(readers[du]) != 1 {
		return -1
	}
	s := &c.steps[readers[du][0]]
	want := []int{du, c.root(norm.In[0]), norm.Out[1], norm.Out[2], c.root(norm.In[1])}
	if s.Kind != "group-norm-grad" {
		return -1
	}
	for k, v := range want {
		if v < 0 || c.root(s.In[k]) != v || !c.whole(s.In[k]) {
			return -1
		}
	}
	return readers[du][0]
}

// accumulate makes one step of a product, or of another that can, and a sum with something computed
// before, where that is not read any more once the product begins, so that the product is added to it in
// place: a residual branch, or gradients that meet. It works on the final order of the steps.
func (c *compiler) accumulate() {
	readers, producer := c.readers(), c.producers()
	gone := make([]bool, len(c.steps))
	for i := range c.steps {
		if c.steps[i].Kind != kindAdd {
			continue
		}
		for k := range 2 {
			product, sum := c.root(c.steps[i].In[k]), c.root(c.steps[i].In[1-k])
			at, ok := producer[product]
			if !ok || added[c.steps[at].Kind] == "" || c.steps[at].Out[0] != product || c.kept[product] || len(readers[product]) != 1 || !c.whole(c.steps[i].In[k]) {
				continue
			}
			if before, computed := producer[sum]; !computed || before >= at || c.kept[sum] || !c.readBefore(sum, at, i, readers) {
				continue
			}
			s := &c.steps[at]
			s.rename(added[s.Kind])
			s.In = slices.Concat(s.In, c.steps[i].In[1-k:2-k])
			s.Out[0] = c.steps[i].Out[0]
			producer[s.Out[0]] = at
			gone[i] = true
			break
		}
	}
	c.drop(gone)
}

// readBefore says whether all steps that read v, but for the one excepted, come before step at.
func (c *compiler) readBefore(v, at, except int, readers map[int][]int) bool {
	for _, r := range readers[v] {
		if r >= at && r != except {
			return false
		}
	}
	return true
}

// drop takes steps out.
func (c *compiler) drop(gone []bool) {
	kept := 0
	for i := range c.steps {
		if !gone[i] {
			c.steps[kept], c.point[kept] = c.steps[i], c.point[i]
			kept++
		}
	}
	c.steps, c.point = c.steps[:kept], c.point[:kept]
}
