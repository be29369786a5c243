package kernels

import "lfm/internal/kernels/ref"

// Reparameterize is z = mean + noise·exp(logvar/2). z may be any of the others.
func Reparameterize(z, mean, logvar, noise []float32) {
	need("reparameterize", "mean", len(mean), len(z))
	need("reparameterize", "logvar", len(logvar), len(z))
	need("reparameterize", "noise", len(noise), len(z))
	f := now().reparameterize
	pieces(len(z), func(i, j int) { f(z[i:j], mean[i:j], logvar[i:j], noise[i:j]) })
}

// ReparameterizeGrad is dmean = dz and dlogvar = dz·noise·exp(logvar/2)/2. dmean may be dz.
func ReparameterizeGrad(dmean, dlogvar, dz, logvar, noise []float32) {
	need("reparameterize-grad", "dmean", len(dmean), len(dz))
	need("reparameterize-grad", "dlogvar", len(dlogvar), len(dz))
	need("reparameterize-grad", "logvar", len(logvar), len(dz))
	need("reparameterize-grad", "noise", len(noise), len(dz))
	f := now().reparameterizeGrad
	pieces(len(dz), func(i, j int) { f(dlogvar[i:j], dz[i:j], logvar[i:j], noise[i:j]) })
	copy(dmean, dz)
}

// lossPiece is the number of terms behind one float32 partial sum of a loss; partial sums
// are added in float64.
const lossPiece = 4096

// averages is e[n] = factor/M·Σ over the sample, for samples [i0, i1).
//
//go:noinline
func (s SampleShape) averages(e []float32, factor float64, i0, i1 int, sum func(i, j int) float32) {
	for n := i0; n < i1; n++ {
		var total float64
		for i := n * s.M; i < (n+1)*s.M; i += lossPiece {
			total += float64(sum(i, min(i+lossPiece, (n+1)*s.M)))
		}
		e[n] = float32(factor * total / float64(s.M))
	}
}

// gradients calls f for the samples [i0, i1), in pieces, with c = factor·de[n]/M.
//
//go:noinline
func (s SampleShape) gradients(de []float32, factor float32, i0, i1 int, f func(c float32, i, j int)) {
	for n := i0; n < i1; n++ {
		c := factor * de[n] / float32(s.M)
		for i := n * s.M; i < (n+1)*s.M; i += piece {
			f(c, i, min(i+piece, (n+1)*s.M))
		}
	}
}

// SquaredErrorItems counts samples.
func SquaredErrorItems(s SampleShape) int { return s.N }

// SquaredError is e[n] = average over the sample of (a - b)². a, b are (N, M), e (N).
func SquaredError(e, a, b []float32, s SampleShape, i0, i1 int) {
	needTwo("squared-error", e, a, b, s)
	f := now().sumSquaredDifference
	s.averages(e, 1, i0, i1, func(i, j int) float32 { return f(a[i:j], b[i:j]) })
}

// SquaredErrorGradItems counts samples.
func SquaredErrorGradItems(s SampleShape) int { return s.N }

// SquaredErrorGrad is da = de[n]·2(a - b)/M; the gradient by b is -da. da may be a or b.
func SquaredErrorGrad(da, de, a, b []float32, s SampleShape, i0, i1 int) {
	needTwo("squared-error-grad", de, a, b, s)
	need("squared-error-grad", "da", len(da), s.N*s.M)
	f := now().difference
	s.gradients(de, 2, i0, i1, func(c float32, i, j int) { f(da[i:j], a[i:j], b[i:j], c) })
}

// AbsoluteErrorItems counts samples.
func AbsoluteErrorItems(s SampleShape) int { return s.N }

// AbsoluteError is e[n] = average over the sample of |a - b|.
func AbsoluteError(e, a, b []float32, s SampleShape, i0, i1 int) {
	needTwo("absolute-error", e, a, b, s)
	f := now().sumAbsoluteDifference
	s.averages(e, 1, i0, i1, func(i, j int) float32 { return f(a[i:j], b[i:j]) })
}

// AbsoluteErrorGradItems counts samples.
func AbsoluteErrorGradItems(s SampleShape) int { return s.N }

