package picture

import (
	"image"
	"math"
)

// Image is a picture of 8 bits a channel, RGB, row by row.
type Image struct {
	Pix  []uint8 // (H, W, 3)
	W, H int
}

// New is a black picture.
func New(w, h int) *Image { return &Image{Pix: make([]uint8, w*h*3), W: w, H: h} }

// FromFloats makes a picture of x (h, w, 3): -1 is 0 and 1 is 255, what lies outside is
// clipped, and a NaN is 0.
func FromFloats(x []float32, w, h int) *Image {
	if len(x) != w*h*3 {
		panic("picture: from floats: x does not have the stated size")
	}
	m := New(w, h)
	for i, v := range x {
		m.Pix[i] = toByte(v)
	}
	return m
}

// toByte is clamp(-1, 1).add(1).mul(127.5).round() as PyTorch computes it: a rounding to
// float32 after each step (the conversions keep compilers from fusing), half to even at the end.
func toByte(v float32) uint8 {
	switch {
	case v >= 1:
		return 255
	case v > -1:
		return uint8(math.RoundToEven(float64(float32(float32(v+1) * 127.5))))
	}
	return 0
}

// rgba is the picture as the standard library has it.
func (m *Image) rgba() *image.RGBA {
	r := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	for i, j := 0, 0; i < len(m.Pix); i, j = i+3, j+4 {
		r.Pix[j], r.Pix[j+1], r.Pix[j+2], r.Pix[j+3] = m.Pix[i], m.Pix[i+1], m.Pix[i+2], 255
	}
	return r
}

// fromRGBA drops the alpha of an opaque picture.
func fromRGBA(r *image.RGBA) *Image {
	b := r.Bounds()
	m := New(b.Dx(), b.Dy())
	for y := range m.H {
		row := r.Pix[y*r.Stride:]
		for x := range m.W {
			copy(m.Pix[(y*m.W+x)*3:(y*m.W+x)*3+3], row[x*4:x*4+3])
		}
	}
	return m
}
