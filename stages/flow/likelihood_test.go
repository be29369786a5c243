package flow

import (
	"cmp"
	"context"
	"errors"
	"math"
	"testing"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/internal/ops/optest"
	"lfm/internal/path"
)

// slopes is the exact network of distributions whose Jacobian is known by central differences of the exact field, in float64.
type slopes struct{ exact }

func (s *slopes) products(p, g, z, probe []float32, t float64) error {
	if err := s.velocity(p, z, t); err != nil {
		return err
	}
	const h = 1e-5
	size := len(z) / s.batch
	for i, label := range s.labels {
		up, down := make([]float64, size), make([]float64, size)
		for k := range size {
			for j := range size {
				up[j], down[j] = float64(z[i*size+j]), float64(z[i*size+j])
			}
			up[k] += h
			down[k] -= h
			u, d := s.predict(int(label), up, t), s.predict(int(label), down, t)
			g[i*size+k] = 0
			for j := range size {
				g[i*size+k] += probe[i*size+j] * float32((u[j]-d[j])/(2*h))
			}
		}
	}
	return nil
}

// likelihood is that of an exact network.
func likelihood(t *testing.T, data []path.Mixture, spec *Spec, rows int, o LikelihoodOptions) *Likelihood {
	t.Helper()
	o.RTol, o.ATol = 1e-6, 1e-6
	l, err := newLikelihood(&slopes{exact{data: data, batch: rows, objective: spec.objective()}}, spec, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// logNormal is log N(z; m, s²) over axes.
func logNormal(z, m, s []float64) (log float64) {
	for k := range z {
		u := (z[k] - m[k]) / s[k]
		log -= u*u/2 + math.Log(s[k]*math.Sqrt(2*math.Pi))
	}
	return log
}

// TestLikelihoodOfGaussians: the log-density of the exact flow is the class's, in the latents' own units, whatever the
// batch; with sigma_min that of the class smoothed by it. One probe of signs does, where the Jacobian is diagonal.
func TestLikelihoodOfGaussians(t *testing.T) {
	for _, sigma := range []float64{0, 0.1} {
		classes, data := gaussians(sigma)
		spec := plane(sigma)
		for _, c := range []struct{ rows, probes int }{{1, 0}, {2, 0}, {5, 0}, {1, 1}} {
			l := likelihood(t, data, spec, c.rows, LikelihoodOptions{Probes: c.probes})
			for label, g := range classes {
				z := []float32{0.9, 0.4}
				x := make([]float32, 2)
				spec.Stats.Denormalize(x, z)
				d, err := l.Of(t.Context(), x, label, 0)
				if err != nil {
					t.Fatal(err)
				}
				wide := []float64{math.Hypot(g.Std[0], sigma), math.Hypot(g.Std[1], sigma)}
				want := logNormal([]float64{0.9, 0.4}, g.Mean, wide) - math.Log(spec.Stats.Std[0]) - math.Log(spec.Stats.Std[1])
				if math.Abs(d.Log-want) > 1e-3*(1+math.Abs(want)) {
					t.Errorf("σ = %v, %d rows, %d probes, class %d: log p is %.5f, want %.5f", sigma, c.rows, c.probes, label, d.Log, want)
				}
				if bits := -d.Log / (2 * math.Ln2); math.Abs(d.BitsPerDim-bits) > 1e-12 {
					t.Errorf("%+v: want %v bits a number", d, bits)
				}
			}
		}
	}
}

// TestLikelihoodByNumbers: the data {-1, .5, 2} on the path with sigma_min = .1 (log-densities of the closed form, worked
// out by an independent program).
func TestLikelihoodByNumbers(t *testing.T) {
	m := path.Points([]float64{-1}, []float64{0.5}, []float64{2})
	m.SigmaMin = 0.1
	spec := &Spec{Arch: Arch{Tokens: 1, Channels: 1, Classes: 1}, Latent: latent.Shape{H: 1, W: 1, C: 1},
		Stats: latent.Stats{Mean: []float64{0}, Std: []float64{1}}, Classes: []string{"a"}, SigmaMin: 0.1}
	l := likelihood(t, []path.Mixture{m, m}, spec, 1, LikelihoodOptions{})
	for x, want := range map[float32]float64{-1: 0.2850342711, 0.3: -1.7149657289, 0.55: 0.1600342711, 2.1: -0.2149657289} {
		d, err := l.Of(t.Context(), []float32{x}, spec.Null(), 0)
		if err != nil || math.Abs(d.Log-want) > 2e-3 {
			t.Errorf("log p(%v) is %.6f, want %.6f: %v", x, d.Log, want, err)
		}
	}
}

// inTime is a network whose prediction is move(t) + grow(t) z along every axis.
type inTime struct{ move, grow func(t float64) float64 }

func (inTime) condition([]float32) error { return nil }
func (inTime) Close() error              { return nil }
func (f inTime) products(p, g, z, probe []float32, t float64) error {
	for i := range z {
		p[i], g[i] = float32(f.move(t)+f.grow(t)*float64(z[i])), float32(f.grow(t))*probe[i]
	}
	return nil
}

// TestLikelihoodInTime: flows in closed form, from a base N(0, I) of two axes. A velocity that is the same everywhere has no
// divergence and moves the base by its integral: of 1, and of 3t², by 1, so that log p(x) = log N(x - 1) (as in the tests
// of Lipman et al. 2024, "Flow Matching Guide and Code"). One of g(t) z has a divergence of 2 g, by which log p is lower in the integral G,
// and z_1 = exp(-∫g) x: log p(x) = log N(exp(-G) x) - 2G.
func TestLikelihoodInTime(t *testing.T) {
	never, one := func(float64) float64 { return 0 }, func(float64) float64 { return 1 }
	cubic := func(t float64) float64 { return 3 * t * t }
	spec := plane(0)
	spec.Stats = latent.Stats{Mean: []float64{0, 0}, Std: []float64{1, 1}}
	for _, c := range []struct {
		name        string
		net         inTime
		moved, grow float64 // the integrals
	}{
		{"1", inTime{one, never}, 1, 0}, {"3t²", inTime{cubic, never}, 1, 0},
		{"z", inTime{never, one}, 0, 1}, {"3t² z", inTime{never, cubic}, 0, 1},
	} {
		for _, probes := range []int{0, 1} { // a diagonal Jacobian is exact with one probe of signs
			l, err := newLikelihood(c.net, spec, 2, LikelihoodOptions{Probes: probes, RTol: 1e-7, ATol: 1e-7})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range [][]float32{{0, 0}, {1, 1}, {-0.5, 2}} {
				d, err := l.Of(t.Context(), x, spec.Null(), 0)
				if err != nil {
					t.Fatal(err)
				}
				z1 := []float64{math.Exp(-c.grow) * (float64(x[0]) - c.moved), math.Exp(-c.grow) * (float64(x[1]) - c.moved)}
				base := logNormal(z1, []float64{0, 0}, []float64{1, 1})
				if math.Abs(d.Base-base) > 1e-5 || math.Abs(d.Volume+2*c.grow) > 1e-5 || math.Abs(d.Log-base+2*c.grow) > 1e-5 {
					t.Errorf("v = %s, %d probes, x = %v: %+v, want a base of %.6f and a volume of %.6f", c.name, probes, x, d, base, -2*c.grow)
				}
			}
		}
	}
}

// TestLikelihoodOfDiffusion: the flow of the diffusion path that begins at N(0, I) is z_0 = m + s (z_1 - A m)/S^½, S = A² s² + B²
// at t = 1, and the density is what that makes of the base.
func TestLikelihoodOfDiffusion(t *testing.T) {
	classes, data := gaussians(0)
	for _, p := range []path.Path{path.LinearBeta, path.Cosine} {
		spec := diffusing(p)
		l := likelihood(t, data, spec, 2, LikelihoodOptions{})
		x := make([]float32, 2)
		spec.Stats.Denormalize(x, []float32{0.9, 0.4})
		d, err := l.Of(t.Context(), x, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		end := p.At(1)
		want := -math.Log(spec.Stats.Std[0]) - math.Log(spec.Stats.Std[1])
		for k, z := range []float64{0.9, 0.4} {
			m, s := classes[0].Mean[k], classes[0].Std[k]
			gain := math.Sqrt(end.A*end.A*s*s+end.B*end.B) / s
			want += logNormal([]float64{end.A*m + gain*(z-m)}, []float64{0}, []float64{1}) + math.Log(gain)
		}
		if math.Abs(d.Log-want) > 2e-3 {
			t.Errorf("%s: log p is %.5f, want %.5f", p.Name(), d.Log, want)
		}
	}
}

// TestProducts: the products of a network's Jacobian are those of central differences of its velocity.
func TestProducts(t *testing.T) {
	eachSmall(t, func(t *testing.T, m *Model) {
		const n = 2
		backend := cpu.Open(2)
		defer backend.Close()
		f, err := newDifferential(backend, m.Arch, n, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := errors.Join(f.load(m, engine.Raw), f.condition([]float32{0, 2})); err != nil {
			t.Fatal(err)
		}
		size := m.Latent.Size()
		z, probe, along := optest.Fill("z", n*size), optest.Fill("probe", n*size), optest.Fill("along", n*size)
		v, g, up, down := make([]float32, n*size), make([]float32, n*size), make([]float32, n*size), make([]float32, n*size)
		if err := f.products(v, g, z, probe, 0.4); err != nil {
			t.Fatal(err)
		}
		// probeᵀ J along, from either side, sample by sample.
		const h = 0x1p-7
		for i := range z {
			up[i], down[i] = z[i]+h*along[i], z[i]-h*along[i]
		}
		vu, vd := make([]float32, n*size), make([]float32, n*size)
		if err := errors.Join(f.velocity(vu, up, 0.4), f.velocity(vd, down, 0.4)); err != nil {
			t.Fatal(err)
		}
		for s := range n {
			var left, right, size2 float64
			for i := s * size; i < (s+1)*size; i++ {
				left += float64(g[i]) * float64(along[i])
				right += float64(probe[i]) * (float64(vu[i]) - float64(vd[i])) / (2 * h)
				size2 += float64(g[i]) * float64(g[i])
			}
			if math.Abs(left-right) > 0.01*math.Sqrt(size2) || size2 == 0 {
				t.Errorf("sample %d: probeᵀ J along is %v by the gradient, %v by differences", s, left, right)
			}
		}
	})
}

// TestLikelihoodSameBits: a density, and what it cost, are the same in every bit however many probes share an evaluation,
// with any number of threads; each evaluation counts once a probe, and an exact density has as many as the latent has numbers.
func TestLikelihoodSameBits(t *testing.T) {
	eachSmall(t, func(t *testing.T, m *Model) {
		latent := optest.Fill("latent", m.Latent.Size())
		density := func(threads, rows, probes int) Density {
			backend := cpu.Open(threads)
			defer backend.Close()
			l, err := m.NewLikelihood(backend, rows, LikelihoodOptions{Probes: probes, RTol: 1, ATol: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			d, err := l.Of(t.Context(), latent, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		for _, probes := range []int{0, 5} {
			want := density(1, m.Latent.Size(), probes)
			for _, c := range []struct{ threads, rows int }{{1, 1}, {2, 3}, {2, 7}} {
				if got := density(c.threads, c.rows, probes); got != want {
					t.Errorf("%d probes, %d at a time on %d threads: %+v, want %+v", probes, c.rows, c.threads, got, want)
				}
			}
			if each := cmp.Or(probes, m.Latent.Size()); want.Evaluations == 0 || want.Evaluations%each != 0 {
				t.Errorf("%d evaluations, want a multiple of %d", want.Evaluations, each)
			}
		}
	})
}

// TestHutchinson: random signs give the exact divergence in the mean, to four standard errors, and scatter.
func TestHutchinson(t *testing.T) {
	m := smallModel(t, smalls[0])
	backend := cpu.Open(2)
	defer backend.Close()
	rates := func(o LikelihoodOptions, numbers int) (all []float64) {
		l, err := m.NewLikelihood(backend, 8, o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		size := m.Latent.Size()
		if err := l.net.condition([]float32{1, 1, 1, 1, 1, 1, 1, 1}); err != nil {
			t.Fatal(err)
		}
		state, dst := make([]float64, size+1), make([]float64, size+1)
		for i, v := range optest.Fill("z", size) {
			state[i] = float64(v)
		}
		l.ctx = t.Context()
		for l.number = range numbers {
			if l.rate(dst, state, 0.6); l.err != nil {
				t.Fatal(l.err)
			}
			all = append(all, dst[size])
		}
		return all
	}
	const n = 200
	exact := rates(LikelihoodOptions{}, 1)[0]
	var mean, square float64
	for _, d := range rates(LikelihoodOptions{Probes: 8, Seed: 1}, n) {
		mean += d / n
		square += d * d / n
	}
	scatter := math.Sqrt(square - mean*mean)
	if math.Abs(mean-exact) > 4*scatter/math.Sqrt(n) || scatter == 0 {
		t.Errorf("the mean of %d estimates is %.4f ± %.4f, the divergence %.4f", n, mean, scatter/math.Sqrt(n), exact)
	}
}

// TestLikelihoodEnds: with the network's error, with the context, and at a base that has no density, by its reason.
func TestLikelihoodEnds(t *testing.T) {
	_, data := gaussians(0)
	l := likelihood(t, data, plane(0), 2, LikelihoodOptions{})
	bad := errors.New("no memory")
	l.net.(*slopes).err = bad
	if _, err := l.Of(t.Context(), make([]float32, 2), 0, 0); err != bad {
		t.Errorf("a network that failed ended with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l = likelihood(t, data, plane(0), 2, LikelihoodOptions{})
	if _, err := l.Of(ctx, make([]float32, 2), 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted it ended with %v", err)
	}
	spec := plane(0)
	spec.Base, spec.base = empirical, points{2, make([]float32, 4)}
	if _, err := newLikelihood(&slopes{}, spec, 2, LikelihoodOptions{}); err == nil {
		t.Error("a finite set of points has a likelihood")
	}
}

// linearMap is a network whose prediction is J z: its Jacobian is J, whatever z and t.
type linearMap struct{ j [][]float64 }

func (linearMap) condition([]float32) error { return nil }
func (linearMap) Close() error              { return nil }
func (l linearMap) products(p, g, z, probe []float32, _ float64) error {
	n := len(l.j)
	for i := range z {
		row, k := i/n*n, i%n
		p[i], g[i] = 0, 0
		for m := range n {
			p[i] += float32(l.j[k][m]) * z[row+m]
			g[i] += float32(l.j[m][k]) * probe[row+m]
		}
	}
	return nil
}

// TestHutchinsonVariance: an estimate with random signs scatters by 2 Σ J² over the places off the diagonal of the
// symmetric part of the Jacobian, whatever is on it.
func TestHutchinsonVariance(t *testing.T) {
	j := [][]float64{{3, 0.5, -1}, {0.1, -2, 0.4}, {0.2, 0.8, 0.7}}
	spec := &Spec{Arch: Arch{Classes: 1}, Latent: latent.Shape{H: 1, W: 1, C: 3}, Classes: []string{"a"}}
	l, err := newLikelihood(linearMap{j}, spec, 1, LikelihoodOptions{Probes: 1})
	if err != nil {
		t.Fatal(err)
	}
	const n = 4000
	l.ctx = t.Context()
	var mean, square float64
	state, dst := make([]float64, 4), make([]float64, 4)
	for l.number = range n {
		l.rate(dst, state, 0.5)
		mean += dst[3] / n
		square += dst[3] * dst[3] / n
	}
	var want float64
	for a := range j {
		for b := range j {
			if a != b {
				sym := (j[a][b] + j[b][a]) / 2
				want += 2 * sym * sym
			}
		}
	}
	if got := square - mean*mean; math.Abs(got-want) > 0.1*want || math.Abs(mean-1.7) > 4*math.Sqrt(want/n) {
		t.Errorf("estimates have mean %.3f and variance %.3f, want %.3f and %.3f", mean, got, 1.7, want)
	}
}
