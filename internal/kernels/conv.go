package kernels

// ConvShape is the shape of a convolution over images (N, H, W, Cin) with weights
// (Cout, Cin, Kernel, Kernel), as in package ref: Kernel 1 or 3 with Kernel/2 zeros of
// padding, Stride 1 or 2.
type ConvShape struct {
	N, H, W    int // batch and size of the input
	Cin, Cout  int
	Kernel     int
	Stride     int
	Accumulate bool // Conv2d adds to y, Conv2dGradInput to dx, instead of overwriting it
}

// OutH is the height of the output.
func (s ConvShape) OutH() int { return (s.H-1)/s.Stride + 1 }

// OutW is the width of the output.
func (s ConvShape) OutW() int { return (s.W-1)/s.Stride + 1 }

// GFLOP is the work of the convolution, multiply-adds counted as two and those with padding
// counted too; each gradient costs as much.
func (s ConvShape) GFLOP() float64 {
	return 2e-9 * float64(s.N*s.OutH()*s.OutW()) * float64(s.Cout*s.Cin*s.Kernel*s.Kernel)
}

// check panics on a shape that no kernel is written for.
func (s ConvShape) check() {
	if s.Kernel != 1 && s.Kernel != 3 || s.Stride != 1 && s.Stride != 2 || s.H <= 0 || s.W <= 0 {
		panic("kernels: conv2d: want kernel 1 or 3, stride 1 or 2 and no empty image")
	}
}

// Conv2dPackSize is the length of a weight packed for [Conv2d].
func Conv2dPackSize(s ConvShape) int { return s.forward().packSize() }

// Conv2dPackItems is the number of work items of [Conv2dPack].
func Conv2dPackItems(s ConvShape) int { return panels(s.Cout) }

// Conv2dPack packs panels [i0, i1) of w (Cout, Cin, K, K) for [Conv2d].
func Conv2dPack(packed, w []float32, s ConvShape, i0, i1 int) {
	win, taps := s.forward(), s.Kernel*s.Kernel
	for i := i0; i < i1; i++ {
		win.pack(packed, w, s.Kernel, taps, s.Cin*taps, i)
	}
}

// Conv2dItems is the number of work items of [Conv2d].
func Conv2dItems(s ConvShape) int { return s.forward().items() }

// Conv2dScratch is the work memory of [Conv2d] in floats.
func Conv2dScratch(s ConvShape) int { return s.forward().scratch() }

// Conv2d is the convolution of x (N, H, W, Cin) with the weights that [Conv2dPack] packed,
// plus b (Cout) if it is not nil, for work items [i0, i1). See ref.Conv2d.
func Conv2d(y, x, packed, b []float32, s ConvShape, scratch []float32, i0, i1 int) {
	win := s.forward()
	win.run(y, x, packed, b, s.Accumulate, scratch, i0, i1)
}

// Conv2dGradInputPackSize is the length of a weight packed for [Conv2dGradInput].
func Conv2dGradInputPackSize(s ConvShape) int { return s.gradInput().packSize() }

// Conv2dGradInputPackItems is the number of work items of [Conv2dGradInputPack].
func Conv2dGradInputPackItems(s ConvShape) int { return panels(s.Cin) }

// Conv2dGradInputPack packs panels [i0, i1) of w (Cout, Cin, K, K) for [Conv2dGradInput].
func Conv2dGradInputPack(packed, w []float32, s ConvShape, i0, i1 int) {
	win, taps := s.gradInput(), s.Kernel*s.Kernel
	for i := i0; i < i1; i++ {
		win.pack(packed, w, s.Kernel, s.Cin*taps, taps, i)
	}
}

// Conv2dGradInputItems is the number of work items of [Conv2dGradInput].
func Conv2dGradInputItems(s ConvShape) int { return s.gradInput().items() }

// Conv2dGradInputScratch is the work memory of [Conv2dGradInput] in floats.
func Conv2dGradInputScratch(s ConvShape) int { return s.gradInput().scratch() }

// Conv2dGradInput is the gradient dx of a convolution by its input, from dy and the weights
// that [Conv2dGradInputPack] packed, for work items [i0, i1). See ref.Conv2dGradInput.
func Conv2dGradInput(dx, dy, packed []float32, s ConvShape, scratch []float32, i0, i1 int) {
	win := s.gradInput()
	win.run(dx, dy, packed, nil, s.Accumulate, scratch, i0, i1)
}

