package kernels

// UpsampleConvShape is the shape of a 3x3 convolution over images (N, H, W, Cin) whose pixels
// are repeated twice in each direction first: weights (Cout, Cin, 3, 3), result (N, 2H, 2W,
// Cout).
//
// The doubled image never exists. To double is to put zeros between the pixels and then to
// sum each square of four. Sum and convolution are both translations added up, so they can
// change places. With i and j from -1, where the square of y[0,0] begins:
//
//	z[i,j] = Σ_{kh,kw} w[kh,kw] x[(i+kh-1)/2, (j+kw-1)/2]     where both halves are whole
//	y[i,j] = (z[i,j-1] + z[i-1,j-1]) + (z[i,j] + z[i-1,j])
//
// A pixel of x meets each of the nine weights once, not four times: a quarter of the
// products. (One 2x2 kernel for each of the four kinds of pixels of y, its weights summed
// beforehand, would need four ninths.) Backwards the squares are summed first: with s[i,j] the
// sum of the four dy whose y has z[i,j] in it,
//
//	dx[h,w]   = Σ_{kh,kw} w[kh,kw]ᵀ s[2h+1-kh, 2w+1-kw]
//	dw[kh,kw] = Σ_{n,h,w} s[2h+1-kh, 2w+1-kw] x[h,w]
//
// Nothing is subtracted: these are the products of the definition, or sums of four of them,
// added in another order, and as exact.
type UpsampleConvShape struct{ N, H, W, Cin, Cout int }

// GFLOP is the work as it would be with the doubled image, multiply-adds counted as two; each
// gradient counts as much.
func (s UpsampleConvShape) GFLOP() float64 {
	return 2e-9 * float64(s.N*4*s.H*s.W) * float64(s.Cout*s.Cin*9)
}

// check panics on an empty image.
func (s UpsampleConvShape) check() {
	if s.H <= 0 || s.W <= 0 {
		panic("kernels: upsample-conv: want no empty image")
	}
}

// forward makes z. Counted from 0, an even row or column of z sees the pixels before and after
// it through weights 0 and 2, an odd one its pixel through weight 1.
//
// The halo has one column of zeros, on the left: the one on the right is the next line's.
func (s UpsampleConvShape) forward() window {
	s.check()
	win := window{srcH: s.H, srcW: s.W, k: s.Cin, n: s.Cout, joined: 1, before: 1, reach: 3, step: 1, phases: 4}
	taps := [2]struct{ n, first, stride int }{{2, 0, 2}, {1, 1, 0}}
	weights := 0
	for i := range win.phase {
		h, w := taps[i/2], taps[i%2]
		win.phase[i] = phase{
			row: i / 2, col: i % 2, kRows: h.n, kCols: w.n, weights: weights,
			firstTapH: h.first, firstTapW: w.first, tapStrideH: h.stride, tapStrideW: w.stride,
		}
		weights += h.n * w.n
	}
	return win
}

// UpsampleConvPackSize is the length of a weight packed for [UpsampleConv].
func UpsampleConvPackSize(s UpsampleConvShape) int { return s.forward().packSize() }

// UpsampleConvPackItems is the number of work items of [UpsampleConvPack].
func UpsampleConvPackItems(s UpsampleConvShape) int { return panels(s.Cout) }

// UpsampleConvPack packs panels [i0, i1) of w (Cout, Cin, 3, 3) for [UpsampleConv].
func UpsampleConvPack(packed, w []float32, s UpsampleConvShape, i0, i1 int) {
	win := s.forward()
	for i := i0; i < i1; i++ {
		win.pack(packed, w, 3, 9, s.Cin*9, i)
	}
}

// upsamplePixels is about the number of pixels of x in a work item. The last row of z is made
// again by the next one.
const upsamplePixels = 512

// blockRows is the number of rows of x in a work item.
func (s UpsampleConvShape) blockRows() int { return min(s.H, max(1, upsamplePixels/s.W)) }

func (s UpsampleConvShape) blocks() int { return divideUp(s.H, s.blockRows()) }

// UpsampleConvItems is the number of work items of [UpsampleConv].
func UpsampleConvItems(s UpsampleConvShape) int {
	s.check()
	return s.N * s.blocks() * panels(s.Cout)
}

// haloSize is the length of the rows of x under a work item, with their halo.
func (s UpsampleConvShape) haloSize() int { return ((s.blockRows()+2)*(s.W+1) + 1) * s.Cin }

// lineZ is the length of a line of a panel of z, the last column of which is void.
func (s UpsampleConvShape) lineZ() int { return 2 * (s.W + 1) * panelCols }

