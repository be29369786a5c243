package flow

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"lfm/internal/path"
	"lfm/internal/rng"
)

// diffusing is plane on a path of diffusion models.
func diffusing(p path.Path) *Spec {
	s := plane(0)
	s.Path = p.Name()
	return s
}

// drawMany draws so many samples of class 0 from the exact network and returns them normalised.
func drawMany(t *testing.T, spec *Spec, o SampleOptions, n int) (z []float64, nfe int) {
	t.Helper()
	_, data := gaussians(spec.SigmaMin)
	net := &exact{data: data, batch: 64, objective: spec.objective()}
	s, err := newSampler(net, net, spec, 64, o)
	if err != nil {
		t.Fatal(err)
	}
	dst, labels, numbers := make([]float32, 2*n), make([]int, n), make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	nfe, err = s.Draw(t.Context(), dst, labels, numbers, 3)
	if err != nil {
		t.Fatal(err)
	}
	spec.Stats.Normalize(dst, dst)
	for _, v := range dst {
		z = append(z, float64(v))
	}
	return z, nfe
}

// TestEverySolver: on every path every solver draws samples of the class's mean and deviation from the exact network,
// to four standard errors and what so many steps miss, and costs as many evaluations as are foretold.
func TestEverySolver(t *testing.T) {
	classes, _ := gaussians(0)
	const n = 1024
	for _, spec := range []*Spec{plane(0), plane(0.05), diffusing(path.LinearBeta), diffusing(path.Cosine)} {
		for _, solver := range Solvers() {
			o := SampleOptions{Guidance: 1, Steps: 100, Solver: solver, RTol: 1e-4, ATol: 1e-4}
			if solver == ddpm || solver == sde {
				o.Steps = 200
			}
			z, nfe := drawMany(t, spec, o, n)
			if want, err := spec.Evaluations(o); solver != Dopri5 && (err != nil || nfe != want) || solver == Dopri5 && err == nil {
				t.Errorf("%s, %s: %d evaluations, foretold %d, %v", spec.Path, solver, nfe, want, err)
			}
			for k := range 2 {
				var mean, square float64
				for i := range n {
					mean += z[2*i+k] / n
					square += z[2*i+k] * z[2*i+k] / n
				}
				std := math.Sqrt(square - mean*mean)
				m, s := classes[0].Mean[k], classes[0].Std[k]
				// Of x + σ eps, sampling ends at E[x | z].
				b := spec.SigmaMin / (1 + spec.SigmaMin)
				s = s * s / math.Hypot(s, b/(1-b))
				if math.Abs(mean-m) > 4*s/math.Sqrt(n)+0.025 || math.Abs(std-s) > 4*s/math.Sqrt(2*n)+0.025 {
					t.Errorf("%s, σ = %v, %s: channel %d has mean %.3f and deviation %.3f, want %.3f and %.3f", spec.Path, spec.SigmaMin, solver, k, mean, std, m, s)
				}
			}
		}
	}
}

// TestDDIMIsEuler on the straight path, to rounding.
func TestDDIMIsEuler(t *testing.T) {
	for _, sigma := range []float64{0, 0.1} {
		euler, _ := drawMany(t, plane(sigma), SampleOptions{Guidance: 1, Steps: 7, Solver: "euler"}, 4)
		ddim, _ := drawMany(t, plane(sigma), SampleOptions{Guidance: 1, Steps: 7, Solver: "ddim"}, 4)
		for i := range euler {
			if math.Abs(euler[i]-ddim[i]) > 1e-5 {
				t.Errorf("σ = %v: number %d is %v by Euler, %v by DDIM", sigma, i, euler[i], ddim[i])
			}
		}
	}
}

