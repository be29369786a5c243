package critters

import "image/color"

// face runs draw, which draws a face, moved the way the head is turned.
func (p pen) face(t traits, draw func()) {
	p.moved(0.1*t.lookX, 0.07*t.lookY, draw)
}

// eyes draws a pair at distance dx from the middle, of radius r, in one of four moods: open (0), closed in a smile (1),
// one of them winking (2), wide (3). On dark coats open eyes have whites.
func (p pen) eyes(t traits, dx, y, r float64) { p.eyesOn(t, t.coat, dx, y, r) }

// eyesOn is eyes on skin of another colour than the coat.
func (p pen) eyesOn(t traits, skin color.RGBA, dx, y, r float64) {
	lid := ink
	dark := luma(skin) < 0.42
	if dark {
		lid = mix(skin, cream, 0.85)
	}
	for i, side := range []float64{-1, 1} {
		x := side * dx
		switch {
		case t.eyes == 1 || t.eyes == 2 && i == 1:
			p.arc(lid, r*0.55, x, y+r*0.3, r, r*0.85, 195, 345)
			continue
		case dark:
			p.ellipse(white, x, y, r*1.25, r*1.35)
		}
		p.pupil(t, x, y, r)
	}
}

// ringed draws a pair of eyes in white discs of radius r: owls and frogs have them.
func (p pen) ringed(t traits, dx, y, r float64) {
	for i, side := range []float64{-1, 1} {
		x := side * dx
		p.ellipse(white, x, y, r, r)
		if t.eyes == 1 || t.eyes == 2 && i == 1 {
			p.arc(ink, r*0.3, x, y+r*0.15, r*0.55, r*0.5, 195, 345)
			continue
		}
		p.pupil(t, x+r*0.22*t.lookX, y+r*0.15*t.lookY, r*0.6)
	}
}

// pupil draws one round eye with a light in it.
func (p pen) pupil(t traits, x, y, r float64) {
	if t.eyes == 3 {
		r *= 1.18
	}
	p.ellipse(ink, x, y, r*0.94, r*1.06)
	p.ellipse(white, x+r*0.32, y-r*0.36, r*0.36, r*0.36)
}

// cheeks draws rosy spots when the animal has them.
func (p pen) cheeks(t traits, dx, y float64) {
	if !t.cheeks {
		return
	}
	c := mix(t.coat, blush, 0.6)
	p.mirrored(func() { p.ellipse(c, dx, y, 0.11, 0.075) })
}

// sitting draws a body below a head, with a chest and two paws. Large animals show no more of it than shoulders.
func (p pen) sitting(t traits, width float64) {
	p.ellipse(mix(t.back, ink, 0.25), 0, 1.56, width*1.35, 0.1)
	p.ellipse(t.shade, 0, 1.04, width, 0.55)
	p.ellipse(t.pale, 0, 1.12, width*0.5, 0.4)
	p.mirrored(func() { p.ellipse(t.shade, width*0.5, 1.5, width*0.36, 0.12) })
}

// smile draws a mouth under a nose at (0, y): two arcs that meet.
func (p pen) smile(t traits, y, width float64) {
	r := width * t.smile / 2
	p.arc(t.mouth, 0.045, -r, y, r, r*0.9, 5, 165)
	p.arc(t.mouth, 0.045, r, y, r, r*0.9, 15, 175)
}

// button draws a round nose with a light on it.
func (p pen) button(c color.RGBA, x, y, rx, ry float64) {
	p.ellipse(c, x, y, rx, ry)
	p.ellipse(mix(c, white, 0.6), x+rx*0.25, y-ry*0.35, rx*0.32, ry*0.26)
}
