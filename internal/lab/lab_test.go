package lab

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/metrics"
	"lfm/internal/ode"
	"lfm/internal/ops"
	"lfm/internal/ot"
	"lfm/internal/path"
)

func backend(t *testing.T) engine.Backend {
	b := cpu.Open(0)
	t.Cleanup(func() { b.Close() })
	return b
}

// TestSets holds the sets to their first two moments, worked out by hand: those of eight Gaussians; those of two half
// circles of radius 3 about (-1, -1) and (2, 0.5), moved by up to 0.6 along the diagonal, and of others with noise; those
// of an S.
func TestSets(t *testing.T) {
	const n = 20000
	half := 3 * 2 / math.Pi             // mean height of a half circle of radius 3
	wide, high := 0.75, 9./16-1/math.Pi // variances of two half circles of radius 1 about (0, 0) and (1, 1/2)
	far := 7 / math.Sqrt((wide+high)/2+1./64+0.01)
	for _, c := range []struct {
		set  set
		mean [2]float64
		std  [2]float64
	}{
		{normal2, [2]float64{0, 0}, [2]float64{1, 1}},
		{gaussians8, [2]float64{0, 0}, [2]float64{math.Sqrt(12.5 + math.Sqrt(0.1)), math.Sqrt(12.5 + math.Sqrt(0.1))}},
		{moons, [2]float64{0.8, 0.05}, [2]float64{math.Sqrt(4.5 + 1.5*1.5 + 0.03), math.Sqrt(4.5 - half*half + math.Pow(half-0.75, 2) + 0.03)}},
		{unitGaussians8, [2]float64{0, 0}, [2]float64{math.Sqrt(12.5 + 1), math.Sqrt(12.5 + 1)}},
		{farGaussians8, [2]float64{0, 0}, [2]float64{math.Sqrt(72 + 2.25), math.Sqrt(72 + 2.25)}},
		{smallMoons, [2]float64{0, 0.5}, [2]float64{2 * math.Sqrt(wide+0.0025), 2 * math.Sqrt(high+0.0025)}},
		{farMoons, [2]float64{far / 8, -far / 8}, [2]float64{far * math.Sqrt(wide+0.01), far * math.Sqrt(high+0.01)}},
		{sCurve, [2]float64{0, 0}, [2]float64{1.5 * math.Sqrt(0.5+0.0025), 1.5 * math.Sqrt(1.5+4/(3*math.Pi)+0.0025)}},
	} {
		points := c.set.draw(n, 1, learned)
		for axis := range 2 {
			var sum, sum2 float64
			for i := range n {
				x := float64(points[2*i+axis])
				sum, sum2 = sum+x/n, sum2+x*x/n
			}
			std := math.Sqrt(sum2 - sum*sum)
			if tol := 5 * c.std[axis] / math.Sqrt(n); math.Abs(sum-c.mean[axis]) > tol || math.Abs(std-c.std[axis]) > tol {
				t.Errorf("%s, axis %d: mean %.3f and standard deviation %.3f, want %.3f and %.3f", c.set.name, axis, sum, std, c.mean[axis], c.std[axis])
			}
		}
	}
}

// TestVelocity: on every method's path the velocity wanted is -dz/dt.
func TestVelocity(t *testing.T) {
	x, eps, xi := []float32{3, -1}, []float32{-0.5, 2}, []float32{0.3, 0.7}
	for _, m := range methods {
		p := pairs{method: m, sigma: sigma}
		var before, after, v, ignored [2]float32
		p.between(before[:], ignored[:], x, eps, xi, 0.25)
		p.between(after[:], ignored[:], x, eps, xi, 0.75)
		p.between(new([2]float32)[:], v[:], x, eps, xi, 0.5)
		for i := range v {
			if rate := (before[i] - after[i]) / 0.5; math.Abs(float64(rate-v[i])) > 1e-5 {
				t.Errorf("%s: velocity %v, but z moves by %v", m, v[i], rate)
			}
		}
	}
}

// TestTraces: of a noise σ, I-CFM's path has σ of it at both ends beside its source, so that from N(0, I) it begins with a
// deviation of sqrt(1+σ²); FM's has 1 there, and σ at the data (Tong et al. 2023; Lipman et al. 2023, eq. 20).
func TestTraces(t *testing.T) {
	for _, c := range []struct {
		method     Method
		time, want float64 // deviation
	}{{ICFM, 1, math.Sqrt(1 + sigma*sigma)}, {ICFM, 0, sigma}, {FM, 1, 1}, {FM, 0, sigma}} {
		var z, v [2]float32 // by a unit of eps, and by one of ξ
		p := pairs{method: c.method, sigma: sigma}
		p.between(z[:], v[:], []float32{0, 0}, []float32{1, 0}, []float32{0, 1}, float32(c.time))
		if got := math.Hypot(float64(z[0]), float64(z[1])); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: the deviation at t = %v is %.7f, want %.7f", c.method, c.time, got, c.want)
		}
	}
}