// UpsampleConvScratch is the work memory of [UpsampleConv] in floats.
func UpsampleConvScratch(s UpsampleConvShape) int {
	s.check()
	return s.haloSize() + (2*s.blockRows()+1)*s.lineZ()
}

// UpsampleConv is the convolution of the doubled x (N, H, W, Cin) with the weights that
// [UpsampleConvPack] packed, plus b (Cout) if it is not nil, for work items [i0, i1). See
// ref.UpsampleConv.
func UpsampleConv(y, x, packed, b []float32, s UpsampleConvShape, scratch []float32, i0, i1 int) {
	win := s.forward()
	halo, z := scratch[:s.haloSize()], scratch[s.haloSize():UpsampleConvScratch(s)]
	var t tile
	t.init()
	t.aK, t.aRow, t.aStep1, t.bK, t.cRow = 1, s.Cin, win.haloW()*s.Cin, panelCols, 2*panelCols
	filled := -1
	for i := i0; i < i1; i++ {
		block, panel := i/panels(s.Cout), i%panels(s.Cout)
		img, row := block/s.blocks(), block%s.blocks()*s.blockRows()
		rows := min(s.blockRows(), s.H-row)
		if block != filled {
			win.fill(halo, x[img*s.H*s.W*s.Cin:(img+1)*s.H*s.W*s.Cin], row, rows)
			clear(halo[win.haloRows(rows)*win.haloW()*s.Cin:][:s.Cin])
			filled = block
		}
		col := panel * panelCols
		bias := noBias[:min(panelCols, s.Cout-col)]
		if b != nil {
			bias = b[col:][:len(bias)]
		}
		even, odd := z[:(rows+1)*s.lineZ()], z[(rows+1)*s.lineZ():]
		for p := range win.phase {
			s.runPhase(&win, &win.phase[p], &t, [2][]float32{even, odd}, halo, packed, rows, panel, len(bias))
		}
		s.sumSquares(y[(img*s.H+row)*4*s.W*s.Cout:(img*s.H+row+rows)*4*s.W*s.Cout], even, odd, bias, rows, col)
	}
}

var noBias [panelCols]float32

// runPhase computes a phase of z, its even rows or its odd ones, around rows rows of x, for one
// panel of so many columns. All places follow each other evenly, with those in the void column.
func (s UpsampleConvShape) runPhase(win *window, p *phase, t *tile, z [2][]float32, halo, packed []float32, rows, panel, cols int) {
	t.k, t.n1 = p.kCols*s.Cin, p.kRows
	t.bStep1 = t.k * panelCols
	a, c := halo[(p.row*win.haloW()+p.col)*s.Cin:], z[p.row][p.col*panelCols:]
	places := (rows + 1 - p.row) * (s.W + 1)
	wide := t.g.cols()
	for i := 0; i < places; i += t.g.maxRows() {
		t.lay(min(places-i, t.g.maxRows()))
		t.a = a[i*t.aRow:]
		for j := 0; j < cols; j += wide {
			t.b, t.c, t.cols = packed[win.panel(p, panel)+j:], c[i*t.cRow+j:], min(wide, cols-j)
			t.run()
		}
	}
}

// sumSquares writes the columns of y from col, as many as the bias has, of 2·rows rows: the sums
// of squares of z, and the bias.
func (s UpsampleConvShape) sumSquares(y, even, odd, bias []float32, rows, col int) {
	line, width := s.lineZ(), 2*s.W*s.Cout
	squares := now().squares
	for i := range rows {
		above, below := even[i*line:(i+1)*line], even[(i+1)*line:(i+2)*line]
		middle := odd[i*line : (i+1)*line]
		squares(y[2*i*width : (2*i+1)*width][col:], above, middle, bias, 2*s.W, panelCols, s.Cout)
		squares(y[(2*i+1)*width : (2*i+2)*width][col:], below, middle, bias, 2*s.W, panelCols, s.Cout)
	}
}

// gradInput is a convolution of stride 2 over the sums of squares, which stand in the place of the
// halo.
func (s UpsampleConvShape) gradInput() window {
	s.check()
	return window{
		images: s.N, srcH: 2 * s.H, srcW: 2 * s.W, k: s.Cout, dstH: s.H, dstW: s.W, n: s.Cin, joined: 1,
		before: 1, reach: 3, step: 2, squares: true, phases: 1,
		phase: [4]phase{{kRows: 3, kCols: 3, firstTapH: 2, firstTapW: 2, tapStrideH: -1, tapStrideW: -1}},
	}
}

// UpsampleConvGradInputPackSize is the length of a weight packed for [UpsampleConvGradInput].
func UpsampleConvGradInputPackSize(s UpsampleConvShape) int { return s.gradInput().packSize() }

