package flow

import (
	"context"
	"fmt"
	"math"

	"lfm/internal/checkpoint"
	"lfm/internal/latent"
)

// maxMoments is the most numbers of covariance that are fitted, 8 MiB of them: one latent of 1024 numbers, or 16 classes
// of 256. Where the covariance of all D = h w C numbers of a latent, for each class, is no more, it is kept whole; else in
// blocks of C: how the channels of a place vary together, and places by themselves.
const maxMoments = 1 << 20

// normals is the base moments, of one Gaussian, and class-moments, of one for each class.
type normals struct {
	size, block int
	weight      []float32 // (K), of their mixture
	mean        []float32 // (K, D)
	root        []float32 // (K, D/b, b, b), lower triangles L with L Lᵀ the covariance
}

func readNormals(shape latent.Shape, k int, f *checkpoint.File) (Base, error) {
	d := shape.Size()
	g := &normals{size: d, block: d}
	if t, _ := f.Get(rootTensor); len(t.Shape) == 4 && t.Shape[3] != d {
		g.block = shape.C
	}
	b := g.block
	var err error
	if g.weight, err = finite(f, weightTensor, k); err != nil {
		return nil, err
	}
	if g.mean, err = finite(f, meanTensor, k, d); err != nil {
		return nil, err
	}
	if g.root, err = finite(f, rootTensor, k, d/b, b, b); err != nil {
		return nil, err
	}
	for i := 0; i < len(g.root); i++ {
		if row, column := i/b%b, i%b; row == column && g.root[i] <= 0 {
			return nil, fmt.Errorf("flow: base: number %d of tensor %q is %v, want more than 0", i, rootTensor, g.root[i])
		}
	}
	return g, nil
}

func (g *normals) Draw(eps []float32, d Draws, step, sample uint64, label int) {
	d.normal.Normal(eps, step, sample)
	k := label
	if k >= len(g.weight) {
		k = g.choose(d.pick.Float64(step, sample))
	}
	mean := g.mean[k*g.size : (k+1)*g.size]
	for at := 0; at < g.size; at += g.block {
		root, n := g.factor(k, at), eps[at:at+g.block]
		for i := g.block - 1; i >= 0; i-- { // from below: a row needs the numbers before it
			var sum float64
			for j, l := range root[i*g.block : i*g.block+i+1] {
				sum += float64(l) * float64(n[j])
			}
			n[i] = float32(float64(mean[at+i]) + sum)
		}
	}
}

// factor is L of the block of Gaussian k that begins at a place of a latent.
func (g *normals) factor(k, at int) []float32 {
	from := (k*g.size + at) * g.block
	return g.root[from : from+g.block*g.block]
}

// choose is the class at a quantile of the mixture.
func (g *normals) choose(u float64) int {
	for k, w := range g.weight {
		if u -= float64(w); u < 0 {
			return k
		}
	}
	return len(g.weight) - 1
}

func (g *normals) LogDensity(eps []float32, label int) (float64, error) {
	if label < len(g.weight) {
		return g.logDensity(eps, label), nil
	}
	logs, best := make([]float64, len(g.weight)), math.Inf(-1)
	for k, w := range g.weight {
		logs[k] = math.Log(float64(w)) + g.logDensity(eps, k)
		best = max(best, logs[k])
	}
	var sum float64
	for _, l := range logs {
		sum += math.Exp(l - best)
	}
	return best + math.Log(sum), nil
}

// logDensity is that of Gaussian k: with n = L⁻¹(eps - mean), log N(n; 0, I) - Σ log L_ii.
func (g *normals) logDensity(eps []float32, k int) float64 {
	log := -float64(g.size) * math.Log(2*math.Pi) / 2
	n := make([]float64, g.block)
	for at := 0; at < g.size; at += g.block {
		root := g.factor(k, at)
		for i := range n {
			rest := float64(eps[at+i]) - float64(g.mean[k*g.size+at+i])
			for j, l := range root[i*g.block : i*g.block+i] {
				rest -= float64(l) * n[j]
			}
			diagonal := float64(root[i*g.block+i])
			n[i] = rest / diagonal
			log -= n[i]*n[i]/2 + math.Log(diagonal)
		}
	}
	return log
}

