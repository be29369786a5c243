// Command gemm writes the tile kernels behind products and convolutions, and the
// small helpers round them.
package main

import (
	. "github.com/mmcloughlin/avo/build"
)

func main() {
	ConstraintExpr("!noasm")
	for _, isa := range []*isa{avx512, avx2} {
		for vecs := 2; vecs >= 1; vecs-- {
			for rows := 1; rows <= isa.rows; rows++ {
				isa.tile(rows, vecs)
			}
		}
		isa.largest("Rows", 4)
		isa.largest("Panels", panelRow)
		isa.add()
		isa.panels()
		isa.sumRows()
		isa.partsTree()
		isa.gram()
	}
	transpose()
	Generate()
}
