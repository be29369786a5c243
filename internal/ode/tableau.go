package ode

import (
	"fmt"
	"strings"
)

// Tableau is an explicit Runge–Kutta method (Butcher 1964). With dt the time a step goes down,
//
//	y_i = z + dt Σ_{j<i} A[i][j] k_j      k_i = v(y_i, t - C[i] dt)      z ← z + dt Σ_i B[i] k_i
type Tableau struct {
	Name  string
	Order int // the error over a fixed time falls as dt^Order
	A     [][]float64
	B, C  []float64
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

// Methods lists every method, cheapest first.
func Methods() []Tableau { return []Tableau{Euler, Midpoint, Heun, RK4} }

// ByName returns the method of a name.
func ByName(name string) (Tableau, error) {
	var names []string
	for _, m := range Methods() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Tableau{}, fmt.Errorf("no solver is called %q; choose one of %s", name, strings.Join(names, ", "))
}