// A window slides over an image and makes another: the form that a convolution and its
// gradient by the input share. In an image with its halo of zeros the pixels under a row of
// the window are contiguous, so a tile of the destination is one call of a tile kernel whose
// summed index runs over the window's rows, and no patch is ever copied.
//
// The gradient of a convolution of stride 2 has four phases: pixels whose row and column
// are even or odd see different weights, and only these.
//
// A destination of few channels would leave most of a register empty. There a place stands for
// several neighbouring pixels, whose channels are columns side by side as they are side by side
// in memory. The place sees all that its pixels see, through weights that are 0 where one of
// them does not look: more products, in fewer instructions, and to the bit the same sums.
type window struct {
	srcH, srcW, k int  // source image, k channels
	dstH, dstW, n int  // destination image: places side by side and columns of one, its pixels' channels
	joined        int  // pixels of a place
	before, after int  // columns of zeros beside the source; before is that of rows above it, too
	reach         int  // rows of the source under a place of the window
	step          int  // distance in the source between two places of the window
	squares       bool // the window sees sums of squares of the source instead, see squareLine
	phases        int  // 1, or 4 for stride 2
	images        int
	winograd      bool // see winograd.go
	phase         [4]phase
}

// A phase makes the destination pixels (spread·i + row, spread·j + col), with spread 1 or, if
// there are four phases, 2.
type phase struct {
	row, col   int
	kRows      int // size of the window
	kCols      int
	weights    int // taps before this phase's, in the packed weights
	firstTapH  int // row i of the window has weight firstTapH + i·tapStrideH: see tap
	firstTapW  int
	tapStrideH int
	tapStrideW int
}

// tap is the weight (kh, kw) under row i and column j of the window.
func (p phase) tap(i, j int) (kh, kw int) {
	return p.firstTapH + i*p.tapStrideH, p.firstTapW + j*p.tapStrideW
}

func (s ConvShape) forward() window {
	s.check()
	win := window{
		images: s.N, winograd: s.winograd(), srcH: s.H, srcW: s.W, k: s.Cin, dstH: s.OutH(), dstW: s.OutW(), n: s.Cout, joined: 1,
		before: s.Kernel / 2, after: s.Kernel / 2, reach: s.Kernel, step: s.Stride, phases: 1,
		phase: [4]phase{{kRows: s.Kernel, kCols: s.Kernel, tapStrideH: 1, tapStrideW: 1}},
	}
	if s.Kernel == 3 && s.Stride == 1 {
		win.join()
	}
	return win
}

// join makes a place of as many pixels as fit into a register and divide a line.
func (w *window) join() {
	for p := currentGeometry().lanes / w.n; p > 1; p-- {
		if w.dstW%p == 0 {
			w.joined, w.dstW, w.n = p, w.dstW/p, w.n*p
			w.phase[0].kCols += p - 1
			return
		}
	}
}

// gradInput: pixel h of dx is the sum over the kh with h = i·stride + kh - pad of what
// dy[i] gives. At stride 1 that is a convolution with the weights turned round. At
// stride 2 and kernel 3 an even h = 2u sees dy[u] through kh = 1, an odd one
// h = 2u+1 sees dy[u] through kh = 2 and dy[u+1] through kh = 0.
func (s ConvShape) gradInput() window {
	s.check()
	win := window{
		images: s.N, winograd: s.winograd(),
		srcH: s.OutH(), srcW: s.OutW(), k: s.Cout, dstH: s.H, dstW: s.W, n: s.Cin, joined: 1, step: 1,
	}
	if s.Stride == 1 {
		last := s.Kernel - 1
		win.before, win.after, win.reach, win.phases = s.Kernel/2, s.Kernel/2, s.Kernel, 1
		win.phase[0] = phase{kRows: s.Kernel, kCols: s.Kernel, firstTapH: last, firstTapW: last, tapStrideH: -1, tapStrideW: -1}
		if s.Kernel == 3 {
			win.join()
		}
		return win
	}
	win.phases, win.after, win.reach = 4, s.Kernel/2, s.Kernel/2+1
	weights := 0
	for i := range win.phase {
		p := phase{row: i / 2, col: i % 2, weights: weights, tapStrideH: -2, tapStrideW: -2}
		p.kRows, p.firstTapH = s.phaseTaps(p.row)
		p.kCols, p.firstTapW = s.phaseTaps(p.col)
		weights += p.kRows * p.kCols
		win.phase[i] = p
	}
	return win
}