// TestPairs: with optimal transport a batch has the same source and target points as without, and no other pairing of
// them is shorter.
func TestPairs(t *testing.T) {
	const batch = 32
	rows := func(m Method) (x, eps []float32) {
		p := pairs{method: m, seed: 1, source: normal2.draw(batch, 1, learned), target: moons.draw(batch, 1, learned)}
		return ends(t, p, 0, batch)
	}
	cost := func(x, eps []float32) (c float64) {
		for i := range x {
			c += math.Pow(float64(x[i]-eps[i]), 2)
		}
		return c
	}
	x, eps := rows(ICFM)
	best, err := ot.Points{X: x, Y: eps, D: 2}.Assign()
	if err != nil {
		t.Fatal(err)
	}
	if got := cost(rows(OTCFM)); math.Abs(got-best.Cost) > 1e-3*best.Cost || got > 0.9*cost(x, eps) {
		t.Errorf("pairs cost %g, the least is %g, and independent ones cost %g", got, best.Cost, cost(x, eps))
	}
}

// ends are the points that a batch on straight lines joins.
func ends(t *testing.T, p pairs, step, batch int) (x, eps []float32) {
	in, v := make([]float32, 3*batch), make([]float32, 2*batch)
	if err := p.fill()(step, in, v); err != nil {
		t.Fatal(err)
	}
	for i := range batch {
		for j := range 2 { // z = x - t v, and v = x - eps
			end := in[3*i+j] + in[3*i+2]*v[2*i+j]
			x, eps = append(x, end), append(eps, end-v[2*i+j])
		}
	}
	return x, eps
}

// TestNewSource: a source that is not given is N(0, I), with other points in every batch.
func TestNewSource(t *testing.T) {
	const batch, steps = 100, 100
	p := pairs{method: ICFM, seed: 1, target: moons.draw(batch, 1, learned)}
	var mean, square float64
	first := map[float32]bool{}
	for step := range steps {
		_, eps := ends(t, p, step, batch)
		if first[eps[0]] {
			t.Errorf("step %d begins as an earlier one", step)
		}
		first[eps[0]] = true
		for _, e := range eps {
			mean, square = mean+float64(e)/(2*batch*steps), square+float64(e*e)/(2*batch*steps)
		}
	}
	if math.Abs(mean) > 0.03 || math.Abs(square-1) > 0.04 { // four standard errors of 20,000 numbers
		t.Errorf("mean %.3f and mean square %.3f, want 0 and 1", mean, square)
	}
}

