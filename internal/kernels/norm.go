package kernels

import (
	"math"

	"lfm/internal/kernels/ref"
)

// NormShape is that of a group normalisation of x (N, P, C) in G groups of C/G neighbouring
// channels. With SiLU the result passes through SiLU, which saves two trips to memory; the
// gradient then makes the argument of SiLU again.
type NormShape struct {
	N, P, C, G int
	SiLU       bool
}

// A group is C/G neighbouring floats of every position: too few to fill a register. So
// sums are taken for each channel over the positions, whole registers side by side, and
// folded to groups afterwards, a few numbers in float64.
//
// The variance must not cancel, and a second trip over x for it would cost as much as the
// rest. So the sums are those of x - k and (x - k)², k being the channel's mean over the
// sample's first sixteenth. A part that makes up the fraction f of some numbers lies within
// √((1-f)/f) standard deviations of their mean, whatever they are, so that no more than a
// factor 16 is lost where k² would lose (mean/deviation)².
const shiftFraction = 16

// normRows is the number of positions behind one float32 partial sum; partial sums are
// added in float64.
const normRows = 256

func (s NormShape) parts() int { return divideUp(s.P, normRows) }

// GroupNormItems counts samples.
func GroupNormItems(s NormShape) int { return s.N }

// GroupNormScratch is for the mean, scale and shift of each channel and two partial sums.
func GroupNormScratch(s NormShape) int { return (3 + 2*max(1, s.parts())) * s.C }

// GroupNorm is y = (x - mean)·rstd·gamma + beta, and SiLU of it if s says so; mean and rstd
// are those of each sample and group: see ref.GroupNorm.
//
// With k = rstd·average|x|, the mean is within 32u·average|x|, rstd within 32u·(1 + k)
// relatively, y (before SiLU) within 32u·(|y| + |beta| + |gamma|·k): the factor is what the shift of
// the sums may cost at worst; 3u is what random numbers of any scale show. Where a sum of squares
// passes 2¹²⁸ rstd is 0 and results are beta or NaN (the plain level goes further). NaN or an
// infinity makes its group NaN and no other.
//
// x, y are (N, P, C); mean, rstd (N, G); gamma, beta (C). y may be x.
func GroupNorm(y, mean, rstd, x, gamma, beta []float32, s NormShape, eps float32, scratch []float32, i0, i1 int) {
	s.need("group-norm", y, mean, rstd, x, gamma, beta)
	need("group-norm", "scratch", len(scratch), GroupNormScratch(s))
	f := now()
	for n := i0; n < i1; n++ {
		x, y := s.sample(x, n, 0, s.P), s.sample(y, n, 0, s.P)
		mean, rstd := mean[n*s.G:(n+1)*s.G], rstd[n*s.G:(n+1)*s.G]
		shift, parts := scratch[2*s.C:3*s.C], scratch[3*s.C:]
		s.shift(f, shift, x, parts)
		s.channelSums(s.P, parts, func(sum, squares []float32, i, j int) {
			f.momentSums(sum, squares, x[i*s.C:j*s.C], shift, j-i, s.C)
		})
		s.moments(mean, rstd, shift, parts, eps)
		s.normalise(f, y, x, mean, rstd, gamma, beta, scratch)
	}
}

func (s NormShape) need(kernel string, y, mean, rstd, x, gamma, beta []float32) {
	need(kernel, "y", len(y), s.N*s.P*s.C)
	need(kernel, "x", len(x), s.N*s.P*s.C)
	need(kernel, "mean", len(mean), s.N*s.G)
	need(kernel, "rstd", len(rstd), s.N*s.G)
	need(kernel, "gamma", len(gamma), s.C)
	need(kernel, "beta", len(beta), s.C)
}

// GroupNormPartItems counts parts of the samples. [GroupNormSums] over them and then [GroupNormApply]
// are GroupNorm to the bit, for few samples that many threads share.
func GroupNormPartItems(s NormShape) int { return s.N * s.parts() }

// GroupNormSumsSize is the length of what GroupNormSums leaves: of each sample the shift of its sums
// and two sums of each part, for each channel.
func GroupNormSumsSize(s NormShape) int { return s.N * s.sumsSize() }

func (s NormShape) sumsSize() int { return (1 + 2*s.parts()) * s.C }

