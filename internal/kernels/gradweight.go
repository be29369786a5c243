package kernels

import (
	"math/bits"

	"lfm/internal/kernels/ref"
)

// The gradient of a weight is a sum over samples of outer products, one a pixel, by the rule
// of 16 (package ref). For each tap (kh, kw) of a convolution it is
//
//	d[i,j] = Σ_samples Σ_pixels a[pixel, i] · b[pixel, j]
//
// with x on one side and dy on the other; a linear layer is a convolution with one tap over
// images of one line. Pixels are those of dy; the ones whose tap looks over the edge of
// x are left out. Behind an upsampling ([UpsampleConvShape]) the pixels are those of x, and the
// tap looks at sums of squares of dy, which are made box by box.
//
// A work item is a block of one tap's d, never a range of samples. The items of a call are
// computed in groups, and a group goes over the samples once: what one item has brought into
// the second-level cache serves the others.

const (
	gradRows   = 72  // rows of a block of d: six tiles of 12, twelve of 6
	gradPixels = 256 // pixels in a call of the tile kernel, at most; such sums are added in order
	tapGroup   = 18  // items that are computed together where they do not share rows of a: the taps of two panels
	gradFew    = 128 // pixels of a gradient at most that are multiplied in registers: eight in a part
	gradDepth  = 5   // partial sums that wait to be added: 16 of them make a tree of height 4

	gradPanels = 8 // panels of b that are copied together, at most

	// Sizes in floats. Copies lie off a power of two, lest they share few sets of the cache.
	gradBlock = gradRows * panelCols
	gradBias  = 80 // a block's rows or a panel's columns, in whole cache lines
	gradPanel = gradPixels*panelCols + cacheLine
	cacheLine = 16
)

// A gradWeight is the gradient of a weight in the making.
type gradWeight struct {
	n, h, w             int // samples, and lines and pixels in each
	inH, inW            int // lines and pixels of what the tap looks at
	kernel, stride, pad int
	turned              bool      // tap (kh, kw) is that of weight (kernel-1-kh, kernel-1-kw)
	squares             bool      // the tap looks at sums of squares
	image               []float32 // of these images (n, inH-1, inW-1)
	a, b                side      // channels of a are the rows of d, channels of b its columns
	packB               bool      // panels of b are copied together first
	dense               bool      // one tap, and many columns: items of a group share what is copied or fetched, and the pixels of a box are evenly spaced
	packA               bool      // panels of a are copied first, too
	few                 bool      // all parts of the rule of 16 are multiplied together, packed on both sides
	d                   []float32 // the gradient
	db                  []float32 // Σ dy, where that is computed beside it: see once
	// A call of the tile kernel covers several small samples, or some lines of one, or a part of a
	// line. The whole shape decides, as it decides the order of additions.
	samples, lines, pixels int
}

// newGradWeight prepares the gradient of a convolution.
func newGradWeight(dw, dy, x []float32, s ConvShape) gradWeight {
	oh, ow, taps := s.OutH(), s.OutW(), s.Kernel*s.Kernel
	g := gradWeight{
		n: s.N, h: oh, w: ow, inH: s.H, inW: s.W,
		kernel: s.Kernel, stride: s.Stride, pad: s.Kernel / 2, d: dw,
	}
	g.choose(
		side{v: x, channels: s.Cin, pixel: s.Stride * s.Cin, line: s.Stride * s.W * s.Cin, sample: s.H * s.W * s.Cin, inWeight: taps},
		side{v: dy, channels: s.Cout, pixel: s.Cout, line: ow * s.Cout, sample: oh * ow * s.Cout, inWeight: s.Cin * taps},
	)
	return g
}