// TestGrids: with more steps where they are needed less, or the reverse, samples differ; with many steps they agree.
func TestGrids(t *testing.T) {
	at := func(grid string, steps int) []float64 {
		z, _ := drawMany(t, plane(0), SampleOptions{Guidance: 1, Steps: steps, Solver: "heun", Grid: grid, Shift: 3, Rho: 7}, 2)
		return z
	}
	few, many := at(UniformGrid, 4), at(UniformGrid, 200)
	for _, grid := range []string{ShiftedGrid, EDMGrid} {
		if slices.Equal(at(grid, 4), few) {
			t.Errorf("four steps of grid %s are those of %s", grid, UniformGrid)
		}
		for i, v := range at(grid, 200) {
			if math.Abs(v-many[i]) > 2e-3 {
				t.Errorf("grid %s: number %d is %v after 200 steps, on the uniform grid %v", grid, i, v, many[i])
			}
		}
	}
}

// TestDopri5: a sample is nearer to where the flow ends the less error it may make, at more evaluations; and it is the
// same, bit for bit, whatever is drawn beside it.
func TestDopri5(t *testing.T) {
	many, _ := drawMany(t, plane(0), SampleOptions{Guidance: 1, Steps: 400, Solver: "rk4"}, 1)
	last := 0
	for _, tol := range []float64{1e-2, 1e-4, 1e-6} {
		z, nfe := drawMany(t, plane(0), SampleOptions{Guidance: 1, Solver: Dopri5, RTol: tol, ATol: tol}, 1)
		if miss := math.Hypot(z[0]-many[0], z[1]-many[1]); miss > 10*tol+1e-5 || nfe <= last {
			t.Errorf("tolerance %v: off by %.2g after %d evaluations, with the tolerance before %d", tol, miss, nfe, last)
		}
		last = nfe
	}
	m := smallModel(t, smalls[0])
	o := SampleOptions{Guidance: 2.5, Solver: Dopri5, RTol: 0.1, ATol: 0.1}
	labels, numbers := []int{0, 1, 2}, []int{0, 5, 1}
	s := sampler(t, m, 2, 3, o)
	if s.Batch() != 1 {
		t.Errorf("it draws %d at a time", s.Batch())
	}
	all := drawn(t, s, labels, numbers)
	if alone := drawn(t, sampler(t, m, 1, 1, o), labels[1:2], numbers[1:2]); !slices.Equal(alone, all[s.Size():2*s.Size()]) {
		t.Error("a sample that is drawn alone is another one")
	}
}

// TestGuidanceInterval: outside of the interval samples are conditional, and cost half: bit for bit what the two fields
// give, one at a time.
func TestGuidanceInterval(t *testing.T) {
	m := smallModel(t, smalls[0])
	labels, numbers := []int{0, 1, 2}, []int{0, 5, 1}
	draw := func(o SampleOptions) ([]float32, int) {
		o.Steps, o.Solver = 4, "euler"
		s := sampler(t, m, 2, 2, o)
		dst := make([]float32, len(labels)*s.Size())
		nfe, err := s.Draw(t.Context(), dst, labels, numbers, 9)
		if foretold, e := m.Evaluations(o); err != nil || e != nil || nfe != foretold {
			t.Errorf("%+v: %d evaluations, foretold %d: %v, %v", o, nfe, foretold, err, e)
		}
		return dst, nfe
	}
	plain, cost := draw(SampleOptions{Guidance: 1})
	full, double := draw(SampleOptions{Guidance: 3})
	if double != 2*cost {
		t.Errorf("guided it costs %d, conditional %d", double, cost)
	}
	for _, c := range []struct {
		interval Interval
		want     []float32
		nfe      int
	}{
		{Interval{0, 1}, full, double},
		{Interval{0.55, 0.7}, plain, cost}, // none of the times 1, .75, .5, .25, 0
		{Interval{0.5, 0.75}, nil, cost + 2},
		{Interval{0, 0}, full, double},
	} {
		got, nfe := draw(SampleOptions{Guidance: 3, Interval: c.interval})
		if nfe != c.nfe || c.want != nil && !slices.Equal(got, c.want) || c.want == nil && (slices.Equal(got, plain) || slices.Equal(got, full)) {
			t.Errorf("%v: other samples than it should be, or %d evaluations rather than %d", c.interval, nfe, c.nfe)
		}
	}
}

