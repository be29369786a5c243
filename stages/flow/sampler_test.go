package flow

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/internal/ode"
	"lfm/internal/ops/optest"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// exact is a network that is perfect: its labels stand for distributions whose velocity is
// known. Rows are latents of one token.
type exact struct {
	data []path.Mixture // by label
	// objective is what it predicts, and on which path; the velocity on the data's own if it has no path.
	objective path.Objective
	batch     int
	labels    []float32
	calls     int
	err       error // after so many calls
	after     int
	halt      func()
}

func (e *exact) condition(labels []float32) error {
	e.labels = labels
	return nil
}

func (e *exact) velocity(v, z []float32, t float64) error {
	if e.calls++; e.err != nil && e.calls > e.after {
		return e.err
	}
	if e.halt != nil && e.calls > e.after {
		e.halt()
	}
	size := len(z) / e.batch
	point := make([]float64, size)
	for i, label := range e.labels {
		for k := range point {
			point[k] = float64(z[i%e.batch*size+k])
		}
		for k, x := range e.predict(int(label), point, t) {
			v[i*size+k] = float32(x)
		}
	}
	return nil
}

func (e *exact) predict(label int, z []float64, t float64) []float64 {
	if e.objective.Predicts == path.Noise {
		return e.data[label].On(e.objective.Path.At(t), z).Noise
	}
	return e.data[label].At(z, t).Velocity
}

func (e *exact) Close() error { return nil }

// gaussians are two classes and their mixture, which is the null context's.
func gaussians(sigma float64) (classes []path.Gaussian, data []path.Mixture) {
	classes = []path.Gaussian{
		{Weight: 1, Mean: []float64{1.5, -0.5}, Std: []float64{0.3, 0.6}},
		{Weight: 1, Mean: []float64{-1, 2}, Std: []float64{0.5, 0.2}},
	}
	for _, c := range classes {
		data = append(data, path.Mixture{SigmaMin: sigma, Components: []path.Gaussian{c}})
	}
	return classes, append(data, path.Mixture{SigmaMin: sigma, Components: classes})
}

// plane is a model of those classes: one token of two channels, normalised by some figures.
func plane(sigma float64) *Spec {
	return &Spec{
		Arch: Arch{Tokens: 1, Channels: 2, Classes: 2}, Latent: latent.Shape{H: 1, W: 1, C: 2},
		Stats: latent.Stats{Mean: []float64{10, -3}, Std: []float64{2, 0.5}}, Classes: []string{"a", "b"}, SigmaMin: sigma,
	}
}

// exactSampler samples plane from the exact field.
func exactSampler(t *testing.T, sigma float64, batch int, o SampleOptions) (*Sampler, *exact) {
	t.Helper()
	_, data := gaussians(sigma)
	net := &exact{data: data, batch: batch}
	s, err := newSampler(net, &exact{data: data, batch: batch}, plane(sigma), batch, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, net
}

// TestExactField: from the exact field of a Gaussian N(m, s²) the sampler ends at m + s n,
// where n is the noise that it started from: time, sign, start and denormalisation are in
// order. With sigma_min the end is E[x | z] at the path's end, m + s²/√(s² + σ²) n, which
// only the right start and finish give.
func TestExactField(t *testing.T) {
	classes, _ := gaussians(0)
	for _, sigma := range []float64{0, 0.01, 0.3} {
		o := SampleOptions{Guidance: 1, Steps: 400, Solver: "heun"}
		s, net := exactSampler(t, sigma, 4, o)
		labels, numbers := []int{0, 1, 0, 1}, []int{0, 0, 7, 3}
		dst := make([]float32, 8)
		nfe, err := s.Draw(t.Context(), dst, labels, numbers, 5)
		if err != nil {
			t.Fatal(err)
		}
		want := 800
		if sigma > 0 {
			want++
		}
		foretold, err := s.spec.Evaluations(o)
		if nfe != want || net.calls != want || foretold != want || err != nil {
			t.Errorf("σ = %v: %d evaluations are told, %d foretold (%v), %d were made, want %d", sigma, nfe, foretold, err, net.calls, want)
		}
		n := make([]float32, 2)
		for i, label := range labels {
			rng.New(5, rng.Sample).Normal(n, uint64(label), uint64(numbers[i]))
			for k := range n {
				m, v := classes[label].Mean[k], classes[label].Std[k]*classes[label].Std[k]
				b := sigma / (1 + sigma)
				a := 1 - b
				z := m + a*v/math.Sqrt(a*a*v+b*b)*float64(n[k])
				z = z*s.spec.Stats.Std[k] + s.spec.Stats.Mean[k]
				if got := float64(dst[2*i+k]); math.Abs(got-z) > 2e-3 {
					t.Errorf("σ = %v: sample %d, channel %d is %.4f, want %.4f", sigma, i, k, got, z)
				}
			}
		}
	}
}

// TestGuidance: one Euler step from t = 1 to 0 is noise plus the guided velocity
// v(null) + w (v(class) - v(null)), on every channel, and counts as it costs.
func TestGuidance(t *testing.T) {
	_, data := gaussians(0)
	for _, w := range []float64{0, 0.5, 1, 2.5, 7} {
		s, _ := exactSampler(t, 0, 3, SampleOptions{Guidance: w, Steps: 1, Solver: "euler"})
		dst := make([]float32, 6)
		nfe, err := s.Draw(t.Context(), dst, []int{1, 0, 2}, []int{4, 5, 6}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 1, false: 2}[w == 0 || w == 1]; nfe != want {
			t.Errorf("w = %v: %d evaluations, want %d", w, nfe, want)
		}
		s.spec.Stats.Normalize(dst, dst)
		n := make([]float32, 2)
		for i, label := range []int{1, 0, 2} {
			rng.New(1, rng.Sample).Normal(n, uint64(label), uint64(4+i))
			z := []float64{float64(n[0]), float64(n[1])}
			class, null := data[label].At(z, 1).Velocity, data[2].At(z, 1).Velocity
			for k := range z {
				want := z[k] + null[k] + w*(class[k]-null[k])
				if got := float64(dst[2*i+k]); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("w = %v: sample %d, channel %d is %v, want %v", w, i, k, got, want)
				}
			}
		}
	}
}