// choose decides how the products are computed: which side is read as vectors, namely one whose
// channels fill them, and of two linear ones the wider; and what is copied first.
func (g *gradWeight) choose(looked, other side) {
	looked.looked = true
	g.a, g.b = looked, other
	lanes, taps := currentGeometry().lanes, g.kernel*g.kernel
	full, fullOther := looked.channels%lanes == 0, other.channels%lanes == 0
	pointwise := g.kernel == 1 && g.stride == 1
	if full && (!fullOther || pointwise && other.channels < looked.channels) {
		g.a, g.b = g.b, g.a
	}
	// A copy serves all taps and rows, if the taps do not look at this side.
	g.packB = (!g.b.looked || pointwise) && (g.b.channels%lanes != 0 || g.a.channels*taps >= 32)
	// Rows of a serve all panels, if there is one tap: others each look elsewhere.
	g.dense = pointwise && g.packB && panels(g.b.channels) > 2
	// Where caches are roomy, AVX-512 reads them as they lie.
	g.packA = g.dense && !(cut.roomy && Level() == AVX512)
	g.few = pointwise && g.n*g.h*g.w <= gradFew
	g.samples, g.lines, g.pixels = max(1, gradPixels/(g.h*g.w)), min(g.h, max(1, gradPixels/g.w)), min(g.w, gradPixels)
}

// single says that a part of the rule of 16 is one box of pixels at most. Then a part is added to the sums that wait
// for it as it is computed: the same sums as those that are made one by one.
func (g *gradWeight) single() bool {
	return divideUp(g.n, ref.Parts) <= g.samples && g.h <= g.lines && g.w <= g.pixels
}

// once says that dy is summed for the bias while it is in the cache, namely where parts are single and items
// share it: in the order that it has otherwise.
func (g *gradWeight) once() bool { return g.dense && g.single() && !g.few }

// blocks is the number of blocks of rows of a d.
func (g *gradWeight) blocks() int { return (g.a.channels + gradRows - 1) / gradRows }

// items counts the blocks of rows, for each tap, for each panel of columns.
func (g *gradWeight) items() int {
	return g.blocks() * g.kernel * g.kernel * panels(g.b.channels)
}

// piece is how many items a call should have at least, as those of a group share what is copied. With half a group a layer of
// 256 -> 256 takes 1 to 3 % longer than with a whole one, but workers end together.
func (g *gradWeight) piece() int {
	if g.dense || g.few {
		return cut.group / 2
	}
	return tapGroup
}

// scratch is the work memory: stacks of sums, sums for the bias, panels of b, and panels of a or sums of squares.
func (g *gradWeight) scratch() int {
	n := maxGroup*gradDepth*(gradBlock+gradBias) + g.biasRoom() + gradPanels*gradPanel
	if g.squares {
		n += (g.samples*(2*g.lines+1)*(2*g.pixels+1) + 2*g.pixels + 2) * g.looked().channels
	}
	if g.dense || g.few {
		n += panels(g.a.channels) * gradPanel
	}
	return n
}

// biasRoom is room for sums of all columns that are packed at a time, of the side that has more.
func (g *gradWeight) biasRoom() int { return max(gradPanels, panels(g.a.channels)) * panelCols }

// A gradItem is a work item: a block of rows and a panel of columns of a tap's d.
type gradItem struct {
	row, rows int
	col, cols int
	kh, kw    int
	begun     bool // its present partial sum has a summand
	sums      int  // so many on the stack, from where its partial sum goes upwards, that its next products are added to
}

func (g *gradWeight) item(i int) gradItem {
	block, i := i%g.blocks(), i/g.blocks()
	taps := g.kernel * g.kernel
	row, col, tap := block*gradRows, i/taps*panelCols, i%taps
	return gradItem{
		row: row, rows: min(gradRows, g.a.channels-row),
		col: col, cols: min(panelCols, g.b.channels-col),
		kh: tap / g.kernel, kw: tap % g.kernel,
	}
}

// run computes items [i0, i1).
func (g *gradWeight) run(scratch []float32, i0, i1 int) {
	most := tapGroup
	if g.dense || g.few {
		most = cut.group // every group reads or packs its rows of a anew
	}
	for ; i0 < i1; i0 += most {
		var items [maxGroup]gradItem
		n := min(most, i1-i0)
		for i := range n {
			items[i] = g.item(i0 + i)
		}
		g.group(items[:n], scratch)
	}
}

// itemsWithBias counts the items of a layer whose bias has so many channels.
func (g *gradWeight) itemsWithBias(channels int) int {
	if g.once() {
		return g.items()
	}
	return g.items() + biasItems(channels)
}

