package path

import "math"

// Diffusion is the path of diffusion models, z_t = sqrt(ᾱ) x + sqrt(1-ᾱ) eps. All of them are one turn, and differ only
// in how fast they go through it:
//
//	z = cos θ x + sin θ eps      sqrt(ᾱ(t)) = cos θ
//
// The angle θ is the path's clock, because by it z moves at an even rate where by t it would begin infinitely fast at the
// data. The velocity is hence v = -dz/dθ = sin θ x - cos θ eps (what Salimans and Ho 2022 call v, the other way round).
type Diffusion struct {
	name  string
	angle func(t float64) float64
	time  func(angle float64) float64
}

// Name returns "diffusion-linear" or "diffusion-cosine".
func (p Diffusion) Name() string { return p.name }

// At returns cos θ and sin θ.
func (p Diffusion) At(t float64) Moment {
	sin, cos := math.Sincos(p.Clock(t))
	return Moment{A: cos, B: sin, DA: -sin, DB: cos}
}

// AtLevel returns the time of the angle whose tangent is level.
func (p Diffusion) AtLevel(level float64) float64 { return p.Time(math.Atan(level)) }

// Clock returns the angle.
func (p Diffusion) Clock(t float64) float64 { return p.angle(t) }

// Time returns the time of an angle, in [0, 1].
func (p Diffusion) Time(angle float64) float64 { return min(1, max(0, p.time(angle))) }

// The rates of noise at both ends of the linear schedule, 1000 times those of the first and last of DDPM's 1000 steps.
const betaFirst, betaLast = 0.1, 20

// LinearBeta is the schedule of Ho et al. (2020) in continuous time (Song et al. 2021, eq. 33): noise comes in at the
// rate β(t) = 0.1 + 19.9 t, and -log ᾱ(t) is its integral. At t = 1 a trace of the data is left, sqrt(ᾱ) = 0.0066.
var LinearBeta = Diffusion{
	name: "diffusion-linear",
	angle: func(t float64) float64 {
		logAlpha := -(betaFirst*t + (betaLast-betaFirst)/2*t*t)
		return math.Atan2(math.Sqrt(-math.Expm1(logAlpha)), math.Exp(logAlpha/2))
	},
	time: func(angle float64) float64 {
		sin := math.Sin(angle)
		logAlpha := math.Log1p(-sin * sin)
		return -2 * logAlpha / (betaFirst + math.Sqrt(betaFirst*betaFirst-2*(betaLast-betaFirst)*logAlpha))
	},
}

const (
	cosineOffset = 0.008 // s of Nichol and Dhariwal
	cosineEnd    = 0.995 // of the way that is gone
)

// Cosine is the schedule of Nichol and Dhariwal (2021, eq. 17), sqrt(ᾱ) = cos φ(t) / cos φ(0) with φ = π/2 (t+s)/(1+s) and
// s = 0.008. It goes only 99.5 % of its way, so that sqrt(ᾱ) is 0.0078 and not nought at t = 1, where a prediction of the
// noise would else say nothing of the data (they clip β to the same end).
var Cosine = Diffusion{
	name: "diffusion-cosine",
	angle: func(t float64) float64 {
		return math.Acos(min(1, math.Cos(cosinePhase(t))/math.Cos(cosinePhase(0))))
	},
	time: func(angle float64) float64 {
		phase := math.Acos(math.Cos(angle) * math.Cos(cosinePhase(0)))
		return (phase/(math.Pi/2)*(1+cosineOffset) - cosineOffset) / cosineEnd
	},
}

func cosinePhase(t float64) float64 {
	return math.Pi / 2 * (cosineEnd*t + cosineOffset) / (1 + cosineOffset)
}