// TestRescale: what a guided prediction says of the data gets the deviation of what the conditional one says, wholly or
// in part, and keeps its direction; for either prediction.
func TestRescale(t *testing.T) {
	for _, spec := range []*Spec{plane(0), plane(0.1), diffusing(path.LinearBeta)} {
		const at = 0.6
		_, data := gaussians(spec.SigmaMin)
		objective := spec.objective()
		see := objective.Data(at)
		z := []float32{0.3, -0.8, 1, 0.2}
		seen := func(w, rescale float64) [2][]float64 {
			net := &exact{data: data, batch: 2, objective: objective}
			g := newGuided(net, nil, objective, SampleOptions{Guidance: w, Rescale: rescale}, 2, 2, 2)
			g.begin(t.Context(), []int{0, 1})
			p := make([]float32, 4)
			g.predict(p, z, at)
			see.To(p, z, p)
			return [2][]float64{{float64(p[0]), float64(p[1])}, {float64(p[2]), float64(p[3])}}
		}
		wide := func(x []float64) float64 { return math.Abs(x[0]-x[1]) / 2 }
		conditional, guided := seen(1, 0), seen(4, 0)
		for _, rescale := range []float64{0, 0.7, 1} {
			for i, x := range seen(4, rescale) {
				f := rescale*wide(conditional[i])/wide(guided[i]) + 1 - rescale
				for k := range x {
					if math.Abs(x[k]-f*guided[i][k]) > 1e-5 {
						t.Errorf("%s, rescale %v: number %d of sample %d is %v, want %v", spec.Path, rescale, k, i, x[k], f*guided[i][k])
					}
				}
			}
		}
	}
}

// TestClip: what a prediction says of the data stays where it is within the limit, and goes to the limit from beyond;
// at t = 0, where the point is the data whatever is predicted, nothing changes. For either prediction, guided or not.
func TestClip(t *testing.T) {
	for _, spec := range []*Spec{plane(0), plane(0.1), diffusing(path.LinearBeta), diffusing(path.Cosine)} {
		_, data := gaussians(spec.SigmaMin)
		objective := spec.objective()
		z := []float32{0.3, -0.8, 2, 0.2}
		predicted := func(w, clip, at float64) []float32 {
			net := &exact{data: data, batch: 2, objective: objective}
			g := newGuided(net, nil, objective, SampleOptions{Guidance: w, Clip: clip}, 2, 2, 2)
			g.begin(t.Context(), []int{0, 1})
			p := make([]float32, 4)
			g.predict(p, z, at)
			return p
		}
		for _, w := range []float64{1, 4} {
			const at = 0.6
			see, free := objective.Data(at), predicted(w, 0, at)
			saw := func(i int, p []float32) float64 { return see.Z*float64(z[i]) + see.P*float64(p[i]) }
			limit := 0. // one that some are beyond
			for i := range z {
				limit += math.Abs(saw(i, free)) / float64(len(z))
			}
			kept := predicted(w, limit, at)
			for i := range z {
				if got, want := saw(i, kept), min(limit, max(-limit, saw(i, free))); math.Abs(got-want) > 1e-5 {
					t.Errorf("%s, w = %v: number %d of the data is %v, want %v", spec.Path, w, i, got, want)
				}
			}
			if objective.Data(0).P == 0 && !slices.Equal(predicted(w, limit, 0), predicted(w, 0, 0)) {
				t.Errorf("%s, w = %v: clipped at t = 0", spec.Path, w)
			}
		}
	}
}

// TestClippedSamples: by every solver samples lie within the limit, and some near it.
func TestClippedSamples(t *testing.T) {
	const limit = 1
	for _, spec := range []*Spec{plane(0), plane(0.1), diffusing(path.Cosine)} {
		for _, solver := range Solvers() {
			o := SampleOptions{Guidance: 3, Steps: 5, Solver: solver, RTol: 0.1, ATol: 0.1, Clip: limit}
			samples, _ := drawMany(t, spec, o, 50)
			low, high := slices.Min(samples), slices.Max(samples)
			if edge := max(-low, high); edge > limit+1e-6 || edge < 0.9*limit {
				t.Errorf("%s by %s: samples go from %v to %v, with a limit of %v", spec.Path, solver, low, high, limit)
			}
		}
	}
}