// GroupNormSums makes the sums of x (N, P, C) that GroupNormApply needs. Scratch is that of GroupNorm.
func GroupNormSums(sums, x []float32, s NormShape, scratch []float32, i0, i1 int) {
	need("group-norm-sums", "sums", len(sums), GroupNormSumsSize(s))
	need("group-norm-sums", "x", len(x), s.N*s.P*s.C)
	need("group-norm-sums", "scratch", len(scratch), GroupNormScratch(s))
	f := now()
	shift := scratch[:s.C]
	for i := i0; i < i1; i++ {
		n, part := i/s.parts(), i%s.parts()
		sums := sums[n*s.sumsSize():]
		if i == i0 || part == 0 {
			s.shift(f, shift, s.sample(x, n, 0, s.P), scratch[s.C:])
		}
		if part == 0 {
			copy(sums, shift)
		}
		at, from, to := sums[(1+2*part)*s.C:], part*normRows, min((part+1)*normRows, s.P)
		f.momentSums(at[:s.C], at[s.C:2*s.C], s.sample(x, n, from, to), shift, to-from, s.C)
	}
}

// GroupNormApplyScratch is for the totals, moments, and mean and scale of each channel.
func GroupNormApplyScratch(s NormShape) int { return 6 * s.C }

// GroupNormApply is GroupNorm of parts [i0, i1), from the sums of all.
func GroupNormApply(y, mean, rstd, x, gamma, beta, sums []float32, s NormShape, eps float32, scratch []float32, i0, i1 int) {
	s.need("group-norm-apply", y, mean, rstd, x, gamma, beta)
	need("group-norm-apply", "sums", len(sums), GroupNormSumsSize(s))
	need("group-norm-apply", "scratch", len(scratch), GroupNormApplyScratch(s))
	f := now()
	m, r := scratch[4*s.C:][:s.G], scratch[5*s.C:][:s.G]
	for i := i0; i < i1; i++ {
		n, part := i/s.parts(), i%s.parts()
		if i == i0 || part == 0 {
			sums := sums[n*s.sumsSize():]
			s.totals(scratch[2*s.C:4*s.C], sums[s.C:], s.parts())
			s.moments(m, r, sums[:s.C], scratch[2*s.C:], eps)
		}
		if part == 0 {
			copy(mean[n*s.G:], m)
			copy(rstd[n*s.G:], r)
		}
		from, to := part*normRows, min((part+1)*normRows, s.P)
		s.normalise(f, s.sample(y, n, from, to), s.sample(x, n, from, to), m, r, gamma, beta, scratch)
	}
}

// sample is positions [from, to) of sample n of x (N, P, C).
func (s NormShape) sample(x []float32, n, from, to int) []float32 {
	return x[(n*s.P+from)*s.C : (n*s.P+to)*s.C]
}

// shift is each channel's mean over the first sixteenth of the sample x.
func (s NormShape) shift(f *primitives, shift, x, parts []float32) {
	first := max(1, s.P/shiftFraction)
	clear(shift)
	s.channelSums(first, parts, func(sum, squares []float32, i, j int) {
		f.momentSums(sum, squares, x[i*s.C:j*s.C], shift, j-i, s.C)
	})
	for c := range shift {
		shift[c] = parts[c] / float32(first)
	}
}

// moments are the mean and 1/√(variance + eps) of each group of one sample, from the totals of
// x - shift and of its square.
func (s NormShape) moments(mean, rstd, shift, totals []float32, eps float32) {
	sum, squares := totals[:s.C], totals[s.C:2*s.C]
	width, p := s.C/s.G, float64(s.P)
	for g := range s.G {
		var mu, about float64
		for c := g * width; c < (g+1)*width; c++ {
			mu += (float64(shift[c]) + float64(sum[c])/p) / float64(width)
		}
		for c := g * width; c < (g+1)*width; c++ {
			d := float64(sum[c]) / p
			about += float64(squares[c])/p - d*d + sqr(float64(shift[c])+d-mu)
		}
		mean[g] = float32(mu)
		rstd[g] = float32(1 / math.Sqrt(max(0, about)/float64(width)+float64(eps)))
	}
}

