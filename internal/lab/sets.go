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

// eightGaussians are eight Gaussians on a circle.
func eightGaussians(radius, std float64) set {
	return set{"8gaussians", func(dst, uniform, normal []float32) {
		sin, cos := math.Sincos(math.Floor(float64(uniform[0])*8) * math.Pi / 4)
		dst[0] = float32(radius*cos + std*float64(normal[0]))
		dst[1] = float32(radius*sin + std*float64(normal[1]))
	}}
}

// The eight Gaussians of the figures are those of torchcfm/utils.py, whose standard deviation is not √0.1: that number
// is handed to a parameter that is a covariance.
const gaussians8Radius = 5

var (
	gaussians8Std = math.Sqrt(math.Sqrt(0.1))
	gaussians8    = eightGaussians(gaussians8Radius, gaussians8Std)
)

// mixture8 is what gaussians8 is drawn from.
func mixture8() (m path.Mixture) {
	for i := range 8 {
		sin, cos := math.Sincos(float64(i) * math.Pi / 4)
		m.Components = append(m.Components, path.Gaussian{Weight: 1, Mean: []float64{gaussians8Radius * cos, gaussians8Radius * sin}, Std: []float64{gaussians8Std, gaussians8Std}})
	}
	return m
}

// halfCircles is a point of two half circles of radius 1, the upper half about (0, 0) and the lower half about (1, 1/2):
// the moons before anything is done to them. u, from 0 to 1, says which half, and where.
func halfCircles(u float32) (x, y float64) {
	half, turn := math.Modf(float64(u) * 2)
	sin, cos := math.Sincos(math.Pi * turn)
	if half == 1 {
		return 1 - cos, 0.5 - sin
	}
	return cos, sin
}

// moons is two half circles, moved along the diagonal by up to 0.2 and then enlarged: those of the figures, from
// torchcfm/utils.py, whose noise is one uniform number for both axes.
var moons = set{"moons", func(dst, uniform, _ []float32) {
	x, y := halfCircles(uniform[1])
	shift := 0.2 * float64(uniform[0])
	dst[0], dst[1] = float32(3*(x+shift)-1), float32(3*(y+shift)-1)
}}

// noisyMoons is scikit-learn's make_moons with noise, enlarged and then moved.
func noisyMoons(noise, scale, dx, dy float64) set {
	return set{"moons", func(dst, uniform, normal []float32) {
		x, y := halfCircles(uniform[0])
		dst[0] = float32(scale*(x+noise*float64(normal[0])) + dx)
		dst[1] = float32(scale*(y+noise*float64(normal[1])) + dy)
	}}
}

// The table's sets: runner/src/datamodules of the benchmark's code. sCurve is one of them too.
var (
	unitGaussians8 = eightGaussians(5, 1)       // datamodule gaussians
	smallMoons     = noisyMoons(0.05, 2, -1, 0) // datamodule moons
	farGaussians8  = eightGaussians(3*4, 3*0.5) // datamodule twodim: 8gaussians of two_dim.py
	farMoons       = standardMoons(0.1, 7)      // datamodule twodim: moon of two_dim.py
)

// standardMoons is noisyMoons with a mean of 0 and a standard deviation of std over both coordinates together, which of
// half circles are 3/8 and √(43/64 - 1/2π).
func standardMoons(noise, std float64) set {
	scale := std / math.Sqrt(43./64-1/(2*math.Pi)+noise*noise)
	return noisyMoons(noise, scale, -3./8*scale, -3./8*scale)
}

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
