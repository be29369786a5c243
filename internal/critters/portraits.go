package critters

import "math"

// cat: wide pointed ears, a short face, whiskers; tabby stripes for some.
func cat(p pen, t traits) {
	p.arc(t.shade, 0.15, 0.52, 1.25, 0.3, 0.34, 270+40*t.pose, 450)
	p.sitting(t, 0.5)
	p.turned(t.tilt, 0, 0.45, func() {
		spread := 0.42 + 0.1*t.pose
		p.mirrored(func() {
			p.petal(t.coat, 0.36, -0.22, 0.66, 0.27, spread, 1)
			p.petal(t.warm, 0.37, -0.24, 0.46, 0.15, spread, 1)
		})
		p.ellipse(t.coat, 0, 0.08, 0.64, 0.53)
		p.face(t, func() {
			switch t.mark {
			case 1:
				for _, x := range []float64{-0.17, 0, 0.17} {
					p.line(mix(t.coat, ink, 0.3), 0.075, x, -0.34+math.Abs(x)*0.3, x*0.8, -0.2)
				}
			case 2:
				p.ellipse(t.pale, 0.27, 0.02, 0.2, 0.24)
			}
			p.mirrored(func() { p.ellipse(t.pale, 0.13, 0.3, 0.18, 0.15) })
			p.eyes(t, 0.29, 0.03, 0.115)
			p.cheeks(t, 0.45, 0.25)
			p.shape(mix(blush, ink, 0.1), -0.1, 0.15, -0.1, 0.15, 0.1, 0.15, 0.1, 0.15, 0, 0.27, 0, 0.27)
			p.smile(t, 0.28, 0.17)
			whisker := mix(t.coat, ink, 0.55)
			if luma(t.coat) < 0.45 {
				whisker = mix(t.coat, white, 0.75)
			}
			p.mirrored(func() {
				p.line(whisker, 0.032, 0.38, 0.27, 0.76, 0.19)
				p.line(whisker, 0.032, 0.37, 0.35, 0.74, 0.4)
			})
		})
	})
}

// dog: long hanging ears, a long face, a big nose on the muzzle, the tongue out for most.
func dog(p pen, t traits) {
	p.petal(t.shade, 0.38, 1.36, 0.5, 0.09, 0.9+0.3*t.pose, 0.3)
	p.sitting(t, 0.5)
	p.turned(t.tilt, 0, 0.45, func() {
		p.ellipse(t.coat, 0, 0.0, 0.5, 0.56)
		p.moved(0.07*t.lookX, 0.06*t.lookY, func() {
			switch t.mark {
			case 1:
				p.ellipse(mix(t.coat, ink, 0.3), 0.22, -0.1, 0.19, 0.23)
			case 2:
				p.petal(t.pale, 0, 0.3, 0.78, 0.14, 0, 0.3)
			}
			p.ellipse(t.pale, 0, 0.29, 0.3, 0.25)
			if t.eyes != 3 {
				p.petal(mix(blush, ink, 0.08), 0, 0.38, 0.24*t.smile, 0.1, math.Pi, 0)
			}
			p.eyes(t, 0.2, -0.08, 0.1)
			p.cheeks(t, 0.35, 0.17)
			p.smile(t, 0.33, 0.18)
			p.button(t.nose, 0, 0.18, 0.145, 0.105)
		})
		p.mirrored(func() { p.petal(t.shade, 0.43, -0.4, 0.78, 0.21, 2.72-0.18*t.pose, 0) })
	})
}

// rabbit: tall ears, one of which may be bent, a small face low in the picture, two teeth.
func rabbit(p pen, t traits) {
	p.ellipse(t.pale, 0.48, 1.38, 0.17, 0.17)
	p.sitting(t, 0.44)
	p.turned(t.tilt*0.8, 0, 0.6, func() {
		ear := func(side, angle float64) {
			p.petal(t.coat, 0.2*side, -0.02, 0.92, 0.165, angle, 0)
			p.petal(t.warm, 0.2*side, -0.08, 0.74, 0.085, angle, 0)
		}
		ear(-1, -0.14-0.1*t.pose)
		if t.mark == 1 {
			p.petal(t.coat, 0.2, -0.02, 0.56, 0.165, 0.3, 0)
			p.petal(mix(t.coat, ink, 0.15), 0.37, -0.42, 0.46, 0.15, 2.3, 0)
		} else {
			ear(1, 0.14+0.1*t.pose)
		}
		p.ellipse(t.coat, 0, 0.28, 0.48, 0.43)
		p.face(t, func() {
			if t.mark == 2 {
				p.petal(t.pale, 0, 0.4, 0.46, 0.12, 0, 0)
			}
			p.mirrored(func() { p.ellipse(t.pale, 0.11, 0.44, 0.16, 0.13) })
			p.shape(white, -0.085, 0.5, -0.085, 0.5, 0.085, 0.5, 0.085, 0.5, 0.075, 0.65, 0.075, 0.65, -0.075, 0.65, -0.075, 0.65)
			p.line(mix(ink, white, 0.5), 0.02, 0, 0.52, 0, 0.63)
			p.eyes(t, 0.24, 0.21, 0.095)
			p.cheeks(t, 0.33, 0.4)
			p.shape(mix(blush, ink, 0.1), -0.085, 0.32, -0.085, 0.32, 0.085, 0.32, 0.085, 0.32, 0, 0.42, 0, 0.42)
			p.smile(t, 0.43, 0.16)
		})
	})
}

