package flow

import "math"

// positions are the first values of the learned positions (1, L, D): for latents on a square
// grid, sines and cosines of the row in the one half of a token's channels and of the column
// in the other, at frequencies exp(-ln 10^4 k/(D/4)) (Vaswani et al. 2017, section 3.5, in two
// dimensions as Dosovitskiy et al. 2021, appendix D.4). Tokens know from the first step where
// they stand; from zeros, at these budgets, most of the training goes by before they do.
func positions(tokens, width int) []float32 {
	side := int(math.Sqrt(float64(tokens)))
	if side*side != tokens {
		side = tokens // a line
	}
	p := make([]float32, tokens*width)
	for i := range tokens {
		half := width / 2
		wave(p[i*width:i*width+half], i/side)
		wave(p[i*width+half:(i+1)*width], i%side)
	}
	return p
}

// wave fills dst with sines, then cosines, of a place.
func wave(dst []float32, place int) {
	n := len(dst) / 2
	for k := range n {
		sin, cos := math.Sincos(float64(place) * math.Exp(-math.Log(1e4)*float64(k)/float64(n)))
		dst[k], dst[n+k] = float32(sin), float32(cos)
	}
}
