package path

// Path joins data x to noise eps: z_t = A x + B eps, where A falls and B grows from t = 0 to t = 1.
type Path interface {
	// Name is the word for the path in a model's description.
	Name() string

	// At is the path at time t.
	At(t float64) Moment

	// AtLevel is the time at which the noise level B/A, which grows with t, is level.
	AtLevel(level float64) float64

	// Clock is the time by which rates are taken and by which a solver steps: one under which z moves smoothly at both
	// ends. It grows with t. Time is its inverse.
	Clock(t float64) float64
	Time(clock float64) float64
}

// Moment is a path at one time: z = A x + B eps, and the rates of A and B by the path's clock.
type Moment struct{ A, B, DA, DB float64 }

// Straight is the path z_t = (1-t) x + (t + SigmaMin) eps. The zero value is the plain straight line.
type Straight struct{ SigmaMin float32 }

// Name returns "straight".
func (Straight) Name() string { return "straight" }

// At returns 1-t and t + SigmaMin.
func (p Straight) At(t float64) Moment { return straightAt(t, float64(p.SigmaMin)) }

func straightAt(t, sigma float64) Moment { return Moment{A: 1 - t, B: t + sigma, DA: -1, DB: 1} }

// AtLevel returns (level - SigmaMin) / (1 + level).
func (p Straight) AtLevel(level float64) float64 { return (level - float64(p.SigmaMin)) / (1 + level) }

// Clock returns t.
func (Straight) Clock(t float64) float64 { return t }

// Time returns the clock.
func (Straight) Time(clock float64) float64 { return clock }
