package path

import "math"

// Times is a distribution of training times on [0, 1].
type Times interface {
	// Sample is the quantile function: it sends a uniform u in [0, 1) to t. It grows with u.
	Sample(u float64) float64
	// Name is the word for it in pipeline.yaml.
	Name() string
}

// Uniform spreads times evenly.
type Uniform struct{}

// Sample returns u.
func (Uniform) Sample(u float64) float64 { return u }

// Name returns "uniform".
func (Uniform) Name() string { return "uniform" }

// LogitNormal draws t = sigmoid(Mean + Std n), n standard normal (Esser et al. 2024, section 3.1). It favours the middle
// of the path, where the prediction is hardest; a positive Mean favours noise.
type LogitNormal struct{ Mean, Std float64 }

// Sample returns sigmoid(Mean + Std Φ⁻¹(u)).
func (d LogitNormal) Sample(u float64) float64 {
	n := -math.Sqrt2 * math.Erfcinv(2*u)
	return 1 / (1 + math.Exp(-d.Mean-d.Std*n))
}

// Name returns "logit-normal".
func (LogitNormal) Name() string { return "logit-normal" }

// Stratified fills dst with the times of a batch, one from each of len(dst) equally likely strata: dst[i] is the quantile
// of (i + u(i))/n, where u(i) is uniform in [0, 1). Each time, alone, of a batch in random order has the distribution of
// times, and their mean over a batch varies far less than that of independent draws.
func Stratified(dst []float32, times Times, u func(i int) float64) {
	n := float64(len(dst))
	for i := range dst {
		dst[i] = float32(times.Sample((float64(i) + u(i)) / n))
	}
}

// Shifted are the times of another distribution, sent to Shift t / (1 + (Shift-1) t): noisier with Shift > 1 (Esser et
// al. 2024, section 5.3.2, who take the square root of how many times as many numbers a sample has).
type Shifted struct {
	Times
	Shift float64
}

// Sample returns the shifted quantile.
func (d Shifted) Sample(u float64) float64 {
	t := d.Times.Sample(u)
	return d.Shift * t / (1 + (d.Shift-1)*t)
}
