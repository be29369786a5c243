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
// x are left out.
//
// A work item is a block of one tap's d, never a range of samples. The items of a call are
// computed in groups, and a group goes over the samples once: what one item has brought into
// the second-level cache serves the others.

const (
	gradRows   = 72  // rows of a block of d: six tiles of 12, twelve of 6
	gradPixels = 256 // pixels in a call of the tile kernel, at most; such sums are added in order
	gradGroup  = 18  // items that are computed together, at most
	gradDepth  = 5   // partial sums that wait to be added: 16 of them make a tree of height 4

	gradPanels = 6 // panels of b that are copied together, at most

	// Sizes in floats. Copies lie off a power of two, lest they share few sets of the cache.
	gradBlock = gradRows * panelCols
	gradPanel = gradPixels*panelCols + cacheLine
	cacheLine = 16
)

// A side is one factor of the outer products: the channels at the pixels of some images.
type side struct {
	v                   []float32
	channels            int
	pixel, line, sample int  // distances between what belongs to neighbouring pixels, lines, samples of dy
	isX                 bool // the tap looks at it
}

// at is the offset of what belongs to a pixel of dy.
func (f *side) at(sample, line, pixel int) int {
	return sample*f.sample + line*f.line + pixel*f.pixel
}

// A gradWeight is the gradient of a weight in the making.
type gradWeight struct {
	s         ConvShape
	a, b      side // channels of a are the rows of d, channels of b its columns
	packB     bool // panels of b are copied together first
	packA     bool // blocks of a are, too
	d         []float32
	rowStride int // distances in the gradient between rows and columns of a tap's d
	colStride int
	// A call of the tile kernel covers several small samples, or some lines of one, or a part of a
	// line. The whole shape decides, as it decides the order of additions.
	samples, lines, pixels int
}

// newGradWeight chooses which side is read as vectors: one whose channels fill them, and of two
// linear ones the wider.
func newGradWeight(dw, dy, x []float32, s ConvShape) gradWeight {
	oh, ow, taps := s.OutH(), s.OutW(), s.Kernel*s.Kernel
	g := gradWeight{
		s: s, d: dw, rowStride: taps, colStride: s.Cin * taps,
		a:       side{x, s.Cin, s.Stride * s.Cin, s.Stride * s.W * s.Cin, s.H * s.W * s.Cin, true},
		b:       side{dy, s.Cout, s.Cout, ow * s.Cout, oh * ow * s.Cout, false},
		samples: max(1, gradPixels/(oh*ow)), lines: min(oh, max(1, gradPixels/ow)), pixels: min(ow, gradPixels),
	}
	lanes := currentGeometry().lanes
	fullX, fullDY := s.Cin%lanes == 0, s.Cout%lanes == 0
	pointwise := s.Kernel == 1 && s.Stride == 1
	if fullX && (!fullDY || pointwise && s.Cout < s.Cin) {
		g.a, g.b, g.rowStride, g.colStride = g.b, g.a, g.colStride, g.rowStride
	}
	// A copy serves all taps and rows, if the taps do not look at this side.
	g.packB = (!g.b.isX || pointwise) && (g.b.channels%lanes != 0 || g.a.channels*taps >= 32)
	// One of a block serves all panels: of one tap, for each tap looks elsewhere.
	g.packA = pointwise && g.packB && panels(g.b.channels) > 2
	return g
}

// blocks is the number of blocks of rows of a d.
func (g *gradWeight) blocks() int { return (g.a.channels + gradRows - 1) / gradRows }

// items counts the blocks of rows, for each tap, for each panel of columns.
func (g *gradWeight) items() int {
	return g.blocks() * g.s.Kernel * g.s.Kernel * panels(g.b.channels)
}

// scratch is the work memory: stacks of sums, panels of b, and blocks of a.
func (g *gradWeight) scratch() int {
	n := gradGroup*gradDepth*gradBlock + gradPanels*gradPanel
	if g.packA {
		tiles := gradRows / currentGeometry().rows
		n += min(g.blocks(), gradGroup) * tiles * tileDistance(gradPixels)
	}
	return n
}

// tileDistance is the distance of tiles that hold n pixels of a.
func tileDistance(n int) int { return n*currentGeometry().rows + cacheLine }

// A gradItem is a work item: a block of rows and a panel of columns of a tap's d.
type gradItem struct {
	row, rows int
	col, cols int
	kh, kw    int
	begun     bool // its present partial sum has a summand
}

func (g *gradWeight) item(i int) gradItem {
	block, i := i%g.blocks(), i/g.blocks()
	taps := g.s.Kernel * g.s.Kernel
	row, col, tap := block*gradRows, i/taps*panelCols, i%taps
	return gradItem{
		row: row, rows: min(gradRows, g.a.channels-row),
		col: col, cols: min(panelCols, g.b.channels-col),
		kh: tap / g.s.Kernel, kw: tap % g.s.Kernel,
	}
}