// fitNormals is frequency, mean and covariance of k groups of latents: each class for itself, or all as one.
func fitNormals(ctx context.Context, l *learned, k int) ([]checkpoint.Tensor, error) {
	shape := l.set.Shape()
	d, b := shape.Size(), shape.Size()
	if k*d*d > maxMoments {
		b = shape.C
	}
	group := func(label int) int { return min(label, k-1) }
	// Pass 1: means.
	seen, mean := make([]float64, k), make([]float64, k*d)
	err := l.each(ctx, func(x []float32, label int) {
		g := group(label)
		seen[g]++
		for i, v := range x {
			mean[g*d+i] += float64(v)
		}
	})
	if err != nil {
		return nil, err
	}
	for i := range mean {
		mean[i] /= max(1, seen[i/d])
	}
	// Pass 2: what is around them.
	around := make([]scatter, k*d/b)
	for i := range around {
		around[i] = scatter{b: b, sum: make([]float64, b*b)}
	}
	e := make([]float64, d)
	err = l.each(ctx, func(x []float32, label int) {
		g := group(label)
		for i, v := range x {
			e[i] = float64(v) - mean[g*d+i]
		}
		for i := range d / b {
			around[g*d/b+i].add(e[i*b : (i+1)*b])
		}
	})
	if err != nil {
		return nil, err
	}
	weight, means, roots := make([]float32, k), make([]float32, k*d), make([]float32, 0, k*d*b)
	for g := range weight {
		weight[g] = float32(seen[g] / float64(len(l.rows)))
	}
	for i, v := range mean {
		means[i] = float32(v)
	}
	for i := range around {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, v := range around[i].root() {
			roots = append(roots, float32(v))
		}
	}
	return []checkpoint.Tensor{
		{Name: weightTensor, Shape: []int{k}, Data: weight},
		{Name: meanTensor, Shape: []int{k, d}, Data: means},
		{Name: rootTensor, Shape: []int{k, d / b, b, b}, Data: roots},
	}, nil
}

// scatter gathers how b numbers vary together around their mean.
type scatter struct {
	b      int
	n      float64
	sum    []float64 // of e eᵀ, lower triangle
	fourth float64   // of |e|⁴
}

func (s *scatter) add(e []float64) {
	s.n++
	var square float64
	for i, a := range e {
		row := s.sum[i*s.b : i*s.b+i+1]
		for j := range row {
			row[j] += float64(a * e[j])
		}
		square += float64(a * a)
	}
	s.fourth += square * square
}

// root is L of the covariance S, shrunk towards the multiple of I with its trace (Ledoit and Wolf 2004) by as much as
// the rows there are cannot tell the two apart: with few rows S is singular, and with many nothing is changed. A group
// of no rows is N(0, I).
//
//	S ← (1-λ) S + λ μ I        λ = min(1, (Σ |e|⁴/n - |S|²)/n / |S - μ I|²)        μ = tr S/b
func (s *scatter) root() []float64 {
	S, b := s.sum, s.b
	if s.n == 0 {
		for i := range b {
			S[i*b+i] = 1
		}
		return S
	}
	var trace, square float64
	for i := range b {
		for j := range i + 1 {
			S[i*b+j] /= s.n
			v := S[i*b+j] * S[i*b+j]
			if i != j {
				v *= 2
			}
			square += v
		}
		trace += S[i*b+i]
	}
	mu, lambda := trace/float64(b), 0.0
	if spread := square - trace*mu; spread > 0 {
		lambda = max(0, min(1, (s.fourth/s.n-square)/s.n/spread))
	}
	for i := range b {
		for j := range i + 1 {
			S[i*b+j] *= 1 - lambda
		}
		S[i*b+i] += lambda*mu + leastVariance
	}
	cholesky(S, b)
	return S
}

// cholesky turns the lower triangle of a positive definite matrix (b, b) into L with L Lᵀ the matrix. What rounding
// makes of a direction that hardly varies stays above nought.
func cholesky(a []float64, b int) {
	for i := range b {
		for j := range i + 1 {
			sum := a[i*b+j]
			for k := range j {
				sum -= float64(a[i*b+k] * a[j*b+k])
			}
			if i == j {
				a[i*b+i] = math.Sqrt(max(sum, leastVariance/2))
			} else {
				a[i*b+j] = sum / a[j*b+j]
			}
		}
	}
}