// TestStirIsASamples: noise on the way belongs to a sample, not to its place in a batch; and steps, labels, numbers and
// seeds draw noise of their own.
func TestStirIsASamples(t *testing.T) {
	m := smallModel(t, smalls[0])
	labels, numbers := []int{0, 1, 2, 3, 0}, []int{0, 0, 1, 4, 9}
	for _, solver := range stochastic {
		o := SampleOptions{Guidance: 2.5, Steps: 3, Solver: solver}
		want := drawn(t, sampler(t, m, 1, 5, o), labels, numbers)
		for _, batch := range []int{1, 2, 3} {
			if got := drawn(t, sampler(t, m, 2, batch, o), labels, numbers); !slices.Equal(got, want) {
				t.Errorf("%s: other samples in batches of %d", solver, batch)
			}
		}
	}
	s := &Sampler{spec: plane(0), v: make([]float32, 2), labels: []int{1}, numbers: []int{1}}
	seen := map[string]bool{}
	for _, c := range [][4]int{{0, 1, 1, 1}, {1, 1, 1, 1}, {0, 2, 1, 1}, {0, 1, 2, 1}, {0, 1, 1, 2}} {
		s.seed, s.labels[0], s.numbers[0], s.z = uint64(c[0]), c[1], c[2], make([]float32, 2)
		s.stir(c[3], 1)
		seen[fmt.Sprint(s.z)] = true
	}
	if len(seen) != 5 {
		t.Errorf("five draws are %d", len(seen))
	}
	first := make([]float32, 2)
	if rng.New(1, rng.Sample).Normal(first, 1, 1); seen[fmt.Sprint(first)] {
		t.Error("the noise of a step is that which the sample began with")
	}
}

// TestRefusals: a solver that needs the score refuses a model whose coupling hides it, one that is not known is named
// beside those that are, and so is a grid; a path that is not known, or has no sigma_min, is no model.
func TestRefusals(t *testing.T) {
	for _, solver := range Solvers() {
		s := plane(0)
		s.Coupling = "class-ot"
		_, err := s.Evaluations(SampleOptions{Guidance: 1, Steps: 1, Solver: solver})
		if refused := err != nil && strings.Contains(err.Error(), "coupling class-ot"); refused != slices.Contains(stochastic, solver) {
			t.Errorf("%s: %v", solver, err)
		}
	}
	s := plane(0)
	s.Base = moments
	if err := s.Samples(sde); err == nil || !strings.Contains(err.Error(), "base moments") || s.Samples("heun") != nil {
		t.Errorf("base moments: %v, %v", err, s.Samples("heun"))
	}
	for want, o := range map[string]SampleOptions{
		`"huen"; choose one of euler, midpoint, heun, rk4, dopri5, ddim, ddpm, sde`: {Steps: 1, Solver: "huen"},
		`"cosine"; choose one of uniform, shifted, edm`:                             {Steps: 1, Solver: "heun", Grid: "cosine"},
	} {
		if _, err := plane(0).Evaluations(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not contain %s", err, want)
		}
	}
	for _, s := range []Spec{{Path: "lipman"}, {Path: "diffusion-linear", SigmaMin: 0.1}, {Path: "straight", SigmaMin: -1}, {}} {
		if s.checkPath() == nil {
			t.Errorf("path %q with sigma_min %v is sampled", s.Path, s.SigmaMin)
		}
	}
	for _, s := range []Spec{{Path: "straight"}, {Path: "straight", SigmaMin: 0.1}, {Path: "diffusion-cosine"}} {
		if err := s.checkPath(); err != nil {
			t.Error(err)
		}
	}
}