// AbsoluteErrorGrad is da = de[n]·sign(a - b)/M, with sign(0) = 0; that by b is -da. da may
// be a or b.
func AbsoluteErrorGrad(da, de, a, b []float32, s SampleShape, i0, i1 int) {
	needTwo("absolute-error-grad", de, a, b, s)
	need("absolute-error-grad", "da", len(da), s.N*s.M)
	f := now().signOfDifference
	s.gradients(de, 1, i0, i1, func(c float32, i, j int) { f(da[i:j], a[i:j], b[i:j], c) })
}

// KLItems counts samples.
func KLItems(s SampleShape) int { return s.N }

// KL is e[n] = average over the sample of (mean² + exp(logvar) - 1 - logvar)/2.
func KL(e, mean, logvar []float32, s SampleShape, i0, i1 int) {
	needTwo("kl", e, mean, logvar, s)
	f := now().sumKL
	s.averages(e, 0.5, i0, i1, func(i, j int) float32 { return f(mean[i:j], logvar[i:j]) })
}

// KLGradItems counts samples.
func KLGradItems(s SampleShape) int { return s.N }

// KLGrad is dmean = de[n]·mean/M, dlogvar = de[n]·(exp(logvar) - 1)/(2M). dmean may be mean,
// dlogvar logvar.
func KLGrad(dmean, dlogvar, de, mean, logvar []float32, s SampleShape, i0, i1 int) {
	needTwo("kl-grad", de, mean, logvar, s)
	need("kl-grad", "dmean", len(dmean), s.N*s.M)
	need("kl-grad", "dlogvar", len(dlogvar), s.N*s.M)
	f := now().klGrad
	s.gradients(de, 1, i0, i1, func(c float32, i, j int) {
		f(dmean[i:j], dlogvar[i:j], mean[i:j], logvar[i:j], c)
	})
}

// ClassShape is that of N samples with a number for each of K classes.
type ClassShape struct{ N, K int }

// CrossEntropyItems counts samples.
func CrossEntropyItems(s ClassShape) int { return s.N }

// CrossEntropy is e[n] = log Σ_k exp(x[n,k]) - x[n,labels[n]]: ref.CrossEntropy. x is (N, K),
// labels (N) are whole numbers below K, e is (N).
func CrossEntropy(e, x, labels []float32, s ClassShape, i0, i1 int) {
	needClasses("cross-entropy", e, x, labels, s)
	ref.CrossEntropy(e[i0:i1], x[i0*s.K:i1*s.K], labels[i0:i1], i1-i0, s.K)
}

// CrossEntropyGradItems counts samples.
func CrossEntropyGradItems(s ClassShape) int { return s.N }

// CrossEntropyGrad is dx[n,k] = de[n]·(softmax(x[n])[k] - [k = labels[n]]). dx may be x.
func CrossEntropyGrad(dx, de, x, labels []float32, s ClassShape, i0, i1 int) {
	needClasses("cross-entropy-grad", de, x, labels, s)
	need("cross-entropy-grad", "dx", len(dx), s.N*s.K)
	ref.CrossEntropyGrad(dx[i0*s.K:i1*s.K], de[i0:i1], x[i0*s.K:i1*s.K], labels[i0:i1], i1-i0, s.K)
}

func needClasses(kernel string, e, x, labels []float32, s ClassShape) {
	need(kernel, "e", len(e), s.N)
	need(kernel, "x", len(x), s.N*s.K)
	need(kernel, "labels", len(labels), s.N)
}

func needTwo(kernel string, e, a, b []float32, s SampleShape) {
	need(kernel, "e", len(e), s.N)
	need(kernel, "a", len(a), s.N*s.M)
	need(kernel, "b", len(b), s.N*s.M)
}

// Mean is y[0] = Σ x/n by the rule of 16.
func Mean(y, x []float32, n int) {
	var part [ref.Parts]float64
	for p := range part {
		i0, i1 := ref.Part(p, n)
		for _, v := range x[i0:i1] {
			part[p] += float64(v)
		}
	}
	y[0] = float32(ref.Tree(&part) / float64(n))
}

// MeanGrad is dx[i] = dy[0]/n for i < n.
func MeanGrad(dx, dy []float32, n int) { ref.MeanGrad(dx, dy, n) }