// TestDrawEnds: a field that fails ends the drawing with its error; a context that ends, with
// the context's, before the next evaluation.
func TestDrawEnds(t *testing.T) {
	dst := make([]float32, 2)
	s, net := exactSampler(t, 0, 1, SampleOptions{Guidance: 3, Steps: 50, Solver: "heun"})
	net.err, net.after = errors.New("no memory"), 7
	if _, err := s.Draw(t.Context(), dst, []int{0}, []int{0}, 1); err != net.err {
		t.Errorf("a field that failed ended with %v", err)
	}
	s, net = exactSampler(t, 0, 1, SampleOptions{Guidance: 3, Steps: 50, Solver: "heun"})
	ctx, cancel := context.WithCancel(t.Context())
	net.halt, net.after = cancel, 6
	if _, err := s.Draw(ctx, dst, []int{0}, []int{0}, 1); !errors.Is(err, context.Canceled) || net.calls != 7 {
		t.Errorf("interrupted in evaluation 7, the drawing ended after %d evaluations with %v", net.calls, err)
	}
}

// smalls are small networks, one of them for latents of odd sides.
var smalls = []Arch{
	{Tokens: 16, Channels: 2, Width: 16, Depth: 2, Heads: 2, Classes: 3, ContextTokens: 2},
	{Kind: UNet, Tokens: 16, Rows: 4, Channels: 2, Width: 16, Levels: 2, Blocks: 1, Heads: 2, Classes: 3, ContextTokens: 2},
	{Kind: UNet, Tokens: 15, Rows: 3, Channels: 2, Width: 16, Levels: 3, Blocks: 1, Heads: 2, Classes: 3, ContextTokens: 2},
}

// eachSmall runs a test for a model of each.
func eachSmall(t *testing.T, test func(t *testing.T, m *Model)) {
	for _, a := range smalls {
		t.Run(fmt.Sprintf("%s-%d", cmp.Or(a.Kind, Transformer), a.Tokens), func(t *testing.T) { test(t, smallModel(t, a)) })
	}
}

// smallModel is a model of a network whose weights are all of a size, so that class, place and
// time all show.
func smallModel(t *testing.T, a Arch) *Model {
	t.Helper()
	e, err := NewEvaluation(a, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []checkpoint.Tensor
	for _, p := range e.Params.All() {
		values := optest.Fill(p.Name, p.Size())
		for i := range values {
			values[i] *= 0.4
		}
		tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Shape(), Data: values})
	}
	h := cmp.Or(a.Rows, 4)
	return NewModel(Spec{
		Arch: a, Latent: latent.Shape{H: h, W: a.Tokens / h, C: a.Channels}, Classes: []string{"a", "b", "c"}, SigmaMin: 0.01,
		Stats: latent.Stats{Mean: []float64{0.5, -1}, Std: []float64{1, 2}},
	}, weights(t, tensors))
}