// phaseTaps is the number of weights, and the first, that an even (odd = 0) or odd row of dx
// sees at stride 2.
func (s ConvShape) phaseTaps(odd int) (n, first int) {
	switch {
	case s.Kernel == 3 && odd == 1:
		return 2, 2
	case odd == 1:
		return 0, 0
	}
	return 1, s.Kernel / 2
}

// spread is the distance in the destination between two places of the window.
func (w *window) spread() int {
	if w.phases == 4 {
		return 2
	}
	return 1
}

// taps is the number of products behind an output, or behind a tile of them.
func (w *window) taps(p *phase) int {
	if w.winograd {
		return winogradPlanes
	}
	return p.kRows * p.kCols
}

// packSize counts one k × 32 block for every tap of every phase and panel.
func (w window) packSize() int {
	taps := 0
	for i := range w.phases {
		taps += w.taps(&w.phase[i])
	}
	return taps * w.k * panels(w.n) * panelCols
}

// panel is where the weights of a phase's panel begin.
func (w *window) panel(p *phase, i int) int {
	return (p.weights*panels(w.n) + i*w.taps(p)) * w.k * panelCols
}

// packChannels is the number of channels of the source whose weights are turned over together.
const packChannels = 8

// pack packs panel i of every phase: [(tap·k + c)·32 + j] is the weight from channel c of the source through
// the tap to column 32i+j, weight[c·from + (32i+j)·to + kh·kernel + kw].
func (w *window) pack(packed, weight []float32, kernel, from, to, i int) {
	if w.joined > 1 {
		w.packJoined(packed, weight, kernel, from, to)
		return
	}
	var turned [9 * packChannels * panelCols]float32 // [(tap·chans + c)·32 + j], 0 beyond the last column
	taps, cols := kernel*kernel, min(panelCols, w.n-i*panelCols)
	for c := 0; c < w.k; c += packChannels {
		chans := min(packChannels, w.k-c)
		size, weight := chans*panelCols, weight[c*from+i*panelCols*to:]
		switch {
		case from == 1:
			transpose(turned[:], weight, panelCols, to, cols, chans)
		case to == 1:
			for l := range chans {
				copy(turned[l*panelCols:], weight[l*from:][:cols])
			}
		default:
			for l := range chans {
				transpose(turned[l*panelCols:], weight[l*from:], size, to, cols, taps)
			}
		}
		w.spreadTaps(packed, turned[:], kernel, i, c*panelCols, size)
	}
	if w.winograd {
		at, size := w.panel(&w.phase[0], i), w.k*panelCols
		now().winogradWeights(packed[at:at+winogradPlanes*size], size)
	}
}

// spreadTaps copies blocks of so many weights, one of each tap, to offset at of the tap in panel i of every phase.
func (w *window) spreadTaps(packed, taps []float32, kernel, i, at, size int) {
	for ph := range w.phases {
		p := &w.phase[ph]
		to := w.panel(p, i) + at
		for a := range p.kRows {
			for b := range p.kCols {
				kh, kw := p.tap(a, b)
				copy(packed[to:to+size], taps[(kh*kernel+kw)*size:])
				to += w.k * panelCols
			}
		}
	}
}

// packJoined packs the panel of a window whose places are several pixels: the weights from channel c
// to channel o, c·from + o·to in weight, stand once for each pixel, a column of the window further on.
func (w *window) packJoined(packed, weight []float32, kernel, from, to int) {
	p := &w.phase[0]
	clear(packed[:w.packSize()])
	channels := w.n / w.joined
	for pixel := range w.joined {
		for tap := range kernel * kernel {
			i, j := tap/kernel, tap%kernel
			kh, kw := p.tap(i, j)
			at := packed[(i*p.kCols+pixel+j)*w.k*panelCols+pixel*channels:]
			for c := range w.k {
				for o := range channels {
					at[c*panelCols+o] = weight[c*from+o*to+kh*kernel+kw]
				}
			}
		}
	}
}

// blockPixels is about the number of places of the window in a work item.
const blockPixels = 128

