package ode

// Float is the number a state is made of. Sampling runs in float32; tests measure errors in float64.
type Float interface{ ~float32 | ~float64 }

// Field sets dst to the velocity at (z, t). It must not keep or change z.
type Field[F Float] func(dst, z []F, t float64)

// Solver runs a method and keeps its work memory between steps: after the first step of a size nothing is allocated.
// It serves one goroutine at a time.
type Solver[F Float] struct {
	Method Tableau
	k      [][]F // velocities of the stages
	y      []F   // the point of a stage
}

// NewSolver returns a solver for a method.
func NewSolver[F Float](m Tableau) *Solver[F] { return &Solver[F]{Method: m} }

// Solve carries z along the field through the times of the grid, in place, and returns how often it evaluated the field.
func (s *Solver[F]) Solve(f Field[F], z []F, grid []float64) (evaluations int) {
	for i := 1; i < len(grid); i++ {
		evaluations += s.Step(f, z, grid[i-1], grid[i])
	}
	return evaluations
}

// Step carries z from one time to another in place and returns how often it evaluated the field. Callers that want to
// look at z, or stop, between steps call it themselves.
func (s *Solver[F]) Step(f Field[F], z []F, from, to float64) (evaluations int) {
	s.reserve(len(z))
	for i := range s.Method.C {
		s.stage(f, z, from, to, i)
	}
	s.combine(z, z, from-to, s.Method.B)
	return s.Method.Stages()
}

// stage sets k_i, and y to the point where it is taken if i > 0.
func (s *Solver[F]) stage(f Field[F], z []F, from, to float64, i int) {
	y, c := z, s.Method.C[i]
	if i > 0 {
		y = s.y
		s.combine(y, z, from-to, s.Method.A[i])
	}
	// Written so that c = 1 gives exactly the time at which the next step begins.
	f(s.k[i], y, (1-c)*from+c*to)
}

// combine sets dst to z + dt Σ_j w[j] k_j, added in float64 in the order of the stages and rounded once. The conversions
// keep compilers from fusing multiplications and additions, so that every machine rounds alike.
func (s *Solver[F]) combine(dst, z []F, dt float64, w []float64) {
	for e := range z {
		var sum float64
		for j, wj := range w {
			if wj != 0 {
				sum += float64(wj * float64(s.k[j][e]))
			}
		}
		dst[e] = F(float64(z[e]) + float64(dt*sum))
	}
}

// reserve makes the work memory fit n numbers.
func (s *Solver[F]) reserve(n int) {
	if len(s.y) == n && len(s.k) == len(s.Method.B) {
		return
	}
	s.y = make([]F, n)
	s.k = make([][]F, len(s.Method.B))
	for i := range s.k {
		s.k[i] = make([]F, n)
	}
}

// Solve is Solver.Solve with work memory of its own.
func Solve[F Float](m Tableau, f Field[F], z []F, grid []float64) (evaluations int) {
	return NewSolver[F](m).Solve(f, z, grid)
}
