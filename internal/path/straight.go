package path

// Interpolate sets zt to the point at time t between data x and noise eps, and v to the velocity there, x - eps, which
// is exact for every SigmaMin since d(t+σ)/dt = 1. All four have one length; zt and v may be x and eps themselves.
func (p Straight) Interpolate(zt, v, x, eps []float32, t float32) {
	if len(v) != len(zt) || len(x) != len(zt) || len(eps) != len(zt) {
		panic("path: interpolate: lengths differ")
	}
	a, b := 1-t, t+p.SigmaMin
	for i := range zt {
		xi, ei := x[i], eps[i]
		// The conversions keep compilers from fusing, so that every machine rounds alike.
		zt[i] = float32(a*xi) + float32(b*ei)
		v[i] = xi - ei
	}
}

// Start turns unit normal noise into a sample of the path at t = 1, whose standard deviation is 1 + SigmaMin.
func (p Straight) Start(z []float32) {
	if p.SigmaMin == 0 {
		return
	}
	for i := range z {
		z[i] *= 1 + p.SigmaMin
	}
}

// NeedsFinish reports whether a sample at t = 0 still holds noise, so that Finish needs one more velocity.
func (p Straight) NeedsFinish() bool { return p.SigmaMin != 0 }

// Finish takes the noise out of a sample z at t = 0, where the velocity is v: z becomes (z + σ v)/(1+σ).
func (p Straight) Finish(z, v []float32) { p.Data(z, z, v, 0) }

// Data sets dst to what the velocity v at (z, t) says the data is, E[x | z] = (z + (t+σ) v)/(1+σ). dst may be z or v.
func (p Straight) Data(dst, z, v []float32, t float32) {
	if len(z) != len(dst) || len(v) != len(dst) {
		panic("path: data: lengths differ")
	}
	b, c := t+p.SigmaMin, 1+p.SigmaMin
	for i := range dst {
		dst[i] = (z[i] + float32(b*v[i])) / c
	}
}