// gridH is the number of places of the window above each other.
func (w *window) gridH() int { return (w.dstH + w.spread() - 1) / w.spread() }

// blockRows is the number of rows of places in a work item.
func (w *window) blockRows() int {
	width := (w.dstW + w.spread() - 1) / w.spread()
	return min(w.gridH(), max(1, blockPixels/width))
}

func (w *window) blocks() int { return (w.gridH() + w.blockRows() - 1) / w.blockRows() }

func (w window) items() int {
	if w.winograd {
		return w.winogradItems()
	}
	return w.images * w.blocks() * panels(w.n)
}

func (w *window) padded() bool { return w.before+w.after > 0 }

// haloW is the width of an image with its halo.
func (w *window) haloW() int { return w.before + w.srcW + w.after }

// haloRows is the number of source rows, halo included, under rows rows of places.
func (w *window) haloRows(rows int) int { return (rows-1)*w.step + w.reach }

func (w window) scratch() int {
	if w.winograd {
		halo, tiles, products := w.winogradScratch()
		return halo + tiles + products
	}
	if !w.padded() {
		return 0
	}
	lines := w.haloRows(w.blockRows())
	size := lines * w.haloW() * w.k
	if w.squares {
		size += (w.haloW() + 1) * w.k
	}
	if w.joined > 1 {
		size += w.n // the bias, once for each pixel
	}
	return size
}

// run computes work items [i0, i1): a block of rows of places in one image by a panel of
// channels; the panels of one block follow each other and share its halo.
func (w *window) run(dst, src, packed, bias []float32, accumulate bool, scratch []float32, i0, i1 int) {
	if w.winograd {
		w.runWinograd(dst, src, packed, bias, accumulate, scratch, i0, i1)
		return
	}
	var t tile
	t.init()
	t.aK, t.aRow, t.aStep1, t.bK, t.cRow = 1, w.step*w.joined*w.k, w.haloW()*w.k, panelCols, w.spread()*w.n
	t.add = accumulate
	if w.joined > 1 && bias != nil {
		wide := scratch[w.scratch()-w.n : w.scratch()]
		for i := range wide {
			wide[i] = bias[i%(w.n/w.joined)]
		}
		bias = wide
	}
	filled := -1
	for i := i0; i < i1; i++ {
		block, panel := i/panels(w.n), i%panels(w.n)
		img, row := block/w.blocks(), block%w.blocks()*w.blockRows()
		rows := min(w.blockRows(), w.gridH()-row)
		image := src[img*w.srcH*w.srcW*w.k : (img+1)*w.srcH*w.srcW*w.k]
		var halo []float32 // the source rows, from the first one
		if !w.padded() {
			halo = image[row*w.step*w.srcW*w.k:]
		} else {
			if block != filled {
				w.fill(scratch, image, row, rows)
				filled = block
			}
			halo = scratch
		}
		for p := range w.phase[:w.phases] {
			w.runPhase(&t, &w.phase[p], dst, halo, packed, bias, img, row, rows, panel)
		}
	}
}

// fill copies the source rows under rows rows of places from row, with their halo.
func (w *window) fill(scratch, image []float32, row, rows int) {
	width := w.haloW() * w.k
	left, right := w.before*w.k, (w.before+w.srcW)*w.k
	lines := w.haloRows(rows)
	for i := range lines {
		line := scratch[i*width : (i+1)*width]
		h := row*w.step + i - w.before
		if w.squares {
			squareLine(line, scratch[lines*width:], image, w.srcH, w.srcW, w.k, h, -w.before)
			continue
		}
		if h < 0 || h >= w.srcH {
			clear(line)
			continue
		}
		clear(line[:left])
		copy(line[left:right], image[h*w.srcW*w.k:(h+1)*w.srcW*w.k])
		clear(line[right:])
	}
}

