package kernels

import (
	"math/bits"

	"lfm/internal/kernels/ref"
)

// groupOfFew computes some items of a gradient with few pixels: a tile's sums would be too short to be worth
// the way to memory and back.
func (g *gradWeight) groupOfFew(items []gradItem, scratch []float32) {
	sum, panel := scratch[:gradBlock], scratch[gradBlock:gradBlock+gradPanel]
	panelsA := scratch[gradBlock+gradPanel:]
	var counts [ref.Parts]int
	for p := range counts {
		s0, s1 := ref.Part(p, g.n)
		counts[p] = (s1 - s0) * g.h * g.w
	}
	all := box{0, g.n, 0, g.h, 0, g.w}
	row0, row1 := g.rowsOf(items)
	g.a.packPanels(panelsA, all, row0, row1)
	for i, item := range items {
		if i == 0 || item.col != items[i-1].col {
			g.b.packPanels(panel, all, item.col, item.col+item.cols)
		}
		for r := 0; r < item.rows; {
			at := item.row - row0 + r
			rows := min(item.rows-r, panelCols-at%panelCols) // of a panel of a
			partsTree(sum[r*panelCols:], panelsA[at/panelCols*gradPanel+at%panelCols:], panel, &counts, rows)
			r += rows
		}
		g.store(item, sum)
	}
}

// partsTreeGeneric is partsTree in plain Go.
func partsTreeGeneric(dst, a, b []float32, counts *[ref.Parts]int, m int) {
	for r := range m {
		var stack [gradDepth][panelCols]float32
		i := 0
		for p, n := range counts {
			depth := bits.OnesCount(uint(p))
			sum := &stack[depth]
			*sum = [panelCols]float32{}
			for range n {
				x := a[i*panelCols+r]
				for j, y := range b[i*panelCols : (i+1)*panelCols] {
					sum[j] += float32(x * y)
				}
				i++
			}
			for range bits.TrailingZeros(^uint(p)) {
				addGeneric(stack[depth-1][:], stack[depth][:])
				depth--
			}
		}
		copy(dst[r*panelCols:], stack[0][:])
	}
}
