package kernels

// Winograd's minimal filtering F(2x2, 3x3): four outputs of a 3x3 convolution of stride 1 from
// 16 products, not 36 (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016).
// For a tile of 4x4 pixels d under a tile of 2x2 outputs, and weights g,
//
//	y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A
//
//	     ⎡1  0 -1  0⎤       ⎡ 1   0   0 ⎤
//	Bᵀ = ⎢0  1  1  0⎥   G = ⎢1/2 1/2 1/2⎥   Aᵀ = ⎡1 1  1  0⎤
//	     ⎢0 -1  1  0⎥       ⎢1/2-1/2 1/2⎥        ⎣0 1 -1 -1⎦
//	     ⎣0  1  0 -1⎦       ⎣ 0   0   1 ⎦
//
// summed over channels before Aᵀ and A. Of each of the 16 numbers of a tile there is a plane:
// one product (tiles, k)·(k, n) each, with the tile kernels that all products have.
//
// Differences of pixels cost accuracy, and sums a ninth as long gain more: on normal numbers the
// error is 2e-7 (32 channels) to 4e-7 (128) of the result's norm, that of the direct
// convolution 3e-7 to 6e-7. F(4x4, 3x3) would save more products, but its constants, up to 8,
// cost a digit.
//
// A pixel that is not a number spoils the four outputs of each tile that sees it.

// winograd says whether a convolution is computed so. With 16 channels the transforms take
// what the products save, with 32 it is 1.2 times as fast as the direct one, with 64 and more
// 1.5 times. Odd images have tiles with outputs outside. The batch must not enter: the choice
// decides bits.
func (s ConvShape) winograd() bool {
	return s.Kernel == 3 && s.Stride == 1 && s.H%2 == 0 && s.W%2 == 0 && s.Cin >= 32 && s.Cout >= 32
}

// winogradPlanes is the number of products of a tile.
const winogradPlanes = 16

// winogradTiles is about the number of tiles in a work item: of a part of an image, or
// of several small ones.
const winogradTiles = 96

// tileRows is the rows of tiles in a work item.
func (w *window) tileRows() int { return min(w.dstH/2, max(1, winogradTiles/(w.dstW/2))) }

// tileBlocks is the number of work items of an image's, or of some images', panel.
func (w *window) tileBlocks() int { return divideUp(w.dstH/2, w.tileRows()) }

// tileGroups is the number of groups of images that share a work item. They are as good as equal, and even in
// number, so that two halves of the items are halves of the work.
func (w *window) tileGroups() int {
	most := max(1, winogradTiles/(w.dstH/2*(w.dstW/2)))
	return min(w.images, divideUp(w.images, 2*most)*2)
}

// tileImages is the images in a work item, at most.
func (w *window) tileImages() int { return divideUp(w.images, max(1, w.tileGroups())) }

func (w *window) winogradItems() int { return w.tileGroups() * w.tileBlocks() * panels(w.n) }

// winogradScratch is for the source with its halo, the tiles and the products.
func (w *window) winogradScratch() (halo, tiles, products int) {
	n := winogradPlanes * w.tileImages() * w.tileRows() * (w.dstW / 2)
	return w.haloRows(2*w.tileRows()) * w.haloW() * w.k, n * w.k, n * panelCols
}

// runWinograd computes work items [i0, i1): a block of tiles by a panel of channels; the panels of
// one block follow each other and share its transformed tiles.
func (w *window) runWinograd(dst, src, packed, bias []float32, accumulate bool, scratch []float32, i0, i1 int) {
	halo, tiles, products := w.winogradScratch()
	d, v, m := scratch[:halo], scratch[halo:halo+tiles], scratch[halo+tiles:halo+tiles+products]
	var t tile
	t.init()
	t.aK, t.aRow, t.bK, t.cRow, t.k = 1, w.k, panelCols, panelCols, w.k
	filled := -1
	for i := i0; i < i1; i++ {
		block, panel := i/panels(w.n), i%panels(w.n)
		b := w.tileBlock(block)
		if block != filled {
			w.transformSource(v, d, src, b)
			filled = block
		}
		w.multiplyTiles(&t, m, v, packed[w.panel(&w.phase[0], panel):], b.tiles, min(panelCols, w.n-panel*panelCols))
		w.transformProducts(dst, m, bias, accumulate, b, panel)
	}
}

// A tileBlock is rows of tiles of some images.
type tileBlock struct {
	img0, img1, row, rows int
	line, tiles           int // tiles in a row, and in all
}

func (w *window) tileBlock(i int) tileBlock {
	group, groups := i/w.tileBlocks(), w.tileGroups()
	b := tileBlock{img0: group * w.images / groups, img1: (group + 1) * w.images / groups, row: i % w.tileBlocks() * w.tileRows(), line: w.dstW / 2}
	b.rows = min(w.tileRows(), w.dstH/2-b.row)
	b.tiles = (b.img1 - b.img0) * b.rows * b.line
	return b
}

// transformSource is v = Bᵀ d B.
func (w *window) transformSource(v, d, src []float32, b tileBlock) {
	transform, size, line := now().winogradInput, w.srcH*w.srcW*w.k, w.haloW()*w.k
	for img := b.img0; img < b.img1; img++ {
		w.fill(d, src[img*size:(img+1)*size], 2*b.row, 2*b.rows)
		for r := range b.rows {
			at := ((img-b.img0)*b.rows + r) * b.line * w.k
			transform(v[at:], d[2*r*line:][:4*line], b.line, w.k, line, b.tiles*w.k)
		}
	}
}

// multiplyTiles is m = v·u on each plane, for one panel of so many columns.
func (w *window) multiplyTiles(t *tile, m, v, u []float32, tiles, cols int) {
	wide := t.g.cols()
	for from := 0; from < tiles; from += t.g.maxRows() {
		t.lay(min(tiles-from, t.g.maxRows()))
		for p := range winogradPlanes {
			t.a = v[(p*tiles+from)*w.k:]
			for j := 0; j < cols; j += wide {
				t.b, t.c, t.cols = u[p*w.k*panelCols+j:], m[(p*tiles+from)*panelCols+j:], min(wide, cols-j)
				t.run()
			}
		}
	}
}

// transformProducts is y = Aᵀ m A + bias, for one panel.
func (w *window) transformProducts(dst, m, bias []float32, accumulate bool, b tileBlock, panel int) {
	transform, line, col := now().winogradOutput, w.dstW*w.n, panel*panelCols
	shift := noBias[:min(panelCols, w.n-col)]
	if bias != nil {
		shift = bias[col:][:len(shift)]
	}
	for img := b.img0; img < b.img1; img++ {
		for r := range b.rows {
			y := dst[(img*w.dstH+2*(b.row+r))*line:][:2*line]
			at := ((img-b.img0)*b.rows + r) * b.line * panelCols
			transform(y[col:], m[at:], shift, b.line, b.tiles*panelCols, w.n, line, accumulate)
		}
	}
}
