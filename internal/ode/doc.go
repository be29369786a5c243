// Package ode integrates ordinary differential equations with explicit Runge–Kutta methods.
//
// A method is a [Tableau]; [Euler], [Midpoint], [Heun], [RK4] and [Dopri5] differ only in their tables, and [Solver.Step]
// is the one loop that reads them. [Adaptive] chooses the steps of Dopri5 by its estimate of the error; the others take
// those of a grid of times, such as [Uniform]. A [Field] is the velocity v(z, t) of the lecture, which points from noise
// to data:
//
//	ode.Solve(ode.Heun, velocity, z, ode.Uniform(1, 0, 20)) // noise in z becomes a sample
//
// Time and sign are the lecture's: t = 1 is noise, t = 0 data, dz/dt = -v, and a step from t to t - dt is
//
//	z_{t-dt} = z_t + dt v(z_t, t)
//
// A grid that grows runs the same equation from data to noise.
//
// Choosing a method at a fixed number of evaluations of the field: Heun is a safe default from about ten evaluations up;
// Euler is for one or a few steps (one is exact where the path is straight); RK4 wins when errors of 1e-4 matter, and Adaptive
// where one would rather name the error than the number of steps.
package ode