// runWithBias computes work items [i0, i1) of a layer: those of the weight, then those of its
// bias if it is not summed beside the weight, unless db is nil. dy has n samples of so many pixels and channels.
func (g *gradWeight) runWithBias(db, dy, scratch []float32, n, pixels, channels, i0, i1 int) {
	items := g.items()
	if g.once() {
		g.db, db = db, nil
	}
	g.run(scratch, min(i0, items), min(i1, items))
	if db == nil {
		return
	}
	for i := max(i0, items); i < i1; i++ {
		col := (i - items) * biasCols
		biasSums(db, dy, scratch, n, pixels, channels, col, min(biasCols, channels-col))
	}
}

// group computes some items.
//
// Partial sums are added as a binary counter counts: p goes on top of an item's stack, and
// for every 1 that p ends in, the two on top, sums of subtrees of one height, become one.
func (g *gradWeight) group(items []gradItem, scratch []float32) {
	if g.few {
		g.groupOfFew(items, scratch)
		return
	}
	for p := range ref.Parts {
		s0, s1 := ref.Part(p, g.n)
		depth, carries, sums := bits.OnesCount(uint(p)), bits.TrailingZeros(^uint(p)), 0
		if s0 < s1 && g.single() {
			depth, carries, sums = depth-carries, 0, carries
		}
		g.partial(items, scratch, depth, s0, s1, sums)
		for range carries {
			for i, item := range items {
				addTo(stackSum(scratch, i, depth-1), stackSum(scratch, i, depth), item.rows*panelCols)
				if _, n := g.biasOf(item); n > 0 {
					addTo(stackBias(scratch, i, depth-1), stackBias(scratch, i, depth), gradBias)
				}
			}
			depth--
		}
	}
	for i, item := range items {
		g.store(item, stackSum(scratch, i, 0))
		if from, n := g.biasOf(item); n > 0 {
			copy(g.db[from:from+n], stackBias(scratch, i, 0))
		}
	}
}

// biasOf is the channels of dy whose sum is an item's to compute: those of its rows if it is in the
// first panel, or of its columns if it is in the first block.
func (g *gradWeight) biasOf(item gradItem) (from, n int) {
	switch {
	case g.db == nil:
	case g.b.looked && item.col == 0:
		return item.row, item.rows
	case g.a.looked && item.row == 0:
		return item.col, item.cols
	}
	return 0, 0
}

// stackSum is a sum on the stack of item i of a group, rows 32 floats apart.
func stackSum(scratch []float32, i, depth int) []float32 {
	at := (i*gradDepth + depth) * gradBlock
	return scratch[at : at+gradBlock]
}

// stackBias is a sum of dy on the stack of item i of a group.
func stackBias(scratch []float32, i, depth int) []float32 {
	at := maxGroup*gradDepth*gradBlock + (i*gradDepth+depth)*gradBias
	return scratch[at : at+gradBias]
}

// partial computes the sum over samples [s0, s1) for each item, and adds it to the top sums on the stack, those from
// depth; if sums is 0, it is put there.
func (g *gradWeight) partial(items []gradItem, scratch []float32, depth, s0, s1, sums int) {
	for i := range items {
		items[i].begun, items[i].sums = false, sums
		if sums == 0 {
			clear(stackBias(scratch, i, depth))
		}
	}
	for s := s0; s < s1; s += g.samples {
		for line := 0; line < g.h; line += g.lines {
			for pixel := 0; pixel < g.w; pixel += g.pixels {
				g.addBox(items, scratch, depth, box{
					s, min(s1, s+g.samples), line, min(g.h, line+g.lines), pixel, min(g.w, pixel+g.pixels),
				})
			}
		}
	}
	for i, item := range items {
		if item.begun {
			continue
		}
		if sums == 0 {
			clear(stackSum(scratch, i, depth)[:item.rows*panelCols])
		}
		for d := depth + sums - 1; d > depth; d-- {
			addTo(stackSum(scratch, i, d-1), stackSum(scratch, i, d), item.rows*panelCols)
		}
	}
}