// normalise writes y = (x - mean)·rstd·gamma + beta, or SiLU of it, for positions of one sample.
func (s NormShape) normalise(f *primitives, y, x, mean, rstd, gamma, beta, scratch []float32) {
	normalise := f.normalise
	if s.SiLU {
		normalise = f.normaliseSiLU
	}
	m, scale := scratch[:s.C], scratch[s.C:2*s.C]
	s.spread(m, scale, mean, rstd, gamma)
	rows(0, len(x)/s.C, s.C, func(i, j int) {
		normalise(y[i*s.C:j*s.C], x[i*s.C:j*s.C], m, scale, beta[:s.C], j-i)
	})
}

// spread writes each channel's mean and scale = rstd·gamma.
func (s NormShape) spread(m, scale, mean, rstd, gamma []float32) {
	width := s.C / s.G
	for c := range s.C {
		m[c], scale[c] = mean[c/width], rstd[c/width]*gamma[c]
	}
}

// channelSums has f make two sums a channel over positions [i, j), in runs of normRows, and
// leaves their totals over count positions in parts[:C] and parts[C:2C].
//
//go:noinline
func (s NormShape) channelSums(count int, parts []float32, f func(a, b []float32, i, j int)) {
	n := divideUp(count, normRows)
	for p := range n {
		at := parts[2*p*s.C:]
		f(at[:s.C], at[s.C:2*s.C], p*normRows, min((p+1)*normRows, count))
	}
	s.totals(parts[:2*s.C], parts, n)
}

// totals adds n parts of two sums a channel up. They may lie over the first part.
func (s NormShape) totals(totals, parts []float32, n int) {
	for c := range totals {
		var total float64
		for p := range n {
			total += float64(parts[2*p*s.C+c])
		}
		totals[c] = float32(total)
	}
}

// GroupNormGradItems counts samples.
func GroupNormGradItems(s NormShape) int { return s.N }

// GroupNormGradScratch is for five numbers a channel and two partial sums.
func GroupNormGradScratch(s NormShape) int { return (5 + 2*max(1, s.parts())) * s.C }

// GroupNormGrad is the gradient of GroupNorm by x, and the sums over the positions of each
// sample from which GroupNormAffineGrad makes those by gamma and beta. With u the argument
// of SiLU, du = dy·silu'(u) (dy without SiLU) and h = (x - mean)·rstd,
//
//	dx = rstd·(du·gamma - average(du·gamma) - h·average(du·gamma·h))
//	sums[n] = Σ du·h for each channel, then Σ du for each channel
//
// dx, dy, x are (N, P, C); mean, rstd (N, G) are from GroupNorm; gamma, beta (C); sums
// (N, 2, C). beta is read with SiLU alone. dx may be dy.
func GroupNormGrad(dx, sums, dy, x, mean, rstd, gamma, beta []float32, s NormShape, scratch []float32, i0, i1 int) {
	need("group-norm-grad", "dx", len(dx), s.N*s.P*s.C)
	need("group-norm-grad", "sums", len(sums), s.N*2*s.C)
	need("group-norm-grad", "dy", len(dy), s.N*s.P*s.C)
	need("group-norm-grad", "x", len(x), s.N*s.P*s.C)
	need("group-norm-grad", "mean", len(mean), s.N*s.G)
	need("group-norm-grad", "rstd", len(rstd), s.N*s.G)
	need("group-norm-grad", "gamma", len(gamma), s.C)
	if s.SiLU {
		need("group-norm-grad", "beta", len(beta), s.C)
	}
	need("group-norm-grad", "scratch", len(scratch), GroupNormGradScratch(s))
	f := now()
	m, a, b, c := scratch[:s.C], scratch[s.C:2*s.C], scratch[2*s.C:3*s.C], scratch[3*s.C:4*s.C]
	parts := scratch[5*s.C:]
	for n := i0; n < i1; n++ {
		x, dy, dx := x[n*s.P*s.C:(n+1)*s.P*s.C], dy[n*s.P*s.C:(n+1)*s.P*s.C], dx[n*s.P*s.C:(n+1)*s.P*s.C]
		s.spread(m, a, mean[n*s.G:(n+1)*s.G], rstd[n*s.G:(n+1)*s.G], gamma)
		du := dy
		if s.SiLU {
			du = dx
			s.channelSums(s.P, parts, func(sum, product []float32, i, j int) {
				f.gradientSumsSiLU(sum, product, dx[i*s.C:j*s.C], dy[i*s.C:j*s.C], x[i*s.C:j*s.C], m, a, beta[:s.C], j-i, s.C)
			})
		} else {
			s.channelSums(s.P, parts, func(sum, product []float32, i, j int) {
				f.gradientSums(sum, product, dy[i*s.C:j*s.C], x[i*s.C:j*s.C], m, j-i, s.C)
			})
		}
		s.coefficients(b, c, sums[2*n*s.C:2*(n+1)*s.C], parts, rstd[n*s.G:(n+1)*s.G], gamma)
		rows(0, s.P, s.C, func(i, j int) {
			f.normaliseGrad(dx[i*s.C:j*s.C], du[i*s.C:j*s.C], x[i*s.C:j*s.C], m, a, b, c, j-i)
		})
	}
}

