package ref

// AdamW holds the numbers of one optimizer step. Correct1 and Correct2 are 1 - β₁ᵗ and
// 1 - β₂ᵗ at step t = 1, 2, …; Clip is the factor on the gradient (1 if it was not clipped).
type AdamW[F Float] struct {
	Rate, Beta1, Beta2, Eps, WeightDecay, Clip, Correct1, Correct2, EMADecay F
}

// UpdateAdamW is one step of AdamW (Loshchilov and Hutter (2019), algorithm 2, in the form
// that PyTorch has) and of the average of the weights. For each element, in place,
//
//	g ← Clip·g
//	w ← w·(1 - Rate·WeightDecay)
//	m ← β₁·m + (1-β₁)·g,  v ← β₂·v + (1-β₂)·g²
//	w ← w - Rate/Correct1 · m/(√v/√Correct2 + Eps)
//	ema ← EMADecay·ema + (1-EMADecay)·w
//
// g itself is left as it is; ema may be nil.
func UpdateAdamW[F Float](w, m, v, ema, g []F, p AdamW[F]) {
	rate, root := p.Rate/p.Correct1, sqrt(p.Correct2)
	for i := range w {
		g := p.Clip * g[i]
		m[i] = F(p.Beta1*m[i]) + F((1-p.Beta1)*g)
		v[i] = F(p.Beta2*v[i]) + F((1-p.Beta2)*g*g)
		w[i] = F(w[i]*(1-p.Rate*p.WeightDecay)) - F(rate*(m[i]/(sqrt(v[i])/root+p.Eps)))
		if ema != nil {
			ema[i] = F(p.EMADecay*ema[i]) + F((1-p.EMADecay)*w[i])
		}
	}
}

// SumSquares is Σ g². Its square root is the norm that clipping compares.
func SumSquares[F Float](g []F) (sum float64) {
	for _, v := range g {
		sum += sqr(float64(v))
	}
	return sum
}