// addBox adds a box of pixels to the sums of all items.
func (g *gradWeight) addBox(items []gradItem, scratch []float32, depth int, in box) {
	bias := scratch[maxGroup*gradDepth*(gradBlock+gradBias):]
	panels := bias[g.biasRoom():]
	copies := panels[gradPanels*gradPanel:] // panels of a, or sums of squares
	row0 := 0                               // the first row that is packed or summed
	if g.dense {
		var row1 int
		row0, row1 = g.rowsOf(items)
		if g.packA {
			g.a.packPanels(copies, in, row0, row1)
		}
		if g.db != nil && g.b.looked && items[0].col == 0 {
			g.a.sum(bias, in, row0, row1)
		}
	}
	if g.squares {
		g.sumSquares(copies, in)
	}
	var t tile
	t.init()
	t.cRow = panelCols
	col0, col1 := 0, 0 // the columns that are packed
	for i := range items {
		item := &items[i]
		if g.dense {
			g.fetch(&t, items, i, in)
		}
		if g.packB && item.col >= col1 {
			last := items[len(items)-1]
			col0, col1 = item.col, min(item.col+gradPanels*panelCols, last.col+last.cols)
			g.b.packPanels(panels, in, col0, col1)
			if g.db != nil && g.a.looked {
				g.b.sum(bias, in, col0, col1)
			}
		}
		panel := panels
		if g.packB {
			panel = panels[(item.col-col0)/panelCols*gradPanel:]
		}
		if from, n := g.biasOf(*item); n > 0 {
			first := row0
			if g.a.looked {
				first = col0
			}
			sum := bias[from-first:][:n]
			for d := depth + item.sums - 1; d > depth; d-- {
				addGeneric(sum, stackBias(scratch, i, d)[:n])
			}
			addGeneric(stackBias(scratch, i, depth), sum)
		}
		t.c = scratch[(i*gradDepth+depth)*gradBlock:][:max(1, item.sums)*gradBlock]
		if g.packA {
			g.addPacked(&t, item, panel, copies, item.row-row0, in)
		} else {
			g.addItem(&t, item, panel, in)
		}
	}
}

// fetch has tiles bring what the items will need next, the pixels behind a box, into the cache while
// item i is computed: rows of a during the first half of the items, rows of b during the second.
func (g *gradWeight) fetch(t *tile, items []gradItem, i int, in box) {
	half := (len(items) + 1) / 2
	if i != 0 && i != half {
		return
	}
	f, from, to, until := &g.a, 0, g.a.channels, half
	if i == half {
		last := items[len(items)-1]
		f, from, to, until = &g.b, items[0].col, last.col+last.cols, len(items)
	}
	n, steps := in.pixels(), 0
	for _, item := range items[i:until] {
		steps += t.g.steps(item.rows, n, 1)
	}
	v := f.v[f.at(in.s0, in.line0, in.pixel0)+n*f.pixel:]
	t.fetch(region{v[min(from, len(v)):], min(n, len(v)/f.pixel), to - from, f.pixel}, steps)
}

// addItem adds a box of pixels to the sum of an item.
func (g *gradWeight) addItem(t *tile, item *gradItem, panel []float32, in box) {
	// The pixels of the box whose tap looks inside.
	line0, line1 := g.inside(item.kh, g.inH, g.h)
	pixel0, pixel1 := g.inside(item.kw, g.inW, g.w)
	line0, line1 = max(line0, in.line0), min(line1, in.line1)
	pixel0, pixel1 = max(pixel0, in.pixel0), min(pixel1, in.pixel1)
	if line0 >= line1 || pixel0 >= pixel1 {
		return
	}
	t.k, t.n1, t.n2 = pixel1-pixel0, line1-line0, in.s1-in.s0
	t.a = g.a.v[g.a.at(in.s0, line0, pixel0)+g.look(&g.a, item)+item.row:]
	t.aRow, t.aK, t.aStep1, t.aStep2 = 1, g.a.pixel, g.a.line, g.a.sample
	b := g.b.v
	if g.packB {
		width := in.pixel1 - in.pixel0
		b = panel[((line0-in.line0)*width+pixel0-in.pixel0)*panelCols:]
		t.bK, t.bStep1, t.bStep2 = panelCols, width*panelCols, (in.line1-in.line0)*width*panelCols
	} else {
		b = b[g.b.at(in.s0, line0, pixel0)+g.look(&g.b, item)+item.col:]
		t.bK, t.bStep1, t.bStep2 = g.b.pixel, g.b.line, g.b.sample
	}
	t.join()
	if t.m != item.rows {
		t.lay(item.rows)
	}
	t.addTo(item, t.c, b)
}

// looked is the side that the tap looks at.
func (g *gradWeight) looked() *side {
	if g.b.looked {
		return &g.b
	}
	return &g.a
}

