package flow

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/latent"
	"lfm/internal/rng"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
)

// mixed are latents whose places and channels vary together, each class in a way of its own and round a mean of its own.
func mixed(i int, x []float32) {
	n := make([]float32, len(x)+2)
	rng.New(2, "mixed").Normal(n, 0, uint64(i))
	for k := range x {
		x[k] = n[k] + 0.8*n[k+1] - float32(i%2)*n[k+2] + float32(i%2*(k%3))
	}
}

// fitted is a base as the stage fits it, and what it is fitted to.
func fitted(t *testing.T, kind string, set *latent.Set) (Base, *learned) {
	t.Helper()
	c := *DefaultConfig()
	c.Base = kind
	s := &stage{config: c}
	spec := s.spec(set)
	if _, err := s.fitBase(t.Context(), set, spec, nil, latent.Options{}); err != nil {
		t.Fatal(err)
	}
	return spec.law(), &learned{set, spec, set.Rows(latent.Train)}
}

// table gathers mean (d) and covariance (d, d) of vectors.
type table struct {
	n         float64
	mean, cov []float64
}

func tabulate(d int, each func(take func(x []float32))) *table {
	t := &table{mean: make([]float64, d), cov: make([]float64, d*d)}
	each(func(x []float32) {
		t.n++
		for i := range x {
			t.mean[i] += float64(x[i])
			for j := range x {
				t.cov[i*d+j] += float64(x[i]) * float64(x[j])
			}
		}
	})
	for i := range t.mean {
		t.mean[i] /= t.n
	}
	for i := range t.cov {
		t.cov[i] = t.cov[i]/t.n - t.mean[i/d]*t.mean[i%d]
	}
	return t
}

// like holds the figures of draws to those of the latents that the base was fitted to, to five deviations of either.
func (t *table) like(test *testing.T, what string, want *table) {
	test.Helper()
	d := len(t.mean)
	few := math.Sqrt(1/t.n + 1/want.n)
	for i := range t.cov {
		a, b := want.cov[i/d*d+i/d], want.cov[i%d*d+i%d]
		if e := 5 * few * math.Sqrt(a*b+want.cov[i]*want.cov[i]); math.Abs(t.cov[i]-want.cov[i]) > e {
			test.Errorf("%s: covariance of numbers %d and %d is %.3f, of the latents %.3f ± %.3f", what, i/d, i%d, t.cov[i], want.cov[i], e)
		}
		if e := 5 * few * math.Sqrt(a); math.Abs(t.mean[i/d]-want.mean[i/d]) > e {
			test.Errorf("%s: the mean of number %d is %.3f, of the latents %.3f ± %.3f", what, i/d, t.mean[i/d], want.mean[i/d], e)
		}
	}
}

// draws are so many draws of a base for a label.
func draws(b Base, d, n, label int) *table {
	eps, r := make([]float32, d), newDraws(3, rng.Sample)
	return tabulate(d, func(take func([]float32)) {
		for i := range n {
			b.Draw(eps, r, 0, uint64(i), label)
			take(eps)
		}
	})
}

