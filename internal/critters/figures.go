package critters

// owl: a whole bird, two great discs round the eyes, ear tufts, folded wings; some sit on a branch.
func owl(p pen, t traits) {
	if t.mark != 1 {
		p.line(mix(t.deep, ink, 0.5), 0.12, -3, 0.84, 3, 0.8)
	}
	p.turned(t.tilt*0.7, 0, 0.7, func() {
		p.ellipse(t.coat, 0, 0.16, 0.58, 0.68)
		p.mirrored(func() {
			p.petal(t.coat, 0.34, -0.3, 0.42, 0.17, 0.42+0.12*t.pose, 1)
			p.petal(t.shade, 0.44, 0.0, 0.74, 0.19, 2.95-0.3*t.pose, 0.6)
		})
		p.ellipse(t.pale, 0, 0.42, 0.34, 0.38)
		if t.mark > 0 {
			c := mix(t.pale, t.coat, 0.6)
			for _, at := range [][2]float64{{-0.14, 0.36}, {0.14, 0.36}, {0, 0.5}, {-0.14, 0.64}, {0.14, 0.64}} {
				p.arc(c, 0.045, at[0], at[1], 0.075, 0.075, 10, 170)
			}
		}
		p.face(t, func() {
			p.mirrored(func() { p.ellipse(t.pale, 0.25, -0.16, 0.29, 0.29) })
			p.ringed(t, 0.235, -0.15, 0.21)
			p.shape(t.beak, -0.1, -0.06, -0.1, -0.06, 0.1, -0.06, 0.1, -0.06, 0, 0.16, 0, 0.16)
		})
		p.mirrored(func() { p.ellipse(t.beak, 0.16, 0.82, 0.1, 0.07) })
	})
}

// penguin: a whole bird on its feet, a coat that is open over a light front, flippers out.
func penguin(p pen, t traits) {
	p.ellipse(mix(t.back, ink, 0.25), 0, 0.9, 0.55, 0.08)
	p.mirrored(func() { p.ellipse(t.beak, 0.23, 0.85, 0.2, 0.085) })
	p.turned(t.tilt*0.6, 0, 0.8, func() {
		p.mirrored(func() { p.petal(t.shade, 0.38, 0.02, 0.62, 0.14, 2.55-0.4*t.pose, 0.4) })
		p.ellipse(t.coat, 0, 0.26, 0.5, 0.6)
		p.turned(t.tilt*0.4, 0, 0, func() {
			p.ellipse(t.coat, 0, -0.34, 0.42, 0.42)
			if t.mark == 2 {
				p.petal(t.coat, 0, -0.66, 0.24, 0.05, -0.5, 0.6)
				p.petal(t.coat, 0, -0.66, 0.26, 0.05, 0.1, 0.6)
			}
		})
		front := mix(t.pale, white, 0.5)
		if luma(t.pale) < luma(t.coat) {
			front = t.pale
		}
		p.ellipse(front, 0.05*t.lookX, 0.36, 0.36, 0.47)
		p.turned(t.tilt*0.4, 0, 0, func() {
			p.face(t, func() {
				p.mirrored(func() { p.ellipse(front, 0.15, -0.27, 0.2, 0.23) })
				p.eyesOn(t, front, 0.16, -0.32, 0.085)
				p.cheeks(t, 0.24, -0.15)
				p.shape(t.beak, -0.15, -0.21, -0.15, -0.21, 0, -0.29, 0.15, -0.21, 0.15, -0.21, 0, -0.07)
			})
		})
		if t.mark == 1 { // a scarf
			p.shape(t.warm, -0.42, 0.0, -0.42, 0.0, 0, 0.08, 0.42, 0.0, 0.42, 0.0, 0.42, 0.14, 0, 0.24, -0.42, 0.14)
			p.petal(mix(t.warm, ink, 0.12), 0.2, 0.12, 0.34, 0.08, 2.9, 0.1)
		}
	})
}

