package critters

import (
	"image"
	"image/color"
)

// scenes is the number of backgrounds that scene knows.
const scenes = 5

// scene paints the background over the whole picture: a plain ground, a gradient, a hill under a sun or moon, a hill
// alone, or a disc behind the animal.
func scene(p pen, img *image.RGBA, t traits) {
	wash(img, t.back, t.back)
	hill := mix(t.back, t.deep, 1.0)
	switch t.ground {
	case 1:
		wash(img, t.back, mix(t.back, t.deep, 1.6))
	case 2:
		p.ellipse(mix(t.back, cream, 0.7), t.sunX, t.sunY, 0.2, 0.2)
		p.ellipse(hill, t.sunX*0.4, 1.25, 1.9, 0.85)
	case 3:
		p.ellipse(hill, -t.sunX, 1.3, 1.7, 0.95)
	case 4:
		p.ellipse(t.deep, t.x, t.y, 0.95*t.scale, 0.95*t.scale)
	}
}

// wash fills the image with a colour that changes from the top to the bottom.
func wash(img *image.RGBA, top, bottom color.RGBA) {
	b := img.Bounds()
	for y := 0; y < b.Dy(); y++ {
		c := mix(top, bottom, (float64(y)+0.5)/float64(b.Dy()))
		row := img.Pix[y*img.Stride:][:4*b.Dx()]
		for i := 0; i < len(row); i += 4 {
			row[i], row[i+1], row[i+2], row[i+3] = c.R, c.G, c.B, 255
		}
	}
}