// run computes items [i0, i1).
func (g *gradWeight) run(scratch []float32, i0, i1 int) {
	for ; i0 < i1; i0 += gradGroup {
		var items [gradGroup]gradItem
		n := min(gradGroup, i1-i0)
		for i := range n {
			items[i] = g.item(i0 + i)
		}
		g.group(items[:n], scratch)
	}
}

// group computes some items.
//
// Partial sums are added as a binary counter counts: p goes on top of an item's stack, and
// for every 1 that p ends in, the two on top, sums of subtrees of one height, become one.
func (g *gradWeight) group(items []gradItem, scratch []float32) {
	for p := range ref.Parts {
		s0, s1 := ref.Part(p, g.s.N)
		depth := bits.OnesCount(uint(p))
		g.partial(items, scratch, depth, s0, s1)
		for range bits.TrailingZeros(^uint(p)) {
			for i, item := range items {
				addTo(stackSum(scratch, i, depth-1), stackSum(scratch, i, depth), item.rows*panelCols)
			}
			depth--
		}
	}
	for i, item := range items {
		g.store(item, stackSum(scratch, i, 0))
	}
}

// stackSum is a sum on the stack of item i of a group, rows 32 floats apart.
func stackSum(scratch []float32, i, depth int) []float32 {
	at := (i*gradDepth + depth) * gradBlock
	return scratch[at : at+gradBlock]
}

// A box is a range of samples, lines and pixels of dy.
type box struct{ s0, s1, line0, line1, pixel0, pixel1 int }

// partial computes the sum over samples [s0, s1) for each item.
func (g *gradWeight) partial(items []gradItem, scratch []float32, depth, s0, s1 int) {
	for i := range items {
		items[i].begun = false
	}
	oh, ow := g.s.OutH(), g.s.OutW()
	for s := s0; s < s1; s += g.samples {
		for line := 0; line < oh; line += g.lines {
			for pixel := 0; pixel < ow; pixel += g.pixels {
				g.addBox(items, scratch, depth, box{
					s, min(s1, s+g.samples), line, min(oh, line+g.lines), pixel, min(ow, pixel+g.pixels),
				})
			}
		}
	}
	for i, item := range items {
		if !item.begun {
			clear(stackSum(scratch, i, depth)[:item.rows*panelCols])
		}
	}
}

// addBox adds a box of pixels to the sums of all items.
func (g *gradWeight) addBox(items []gradItem, scratch []float32, depth int, in box) {
	panels := scratch[gradGroup*gradDepth*gradBlock:]
	blocks := panels[gradPanels*gradPanel:]
	if g.packA {
		g.packBlocks(blocks, items, in)
	}
	var t tile
	t.init()
	t.cRow = panelCols
	col0, col1 := 0, 0 // the columns that are packed
	for i := range items {
		item := &items[i]
		if g.packB && item.col >= col1 {
			last := items[len(items)-1]
			col0, col1 = item.col, min(item.col+gradPanels*panelCols, last.col+last.cols)
			g.packPanels(panels, in, col0, col1)
		}
		panel := panels
		if g.packB {
			panel = panels[(item.col-col0)/panelCols*gradPanel:]
		}
		t.c = stackSum(scratch, i, depth)
		if g.packA {
			g.addPacked(&t, item, panel, blocks[i%g.blocks()*g.blockDistance(in):], in)
		} else {
			g.addItem(&t, item, panel, in)
		}
	}
}

