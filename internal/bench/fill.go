package bench

import (
	"hash/crc32"
	"math"
	"strings"

	"lfm/internal/nn"
	"lfm/internal/path"
	"lfm/stages/flow"
)

// fill gives n numbers in [-1, 1) that any language can make for itself: the top 24 bits of
// SplitMix64 (Steele, Lea and Flood 2014) at (CRC-32 of the name << 32) + index.
func fill(name string, n int) []float32 {
	x := make([]float32, n)
	key := uint64(crc32.ChecksumIEEE([]byte(name))) << 32
	for i := range x {
		z := (key + uint64(i)) * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		x[i] = float32(float64(z>>40)/(1<<23) - 1)
	}
	return x
}

// fillWeights are the first values of a parameter in the run whose losses are compared:
// fill by its name, which for matrices and kernels is divided by √(fan in), for vectors and
// positions by 10, with 1 added to the scales of norms. The embedding of classes stays.
func fillWeights(p *nn.Param) []float32 {
	x, shape := fill(p.Name, p.Size()), p.Shape()
	scale, shift := float32(10), float32(0)
	switch {
	case p.Name == "cond.weight":
		scale = 1
	case p.Name == "pos":
	case shape.Dims() > 1:
		scale = float32(math.Sqrt(float64(p.Size() / shape[0])))
	case strings.HasSuffix(p.Name, "weight"):
		shift = 1
	}
	for i := range x {
		x[i] = x[i]/scale + shift
	}
	return x
}

// sqrt3 makes uniform numbers in [-1, 1) have variance 1.
var sqrt3 = float32(math.Sqrt(3))

// fillImages are the inputs of the autoencoder in that run, the same at every step.
func fillImages(step int, inputs [][]float32) {
	if step > 0 {
		return
	}
	x, noise := inputs[0], inputs[1]
	channelsLast(x, fill("input.x", len(x)), 32*32, 3)
	channelsLast(noise, fill("input.noise", len(noise)), 8*8, 4)
	for i := range noise {
		noise[i] *= sqrt3
	}
}

// fillLatents are the inputs of the flow in that run, the same at every step.
func fillLatents(step int, inputs [][]float32) {
	if step > 0 {
		return
	}
	zt, t, labels, target := inputs[0], inputs[1], inputs[2], inputs[3]
	x, eps := fill("input.x", len(zt)), fill("input.noise", len(zt))
	for i := range x {
		x[i], eps[i] = x[i]*sqrt3, eps[i]*sqrt3
	}
	copy(t, fill("input.t", len(t)))
	copy(labels, fill("input.label", len(labels)))
	for i := range t {
		t[i] = (t[i] + 1) / 2
		labels[i] = float32(math.Floor(float64((labels[i] + 1) / 2 * float32(flow.R1.Classes+1))))
		path.Straight{}.Interpolate(item(zt, i, latentSize), item(target, i, latentSize), item(x, i, latentSize), item(eps, i, latentSize), t[i])
	}
}

// channelsLast takes src (N, C, positions) to dst (N, positions, C).
func channelsLast(dst, src []float32, positions, channels int) {
	for i, v := range src {
		n, c, p := i/(channels*positions), i/positions%channels, i%positions
		dst[(n*positions+p)*channels+c] = v
	}
}