// runPhase computes a phase's pixels under rows rows of places from row, for one panel.
func (w *window) runPhase(t *tile, p *phase, dst, halo, packed, bias []float32, img, row, rows, panel int) {
	spread := w.spread()
	// Places whose pixel is in the image: all but, perhaps, the last row and column.
	rows = min(rows, (w.dstH-p.row+spread-1)/spread-row)
	width := (w.dstW - p.col + spread - 1) / spread
	if rows <= 0 || width <= 0 {
		return
	}
	dst = dst[((img*w.dstH+row*spread+p.row)*w.dstW+p.col)*w.n:]
	if p.kRows*p.kCols == 0 {
		if !t.add {
			w.clearPhase(dst, rows, width, panel)
		}
		return
	}
	t.k, t.n1 = p.kCols*w.k, p.kRows
	t.bStep1 = t.k * panelCols
	// Where groups of rows fit evenly into a line of places, a tile goes on in the next line, and
	// all lines are laid out together; else a line at a time.
	lines := 1
	if width%t.g.group == 0 {
		lines = max(1, t.g.maxRows()/width)
	}
	for i := 0; i < rows; i += lines {
		for j := 0; j < width; j += t.g.maxRows() {
			n := min(lines, rows-i) * min(t.g.maxRows(), width-j)
			w.place(t, n, width)
			w.runPanel(t, p, dst[i*w.cLine()+j*t.cRow:], halo[i*w.aLine()+j*t.aRow:], packed, bias, panel)
		}
	}
}

// runPanel computes the places that are laid out, for one panel.
func (w *window) runPanel(t *tile, p *phase, dst, halo, packed, bias []float32, panel int) {
	t.a = halo
	wide := t.g.cols()
	for j := panel * panelCols; j < min(w.n, (panel+1)*panelCols); j += wide {
		t.cols = min(wide, w.n-j)
		t.b, t.c = packed[w.panel(p, panel)+j%panelCols:], dst[j:]
		t.bias = nil
		if bias != nil {
			t.bias = bias[j : j+t.cols]
		}
		t.run()
	}
}

// aLine and cLine are the distances from one line of places to the next.
func (w *window) aLine() int { return w.step * w.haloW() * w.k }
func (w *window) cLine() int { return w.spread() * w.dstW * w.n }

// place lays out n places, lines of width of them one after the other. A group of rows does not
// go over the end of a line, unless there is one line only.
func (w *window) place(t *tile, n, width int) {
	if n <= width {
		t.lay(n)
		return
	}
	t.m = n
	line, col := 0, 0
	for i := 0; i < n; i += t.g.rows {
		s := &t.spots[i/t.g.rows]
		for p := 0; p < 3; p++ {
			s.a[p] = line*w.aLine() + col*t.aRow
			s.c[p] = line*w.cLine() + col*t.cRow
			if col += t.g.group; col == width {
				line, col = line+1, 0
			}
		}
	}
	line, col = (n-1)/width, (n-1)%width // the farthest place: a line ends before the next begins
	t.lastA, t.lastC = line*w.aLine()+col*t.aRow, line*w.cLine()+col*t.cRow
}

// clearPhase zeroes a panel of pixels that no weight reaches.
func (w *window) clearPhase(dst []float32, rows, width, panel int) {
	spread := w.spread()
	j0, j1 := panel*panelCols, min(w.n, (panel+1)*panelCols)
	for i := range rows {
		for j := range width {
			at := (i*w.dstW + j) * spread * w.n
			clear(dst[at+j0 : at+j1])
		}
	}
}

// Conv2dGradWeightItems is the number of work items of [Conv2dGradWeight]: blocks of dw, then
// of db unless that is summed beside them.
func Conv2dGradWeightItems(s ConvShape) int {
	s.check()
	g := newGradWeight(nil, nil, nil, s)
	return g.itemsWithBias(s.Cout)
}

// Conv2dGradWeightPiece is how many work items a call of [Conv2dGradWeight] should have at least.
func Conv2dGradWeightPiece(s ConvShape) int {
	s.check()
	g := newGradWeight(nil, nil, nil, s)
	return g.piece()
}

// Conv2dGradWeightScratch is the work memory of [Conv2dGradWeight] in floats.
func Conv2dGradWeightScratch(s ConvShape) int {
	g := newGradWeight(nil, nil, nil, s)
	return g.scratch()
}

// Conv2dGradWeight is the gradients dw (Cout, Cin, K, K) and db (Cout) of a convolution, by the
// rule of 16, for work items [i0, i1). db may be nil. See ref.Conv2dGradWeight.
func Conv2dGradWeight(dw, db, dy, x []float32, s ConvShape, scratch []float32, i0, i1 int) {
	s.check()
	g := newGradWeight(dw, dy, x, s)
	g.runWithBias(db, dy, scratch, s.N, s.OutH()*s.OutW(), s.Cout, i0, i1)
}