// sumSquares makes the sums of squares that the taps of a box look at.
func (g *gradWeight) sumSquares(scratch []float32, in box) {
	f := g.looked()
	lines, pixels := 2*(in.line1-in.line0)+1, 2*(in.pixel1-in.pixel0)+1
	width, size := pixels*f.channels, (g.inH-1)*(g.inW-1)*f.channels
	f.v, f.line, f.sample, f.begin = scratch, 2*width, lines*width, 0
	f.begin = f.at(in.s0, in.line0, in.pixel0)
	rest := scratch[(in.s1-in.s0)*f.sample:]
	for s := in.s0; s < in.s1; s++ {
		for i := range lines {
			line := scratch[((s-in.s0)*lines+i)*width:][:width]
			squareLine(line, rest, g.image[s*size:(s+1)*size], g.inH-1, g.inW-1, f.channels, 2*in.line0+i-1, 2*in.pixel0-1)
		}
	}
}

// addTo adds the products with b that t is set up for to the sum of an item.
func (t *tile) addTo(item *gradItem, sum, b []float32) {
	t.add, t.more, t.stack = item.sums > 0, max(0, item.sums-1), gradBlock
	wide := t.g.cols()
	for j := 0; j < item.cols; j += wide {
		t.b, t.c, t.cols = b[j:], sum[j:], min(wide, item.cols-j)
		t.run()
	}
	item.begun, item.sums = true, 1
}

// rowsOf is the rows of a that the items need, from the beginning of a panel.
func (g *gradWeight) rowsOf(items []gradItem) (from, to int) {
	from = g.a.channels
	for _, item := range items {
		from, to = min(from, item.row), max(to, item.row+item.rows)
	}
	return from / panelCols * panelCols, to
}

// addPacked adds a box of pixels, packed on both sides, to the sum of an item, whose row is so far from
// the first one that is packed.
func (g *gradWeight) addPacked(t *tile, item *gradItem, panel, panelsA []float32, row int, in box) {
	t.a, t.aRow, t.aK, t.bK = panelsA, 1, panelCols, panelCols
	t.k, t.n1, t.n2 = in.pixels(), 1, 1
	t.layPanels(row, item.rows)
	t.addTo(item, t.c, panel)
}

// look is the offset of what an item's tap looks at, from where its pixel is.
func (g *gradWeight) look(f *side, item *gradItem) int {
	if !f.looked {
		return 0
	}
	return (item.kh-g.pad)*(f.line/g.stride) + (item.kw-g.pad)*f.channels
}

// inside is the range of the out lines or pixels for which tap k looks inside of in of them.
func (g *gradWeight) inside(k, in, out int) (i0, i1 int) {
	first := g.pad - k // the smallest i·stride
	if first > 0 {
		i0 = (first + g.stride - 1) / g.stride
	}
	i1 = min(out, (in-1+first)/g.stride+1)
	if in-1+first < 0 {
		i1 = 0
	}
	return i0, i1
}

// join makes one level of two levels of the summed index whose elements follow each other evenly.
func (t *tile) join() {
	if t.n1 == 1 || t.aStep1 == t.k*t.aK && t.bStep1 == t.k*t.bK {
		t.k *= t.n1
		t.n1, t.n2, t.aStep1, t.aStep2, t.bStep1, t.bStep2 = t.n2, 1, t.aStep2, 0, t.bStep2, 0
		if t.n1 == 1 || t.aStep1 == t.k*t.aK && t.bStep1 == t.k*t.bK {
			t.k *= t.n1
			t.n1 = 1
		}
	}
}

// store writes the finished sum of an item to its place in the gradient.
func (g *gradWeight) store(item gradItem, sum []float32) {
	rowStride, colStride, tap := g.a.inWeight, g.b.inWeight, item.kh*g.kernel+item.kw
	if g.turned {
		tap = g.kernel*g.kernel - 1 - tap
	}
	d := g.d[item.row*rowStride+item.col*colStride+tap:]
	switch {
	case colStride == 1:
		for r := range item.rows {
			copy(d[r*rowStride:][:item.cols], sum[r*panelCols:])
		}
	case rowStride == 1:
		transpose(d, sum, colStride, panelCols, item.rows, item.cols)
	default:
		for r := range item.rows {
			at := r * rowStride
			for _, v := range sum[r*panelCols : r*panelCols+item.cols] {
				d[at] = v
				at += colStride
			}
		}
	}
}