// UpsampleConvGradInputPackItems is the number of work items of [UpsampleConvGradInputPack].
func UpsampleConvGradInputPackItems(s UpsampleConvShape) int { return panels(s.Cin) }

// UpsampleConvGradInputPack packs panels [i0, i1) of w (Cout, Cin, 3, 3) for
// [UpsampleConvGradInput].
func UpsampleConvGradInputPack(packed, w []float32, s UpsampleConvShape, i0, i1 int) {
	win := s.gradInput()
	for i := i0; i < i1; i++ {
		win.pack(packed, w, 3, s.Cin*9, 9, i)
	}
}

// UpsampleConvGradInputItems is the number of work items of [UpsampleConvGradInput].
func UpsampleConvGradInputItems(s UpsampleConvShape) int { return s.gradInput().items() }

// UpsampleConvGradInputScratch is the work memory of [UpsampleConvGradInput] in floats.
func UpsampleConvGradInputScratch(s UpsampleConvShape) int { return s.gradInput().scratch() }

// UpsampleConvGradInput is the gradient dx (N, H, W, Cin) by the small images, from dy and the
// weights that [UpsampleConvGradInputPack] packed, for work items [i0, i1). See
// ref.UpsampleConvGradInput.
func UpsampleConvGradInput(dx, dy, packed []float32, s UpsampleConvShape, scratch []float32, i0, i1 int) {
	win := s.gradInput()
	win.run(dx, dy, packed, nil, false, scratch, i0, i1)
}

// UpsampleConvGradWeightItems is the number of work items of [UpsampleConvGradWeight]: blocks of
// dw, then of db.
func UpsampleConvGradWeightItems(s UpsampleConvShape) int {
	g := newUpsampleGradWeight(nil, nil, nil, s)
	return g.items() + biasItems(s.Cout)
}

// UpsampleConvGradWeightPiece is how many work items a call of [UpsampleConvGradWeight] should have at least.
func UpsampleConvGradWeightPiece(s UpsampleConvShape) int {
	g := newUpsampleGradWeight(nil, nil, nil, s)
	return g.piece()
}

// UpsampleConvGradWeightScratch is the work memory of [UpsampleConvGradWeight] in floats.
func UpsampleConvGradWeightScratch(s UpsampleConvShape) int {
	g := newUpsampleGradWeight(nil, nil, nil, s)
	return g.scratch()
}

// UpsampleConvGradWeight is the gradients dw (Cout, Cin, 3, 3) and db (Cout), by the rule of 16, for
// work items [i0, i1). db may be nil. See ref.UpsampleConvGradWeight.
func UpsampleConvGradWeight(dw, db, dy, x []float32, s UpsampleConvShape, scratch []float32, i0, i1 int) {
	g := newUpsampleGradWeight(dw, dy, x, s)
	g.runWithBias(db, dy, scratch, s.N, 4*s.H*s.W, s.Cout, i0, i1)
}

// newUpsampleGradWeight: the taps look at sums of squares of dy, from pixels of x.
func newUpsampleGradWeight(dw, dy, x []float32, s UpsampleConvShape) gradWeight {
	s.check()
	g := gradWeight{
		n: s.N, h: s.H, w: s.W, inH: 2*s.H + 1, inW: 2*s.W + 1,
		kernel: 3, stride: 2, turned: true, squares: true, image: dy, d: dw,
	}
	g.choose(
		side{channels: s.Cout, pixel: 2 * s.Cout, inWeight: s.Cin * 9}, // sumSquares fills in the rest
		side{v: x, channels: s.Cin, pixel: s.Cin, line: s.W * s.Cin, sample: s.H * s.W * s.Cin, inWeight: 9},
	)
	return g
}

// squareLine writes a line of sums of squares of an image (h, w, channels):
//
//	line[j] = (v[i,j] + v[i+1,j]) + (v[i,j+1] + v[i+1,j+1])     j from col on
//
// where v is zero outside of the image. scratch holds one pixel more than the line.
func squareLine(line, scratch, image []float32, h, w, channels, i, col int) {
	pixels := len(line)/channels + 1
	col0, col1 := max(col, 0), min(col+pixels, w)
	sums := scratch[:pixels*channels]
	inner := sums[(col0-col)*channels : (col1-col)*channels]
	clear(sums[:(col0-col)*channels])
	clear(sums[(col1-col)*channels:])
	row := func(i int) []float32 { return image[(i*w+col0)*channels : (i*w+col1)*channels] }
	switch {
	case i < 0:
		copy(inner, row(i+1))
	case i+1 == h:
		copy(inner, row(i))
	default:
		Add(inner, row(i), row(i+1))
	}
	Add(line, sums, sums[channels:])
}