// TestJudge: the exact field from N(0, I) to N(0, I/4) has a normalised path energy of (2-π/2) Σ s/W2² = 0.858407,
// and the shortest one, v = z_1/2, has none. Both end at the target, to the floor.
func TestJudge(t *testing.T) {
	quarter := set{"quarter", func(dst, _, normal []float32) { dst[0], dst[1] = normal[0]/2, normal[1]/2 }}
	s, err := newTest(t.Context(), task{normal2, quarter}, 1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	exact := path.Normal([]float64{0, 0}, []float64{0.5, 0.5})
	for _, c := range []struct {
		name  string
		field ode.Field[float32]
		npe   float64
	}{
		{"independent", exactly(exact), 0.858407},
		{"shortest", func(dst, z []float32, t float64) {
			for i := range z {
				dst[i] = -z[i] / float32(1+t) // z = z_1 (1+t)/2
			}
		}, 0},
	} {
		w2, npe, err := s.judge(t.Context(), c.field)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(npe-c.npe) > 0.1 || w2 > 2*s.floor { // 1,000 points; W2² of two samples is too large by the floor's square
			t.Errorf("%s: NPE %.3f, want %.3f; W2 %.3f, floor %.3f", c.name, npe, c.npe, w2, s.floor)
		}
	}
}

// TestOrder: pairs by optimal transport make straighter flows than independent pairs on all four tasks.
func TestOrder(t *testing.T) {
	r, err := table(t.Context(), backend(t), Quick, Kept{}, tasks, []Method{OTCFM, ICFM}, func(Row) {})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(r.Rows); i += 2 {
		with, without := r.Rows[i], r.Rows[i+1]
		t.Logf("%s: %s W2 %.3f NPE %.3f, %s W2 %.3f NPE %.3f, floor %.3f", with.Task, with.Method, with.W2.Mean, with.NPE.Mean, without.Method, without.W2.Mean, without.NPE.Mean, with.Floor.Mean)
		if with.NPE.Mean >= without.NPE.Mean {
			t.Errorf("%s: NPE %.3f with optimal transport, %.3f without", with.Task, with.NPE.Mean, without.NPE.Mean)
		}
		if with.Published.NPE.Mean == 0 || without.Published.NPE.Mean == 0 {
			t.Errorf("%s: no published figures", with.Task)
		}
	}
}

// TestField: the relative L2 distance of a learned field to the exact one, under the path's own density, falls with
// training: below 0.15 at t = 0.25, 0.5 and 0.75, and to half of what a tenth of the training gives.
func TestField(t *testing.T) {
	for name, activation := range map[string]func(*gorgonia.Node) *gorgonia.Node{"of the figures": ops.SiLU, "of the table": ops.SELU} {
		t.Run(name, func(t *testing.T) { testField(t, activation) })
	}
}

func testField(t *testing.T, activation func(*gorgonia.Node) *gorgonia.Node) {
	const batch, steps, n = 256, 3000, 1000
	optimizer := adamW(3e-3)
	optimizer.EMA, optimizer.WarmEMA = 0.99, true
	l, err := newLearner(backend(t), network{in: 3, out: 2, width: width, activation: activation, seed: 1}, batch, optimizer)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	data := pairs{method: ICFM, seed: 1, source: normal2.draw(20000, 1, learned), target: gaussians8.draw(20000, 1, learned)}
	fill, exact := data.fill(), exactly(mixture8())
	x, eps := gaussians8.draw(n, 1, tested), normal2.draw(n, 1, tested)
	distances := func() (d [3]float64) {
		field, err := l.field(n, engine.Average, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, time := range []float64{0.25, 0.5, 0.75} {
			z, got, want := make([]float32, 2*n), make([]float32, 2*n), make([]float32, 2*n)
			path.Straight{}.Interpolate(z, got, x, eps, float32(time))
			field(got, z, time)
			exact(want, z, time)
			d[k] = relative(got, want)
		}
		return d
	}
	if err := l.train(context.Background(), steps/10, fill); err != nil {
		t.Fatal(err)
	}
	early := distances()
	if err := l.train(context.Background(), steps-steps/10, fill); err != nil {
		t.Fatal(err)
	}
	late := distances()
	t.Logf("%.3f after a tenth, %.3f at the end", early, late)
	for k := range late {
		if late[k] > 0.15 || late[k] > early[k]/2 {
			t.Errorf("distance %.3f, and %.3f after a tenth of the training", late[k], early[k])
		}
	}
}

// TestValidated: of the weights at every check those are left whose loss on other points is the least, and no other
// checks or weights have a part in it.
func TestValidated(t *testing.T) {
	p := Protocol{Points: 500, Batch: 50, Epochs: 12, Check: 2, Rate: 0.1} // a rate at which the loss goes up and down
	trained := func(p Protocol) *learner {
		l, err := p.flow(t.Context(), backend(t), tasks[0], ICFM, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.close)
		return l
	}
	other := pairs{method: ICFM, sigma: sigma, seed: 1, target: tasks[0].target.draw(p.Points, 1, validated)}
	loss := func(l *learner) float64 {
		validate, err := l.validation(10, other.fill())
		if err != nil {
			t.Fatal(err)
		}
		return validate()
	}
	least := math.Inf(1)
	var want, last [][]float32
	for epochs := 2; epochs <= 12; epochs += 2 {
		straight := p
		straight.Epochs, straight.Check = epochs, 0
		l := trained(straight)
		last = l.weights()
		if now := loss(l); now < least {
			least, want = now, last
		}
	}
	l := trained(p)
	got := l.weights()
	for i := range got {
		if !slices.Equal(got[i], want[i]) {
			t.Fatalf("parameter %d is not that of the least loss", i)
		}
	}
	if loss(l) != least || slices.Equal(got[0], last[0]) {
		t.Errorf("loss %v, the least was %v; or it was the last, which tests half of it", loss(l), least)
	}
}

// TestDeterminism: threads do not change what is learned.
func TestDeterminism(t *testing.T) {
	p := Protocol{Seeds: []uint64{1}, Points: 500, Test: 64, Batch: 64, Epochs: 4, Check: 1, Rate: 1e-3}
	var rows []Row
	for _, threads := range []int{1, 2} {
		b := cpu.Open(threads)
		defer b.Close()
		r, err := table(t.Context(), b, p, Kept{}, tasks[:1], []Method{OTCFM}, func(Row) {})
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r.Rows...)
	}
	if rows[0] != rows[1] {
		t.Errorf("%v with one thread, %v with two", rows[0], rows[1])
	}
}

// TestKept: what was measured is not measured again, whatever came of it, and a table that was stopped in between
// becomes the same.
func TestKept(t *testing.T) {
	p := Protocol{Seeds: []uint64{1, 2}, Points: 500, Test: 64, Batch: 64, Epochs: 2, Rate: 1e-3}
	b := backend(t)
	want, err := table(t.Context(), b, p, Kept{}, tasks[:1], methods, func(Row) {})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	var done []Measurement
	keep := func(most int) Kept {
		return Kept{Done: done, Add: func(m Measurement) error {
			if done = append(done, m); len(done) == most {
				return full
			}
			return nil
		}}
	}
	if _, err := table(t.Context(), b, p, keep(3), tasks[:1], methods, func(Row) {}); err != full || len(done) != 3 {
		t.Fatalf("%d measured, then %v", len(done), err)
	}
	got, err := table(t.Context(), b, p, keep(0), tasks[:1], methods, func(Row) {})
	if err != nil || !slices.Equal(got.Rows, want.Rows) || len(done) != len(methods)*len(p.Seeds) {
		t.Errorf("after %d: %v %v, want %v", len(done), got, err, want)
	}
	done[0].NPE += 2
	if got, err := table(t.Context(), b, p, keep(0), tasks[:1], methods, func(Row) {}); err != nil || math.Abs(got.Rows[0].NPE.Mean-want.Rows[0].NPE.Mean-1) > 1e-9 {
		t.Errorf("a kept measurement was not used: %v %v", got, err)
	}
	p.Rate = 2e-3
	if _, err := table(t.Context(), b, p, keep(len(done)+1), tasks[:1], methods, func(Row) {}); err != full {
		t.Errorf("measurements of another protocol were used: %v", err)
	}
}

// TestCancel: a table that is stopped says so.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Table(ctx, backend(t), Quick, Kept{}, func(Row) {}); err != context.Canceled {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

// TestPublishedSets: from N(0, I) the exact flow of independent pairs, which no network has a part in, has the normalised
// path energy that was published for I-CFM on the table's sets, and not on the moons of the figures: to a fifth, for 1,500
// points instead of 10,000. Its energy is that of the velocity along the paths, whose points at any time are the flow's.
func TestPublishedSets(t *testing.T) {
	const n, times, each = 1500, 25, 250
	for _, c := range []struct {
		task task
		low  float64 // of what was published
		high float64
	}{{tasks[0], 0.8, 1.2}, {tasks[2], 0.8, 1.2}, {tasks[3], 0.8, 1.2}, {task{normal2, moons}, 0, 0.5}} {
		eps, x := c.task.source.draw(n, 1, tested), c.task.target.draw(n, 1, tested)
		var law path.Mixture
		for _, p := range places(c.task.target.draw(2*each, 1, learned)) {
			law.Components = append(law.Components, path.Gaussian{Weight: 1, Mean: []float64{p.X, p.Y}, Std: []float64{sigma, sigma}})
		}
		var energy float64
		z, v := make([]float32, 2*each), make([]float32, 2*each)
		for k := range times {
			time, i := (float64(k)+0.5)/times, 2*each*(k%(n/each))
			path.Straight{}.Interpolate(z, v, x[i:i+2*each], eps[i:i+2*each], float32(time))
			exactly(law)(v, z, time)
			energy += squares(v) / each / times
		}
		shortest := math.Pow(metrics.Wasserstein(eps, x, 2), 2)
		npe, want := (energy-shortest)/shortest, published[c.task.String()][ICFM].NPE.Mean
		t.Logf("%v: NPE %.3f, published %.3f", c.task, npe, want)
		if ratio := npe / want; ratio < c.low || ratio > c.high {
			t.Errorf("%v: NPE %.3f, published %.3f: a ratio of %.2f, want %g to %g", c.task, npe, want, ratio, c.low, c.high)
		}
	}
}