// coefficients turns one sample's Σ du and Σ du·(x - mean) (in parts) into sums and into
// the numbers of dx = rstd·gamma·du + b·(x - mean) + c.
func (s NormShape) coefficients(b, c, sums, parts, rstd, gamma []float32) {
	width := s.C / s.G
	count := float64(s.P * width)
	for g, r := range rstd {
		var mean, along float64 // averages of du·gamma and du·gamma·h
		for i := g * width; i < (g+1)*width; i++ {
			mean += float64(gamma[i]) * float64(parts[i]) / count
			along += float64(gamma[i]) * float64(parts[s.C+i]) * float64(r) / count
		}
		for i := g * width; i < (g+1)*width; i++ {
			b[i], c[i] = float32(-along*float64(r)*float64(r)), float32(-mean*float64(r))
			sums[i], sums[s.C+i] = parts[s.C+i]*r, parts[i]
		}
	}
}

// GroupNormAffineGradItems counts channels.
func GroupNormAffineGradItems(s NormShape) int { return s.C }

// GroupNormAffineGrad is dgamma = Σ du·h and dbeta = Σ du over samples and positions, from
// the sums that GroupNormGrad left: the rule of 16.
func GroupNormAffineGrad(dgamma, dbeta, sums []float32, s NormShape, i0, i1 int) {
	need("group-norm-affine-grad", "sums", len(sums), s.N*2*s.C)
	for c := i0; c < i1; c++ {
		dgamma[c] = overSamples(s.N, sums[c:], 2*s.C)
		dbeta[c] = overSamples(s.N, sums[s.C+c:], 2*s.C)
	}
}

// overSamples is x[0] + x[ld] + … + x[(n-1)·ld] by the rule of 16.
func overSamples(n int, x []float32, ld int) float32 {
	var part [ref.Parts]float64
	for p := range part {
		i0, i1 := ref.Part(p, n)
		for i := i0; i < i1; i++ {
			part[p] += float64(x[i*ld])
		}
	}
	return float32(ref.Tree(&part))
}

// RowShape is that of an operation on Rows rows of D numbers.
type RowShape struct{ Rows, D int }

// LayerNormItems counts rows.
func LayerNormItems(s RowShape) int { return s.Rows }

// LayerNorm is y = (x - mean)·rstd for each row; see ref.LayerNorm. x, y are (Rows, D);
// mean, rstd (Rows). y may be x.
//
// With e = (D/8 + 8)u, for the additions in one of eight lanes and the roundings behind
// them, and k = rstd·average|x|, the mean is within e·average|x|, rstd within e·(1 + k) relatively,
// y within e·(|y| + k). Where the sum of squares passes 2¹²⁸ rstd is 0 and y is 0 or NaN
// (the plain level goes further). NaN or an infinity makes its row NaN and no other.
func LayerNorm(y, mean, rstd, x []float32, s RowShape, eps float32, i0, i1 int) {
	need("layer-norm", "y", len(y), s.Rows*s.D)
	need("layer-norm", "mean", len(mean), s.Rows)
	need("layer-norm", "rstd", len(rstd), s.Rows)
	need("layer-norm", "x", len(x), s.Rows*s.D)
	f := now().layerNorm
	rows(i0, i1, s.D, func(i, j int) {
		f(y[i*s.D:j*s.D], mean[i:j], rstd[i:j], x[i*s.D:j*s.D], s.D, eps)
	})
}

// LayerNormScaleShiftItems counts tokens.
func LayerNormScaleShiftItems(s TokenShape) int { return s.N * s.L }