// frog: eyes on top of a flat wide head, a mouth from side to side.
func frog(p pen, t traits) {
	p.ellipse(mix(t.back, ink, 0.25), 0, 1.2, 0.85, 0.09)
	p.mirrored(func() { p.ellipse(t.coat, 0.55, 1.02, 0.3, 0.2) })
	p.ellipse(t.shade, 0, 0.78, 0.56, 0.42)
	p.ellipse(t.pale, 0, 0.84, 0.36, 0.32)
	p.mirrored(func() { p.ellipse(t.shade, 0.3, 1.14, 0.2, 0.09) })
	p.turned(t.tilt*0.7, 0, 0.5, func() {
		p.mirrored(func() { p.ellipse(t.coat, 0.4, -0.24, 0.28, 0.28) })
		p.ellipse(t.coat, 0, 0.18, 0.78, 0.47)
		p.ringed(t, 0.4, -0.26, 0.2)
		p.face(t, func() {
			p.ellipse(t.pale, 0, 0.4, 0.5, 0.18)
			if t.mark == 1 {
				for _, at := range [][2]float64{{-0.12, -0.12}, {0.1, -0.16}, {0.0, 0.0}} {
					p.ellipse(t.shade, at[0], at[1], 0.06, 0.045)
				}
			}
			p.cheeks(t, 0.56, 0.12)
			lip := mix(t.coat, ink, 0.75)
			if luma(t.coat) < 0.42 {
				lip = mix(t.coat, black, 0.6)
			}
			p.arc(lip, 0.055, 0, 0.16, 0.5, 0.2*t.smile, 12, 168)
			p.mirrored(func() { p.ellipse(lip, 0.06, 0.07, 0.025, 0.03) })
		})
	})
}

// fish: seen from the side, a forked tail, fins, stripes or scales, and bubbles before its mouth.
func fish(p pen, t traits) {
	p.turned(t.tilt, 0, 0, func() {
		fin := t.shade
		sway := 0.12 * t.pose
		p.petal(fin, -0.46, 0.06, 0.52, 0.2, -0.85+sway, 0.3)
		p.petal(fin, -0.46, 0.06, 0.52, 0.2, -2.3+sway, 0.3)
		p.shape(fin, -0.42, -0.3, -0.3, -0.66, 0.1, -0.66, 0.4, -0.3, 0.3, -0.2, -0.3, -0.2)
		p.shape(fin, -0.2, 0.4, -0.2, 0.72, 0.06, 0.7, 0.16, 0.4)
		p.shape(t.coat, -0.78, 0.06, -0.3, -0.44, 0.3, -0.52, 0.86, -0.12, 0.86, 0.2, 0.3, 0.6, -0.3, 0.52)
		p.shape(t.pale, -0.5, 0.2, -0.1, 0.3, 0.6, 0.26, 0.76, 0.2, 0.3, 0.58, -0.2, 0.52)
		switch t.mark {
		case 1:
			p.arc(t.pale, 0.11, 0.36, 0.04, 0.3, 0.42, 130, 230)
			p.arc(t.pale, 0.1, 0.02, 0.04, 0.3, 0.38, 135, 225)
		case 2:
			for _, at := range [][2]float64{{-0.3, -0.06}, {-0.1, -0.18}, {-0.1, 0.06}, {0.1, -0.06}} {
				p.arc(fin, 0.05, at[0], at[1], 0.09, 0.1, 110, 250)
			}
		}
		p.petal(fin, 0.06, 0.16, 0.32, 0.13, -2.1+sway, 0.2)
		p.ellipse(white, 0.42, -0.1, 0.155, 0.155)
		if t.eyes == 1 {
			p.arc(ink, 0.055, 0.42, -0.06, 0.09, 0.08, 195, 345)
		} else {
			p.pupil(t, 0.44+0.02*t.lookX, -0.1+0.02*t.lookY, 0.095)
		}
		p.arc(t.mouth, 0.045, 0.62, 0.1, 0.13, 0.1*t.smile, 75, 165)
	})
	bubble := mix(t.back, white, 0.5)
	p.ellipse(bubble, 0.88, -0.36, 0.08, 0.08)
	p.ellipse(bubble, 0.8, -0.62, 0.055, 0.055)
}
