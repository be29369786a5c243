package flow

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"lfm/internal/disk"
	"lfm/internal/latent"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// latents writes rows latents of a shape and opens them: those of class c are normal around
// mean(c) with deviation 0.25, each fifth row is of the test split.
func latents(t *testing.T, dir string, shape latent.Shape, classes, rows int, mean func(class int) float32) *latent.Set {
	t.Helper()
	return madeLatents(t, dir, shape, classes, rows, func(i int, x []float32) {
		rng.New(1, "latents").Normal(x, 0, uint64(i))
		for k := range x {
			x[k] = mean(i%classes) + x[k]/4
		}
	})
}

// madeLatents is latents with latent x of row i of class i mod classes made by a function.
func madeLatents(t *testing.T, dir string, shape latent.Shape, classes, rows int, fill func(i int, x []float32)) *latent.Set {
	t.Helper()
	h := latent.Header{Shape: shape, Autoencoder: "autoencoder", Dataset: "dataset"}
	for c := range classes {
		h.Classes = append(h.Classes, fmt.Sprintf("class %d", c))
	}
	w, err := latent.NewWriter(disk.OS, dir, h, rows)
	if err != nil {
		t.Fatal(err)
	}
	shard, err := w.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, shape.Size())
	for i := range rows {
		fill(i, x)
		row := latent.Row{ID: fmt.Sprint(i), Split: latent.Train, Label: i % classes, Latent: x}
		if i%5 == 4 {
			row.Split = latent.Test
		}
		if err := shard.Append(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := shard.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	set, err := latent.Open(t.Context(), latent.In(dir), latent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

// mustTerms are the terms of a set that can be read.
func mustTerms(spec *Spec, set *latent.Set) terms {
	t, err := newTerms(context.Background(), spec, set)
	if err != nil {
		panic(err)
	}
	return t
}

// newTestDraw is a draw from those latents, and the inputs that it fills.
func newTestDraw(set *latent.Set, c Config) (*draw, [][]float32) {
	s := &stage{config: c}
	n, size := c.Batch, set.Shape().Size()
	spec := s.spec(set)
	return newDraw(set, c, spec, mustTerms(spec, set), 11), [][]float32{make([]float32, n*size), make([]float32, n), make([]float32, n), make([]float32, n*size)}
}

// TestDraw holds training to the lecture's time and sign: z_t and v are those of one line from
// normalised data at t = 0 to unit noise at t = 1, so x = (z_t + (t+σ) v)/(1+σ), eps = x - v.
func TestDraw(t *testing.T) {
	set := latents(t, t.TempDir(), latent.Shape{H: 2, W: 2, C: 2}, 3, 60, func(c int) float32 { return float32(4 * c) })
	for _, sigma := range []float64{0, 0.1} {
		c := *DefaultConfig()
		c.Batch, c.SigmaMin, c.ConditionDropout = 7, sigma, 0
		d, inputs := newTestDraw(set, c)
		zt, times, labels, v := inputs[0], inputs[1], inputs[2], inputs[3]
		x, want, eps := make([]float32, 8), make([]float32, 8), make([]float32, 8)
		seen := map[int]int{}
		for step := range 48 { // 48 steps of 7 are seven epochs of 48 rows
			for _, in := range inputs { // what a step before left does not matter
				for i := range in {
					in[i] = 99
				}
			}
			if err := d.step(step, inputs); err != nil {
				t.Fatal(err)
			}
			for i, time := range times {
				if !(time > 0 && time < 1) || i > 0 && time < times[i-1] {
					t.Fatalf("times %v are not stratified", times)
				}
				row := d.rows[d.order.Index(step, c.Batch, i)]
				seen[row]++
				if err := set.Read(want, row); err != nil {
					t.Fatal(err)
				}
				set.Stats().Normalize(want, want)
				path.Straight{SigmaMin: float32(sigma)}.Data(x, zt[8*i:8*i+8], v[8*i:8*i+8], time)
				rng.New(11, rng.Noise).Normal(eps, uint64(step), uint64(i))
				for k := range x {
					if math.Abs(float64(x[k]-want[k])) > 1e-5 || math.Abs(float64(x[k]-v[8*i+k]-eps[k])) > 1e-5 {
						t.Fatalf("σ = %v, t = %v: the line leads from %v to %v, want %v to %v", sigma, time, x[k], x[k]-v[8*i+k], want[k], eps[k])
					}
				}
				if int(labels[i]) != set.Label(row) {
					t.Fatalf("label %v of a row of class %d", labels[i], set.Label(row))
				}
			}
		}
		for _, row := range set.Rows(latent.Train) {
			if seen[row] != 7 {
				t.Errorf("row %d was drawn %d times in seven epochs", row, seen[row])
			}
		}
		if len(seen) != 48 {
			t.Errorf("%d rows were drawn, 48 are of the training split", len(seen))
		}
		again := slices.Clone(zt)
		d.step(3, inputs)
		d.step(47, inputs)
		if !slices.Equal(again, zt) {
			t.Error("a step drawn again is another one")
		}
	}
}

// TestDropout: conditions are dropped as often as asked, sample by sample; the rest keep
// their class.
func TestDropout(t *testing.T) {
	set := latents(t, t.TempDir(), latent.Shape{H: 1, W: 1, C: 1}, 3, 50, func(int) float32 { return 0 })
	for _, rate := range []float64{0, 0.1, 0.5, 1} {
		c := *DefaultConfig()
		c.Batch, c.ConditionDropout = 32, rate
		d, inputs := newTestDraw(set, c)
		const steps = 200
		var dropped, partly float64
		for step := range steps {
			d.step(step, inputs)
			var here float64
			for i, label := range inputs[2] {
				if int(label) == d.spec.Null() {
					here++
				} else if row := d.rows[d.order.Index(step, c.Batch, i)]; int(label) != set.Label(row) {
					t.Fatalf("a sample of class %d is called %v", set.Label(row), label)
				}
			}
			dropped += here
			if here > 0 && here < 32 {
				partly++
			}
		}
		n := float64(steps * 32)
		if deviation := math.Sqrt(n * rate * (1 - rate)); math.Abs(dropped-n*rate) > 4*deviation {
			t.Errorf("%v of %v conditions are dropped, want %v ± %.0f", dropped, n, n*rate, deviation)
		}
		if rate == 0.5 && partly != steps {
			t.Errorf("%v batches were dropped whole", steps-partly)
		}
	}
}

// TestHeldOutLoss: the loss of a perfect network is, at each t, the least that there is, and
// that of predicting nought is the variance of x - eps.
func TestHeldOutLoss(t *testing.T) {
	set := latents(t, t.TempDir(), latent.Shape{H: 1, W: 1, C: 2}, 2, 1000, func(c int) float32 { return float32(c) })
	for _, sigma := range []float64{0, 0.2} {
		c := *DefaultConfig()
		c.SigmaMin = sigma
		s := &stage{config: c}
		spec := s.spec(set)
		w := &watch{stage: s, set: set, spec: spec, terms: mustTerms(spec, set), rows: set.Rows(latent.Test)}
		stats := set.Stats()
		net := &exact{batch: evalBatch, data: make([]path.Mixture, 2)}
		for label := range net.data {
			g := path.Gaussian{Weight: 1}
			for k := range 2 {
				g.Mean = append(g.Mean, (float64(label)-stats.Mean[k])/stats.Std[k])
				g.Std = append(g.Std, 0.25/stats.Std[k])
			}
			net.data[label] = path.Mixture{SigmaMin: sigma, Components: []path.Gaussian{g}}
		}
		loss, err := w.loss(t.Context(), net, w.rows)
		if err != nil {
			t.Fatal(err)
		}
		var mean float64
		for i, got := range loss.ByT {
			// A Gaussian's residual does not depend on where it is looked at; two channels.
			floor := net.data[0].At([]float64{0, 0}, binTime(i)).Residual / 2
			if math.Abs(got-floor) > 0.2*floor { // 400 squares: a deviation of 7 %
				t.Errorf("σ = %v, t = %v: loss %.4f, the floor is %.4f", sigma, binTime(i), got, floor)
			}
			mean += got / timeBins
		}
		if math.Abs(loss.Mean-mean) > 1e-12 {
			t.Errorf("mean %v, want %v", loss.Mean, mean)
		}
		if zero, err := w.zero(w.rows); err != nil || math.Abs(zero-2) > 0.3 { // x and eps have variance 1 each
			t.Errorf("predicting nought costs %v, want about 2", zero)
		}
	}
}
