package kernels

// TokenShape is that of N samples of L tokens of width D.
type TokenShape struct{ N, L, D int }

// columnTile is the number of columns of a work item that sums over tokens.
const columnTile = 64

// ScaleShiftItems counts tokens.
func ScaleShiftItems(s TokenShape) int { return s.N * s.L }

// ScaleShift is y = x·(1 + scale) + shift with the scale and shift of the token's sample.
// x, y are (N, L, D); scale, shift (N, D). y may be x.
func ScaleShift(y, x, scale, shift []float32, s TokenShape, i0, i1 int) {
	need("scale-shift", "y", len(y), s.N*s.L*s.D)
	need("scale-shift", "x", len(x), s.N*s.L*s.D)
	need("scale-shift", "scale", len(scale), s.N*s.D)
	need("scale-shift", "shift", len(shift), s.N*s.D)
	f := now().scaleShift
	s.runs(i0, i1, func(n, i, j int) {
		f(y[i*s.D:j*s.D], x[i*s.D:j*s.D], scale[n*s.D:(n+1)*s.D], shift[n*s.D:(n+1)*s.D], j-i)
	})
}

// GateItems counts tokens.
func GateItems(s TokenShape) int { return s.N * s.L }

// Gate is y = x + gate·h with the gate of the token's sample. x, h, y are (N, L, D); gate
// (N, D). y may be x or h.
func Gate(y, x, h, gate []float32, s TokenShape, i0, i1 int) {
	need("gate", "y", len(y), s.N*s.L*s.D)
	need("gate", "x", len(x), s.N*s.L*s.D)
	need("gate", "h", len(h), s.N*s.L*s.D)
	need("gate", "gate", len(gate), s.N*s.D)
	f := now().gate
	s.runs(i0, i1, func(n, i, j int) {
		f(y[i*s.D:j*s.D], x[i*s.D:j*s.D], h[i*s.D:j*s.D], gate[n*s.D:(n+1)*s.D], j-i)
	})
}

// runs calls f for the tokens [i0, i1) in runs [i, j) of one sample n, about a piece each.
//
//go:noinline
func (s TokenShape) runs(i0, i1 int, f func(n, i, j int)) {
	for step := max(1, piece/max(1, s.D)); i0 < i1; {
		n := i0 / s.L
		j := min(i0+step, i1, (n+1)*s.L)
		f(n, i0, j)
		i0 = j
	}
}

// ScaleShiftGradItems counts tiles of 64 columns of a sample.
func ScaleShiftGradItems(s TokenShape) int { return s.N * divideUp(s.D, columnTile) }

// ScaleShiftGrad is dx = dy·(1 + scale), dscale[n,j] = Σ_l dy·x, dshift[n,j] = Σ_l dy. dx may
// be dy or x.
func ScaleShiftGrad(dx, dscale, dshift, dy, x, scale []float32, s TokenShape, i0, i1 int) {
	need("scale-shift-grad", "dx", len(dx), s.N*s.L*s.D)
	need("scale-shift-grad", "dscale", len(dscale), s.N*s.D)
	need("scale-shift-grad", "dshift", len(dshift), s.N*s.D)
	need("scale-shift-grad", "dy", len(dy), s.N*s.L*s.D)
	need("scale-shift-grad", "x", len(x), s.N*s.L*s.D)
	need("scale-shift-grad", "scale", len(scale), s.N*s.D)
	f := now().scaleShiftGrad
	s.tiles(i0, i1, func(at, from, to int) {
		f(dscale[from:to], dshift[from:to], dx[at:], dy[at:], x[at:], scale[from:to], s.L, s.D)
	})
}

// GateGradItems counts tiles of 64 columns of a sample.
func GateGradItems(s TokenShape) int { return s.N * divideUp(s.D, columnTile) }

// GateGrad is dh = gate·dy and dgate[n,j] = Σ_l dy·h; the gradient by x is dy itself. dh may
// be dy or h.
func GateGrad(dh, dgate, dy, h, gate []float32, s TokenShape, i0, i1 int) {
	need("gate-grad", "dh", len(dh), s.N*s.L*s.D)
	need("gate-grad", "dgate", len(dgate), s.N*s.D)
	need("gate-grad", "dy", len(dy), s.N*s.L*s.D)
	need("gate-grad", "h", len(h), s.N*s.L*s.D)
	need("gate-grad", "gate", len(gate), s.N*s.D)
	f := now().gateGrad
	s.tiles(i0, i1, func(at, from, to int) {
		f(dgate[from:to], dh[at:], dy[at:], h[at:], gate[from:to], s.L, s.D)
	})
}

// tiles calls f for each tile: where its first token's part is in an (N, L, D) tensor, and
// the tile's range in an (N, D) one.
//
//go:noinline
func (s TokenShape) tiles(i0, i1 int, f func(at, from, to int)) {
	count := divideUp(s.D, columnTile)
	for i := i0; i < i1; i++ {
		n, j := i/count, i%count*columnTile
		f(n*s.L*s.D+j, n*s.D+j, n*s.D+min(j+columnTile, s.D))
	}
}
