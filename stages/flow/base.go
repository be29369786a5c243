package flow

import (
	"errors"
	"fmt"
	"math"

	"lfm/internal/checkpoint"
	"lfm/internal/latent"
	"lfm/internal/rng"
)

// The bases, as pipeline.yaml calls them.
const (
	gaussian     = "gaussian"
	correlated   = "correlated"
	moments      = "moments"
	classMoments = "class-moments"
	empirical    = "empirical"
)

// Base is the distribution of the noise eps: what the path ends in at t = 1, in latents as the network knows them, that
// is normalised.
//
//	gaussian        N(0, I)
//	correlated      a stationary Gaussian with the power spectrum of the latents, channel by channel
//	moments         a Gaussian with mean and covariance of the latents
//	class-moments   such a one for each class
//	empirical       the latents of another source, each as likely
//
// None of the path's algebra asks what eps is: z_1 = (1 + sigma_min) eps, the target x - eps, and the finish
// E[x | z_0] = (z_0 + sigma_min v)/(1 + sigma_min) hold for every distribution of eps and every coupling. What sigma_min
// leaves at t = 0 is sigma_min times this eps. Only what follows from v to the score needs N(0, I), and independence.
type Base interface {
	// Draw sets eps (h, w, C) to what (step, sample) draw for a label. The null label stands for a class drawn by its
	// frequency, so that the base of no class is the mixture that was trained on.
	Draw(eps []float32, d Draws, step, sample uint64, label int)

	// LogDensity is log q(eps | label), that of the mixture for the null label.
	LogDensity(eps []float32, label int) (float64, error)
}

// Draws are the random numbers that noise is made of.
type Draws struct {
	normal rng.Stream
	pick   rng.Stream // of a class or a latent
}

// newDraws are those of a purpose under a seed.
func newDraws(seed uint64, p rng.Purpose) Draws {
	return Draws{rng.New(seed, p), rng.New(seed, p+" pick")}
}

// picked is a number below n that (step, sample) pick, all as likely.
func (d Draws) picked(step, sample uint64, n int) int {
	return min(int(d.pick.Float64(step, sample)*float64(n)), n-1)
}

// law is the model's base.
func (s *Spec) law() Base {
	if s.base == nil {
		return unit{}
	}
	return s.base
}

// LogBase is the log-density at t = 1 of z (h, w, C), a normalised latent: where the integral of a likelihood ends.
// There z = (1 + sigma_min) eps, so it is log q(z/(1 + sigma_min)) less log(1 + sigma_min) for each number. The likelihood
// that begins so is that of x + sigma_min eps. A base without density is an error that says why.
func (s *Spec) LogBase(z []float32, label int) (float64, error) {
	scale := 1 + s.SigmaMin
	eps := make([]float32, len(z))
	for i, v := range z {
		eps[i] = float32(float64(v) / scale)
	}
	log, err := s.law().LogDensity(eps, label)
	return log - float64(len(z))*math.Log(scale), err
}

// unit is N(0, I).
type unit struct{}

func (unit) Draw(eps []float32, d Draws, step, sample uint64, _ int) {
	d.normal.Normal(eps, step, sample)
}

func (unit) LogDensity(eps []float32, _ int) (float64, error) {
	var squares float64
	for _, v := range eps {
		squares += float64(v) * float64(v)
	}
	return -(squares + float64(len(eps))*math.Log(2*math.Pi)) / 2, nil
}

// points are latents (n, D), each as likely.
type points struct {
	size    int
	latents []float32
}

func (p points) Draw(eps []float32, d Draws, step, sample uint64, _ int) {
	i := d.picked(step, sample, len(p.latents)/p.size)
	copy(eps, p.latents[i*p.size:(i+1)*p.size])
}

func (p points) LogDensity([]float32, int) (float64, error) {
	return 0, errors.New("flow: base empirical is a finite set of latents and has no density, so nothing that flows from it has a likelihood: train with another base")
}

// The tensors of a base's file.
const (
	deviationTensor = "deviation" // correlated (h, w, C): root of the power at each frequency
	weightTensor    = "weight"    // moments (K): frequency of each class, or 1
	meanTensor      = "mean"      // moments (K, D)
	rootTensor      = "root"      // moments (K, D/b, b, b): Cholesky factors of covariance, in blocks of b
	latentsTensor   = "latents"   // empirical (n, D)
)

// readBase makes the base of a kind from its tensors.
func readBase(kind string, shape latent.Shape, classes int, f *checkpoint.File) (Base, error) {
	if shape.Size() < 1 {
		return nil, fmt.Errorf("flow: base %s: of latents of %v", kind, shape)
	}
	switch kind {
	case correlated:
		return readSpectrum(shape, f)
	case moments:
		return readNormals(shape, 1, f)
	case classMoments:
		return readNormals(shape, classes, f)
	case empirical:
		return readPoints(shape, f)
	}
	return nil, fmt.Errorf("flow: base %q is not known to this lfm", kind)
}

func readPoints(shape latent.Shape, f *checkpoint.File) (Base, error) {
	t, _ := f.Get(latentsTensor)
	n := len(t.Data) / shape.Size()
	if n == 0 {
		return nil, fmt.Errorf("flow: base %s: no tensor %q of latents of %v", empirical, latentsTensor, shape)
	}
	data, err := finite(f, latentsTensor, n, shape.Size())
	return points{shape.Size(), data}, err
}

// finite is a tensor of finite numbers.
func finite(f *checkpoint.File, name string, shape ...int) ([]float32, error) {
	data, err := f.Floats(name, shape...)
	if err != nil {
		return nil, err
	}
	for i, v := range data {
		if d := float64(v); math.IsNaN(d) || math.IsInf(d, 0) {
			return nil, fmt.Errorf("flow: base: number %d of tensor %q is %v", i, name, v)
		}
	}
	return data, nil
}