// addItem adds a box of pixels to the sum of an item.
func (g *gradWeight) addItem(t *tile, item *gradItem, panel []float32, in box) {
	// The pixels of the box whose tap looks inside of x.
	line0, line1 := g.s.inside(item.kh, g.s.H, g.s.OutH())
	pixel0, pixel1 := g.s.inside(item.kw, g.s.W, g.s.OutW())
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

// addTo adds the products with b that t is set up for to the sum of an item.
func (t *tile) addTo(item *gradItem, sum, b []float32) {
	t.add = item.begun
	wide := t.g.cols()
	for j := 0; j < item.cols; j += wide {
		t.b, t.c, t.cols = b[j:], sum[j:], min(wide, item.cols-j)
		t.run()
	}
	item.begun = true
}

// pixels counts the pixels of a box. They follow each other evenly, in whole lines and samples,
// unless the box lies in one line.
func (in box) pixels() int {
	return (in.s1 - in.s0) * (in.line1 - in.line0) * (in.pixel1 - in.pixel0)
}

// blockDistance is the distance of blocks of a, packed to tiles of the pixels of a box.
func (g *gradWeight) blockDistance(in box) int {
	return gradRows / currentGeometry().rows * tileDistance(in.pixels())
}

// packBlocks copies the rows of a that the items need, at the pixels of a box, to tiles. In a
// group, blocks follow each other and come again with the next panel.
func (g *gradWeight) packBlocks(dst []float32, items []gradItem, in box) {
	geo, n := currentGeometry(), in.pixels()
	src := g.a.v[g.a.at(in.s0, in.line0, in.pixel0):]
	distinct := min(len(items), g.blocks())
	for i := 0; i < distinct; {
		// Blocks up to the last one are neighbours.
		first := items[i].row
		count := min(distinct-i, g.blocks()-first/gradRows)
		rows := min(count*gradRows, g.a.channels-first)
		to, full := dst[i*g.blockDistance(in):], rows/geo.rows
		packTiles(to, src[first:], n, g.a.pixel, full, tileDistance(n), geo.rows)
		if rest := rows % geo.rows; rest > 0 {
			packTiles(to[full*tileDistance(n):], src[first+full*geo.rows:], n, g.a.pixel, 1, 0, rest)
		}
		i += count
	}
}

// addPacked adds a box of pixels, packed on both sides, to the sum of an item.
func (g *gradWeight) addPacked(t *tile, item *gradItem, panel, block []float32, in box) {
	n := in.pixels()
	t.a, t.aRow, t.aK, t.bK = block, 1, t.g.rows, panelCols
	t.k, t.n1, t.n2 = n, 1, 1
	t.layPacked(item.rows, tileDistance(n))
	t.addTo(item, t.c, panel)
}

// look is the offset in x of what an item's tap looks at, from where its pixel is.
func (g *gradWeight) look(f *side, item *gradItem) int {
	if !f.isX {
		return 0
	}
	pad := g.s.Kernel / 2
	return ((item.kh-pad)*g.s.W + item.kw - pad) * f.channels
}

// packPanels copies channels [col0, col1) of b at the pixels of a box to panels, the last one
// filled up with zeros.
func (g *gradWeight) packPanels(panels []float32, in box, col0, col1 int) {
	src, n := g.b.v[g.b.at(in.s0, in.line0, in.pixel0):], in.pixels()
	full := (col1 - col0) / panelCols
	copyPanels(panels, src[col0:], n, g.b.pixel, full, gradPanel)
	if rest := (col1 - col0) % panelCols; rest > 0 {
		packRows(panels[full*gradPanel:], src, n, g.b.pixel, col1-rest, rest)
	}
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
	d := g.d[item.row*g.rowStride+item.col*g.colStride+item.kh*g.s.Kernel+item.kw:]
	switch {
	case g.colStride == 1:
		for r := range item.rows {
			copy(d[r*g.rowStride:][:item.cols], sum[r*panelCols:])
		}
	case g.rowStride == 1:
		transpose(d, sum, g.colStride, panelCols, item.rows, item.cols)
	default:
		for r := range item.rows {
			at := r * g.rowStride
			for _, v := range sum[r*panelCols : r*panelCols+item.cols] {
				d[at] = v
				at += g.colStride
			}
		}
	}
}

// biasCols is the number of columns of a work item of the gradient of a bias.
const biasCols = 4 * panelCols

// gradBias is db = Σ dy, by the rule of 16, for columns [col, col+cols) of images of so many pixels
// and channels. scratch holds a stack of sums.
func gradBias(db, dy, scratch []float32, n, pixels, channels, col, cols int) {
	sum := func(depth int) []float32 { return scratch[depth*biasCols : (depth+1)*biasCols] }
	for p := range ref.Parts {
		s0, s1 := ref.Part(p, n)
		depth := bits.OnesCount(uint(p))
		if s0 == s1 {
			clear(sum(depth))
		} else {
			sumColumns(sum(depth), dy[s0*pixels*channels+col:], (s1-s0)*pixels, channels, cols)
		}
		for range bits.TrailingZeros(^uint(p)) {
			addTo(sum(depth-1), sum(depth), biasCols)
			depth--
		}
	}
	copy(db[col:col+cols], sum(0))
}

// sumColumns is dst[j] = Σ src[i*stride+j] over i < n, for j < cols <= biasCols.
func sumColumns(dst, src []float32, n, stride, cols int) {
	const most = callWork / 8 // rows in a call
	var t tile
	t.init()
	wide := 8 * t.g.lanes
	for i := 0; i < n; i += most {
		rows, src := min(most, n-i), src[i*stride:]
		j := 0
		for ; j+wide <= cols; j += wide {
			sumRows(dst[j:], src[j:], rows, stride, i > 0)
		}
		// What is left is a row of ones times so many columns of dy.
		t.a, t.k, t.bK, t.add = one, rows, stride, i > 0
		t.lay(1)
		for ; j+t.g.lanes <= cols; j += t.cols {
			t.cols = min(t.g.cols(), (cols-j)/t.g.lanes*t.g.lanes)
			t.b, t.c = src[j:], dst[j:]
			t.run()
		}
		sumRowsGeneric(dst[j:], src[j:], rows, stride, cols-j, i > 0)
	}
}

var one = []float32{1}
