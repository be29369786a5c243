package critters

import (
	"image/color"
	"math"

	"lfm/internal/rng"
)

// traits is all that chance decides about one picture.
type traits struct {
	x, y, scale  float64 // place and size in the square
	side         float64 // 1, or -1 for a mirrored animal
	lean, tilt   float64 // of the animal, and of its head upon it, radians
	lookX, lookY float64 // where the face is turned, -1 to 1
	coat         color.RGBA
	worn, behind int        // which of coats, and of grounds
	shade        color.RGBA // a second tone of the coat for what lies behind: bodies, hanging ears, fins
	pale         color.RGBA // muzzles and bellies: mostly lighter than the coat, at times darker
	warm         color.RGBA // inner ears and cheeks, tuned to the coat
	mouth, nose  color.RGBA // what can be seen on pale
	beak         color.RGBA
	back, deep   color.RGBA // the background and a second tone of it
	ground       int        // which scene
	sunX, sunY   float64    // the sun or moon of some scenes
	eyes         int        // see pen.eyes
	smile        float64    // 0.7 to 1.25
	mark         int        // a variation that each animal reads its own way: 0, 1 or 2
	pose         float64    // -1 to 1: ears, wings, tails
	cheeks       bool
}

// lot is a finite run of uniform numbers, taken one after the other.
type lot struct {
	u    [36]float32
	next int
}

func newLot(s rng.Stream, index uint64) *lot {
	var l lot
	s.Uniform(l.u[:], index, 0)
	return &l
}

// unit is uniform in [0, 1).
func (l *lot) unit() float64 {
	l.next++
	return float64(l.u[l.next-1])
}

// between is uniform in [a, b).
func (l *lot) between(a, b float64) float64 { return a + (b-a)*l.unit() }

// below is uniform in 0…n-1.
func (l *lot) below(n int) int { return int(l.unit() * float64(n)) }

// chance is true with probability p.
func (l *lot) chance(p float64) bool { return l.unit() < p }

// contrast is the least difference in brightness between a coat and what lies behind it.
const contrast = 0.18

func drawTraits(l *lot) traits {
	var t traits
	t.place(l)
	t.dress(l)
	t.stage(l)
	t.eyes = max(0, l.below(8)-4) // 0 five times of eight, else 1, 2, 3
	t.smile = l.between(0.7, 1.25)
	t.mark = l.below(3)
	t.pose = l.between(-1, 1)
	t.cheeks = l.chance(0.6)
	return t
}

// place chooses where the animal is. Smaller ones have more room to stand in.
func (t *traits) place(l *lot) {
	t.scale = l.between(0.7, 1.02)
	room := 1.2 - t.scale
	t.x = l.between(-0.9*room, 0.9*room)
	t.y = l.between(-0.65*room, 0.65*room)
	t.lean = l.between(-0.15, 0.15)
	t.tilt = l.between(-0.2, 0.2)
	t.lookX, t.lookY = l.between(-1, 1), l.between(-1, 1)
	t.side = 1
	if l.chance(0.5) {
		t.side = -1
	}
}

// dress chooses the animal's colours.
func (t *traits) dress(l *lot) {
	t.worn = l.below(len(coats))
	t.coat = mix(coats[t.worn], []color.RGBA{white, ink}[l.below(2)], l.between(0, 0.14))
	t.shade = mix(t.coat, ink, 0.2)
	if l.chance(0.35) {
		t.shade = mix(t.coat, cream, 0.3)
	}
	t.warm = mix(mix(t.coat, blush, 0.6), white, 0.1)
	t.pale, t.mouth, t.nose = mix(t.coat, cream, 0.76), ink, ink
	if l.chance(0.22) && luma(t.coat) > 0.45 {
		t.pale, t.mouth, t.nose = mix(t.coat, ink, 0.55), mix(t.coat, cream, 0.8), mix(ink, black, 0.6)
	}
	t.beak = beaks[l.below(len(beaks))]
}

// stage chooses the background.
func (t *traits) stage(l *lot) {
	t.behind = l.below(len(grounds))
	for i := l.below(len(grounds)); math.Abs(luma(grounds[t.behind])-luma(t.coat)) < contrast; i++ {
		t.behind = i % len(grounds)
	}
	t.back = grounds[t.behind]
	toward := white
	if luma(t.back) > 0.7 {
		toward = mix(t.back, ink, 0.5)
	}
	t.deep = mix(t.back, toward, l.between(0.12, 0.24))
	t.ground = l.below(scenes)
	t.sunX, t.sunY = l.between(-0.85, 0.85), l.between(-0.85, -0.55)
}
