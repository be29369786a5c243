package kernels

import "lfm/internal/kernels/ref"

// The gradient of a weight is a sum over samples of outer products
//
//	d[i,j] = Σ_samples Σ_pixels a[pixel, i] · b[pixel, j]
//
// by the rule of 16 (package ref): 16 partial sums over ranges of samples, added in a
// fixed tree. A work item is a block of d, never a range of samples.

const (
	gradRows   = 72  // rows of a block of d: six tiles of 12, twelve of 6
	gradPixels = 256 // pixels that a call of the tile kernel sums, about; blocks are added in order
)

// An outer is one such sum, cut into blocks of gradRows × panelCols elements.
//
// Pixels are where both sides have something to multiply: height × width of them a sample.
// A weight of a convolution that looks over the edge has fewer.
type outer struct {
	a, b           []float32
	a0, b0         int // the first pixel of the first sample
	aSample        int // from sample to sample
	bSample        int
	aLine, bLine   int // from line to line
	aPixel, bPixel int // from pixel to pixel
	height, width  int
	m, n           int // channels of a and b: the size of d
}

// gradScratch is the work memory of a sum: a stack of partial sums, and a panel of b if
// its columns have to be filled up.
const gradScratch = (5*gradRows + gradPixels) * panelCols

// block computes block (i, j) of d into the front of scratch, a row every 32 floats, and
// returns it with its number of rows and columns.
func (o *outer) block(samples int, scratch []float32, i, j int) (d []float32, rows, cols int) {
	i, j = i*gradRows, j*panelCols
	rows, cols = min(gradRows, o.m-i), min(panelCols, o.n-j)
	t := newTile()
	t.a, t.b = o.a, o.b
	t.aRow, t.cRow = 1, panelCols
	sums := scratch[:5*gradRows*panelCols]
	spare := scratch[len(sums):]

	// Partial sums are added as a binary counter counts: stack[d] holds a subtree of
	// 1<<level partial sums; two of one height become one.
	var level [5]int
	depth := 0
	for p := range ref.Parts {
		s0, s1 := ref.Part(p, samples)
		o.partial(&t, sums[depth*gradRows*panelCols:], spare, s0, s1, i, j, rows, cols)
		level[depth] = 0
		for depth++; depth > 1 && level[depth-1] == level[depth-2]; depth-- {
			left := sums[(depth-2)*gradRows*panelCols:]
			addTo(left, sums[(depth-1)*gradRows*panelCols:], rows*panelCols)
			level[depth-2]++
		}
	}
	return sums, rows, cols
}

// partial writes to d the sum of samples [s0, s1), for a block of d.
func (o *outer) partial(t *tile, d, spare []float32, s0, s1, i, j, rows, cols int) {
	if s0 == s1 || o.height <= 0 || o.width <= 0 {
		clear(d[:rows*panelCols])
		return
	}
	t.c, t.add = d, 0
	// A call takes several small samples, or some lines of one, or a part of a line.
	pixels := min(o.width, gradPixels)
	lines := min(o.height, max(1, gradPixels/o.width))
	together := max(1, gradPixels/(o.height*o.width))
	for s := s0; s < s1; s += together {
		for line := 0; line < o.height; line += lines {
			for pixel := 0; pixel < o.width; pixel += pixels {
				t.k, t.n1, t.n2 = min(pixels, o.width-pixel), min(lines, o.height-line), min(together, s1-s)
				t.aK, t.aStep1, t.aStep2 = o.aPixel, o.aLine, o.aSample
				t.bK, t.bStep1, t.bStep2 = o.bPixel, o.bLine, o.bSample
				t.join()
				a := o.a0 + s*o.aSample + line*o.aLine + pixel*o.aPixel + i
				b := o.b0 + s*o.bSample + line*o.bLine + pixel*o.bPixel + j
				o.tiles(t, spare, a, b, rows, cols)
				t.add = 1
			}
		}
	}
}

// join makes of levels of the summed index whose elements follow each other evenly one level.
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

// tiles runs the tile kernel over a block of d with the pixels that t describes, the first of
// which stands at a and b.
func (o *outer) tiles(t *tile, spare []float32, a, b, rows, cols int) {
	t.b, t.b0 = o.b, b
	if cols%t.g.lanes != 0 {
		t.fillPanel(spare, cols)
	}
	wide := t.g.cols()
	for j := 0; j < cols; j += wide {
		t.cols = min(wide, cols-j)
		t.rows(rows, a, j)
		t.b0 += wide
	}
}

// fillPanel copies B, of too few columns for whole vectors, to a panel with zeros behind.
func (t *tile) fillPanel(spare []float32, cols int) {
	at := 0
	for i2 := range t.n2 {
		for i1 := range t.n1 {
			for i := range t.k {
				src := t.b0 + i*t.bK + i1*t.bStep1 + i2*t.bStep2
				row := spare[at : at+panelCols]
				clear(row[copy(row, t.b[src:src+cols]):])
				at += panelCols
			}
		}
	}
	t.b, t.b0 = spare, 0
	t.bK, t.bStep1, t.bStep2 = panelCols, t.k*panelCols, t.n1*t.k*panelCols
}

// one is the a of a sum of b alone.
var one = []float32{1}

// sumOf is the outer sum whose only row is Σ b: a is 1 at every pixel.
func (o outer) sumOf() outer {
	o.a, o.a0, o.aSample, o.aLine, o.aPixel, o.m = one, 0, 0, 0, 0, 1
	return o
}

// preferB says whether a side of n channels is better read as vectors than one of m.
func preferB(n, m int) bool {
	lanes := newTile().g.lanes
	return n%lanes == 0 || m%lanes != 0
}

// gradBlocks is the number of blocks of an m × n gradient.
func gradBlocks(m, n int) int { return (m + gradRows - 1) / gradRows * panels(n) }
