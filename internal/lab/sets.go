package lab

import (
	"math"

	"lfm/internal/path"
	"lfm/internal/rng"
)

// set is a distribution in the plane.
type set struct {
	name  string
	point func(dst, uniform, normal []float32) // a point made of two uniform and two normal numbers
}

// draw returns points number 0 to n-1 (N, 2) of a split, a function of seed, name and split.
func (s set) draw(n int, seed uint64, split uint64) []float32 {
	uniforms, normals := rng.New(seed, rng.Purpose("lab "+s.name+" uniform")), rng.New(seed, rng.Purpose("lab "+s.name+" normal"))
	points := make([]float32, 2*n)
	var u, e [2]float32
	for i := range n {
		uniforms.Uniform(u[:], split, uint64(i))
		normals.Normal(e[:], split, uint64(i))
		s.point(points[2*i:2*i+2], u[:], e[:])
	}
	return points
}

// normal2 is N(0, I).
var normal2 = set{"normal", func(dst, _, normal []float32) { copy(dst, normal) }}

// Where the Gaussians of gaussians8 are, and their standard deviation. That is not √0.1: the benchmark's code
// (torchcfm/utils.py) hands the standard deviation √0.1 to a parameter that is a covariance.
const gaussians8Radius = 5

var gaussians8Std = math.Sqrt(math.Sqrt(0.1))

// gaussians8 is eight Gaussians on a circle.
var gaussians8 = set{"8gaussians", func(dst, uniform, normal []float32) {
	sin, cos := math.Sincos(math.Floor(float64(uniform[0])*8) * math.Pi / 4)
	dst[0] = float32(gaussians8Radius*cos + gaussians8Std*float64(normal[0]))
	dst[1] = float32(gaussians8Radius*sin + gaussians8Std*float64(normal[1]))
}}

// mixture8 is what gaussians8 is drawn from.
func mixture8() (m path.Mixture) {
	for i := range 8 {
		sin, cos := math.Sincos(float64(i) * math.Pi / 4)
		m.Components = append(m.Components, path.Gaussian{Weight: 1, Mean: []float64{gaussians8Radius * cos, gaussians8Radius * sin}, Std: []float64{gaussians8Std, gaussians8Std}})
	}
	return m
}

// moons is two half circles, moved along the diagonal by up to 0.2 and then enlarged: torchcfm/utils.py, whose noise is
// one uniform number for both axes. It has none left for the angle, which it spaces evenly; here the second decides
// angle and half.
var moons = set{"moons", func(dst, uniform, _ []float32) {
	half, turn := math.Modf(float64(uniform[1]) * 2)
	sin, cos := math.Sincos(math.Pi * turn)
	x, y := cos, sin
	if half == 1 {
		x, y = 1-cos, 0.5-sin
	}
	shift := 0.2 * float64(uniform[0])
	dst[0], dst[1] = float32(3*(x+shift)-1), float32(3*(y+shift)-1)
}}

// sCurve is an S seen from its side: scikit-learn's make_s_curve with noise 0.05, its first and third axis times 1.5.
var sCurve = set{"scurve", func(dst, uniform, normal []float32) {
	sin, cos := math.Sincos(3 * math.Pi * (float64(uniform[0]) - 0.5))
	y := cos - 1
	if uniform[0] < 0.5 {
		y = -y
	}
	dst[0] = float32(1.5 * (sin + 0.05*float64(normal[0])))
	dst[1] = float32(1.5 * (y + 0.05*float64(normal[1])))
}}