// TestMoments: draws of moments have mean and covariance of the latents, and those of class-moments those of each class;
// for the null label, of all.
func TestMoments(t *testing.T) {
	set := madeLatents(t, t.TempDir(), latent.Shape{H: 2, W: 2, C: 2}, 2, 4000, mixed)
	for _, kind := range []string{moments, classMoments} {
		b, l := fitted(t, kind, set)
		for label := range 3 {
			want := tabulate(8, func(take func([]float32)) {
				err := l.each(t.Context(), func(x []float32, of int) {
					if label == l.spec.Null() || kind == moments || of == label {
						take(x)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
			})
			draws(b, 8, 20000, label).like(t, fmt.Sprintf("%s, label %d", kind, label), want)
		}
	}
}

// TestMomentsInBlocks: where the whole covariance is too large, that of the channels of each place is kept, and places
// do not know of each other.
func TestMomentsInBlocks(t *testing.T) {
	set := madeLatents(t, t.TempDir(), latent.Shape{H: 23, W: 23, C: 2}, 1, 400, mixed) // 1058² is more than maxMoments
	b, l := fitted(t, moments, set)
	if g := b.(*normals); g.block != 2 || len(g.root) != 1058*2 {
		t.Fatalf("blocks of %d, %d numbers in all", g.block, len(g.root))
	}
	const part = 4 // of two places
	want := tabulate(part, func(take func([]float32)) {
		if err := l.each(t.Context(), func(x []float32, _ int) { take(x[:part]) }); err != nil {
			t.Fatal(err)
		}
	})
	for i := range want.cov {
		if i/part/2 != i%part/2 {
			want.cov[i] = 0
		}
	}
	eps := make([]float32, 1058)
	tabulate(part, func(take func([]float32)) {
		for i := range 2000 {
			b.Draw(eps, newDraws(3, rng.Sample), 0, uint64(i), 0)
			take(eps[:part])
		}
	}).like(t, "two places", want)
}

// TestCorrelated: the covariance of the base at any lag is the latents' own circular autocovariance in each channel (the
// theorem of Wiener and Khinchin), exactly, wherever the lag begins; so its variance is one. Channels are independent.
func TestCorrelated(t *testing.T) {
	for _, shape := range []latent.Shape{{H: 3, W: 4, C: 2}, {H: 4, W: 5, C: 1}, {H: 1, W: 2, C: 1}, {H: 1, W: 1, C: 1}} {
		set := madeLatents(t, t.TempDir(), shape, 1, 300, mixed)
		b, l := fitted(t, correlated, set)
		d, places := shape.Size(), shape.H*shape.W
		// Rows of root are what the base makes of unit vectors: Cov_pq = Σ_k root_kp root_kq.
		root := make([][]float32, d)
		for k := range root {
			root[k] = make([]float32, d)
			root[k][k] = b.(*spectrum).deviation[k]
			b.(*spectrum).transform(root[k])
		}
		lag := func(p, q int) int { // places apart, round the torus
			dy, dx := (q/shape.W-p/shape.W+shape.H)%shape.H, (q%shape.W-p%shape.W+shape.W)%shape.W
			return dy*shape.W + dx
		}
		want := make([]float64, places*shape.C)
		err := l.each(t.Context(), func(x []float32, _ int) {
			for p := range places {
				for q := range places {
					for c := range shape.C {
						want[lag(p, q)*shape.C+c] += float64(x[p*shape.C+c]) * float64(x[q*shape.C+c]) / float64(places*len(l.rows))
					}
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for p := range d {
			for q := range d {
				var cov, w float64
				for k := range d {
					cov += float64(root[k][p]) * float64(root[k][q])
				}
				if p%shape.C == q%shape.C {
					w = want[lag(p/shape.C, q/shape.C)*shape.C+p%shape.C]
				}
				if math.Abs(cov-w) > 1e-5 || p == q && math.Abs(cov-1) > 1e-4 {
					t.Errorf("%v: covariance of %d and %d is %.6f, the latents' autocovariance there %.6f", shape, p, q, cov, w)
				}
			}
		}
	}
}

// TestLogBase: the density at t = 1, integrated over a plane, gives one, and the mean and covariance of (1 + sigma_min)
// times what is drawn, for each base and label.
func TestLogBase(t *testing.T) {
	set := madeLatents(t, t.TempDir(), latent.Shape{H: 1, W: 2, C: 1}, 2, 2000, mixed)
	const step, reach = 0.05, 9
	for _, kind := range []string{gaussian, correlated, moments, classMoments} {
		b, l := fitted(t, kind, set)
		for label := range 3 {
			l.spec.SigmaMin = 0.25
			drawn := draws(b, 2, 40000, label)
			var mass float64
			mean, cov := make([]float64, 2), make([]float64, 4)
			for x := -reach * 20; x < reach*20; x++ {
				for y := -reach * 20; y < reach*20; y++ {
					z := []float32{float32(x) * step, float32(y) * step}
					log, err := l.spec.LogBase(z, label)
					if err != nil {
						t.Fatal(err)
					}
					p := math.Exp(log) * step * step
					mass += p
					for i := range 4 {
						cov[i] += p * float64(z[i/2]) * float64(z[i%2])
						mean[i/2] += p * float64(z[i/2]) / 2
					}
				}
			}
			if math.Abs(mass-1) > 1e-3 {
				t.Errorf("%s, label %d: the density has mass %.4f", kind, label, mass)
			}
			want := &table{n: drawn.n, mean: make([]float64, 2), cov: make([]float64, 4)}
			for i := range 4 {
				want.cov[i] = (cov[i] - mean[i/2]*mean[i%2]) / (1.25 * 1.25)
				want.mean[i/2] = mean[i/2] / 1.25
			}
			drawn.like(t, fmt.Sprintf("%s, label %d", kind, label), want)
		}
	}
}

// TestFewLatents: classes with one latent and with none have draws and densities that are finite.
func TestFewLatents(t *testing.T) {
	set := madeLatents(t, t.TempDir(), latent.Shape{H: 2, W: 2, C: 1}, 8, 8, func(i int, x []float32) {
		for k := range x {
			x[k] = float32(i * k) // the first number never varies
		}
	}) // row 4 is of the test split, so class 4 has nothing to be fitted to
	for _, kind := range []string{correlated, moments, classMoments} {
		b, _ := fitted(t, kind, set)
		eps := make([]float32, 4)
		for label := range 9 {
			b.Draw(eps, newDraws(1, rng.Sample), 0, 0, label)
			if log, err := b.LogDensity(eps, label); err != nil || math.IsNaN(log) || math.IsInf(log, 0) || eps[0] != eps[0] {
				t.Errorf("%s, label %d: noise %v has log-density %v (%v)", kind, label, eps, log, err)
			}
		}
	}
}

// fromMoments is the exact field between data N(m, s²) and noise N(a, b²), both of independent numbers:
// with M = (1-t) m + (t+σ) a and S = (1-t)² s² + (t+σ)² b²,
//
//	v = E[x - eps | z] = m - a + ((1-t) s² - (t+σ) b²)/S (z - M)        div v = Σ ((1-t) s² - (t+σ) b²)/S
type fromMoments struct{ m, s, a, b, sigma float64 }

func (f fromMoments) at(z, t float64) (v, div float64) {
	p, q := 1-t, t+f.sigma
	div = (p*f.s*f.s - q*f.b*f.b) / (p*p*f.s*f.s + q*q*f.b*f.b)
	return f.m - f.a + div*(z-p*f.m-q*f.a), div
}

func (f fromMoments) condition([]float32) error { return nil }
func (f fromMoments) Close() error              { return nil }

func (f fromMoments) velocity(v, z []float32, t float64) error {
	for i := range z {
		x, _ := f.at(float64(z[i]), t)
		v[i] = float32(x)
	}
	return nil
}

// normalBase is N(a, b²) in each of d numbers.
func normalBase(d int, a, b float32) *normals {
	g := &normals{size: d, block: 1, weight: []float32{1}}
	for range d {
		g.mean, g.root = append(g.mean, a), append(g.root, b)
	}
	return g
}

// TestSampleFromBase: from the exact field of Gaussian data the sampler ends at m + s²/√(s² + σ²b²) n, where a + b n is
// what the base drew: start and finish are right for noise that is neither centred nor of variance one. The seed, the
// label and the number alone say what is drawn.
func TestSampleFromBase(t *testing.T) {
	for _, sigma := range []float64{0, 0.01, 0.3} {
		f := fromMoments{m: 1, s: 0.5, a: -2, b: 1.7, sigma: sigma}
		spec := plane(sigma)
		spec.Stats = latent.Stats{Mean: []float64{0, 0}, Std: []float64{1, 1}}
		spec.base = normalBase(2, -2, 1.7)
		s, err := newSampler(f, nil, spec, 3, SampleOptions{Guidance: 1, Steps: 400, Solver: "heun"})
		if err != nil {
			t.Fatal(err)
		}
		labels, numbers := []int{0, 1, 2}, []int{4, 4, 9}
		dst, eps, n := make([]float32, 6), make([]float32, 2), make([]float32, 2)
		if _, err := s.Draw(t.Context(), dst, labels, numbers, 5); err != nil {
			t.Fatal(err)
		}
		for i, label := range labels {
			rng.New(5, rng.Sample).Normal(n, uint64(label), uint64(numbers[i]))
			s.Noise(eps, 5, label, numbers[i])
			for k := range n {
				if want := -2 + 1.7*n[k]; math.Abs(float64(eps[k]-want)) > 1e-6 {
					t.Errorf("noise %v, want %v", eps[k], want)
				}
				want := f.m + f.s*f.s/math.Sqrt(f.s*f.s+sigma*sigma*f.b*f.b)*float64(n[k])
				if got := float64(dst[2*i+k]); math.Abs(got-want) > 3e-3 {
					t.Errorf("σ = %v: sample %d, number %d is %.4f, want %.4f", sigma, i, k, got, want)
				}
			}
		}
	}
}

// TestUnconditionalNoise: a base with noise of its own for each class gives samples of a class that, and unconditional ones
// the mixture, whatever their labels are; each label has other numbers.
func TestUnconditionalNoise(t *testing.T) {
	spec := plane(0)
	spec.base = &normals{size: 2, block: 1, weight: []float32{0.25, 0.75}, mean: []float32{-9, -9, 9, 9}, root: []float32{1, 1, 1, 1}}
	for _, w := range []float64{0, 1, 3} {
		s, err := newSampler(idle{}, nil, spec, 1, SampleOptions{Guidance: w, Steps: 1, Solver: "euler"})
		if err != nil {
			t.Fatal(err)
		}
		var first [2]float32
		for label, share := range []float64{0, 1} { // of noise round 9
			if w == 0 {
				share = 0.75
			}
			const n = 400
			high, eps := 0., make([]float32, 2)
			for i := range n {
				s.Noise(eps, 5, label, n-1-i)
				if eps[0] > 0 {
					high += 1. / n
				}
			}
			first[label] = eps[0]
			if limit := 5 * math.Sqrt(share*(1-share)/n); math.Abs(high-share) > limit+1e-9 {
				t.Errorf("w = %v, class %d: %.3f of the noise are of class 1, want %.3f", w, label, high, share)
			}
		}
		if first[0] == first[1] {
			t.Errorf("w = %v: both classes start from %v", w, first[0])
		}
	}
}

// TestLikelihoodFromBase: along the exact field from t = 0 up, LogBase at the end less the integral of the divergence
// is the log-density of x + σ eps, N(m + σ a, s² + σ² b²), which only the factor 1 + σ at t = 1 gives.
func TestLikelihoodFromBase(t *testing.T) {
	for _, sigma := range []float64{0, 0.1, 0.4} {
		f := fromMoments{m: 1, s: 0.5, a: -2, b: 1.7, sigma: sigma}
		spec := &Spec{SigmaMin: sigma, base: normalBase(1, -2, 1.7)}
		for _, x := range []float64{-0.5, 1, 2.2} {
			const steps = 4000
			z, integral := x, 0.0
			for i := range steps { // dz/dt = -v by the midpoint rule
				t := float64(i) / steps
				v, _ := f.at(z, t)
				v, div := f.at(z-v/(2*steps), t+0.5/steps)
				z, integral = z-v/steps, integral+div/steps
			}
			log, err := spec.LogBase([]float32{float32(z)}, 0)
			if err != nil {
				t.Fatal(err)
			}
			variance := f.s*f.s + sigma*sigma*f.b*f.b
			u := x - f.m - sigma*f.a
			want := -0.5 * (u*u/variance + math.Log(2*math.Pi*variance))
			if got := log - integral; math.Abs(got-want) > 1e-4 {
				t.Errorf("σ = %v: log p(%v) = %.6f, want %.6f", sigma, x, got, want)
			}
		}
	}
}

// withBase are the inputs of a flow whose port base is filled with latents of one class round 2.
func withBase(t *testing.T, b *pipelinetest.Bench) (pipeline.Inputs, *latent.Set) {
	in, dir := inputs(t, b), t.TempDir()
	set := latents(t, dir, latent.Shape{H: 2, W: 2, C: 1}, 1, 40, func(int) float32 { return 2 })
	in.Artifacts[basePort] = latentArtifact(t, b, dir)
	return in, set
}

// latentArtifact publishes latents that lie in a folder.
func latentArtifact(t *testing.T, b *pipelinetest.Bench, dir string) *artifacts.Artifact {
	files := map[string][]byte{}
	for _, name := range []string{"part-00000.arrow", latent.SummaryName} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return b.Artifact(latent.Kind, files)
}

// TestBaseExact: a flow is the same however it was interrupted, whatever its base; and the model as it is read draws, in
// training's streams, the noise that training had: z_t + (1-t)(eps - x) is eps for what the base gives.
func TestBaseExact(t *testing.T) {
	b := pipelinetest.New(t)
	seen := map[string]string{}
	for _, kind := range []string{gaussian, correlated, moments, classMoments, empirical} {
		in := inputs(t, b)
		if kind == empirical {
			in, _ = withBase(t, b)
		}
		c := tiny(12)
		c.Base, c.Coupling, c.CheckpointEvery = kind, withinClass, 5
		want := b.Run(Kind(pipelinetest.CPU), c, in)
		if got, _ := b.Interrupted(Kind(pipelinetest.CPU), c, in, pipeline.StageCheckpoint, 5); got.ID != want.ID {
			t.Errorf("%s: interrupted at step 5: output %s, want %s", kind, got.ID.Short(), want.ID.Short())
		}
		if other, ok := seen[want.ID.String()]; ok {
			t.Errorf("%s makes the same flow as %s", kind, other)
		}
		seen[want.ID.String()] = kind
		m, err := Open(want)
		if err != nil {
			t.Fatal(err)
		}
		if _, there := want.File(baseFile); there != (kind != gaussian) || there != (m.Base == kind) {
			t.Errorf("%s: the model says %q, and has a file of its base: %v", kind, m.Base, there)
		}
		set, err := latent.Open(t.Context(), in.Artifacts["encode"].Path, latent.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		s := &stage{config: *c}
		spec := s.spec(set)
		if _, err := s.fitBase(t.Context(), set, spec, in.Artifacts[basePort], latent.Options{}); err != nil {
			t.Fatal(err)
		}
		trained, drawn := make([]float32, 4), make([]float32, 4)
		for i := range uint64(50) {
			spec.law().Draw(trained, newDraws(7, rng.Noise), 3, i, int(i%3))
			m.law().Draw(drawn, newDraws(7, rng.Noise), 3, i, int(i%3))
			if !slices.Equal(trained, drawn) {
				t.Fatalf("%s: the model draws %v, training drew %v", kind, drawn, trained)
			}
		}
	}
}

// TestEmpirical: noise is the other source's latents of the training split, as the model's own statistics normalise
// them, each in its turn; it has no density, and says so.
func TestEmpirical(t *testing.T) {
	b := pipelinetest.New(t)
	in, other := withBase(t, b)
	c := tiny(2)
	c.Base = empirical
	m, err := Open(b.Run(Kind(pipelinetest.CPU), c, in))
	if err != nil {
		t.Fatal(err)
	}
	rows := other.Rows(latent.Train)
	seen := map[int]int{}
	eps, x := make([]float32, 4), make([]float32, 4)
	const n = 3200
	for i := range n {
		m.law().Draw(eps, newDraws(1, rng.Sample), 0, uint64(i), 0)
		at := slices.IndexFunc(rows, func(row int) bool {
			other.Read(x, row)
			m.Stats.Normalize(x, x)
			return slices.Equal(x, eps)
		})
		if at < 0 {
			t.Fatalf("noise %v is no latent of the other source", eps)
		}
		seen[at]++
	}
	for at := range rows {
		if want := float64(n / len(rows)); math.Abs(float64(seen[at])-want) > 5*math.Sqrt(want) {
			t.Errorf("latent %d was drawn %d times, want about %v", at, seen[at], want)
		}
	}
	if _, err := m.LogBase(eps, 0); err == nil || !strings.Contains(err.Error(), "no density") {
		t.Errorf("its log-density: %v", err)
	}
}

// TestEmpiricalSpilled: the latents of the other source are held where they are told to be, and are the same points there
// as in memory.
func TestEmpiricalSpilled(t *testing.T) {
	b := pipelinetest.New(t)
	in, other := withBase(t, b)
	spec := &Spec{Latent: other.Shape(), Stats: other.Stats(), Classes: other.Classes(), Autoencoder: other.Summary().Autoencoder}
	work := t.TempDir()
	var got [2][]checkpoint.Tensor
	for i, hold := range []latent.Options{{}, {Memory: 1, Work: work}} {
		var err error
		if got[i], err = gatherPoints(t.Context(), spec, in.Artifacts[basePort], hold); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got[0], got[1]) {
		t.Error("spilled, they are other points")
	}
	if files, _ := os.ReadDir(work); len(files) != 1 {
		t.Errorf("the folder has %d files, want the latents", len(files))
	}
}

// TestBaseRefused: settings that contradict each other or the ports, and latents of another space.
func TestBaseRefused(t *testing.T) {
	c := DefaultConfig()
	c.Base, c.Coupling = classMoments, exactly
	var field pipeline.FieldError
	if err := c.Validate(); !errors.As(err, &field) || field.Name != "coupling" {
		t.Errorf("class-moments with ot: %v", err)
	}
	c.Coupling = withinClass
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, base := range []string{gaussian, empirical} {
		for _, filled := range []bool{false, true} {
			c.Base = base
			err := c.check(filled, true)
			if right := filled == (base == empirical); (err == nil) != right || err != nil && (!errors.As(err, &field) || field.Name != "base") {
				t.Errorf("%s, port filled %v: %v", base, filled, err)
			}
		}
	}

	b := pipelinetest.New(t)
	in, _ := withBase(t, b)
	dir := t.TempDir()
	latents(t, dir, latent.Shape{H: 1, W: 2, C: 1}, 1, 40, func(int) float32 { return 2 })
	other := in.Artifacts[basePort]
	in.Artifacts[basePort] = latentArtifact(t, b, dir)
	cfg := tiny(2)
	cfg.Base = empirical
	if _, err := b.Start(t.Context(), Kind(pipelinetest.CPU), cfg, in, nil); err == nil || !strings.Contains(err.Error(), "its latents are") {
		t.Errorf("latents of another shape: %v", err)
	}
	spec := &Spec{Latent: latent.Shape{H: 2, W: 2, C: 1}, Autoencoder: "another"}
	if _, err := gatherPoints(t.Context(), spec, other, latent.Options{}); err == nil || !strings.Contains(err.Error(), "with the same") {
		t.Errorf("latents of another autoencoder: %v", err)
	}
}

// TestBrokenBase: a file that is not what its base needs is refused with the tensor's name.
func TestBrokenBase(t *testing.T) {
	shape := latent.Shape{H: 1, W: 2, C: 1}
	ones := func(n int) []float32 { return slices.Repeat([]float32{1}, n) }
	good := map[string][]checkpoint.Tensor{
		correlated: {{Name: deviationTensor, Shape: []int{1, 2, 1}, Data: ones(2)}},
		moments: {{Name: weightTensor, Shape: []int{1}, Data: ones(1)}, {Name: meanTensor, Shape: []int{1, 2}, Data: ones(2)},
			{Name: rootTensor, Shape: []int{1, 1, 2, 2}, Data: ones(4)}},
		classMoments: {{Name: weightTensor, Shape: []int{2}, Data: ones(2)}, {Name: meanTensor, Shape: []int{2, 2}, Data: ones(4)},
			{Name: rootTensor, Shape: []int{2, 2, 1, 1}, Data: ones(4)}},
		empirical: {{Name: latentsTensor, Shape: []int{3, 2}, Data: ones(6)}},
	}
	for kind, tensors := range good {
		if _, err := readBase(kind, shape, 2, weights(t, tensors)); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for i, whole := range tensors {
			for what, change := range map[string]func(*checkpoint.Tensor){
				"missing":      func(x *checkpoint.Tensor) { x.Name = "another" },
				"other shape":  func(x *checkpoint.Tensor) { x.Shape, x.Data = []int{5}, ones(5) },
				"not a number": func(x *checkpoint.Tensor) { x.Data = slices.Clone(x.Data); x.Data[0] = float32(math.NaN()) },
			} {
				broken := slices.Clone(tensors)
				change(&broken[i])
				if _, err := readBase(kind, shape, 2, weights(t, broken)); err == nil || !strings.Contains(err.Error(), whole.Name) {
					t.Errorf("%s, %s %s: %v", kind, whole.Name, what, err)
				}
			}
		}
	}
	for _, kind := range []string{correlated, moments} {
		broken := slices.Clone(good[kind])
		last := &broken[len(broken)-1]
		last.Data = make([]float32, len(last.Data))
		if _, err := readBase(kind, shape, 2, weights(t, broken)); err == nil {
			t.Errorf("%s without width is taken", kind)
		}
	}
	for _, kind := range []string{"unheard-of", empirical} {
		if _, err := readBase(kind, latent.Shape{}, 2, weights(t, good[empirical])); err == nil {
			t.Errorf("%s of latents of no size is taken", kind)
		}
	}
	if _, ok := plane(0).law().(unit); !ok {
		t.Error("a model that names no base has another than N(0, I)")
	}
}
