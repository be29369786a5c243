package kernels

import (
	"math/bits"

	"lfm/internal/kernels/ref"
)

// biasCols is the number of columns of a work item of the gradient of a bias.
const biasCols = 4 * panelCols

func biasItems(channels int) int { return divideUp(channels, biasCols) }

// biasSums is db = Σ dy, by the rule of 16, for columns [col, col+cols) of images of so many pixels
// and channels. scratch holds a stack of sums.
func biasSums(db, dy, scratch []float32, n, pixels, channels, col, cols int) {
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
			sumRows(dst[j:], src[j:], rows, stride, panelCols, i > 0)
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
