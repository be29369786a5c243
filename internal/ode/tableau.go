package ode

// Tableau is an explicit Runge–Kutta method (Butcher 1964). With dt the time a step goes down,
//
//	y_i = z + dt Σ_{j<i} A[i][j] k_j      k_i = v(y_i, t - C[i] dt)      z ← z + dt Σ_i B[i] k_i
type Tableau struct {
	Name  string
	Order int // the error over a fixed time falls as dt^Order
	A     [][]float64
	B, C  []float64
	Error []float64 // B less the weights of a solution one order lower, for step control; nil where there is none
}

// Stages returns how often a step evaluates the field.
func (m Tableau) Stages() int { return len(m.B) }

// Euler is Euler's method: along the tangent.
var Euler = Tableau{
	Name: "euler", Order: 1,
	A: [][]float64{{}},
	B: []float64{1},
	C: []float64{0},
}

// Midpoint is the explicit midpoint rule, also called the modified Euler method.
var Midpoint = Tableau{
	Name: "midpoint", Order: 2,
	A: [][]float64{{}, {1. / 2}},
	B: []float64{0, 1},
	C: []float64{0, 1. / 2},
}

// Heun is Heun's second-order method, also called the improved Euler method or the explicit trapezoidal rule.
// Karras et al. (2022), Algorithm 1, sample diffusion models with it.
var Heun = Tableau{
	Name: "heun", Order: 2,
	A: [][]float64{{}, {1}},
	B: []float64{1. / 2, 1. / 2},
	C: []float64{0, 1},
}

// RK4 is the classical fourth-order method of Kutta (1901).
var RK4 = Tableau{
	Name: "rk4", Order: 4,
	A: [][]float64{{}, {1. / 2}, {0, 1. / 2}, {0, 0, 1}},
	B: []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6},
	C: []float64{0, 1. / 2, 1. / 2, 1},
}

// Dopri5 is the method of order 5 of Dormand and Prince (1980), with a solution of order 4 beside it whose distance tells
// the error of a step. Its last stage is the first of the next step, so that a step costs six evaluations. [Adaptive]
// chooses its steps.
var Dopri5 = Tableau{
	Name: "dopri5", Order: 5,
	A: [][]float64{
		{},
		{1. / 5},
		{3. / 40, 9. / 40},
		{44. / 45, -56. / 15, 32. / 9},
		{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
		{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
	},
	B:     []float64{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84, 0},
	C:     []float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1},
	Error: []float64{71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40},
}

// Methods lists the methods that take the steps of a grid, cheapest first.
func Methods() []Tableau { return []Tableau{Euler, Midpoint, Heun, RK4} }
