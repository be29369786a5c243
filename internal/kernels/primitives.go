package kernels

//go:generate go run -C asm ./point -out ../point_amd64.s -stubs ../point_stubs_amd64.go -pkg kernels

// primitives are the inner loops that each level has its own version of. Slices of one
// group have one length unless said otherwise; nobody checks that here. A call is short
// enough (see piece) to be assembly.
type primitives struct {
	exp, silu, gelu, selu        func(y, x []float32)
	siluGrad, geluGrad, seluGrad func(dx, dy, x []float32)
	add, sub, mul                func(dst, a, b []float32)
	scale                        func(dst, a []float32, c float32)
	clamp                        func(y, x []float32, lo, hi float32)
	clampGrad                    func(dx, dy, x []float32, lo, hi float32)

	reparameterize     func(z, mean, logvar, noise []float32)
	reparameterizeGrad func(dlogvar, dz, logvar, noise []float32)
	difference         func(da, a, b []float32, c float32) // c·(a - b)
	signOfDifference   func(da, a, b []float32, c float32) // c·sign(a - b)
	klGrad             func(dmean, dlogvar, mean, logvar []float32, c float32)

	sumSquaredDifference, sumAbsoluteDifference func(a, b []float32) float32
	sumKL                                       func(mean, logvar []float32) float32
	sumSquares                                  func(x []float32) float64

	adamw    func(w, m, v, g []float32, p adamwStep)
	adamwEMA func(w, m, v, g, ema []float32, p adamwStep)

	// len(mean) rows of d numbers.
	layerNorm     func(y, mean, rstd, x []float32, d int, eps float32)
	layerNormGrad func(dx, dy, x, mean, rstd []float32, d int)
	// y = h·(1 + scale) + shift behind it, with one scale and shift for all rows; h may be empty.
	layerNormScaleShift func(y, h, mean, rstd, x, scale, shift []float32, d int, eps float32)

	softmaxColumns func(s, lse []float32, m int, c float32)                // m rows of len(lse): lse = log Σ exp(c·s), s = exp(c·s - lse)
	softmaxBlock   func(s, top, total, factor []float32, m int, c float32) // m rows of len(top): see plainSoftmaxBlock
	dotRows        func(dst, a, b []float32, d, ld int)                    // len(dst) rows of d numbers that start ld apart

	// count rows of as many numbers as the slices of one row (mean, scale, …) have.
	normalise, normaliseSiLU func(y, x, mean, scale, shift []float32, count int)
	normaliseGrad            func(dx, dy, x, mean, a, b, c []float32, count int) // a·dy + b·(x - mean) + c
	scaleShift               func(y, x, scale, shift []float32, count int)
	gate                     func(y, x, h, gate []float32, count int)
	probabilities            func(s, lse []float32, c float32, count int)       // s = exp(c·s - lse)
	scoreGrad                func(ds, p, delta []float32, c float32, count int) // ds = c·p·(ds - delta)

	// pixels of len(bias) numbers, step apart in y and ld in a and b, which have one more:
	// y[j] = ((a[j] + b[j]) + (a[j+1] + b[j+1])) + bias.
	squares func(y, a, b, bias []float32, pixels, ld, step int)

	// Transforms of a row of tiles, see winograd.go. Numbers of a tile are plane apart; lines of d
	// and of y are line apart, pixels of y step, products of neighbouring tiles a panel's width.
	winogradInput  func(v, d []float32, tiles, channels, line, plane int)
	winogradOutput func(y, m, bias []float32, tiles, plane, step, line int, add bool)
	// winogradWeights makes of nine vectors of length n, one behind the other, sixteen.
	winogradWeights func(u []float32, n int)

	// Sums over count rows that start ld apart, one for each of len(first slice) columns.
	momentSums       func(sum, squares, x, shift []float32, count, ld int)              // Σ (x - shift), Σ (x - shift)²
	gradientSums     func(a, b, dy, x, mean []float32, count, ld int)                   // Σ dy, Σ dy·(x - mean)
	gradientSumsSiLU func(a, b, du, dy, x, mean, scale, shift []float32, count, ld int) // the same of du = dy·silu'((x - mean)·scale + shift)
	scaleShiftGrad   func(dscale, dshift, dx, dy, x, scale []float32, count, ld int)
	gateGrad         func(dgate, dh, dy, h, gate []float32, count, ld int)
}

// byLevel is filled in by the files of the levels.
var byLevel = [AVX512 + 1]primitives{Generic: plain}

// now is the set of the level in use.
func now() *primitives { return &byLevel[Level()] }

// piece is the most numbers that one call of a primitive gets: some 10 µs of work.
const piece = 1 << 14

// pieces calls f for [0, n) in pieces. It is not inlined, so that f is called, and the
// stack check at f's start lets the runtime stop the goroutine between two pieces of
// assembly.
//
//go:noinline
func pieces(n int, f func(i, j int)) {
	for i := 0; i < n; i += piece {
		f(i, min(i+piece, n))
	}
}

// rows calls f for [i0, i1) in runs of rows of d numbers, about a piece each.
//
//go:noinline
func rows(i0, i1, d int, f func(i, j int)) {
	for step := max(1, piece/max(1, d)); i0 < i1; i0 += step {
		f(i0, min(i0+step, i1))
	}
}

// need panics if a slice of a kernel's call is shorter than its shape says.
func need(kernel, slice string, have, want int) {
	if have < want {
		panic("kernels: " + kernel + ": " + slice + " too short")
	}
}

// divideUp is a/b rounded up.
func divideUp(a, b int) int { return (a + b - 1) / b }