// bear: round ears, a broad head, a muzzle with a wide nose, small eyes.
func bear(p pen, t traits) {
	p.sitting(t, 0.62)
	p.turned(t.tilt, 0, 0.45, func() {
		p.mirrored(func() {
			y := -0.4 + 0.04*t.pose
			p.ellipse(t.coat, 0.47, y, 0.23, 0.23)
			p.ellipse(t.warm, 0.47, y, 0.12, 0.12)
		})
		p.ellipse(t.coat, 0, 0.03, 0.66, 0.57)
		p.face(t, func() {
			if t.mark == 1 {
				p.mirrored(func() { p.ellipse(mix(t.coat, ink, 0.25), 0.27, 0.0, 0.15, 0.18) })
			}
			p.ellipse(t.pale, 0, 0.27, 0.3, 0.24)
			p.eyes(t, 0.26, -0.01, 0.078)
			p.cheeks(t, 0.44, 0.2)
			p.button(t.nose, 0, 0.18, 0.12, 0.085)
			p.line(t.mouth, 0.045, 0, 0.28, 0, 0.34)
			r := 0.1 * t.smile
			p.arc(t.mouth, 0.045, 0, 0.31, r*1.4, r, 20, 160)
		})
	})
}

// fox: large ears set wide, cheeks of another colour that come to a point, the nose at its tip; a bushy tail.
func fox(p pen, t traits) {
	p.petal(t.shade, 0.36, 1.5, 0.86, 0.2, 0.75+0.2*t.pose, 0.5)
	p.ellipse(t.pale, 0.36+math.Sin(0.75+0.2*t.pose)*0.7, 1.5-math.Cos(0.75+0.2*t.pose)*0.7, 0.12, 0.12)
	p.sitting(t, 0.44)
	p.turned(t.tilt, 0, 0.45, func() {
		lean := 0.34 + 0.1*t.pose
		p.mirrored(func() {
			p.petal(t.coat, 0.38, -0.16, 0.72, 0.25, lean, 1)
			p.petal(mix(t.coat, ink, 0.6), 0.4, -0.22, 0.5, 0.14, lean, 1)
		})
		p.shape(t.coat, -0.5, -0.42, 0.5, -0.42, 0.86, 0.16, 0.86, 0.16, 0.12, 0.7, -0.12, 0.7, -0.86, 0.16, -0.86, 0.16)
		tip := 0.06 * t.lookX
		p.mirrored(func() {
			tip = -tip
			p.shape(t.pale, 0.74, 0.12, 0.74, 0.12, 0.3, 0.1, 0.1-tip, 0.24, 0.02-tip, 0.62, 0.1, 0.6)
		})
		p.moved(0.06*t.lookX, 0.03*t.lookY, func() {
			if t.mark == 1 {
				p.petal(t.pale, 0, -0.1, 0.26, 0.09, 0, 0.6)
			}
			p.eyes(t, 0.28, 0.0, 0.09)
			p.button(t.nose, 0, 0.5, 0.115, 0.09)
		})
	})
}

// pig: a wide snout with two nostrils, ears that fold forward, a curly tail.
func pig(p pen, t traits) {
	p.arc(t.shade, 0.08, 0.66, 1.2, 0.13, 0.13, -150, 200)
	p.sitting(t, 0.6)
	p.turned(t.tilt, 0, 0.45, func() {
		p.ellipse(t.coat, 0, 0.04, 0.62, 0.57)
		p.mirrored(func() {
			p.petal(t.shade, 0.4, -0.42, 0.4, 0.22, 2.0+0.3*t.pose, 0.9)
			p.petal(t.coat, 0.36, -0.4, 0.2, 0.2, 1.0, 0.3)
		})
		p.face(t, func() {
			if t.mark == 1 {
				p.ellipse(mix(t.coat, ink, 0.25), 0.26, -0.07, 0.18, 0.18)
			}
			p.eyes(t, 0.27, -0.06, 0.088)
			p.cheeks(t, 0.44, 0.18)
			snout := mix(t.warm, t.pale, 0.5)
			p.ellipse(snout, 0, 0.22, 0.31, 0.21)
			p.mirrored(func() { p.ellipse(mix(snout, ink, 0.65), 0.115, 0.22, 0.05, 0.082) })
			r := 0.13 * t.smile
			lip := ink
			if luma(t.coat) < 0.42 {
				lip = mix(t.coat, cream, 0.7)
			}
			p.arc(lip, 0.045, 0, 0.44, r*1.3, r*0.7, 15, 165)
		})
	})
}