// weights gives tensors the form in which a file holds them.
func weights(t *testing.T, tensors []checkpoint.Tensor) *checkpoint.File {
	t.Helper()
	var file bytes.Buffer
	if err := checkpoint.Write(&file, tensors, nil); err != nil {
		t.Fatal(err)
	}
	f, err := checkpoint.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sampler opens a sampler of a model on so many threads.
func sampler(t *testing.T, m *Model, threads, batch int, o SampleOptions) *Sampler {
	t.Helper()
	backend := cpu.Open(threads)
	s, err := m.NewSampler(backend, batch, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); backend.Close() })
	return s
}

func drawn(t *testing.T, s *Sampler, labels, numbers []int) []float32 {
	t.Helper()
	dst := make([]float32, len(labels)*s.Size())
	if _, err := s.Draw(t.Context(), dst, labels, numbers, 9); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestSameBits: a sample has the same bits at any batch, beside any others, with any number
// of threads.
func TestSameBits(t *testing.T) { eachSmall(t, testSameBits) }

func testSameBits(t *testing.T, m *Model) {
	labels, numbers := []int{0, 1, 2, 3, 0, 1, 2}, []int{0, 0, 1, 4, 9, 1, 70000}
	for _, o := range []SampleOptions{{Guidance: 2.5, Steps: 3, Solver: "heun"}, {Guidance: 1, Steps: 2, Solver: "euler"}} {
		want := drawn(t, sampler(t, m, 1, 7, o), labels, numbers)
		size := len(want) / len(labels)
		if slices.Equal(want[:size], want[4*size:5*size]) {
			t.Fatal("two samples of a class are one")
		}
		for _, c := range []struct{ threads, batch int }{{1, 1}, {2, 3}, {3, 7}, {2, 16}} {
			if got := drawn(t, sampler(t, m, c.threads, c.batch, o), labels, numbers); !slices.Equal(got, want) {
				t.Errorf("%+v: other samples in batches of %d on %d threads", o, c.batch, c.threads)
			}
		}
		s := sampler(t, m, 2, 4, o)
		for i := range slices.Backward(labels) {
			if got := drawn(t, s, labels[i:i+1], numbers[i:i+1]); !slices.Equal(got, want[i*size:(i+1)*size]) {
				t.Errorf("%+v: sample %d is another one when drawn alone", o, i)
			}
		}
	}
}

// TestDrawFrom: from the noise of a seed it ends where Draw ends, bit for bit, in batches that
// are not full too; and what it is shown on the way begins at that noise, t = 1, and comes a
// step nearer with each evaluation of Euler's.
func TestDrawFrom(t *testing.T) {
	s, _ := exactSampler(t, 0, 2, SampleOptions{Guidance: 1, Steps: 4, Solver: "euler"})
	labels, numbers := []int{0, 1, 1}, []int{3, 0, 5}
	want, got := make([]float32, 6), make([]float32, 6)
	if _, err := s.Draw(t.Context(), want, labels, numbers, 9); err != nil {
		t.Fatal(err)
	}
	noise := make([]float32, 6)
	for i := range labels {
		s.Noise(noise[2*i:2*i+2], 9, labels[i], numbers[i])
	}
	var times []float64
	var first []float32
	_, err := s.DrawFrom(t.Context(), got, noise, labels, func(at float64, z []float32) {
		if times = append(times, at); first == nil {
			first = slices.Clone(z)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("ends at %v, Draw at %v", got, want)
	}
	if !slices.Equal(times, []float64{1, 0.75, 0.5, 0.25, 1, 0.75, 0.5, 0.25}) {
		t.Errorf("was shown times %v, want four steps of each of two batches", times)
	}
	begin := make([]float32, 4)
	if plane(0).Stats.Denormalize(begin, noise[:4]); !slices.Equal(first, begin) {
		t.Errorf("was shown %v at first, want the noise, denormalised: %v", first, begin)
	}
	if _, err := s.Draw(t.Context(), got, labels, numbers, 9); err != nil || len(times) != 8 {
		t.Errorf("a Draw later was shown too: %v, %v", times, err)
	}
}

// TestGuidanceEnds: w = 1 is the conditional model and w = 0 the unconditional one, bit for
// bit; and the two halves of a guided batch are the bits of the two models, so that the sum
// is what arithmetic in float32 makes of them.
func TestGuidanceEnds(t *testing.T) { eachSmall(t, testGuidanceEnds) }

func testGuidanceEnds(t *testing.T, m *Model) {
	backend := cpu.Open(2)
	defer backend.Close()
	const n = 3
	net, err := newField(backend, m.Arch, n, 1, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	if err := net.load(m, engine.Raw); err != nil {
		t.Fatal(err)
	}
	// plain integrates the network under labels, with no guidance in sight.
	plain := func(labels []float32) []float32 {
		z := make([]float32, n*m.Latent.Size())
		for i := range n {
			rng.New(9, rng.Sample).Normal(z[i*m.Latent.Size():(i+1)*m.Latent.Size()], uint64(i), uint64(i))
		}
		p := path.Straight{SigmaMin: float32(m.SigmaMin)}
		p.Start(z)
		err = net.condition(labels)
		velocity := func(v, z []float32, t float64) { err = errors.Join(err, net.velocity(v, z, t)) }
		ode.NewSolver[float32](ode.Heun).Solve(velocity, z, ode.Uniform(1, 0, 4))
		v := make([]float32, len(z))
		velocity(v, z, 0)
		p.Finish(z, v)
		m.Stats.Denormalize(z, z)
		return z
	}
	conditional := plain([]float32{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	unconditional := plain([]float32{3, 3, 3})
	if err != nil {
		t.Fatal(err)
	}
	for w, want := range map[float64][]float32{1: conditional, 0: unconditional} {
		s := sampler(t, m, 1, 2, SampleOptions{Guidance: w, Steps: 4, Solver: "heun"})
		if got := drawn(t, s, []int{0, 1, 2}, []int{0, 1, 2}); !slices.Equal(got, want) {
			t.Errorf("w = %v is another model", w)
		}
	}
	if slices.Equal(conditional, unconditional) {
		t.Error("classes make no difference")
	}

	z := optest.Fill("z", n*m.Latent.Size())
	class, null, both := make([]float32, len(z)), make([]float32, len(z)), make([]float32, len(z))
	s := sampler(t, m, 1, n, SampleOptions{Guidance: 3, Steps: 1, Solver: "euler"})
	s.field.begin(t.Context(), []int{0, 1, 2})
	s.field.predict(both, z, 0.4)
	if err := errors.Join(s.field.err,
		net.condition([]float32{0, 1, 2}), net.velocity(class, z, 0.4),
		net.condition([]float32{3, 3, 3}), net.velocity(null, z, 0.4)); err != nil {
		t.Fatal(err)
	}
	for i := range both {
		if want := null[i] + float32(3*(class[i]-null[i])); both[i] != want {
			t.Fatalf("the guided velocity's number %d is %v, want %v", i, both[i], want)
		}
	}
}

// TestWrongWeights: weights that are missing, or of another shape, are named.
func TestWrongWeights(t *testing.T) { eachSmall(t, testWrongWeights) }

func testWrongWeights(t *testing.T, m *Model) {
	first := fmt.Sprintf("%q", m.weights[engine.Raw].Tensors[0].Name)
	for name, change := range map[string]func([]checkpoint.Tensor) []checkpoint.Tensor{
		"missing":     func(w []checkpoint.Tensor) []checkpoint.Tensor { return w[1:] },
		"other shape": func(w []checkpoint.Tensor) []checkpoint.Tensor { w[0].Shape = []int{len(w[0].Data)}; return w },
	} {
		file := weights(t, change(slices.Clone(m.weights[engine.Raw].Tensors)))
		backend := cpu.Open(1)
		_, err := NewModel(m.Spec, file).NewSampler(backend, 1, SampleOptions{Steps: 1, Solver: "euler"})
		backend.Close()
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(first)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneClass: with a single class, label and guidance ask for the null context alone.
func TestOneClass(t *testing.T) {
	s := Spec{Arch: Arch{Classes: 1}, Classes: []string{"cat"}}
	if s.Conditional() || s.Label(0) != s.Null() || s.Guidance(2.5) != 0 {
		t.Errorf("one class: conditional %v, label %d, guidance %v", s.Conditional(), s.Label(0), s.Guidance(2.5))
	}
	s = *plane(0)
	if got := fmt.Sprint(s.Conditional(), s.Label(1), s.Null(), s.Guidance(2.5)); got != "true 1 2 2.5" {
		t.Errorf("two classes: %s", got)
	}
	if s.Unguided = true; s.Guidance(2.5) != 1 || s.Guidance(0) != 1 {
		t.Errorf("without a null context: guidance %v, %v", s.Guidance(2.5), s.Guidance(0))
	}
}
