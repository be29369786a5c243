package critters

import "image/color"

// Colours that every animal shares.
var (
	ink   = rgb(0x2b2a33) // eyes, noses, mouths
	black = rgb(0x000000)
	white = rgb(0xffffff)
	cream = rgb(0xfff3df) // what muzzles and bellies lean to
	blush = rgb(0xf2828c) // tongues, inner ears, cheeks
)

// beaks are what birds have for beaks and feet.
var beaks = []color.RGBA{rgb(0xf4a13a), rgb(0xf2cf57), rgb(0xe56b5d), rgb(0x55505e)}

// coats are what any animal may wear.
var coats = []color.RGBA{
	rgb(0xe8873a), // ginger
	rgb(0xe6b455), // honey
	rgb(0x9a6544), // chestnut
	rgb(0x6d7f96), // slate
	rgb(0x4d4c5c), // charcoal
	rgb(0xf1e3cb), // oat
	rgb(0xdf7f92), // rose
	rgb(0x3f9c99), // teal
	rgb(0x8aa653), // moss
	rgb(0x9a83c4), // lilac
	rgb(0x67a7dd), // sky
	rgb(0xc9533f), // brick
}

// grounds are what may lie behind.
var grounds = []color.RGBA{
	rgb(0xfbeedb), // paper
	rgb(0xf9d9c6), // peach
	rgb(0xcfe8ef), // morning
	rgb(0xd7ebc9), // meadow
	rgb(0xe2d8f1), // haze
	rgb(0xf7dd8d), // corn
	rgb(0x8cc7c1), // lagoon
	rgb(0xe79b8b), // coral
	rgb(0x5a86ad), // lake
	rgb(0x6b9a6c), // wood
	rgb(0x4c4a76), // dusk
	rgb(0x2f4858), // night
}

func rgb(hex uint32) color.RGBA {
	return color.RGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 255}
}

// mix returns the colour that lies the fraction f of the way from a to b.
func mix(a, b color.RGBA, f float64) color.RGBA {
	blend := func(a, b uint8) uint8 { return uint8(float64(float64(a)*(1-f)) + float64(float64(b)*f) + 0.5) }
	return color.RGBA{blend(a.R, b.R), blend(a.G, b.G), blend(a.B, b.B), 255}
}

// luma is the brightness of a colour, 0 to 1, with the weights of Rec. 601.
func luma(c color.RGBA) float64 {
	return (0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)) / 255
}