// LayerNormScaleShift is [LayerNorm] of tokens and [ScaleShift] of its result h, to the bit, in one pass:
// y = h·(1 + scale) + shift. x, y are (N, L, D); mean, rstd (N, L); scale, shift (N, D). h (N, L, D) is
// written unless it is nil. y or h may be x.
func LayerNormScaleShift(y, h, mean, rstd, x, scale, shift []float32, s TokenShape, eps float32, i0, i1 int) {
	need("layer-norm-scale-shift", "y", len(y), s.N*s.L*s.D)
	need("layer-norm-scale-shift", "mean", len(mean), s.N*s.L)
	need("layer-norm-scale-shift", "rstd", len(rstd), s.N*s.L)
	need("layer-norm-scale-shift", "x", len(x), s.N*s.L*s.D)
	need("layer-norm-scale-shift", "scale", len(scale), s.N*s.D)
	need("layer-norm-scale-shift", "shift", len(shift), s.N*s.D)
	if h != nil {
		need("layer-norm-scale-shift", "h", len(h), s.N*s.L*s.D)
	}
	f := now().layerNormScaleShift
	s.runs(i0, i1, func(n, i, j int) {
		var kept []float32
		if h != nil {
			kept = h[i*s.D : j*s.D]
		}
		f(y[i*s.D:j*s.D], kept, mean[i:j], rstd[i:j], x[i*s.D:j*s.D], scale[n*s.D:(n+1)*s.D], shift[n*s.D:(n+1)*s.D], s.D, eps)
	})
}

// LayerNormGradItems counts rows.
func LayerNormGradItems(s RowShape) int { return s.Rows }

// LayerNormGrad is dx = rstd·(dy - average(dy) - h·average(dy·h)), h = (x - mean)·rstd, for
// each row, within e·rstd·(|dy| + average|dy| + |h|·average|dy·h|), e that of [LayerNorm]. dx may
// be dy or x.
func LayerNormGrad(dx, dy, x, mean, rstd []float32, s RowShape, i0, i1 int) {
	need("layer-norm-grad", "dx", len(dx), s.Rows*s.D)
	need("layer-norm-grad", "dy", len(dy), s.Rows*s.D)
	need("layer-norm-grad", "x", len(x), s.Rows*s.D)
	need("layer-norm-grad", "mean", len(mean), s.Rows)
	need("layer-norm-grad", "rstd", len(rstd), s.Rows)
	f := now().layerNormGrad
	rows(i0, i1, s.D, func(i, j int) {
		f(dx[i*s.D:j*s.D], dy[i*s.D:j*s.D], x[i*s.D:j*s.D], mean[i:j], rstd[i:j], s.D)
	})
}

// LayerNormScaleShiftGradItems counts samples.
func LayerNormScaleShiftGradItems(s TokenShape) int { return s.N }

// LayerNormScaleShiftGradScratch is for the gradient of a sample's norm.
func LayerNormScaleShiftGradScratch(s TokenShape) int { return s.L * s.D }

// LayerNormScaleShiftGrad is, to the bit, [ScaleShiftGrad], [LayerNormGrad] of what that gives for h, and the sum
// of the result with sum unless that is nil, sample by sample, so that a sample stays in the cache: the gradient
// of [LayerNormScaleShift], of which h is a result. dx may be dy, h, x or sum.
func LayerNormScaleShiftGrad(dx, dscale, dshift, dy, h, scale, x, mean, rstd, sum []float32, s TokenShape, scratch []float32, i0, i1 int) {
	size := s.L * s.D
	need("layer-norm-scale-shift-grad", "dx", len(dx), s.N*size)
	need("layer-norm-scale-shift-grad", "x", len(x), s.N*size)
	need("layer-norm-scale-shift-grad", "scratch", len(scratch), size)
	one, tokens := TokenShape{1, s.L, s.D}, RowShape{s.L, s.D}
	dh := scratch[:size]
	for n := i0; n < i1; n++ {
		at, row, col := n*size, n*s.L, n*s.D
		ScaleShiftGrad(dh, dscale[col:], dshift[col:], dy[at:], h[at:], scale[col:], one, 0, ScaleShiftGradItems(one))
		if sum == nil {
			LayerNormGrad(dx[at:], dh, x[at:], mean[row:], rstd[row:], tokens, 0, s.L)
			continue
		}
		LayerNormGrad(dh, dh, x[at:], mean[row:], rstd[row:], tokens, 0, s.L)
		Add(dx[at:at+size], dh, sum[at:at+size])
	}
}
