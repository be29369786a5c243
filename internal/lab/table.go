package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"lfm/internal/engine"
	"lfm/internal/metrics"
	"lfm/internal/ode"
	"lfm/internal/ops"
	"lfm/internal/optim"
)

// Protocol is how much of the benchmark is done.
type Protocol struct {
	Seeds  []uint64
	Points int // of the target, and of a source that is not normal, to learn from
	Test   int // points that the flow carries, and that it is compared with; the exact distance takes time with their cube
	Batch  int
	Epochs int     // over Points
	Check  int     // epochs between validations, of which the one with the least loss has the weights that count; 0: the last weights do
	Rate   float64 // of learning
}

// Full is the published protocol (app. F). An hour or two on two cores, most of it for exact pairings and distances.
var Full = Protocol{Seeds: []uint64{42, 43, 44, 45, 46}, Points: 10000, Test: 10000, Batch: 512, Epochs: 1000, Check: 10, Rate: 1e-3}

// Quick is Full with one seed, smaller batches and tests, and a fraction of the training, at a higher rate. W2 of so small a test is
// mostly its floor.
var Quick = Protocol{Seeds: Full.Seeds[:1], Points: 10000, Test: 512, Batch: 64, Epochs: 10, Check: 1, Rate: 3e-3}

const (
	width      = 64  // of the hidden layers
	eulerSteps = 100 // from source to target
)

// adamW is the benchmark's optimizer at a rate of learning.
func adamW(rate float64) optim.AdamW { return optim.AdamW{Rate: rate, WeightDecay: 1e-5} }

// String names all that a measurement depends on, but for its task, method and seed, and the program.
func (p Protocol) String() string {
	return fmt.Sprintf("%d points, %d tested, batch %d, %d epochs, checked every %d, rate %g", p.Points, p.Test, p.Batch, p.Epochs, p.Check, p.Rate)
}

// Format names what measurements are kept as, and by which program. Its number goes up with every change to tasks,
// networks, training or distances that a Protocol does not name, so that no table has figures of two programs.
const Format = "lfm lab table 2"

// Measurement is what became of a method on a task with one seed.
type Measurement struct {
	Protocol string  `json:"protocol"` // its String
	Task     string  `json:"task"`
	Method   Method  `json:"method"`
	Seed     uint64  `json:"seed"`
	W2       float64 `json:"w2"`
	NPE      float64 `json:"npe"`
	Floor    float64 `json:"floor"`
}

// Kept is measurements that outlive a run. Nothing is measured that is Done already, and Add is told of what is
// measured then. Its error ends the table.
type Kept struct {
	Done []Measurement
	Add  func(Measurement) error // may be nil
}

// find is what was measured for the same.
func (k *Kept) find(m Measurement) (Measurement, bool) {
	for _, d := range k.Done {
		if d.Protocol == m.Protocol && d.Task == m.Task && d.Method == m.Method && d.Seed == m.Seed {
			return d, true
		}
	}
	return m, false
}

// Spread is a mean over seeds and their standard deviation.
type Spread struct {
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"` // of a seed, with n-1; 0 of one alone
}

func (s Spread) String() string { return fmt.Sprintf("%.3f ± %.3f", s.Mean, s.Std) }

func spread(x []float64) (s Spread) {
	for _, v := range x {
		s.Mean += v / float64(len(x))
	}
	for _, v := range x {
		s.Std += (v - s.Mean) * (v - s.Mean)
	}
	s.Std = math.Sqrt(s.Std / float64(max(1, len(x)-1)))
	return s
}

// Published is what the paper's table says.
type Published struct {
	W2  Spread `json:"w2"`
	NPE Spread `json:"npe"`
}

// Row is a line of the table.
type Row struct {
	Task      string    `json:"task"`
	Method    Method    `json:"method"`
	W2        Spread    `json:"w2"`
	NPE       Spread    `json:"npe"`
	Seeds     int       `json:"seeds"`
	Published Published `json:"published"`
	Floor     Spread    `json:"floor"` // W2 of two tests of the target: what a perfect flow has
}

// Results is the table.
type Results struct {
	Rows []Row `json:"rows"`
}

var tasks = []task{{normal2, unitGaussians8}, {farMoons, farGaussians8}, {normal2, smallMoons}, {normal2, sCurve}}

var methods = []Method{OTCFM, ICFM, FM}

var published = map[string]map[Method]Published{
	"normal→8gaussians": {
		OTCFM: {Spread{0.303, 0.043}, Spread{0.031, 0.027}},
		ICFM:  {Spread{0.373, 0.103}, Spread{0.202, 0.055}},
		FM:    {Spread{0.343, 0.058}, Spread{0.190, 0.054}},
	},
	"moons→8gaussians": {
		OTCFM: {Spread{0.601, 0.027}, Spread{0.015, 0.010}},
		ICFM:  {Spread{1.557, 0.407}, Spread{2.680, 0.292}},
	},
	"normal→moons": {
		OTCFM: {Spread{0.130, 0.016}, Spread{0.083, 0.009}},
		ICFM:  {Spread{0.178, 0.014}, Spread{0.891, 0.120}},
		FM:    {Spread{0.209, 0.055}, Spread{0.762, 0.099}},
	},
	"normal→scurve": {
		OTCFM: {Spread{0.144, 0.028}, Spread{0.027, 0.012}},
		ICFM:  {Spread{0.242, 0.141}, Spread{0.856, 0.031}},
		FM:    {Spread{0.198, 0.037}, Spread{0.743, 0.116}},
	},
}

// Table trains every method on every task and measures it. It tells of each row when that is done.
func Table(ctx context.Context, backend engine.Backend, p Protocol, kept Kept, tell func(Row)) (Results, error) {
	return table(ctx, backend, p, kept, tasks, methods, tell)
}

func table(ctx context.Context, backend engine.Backend, p Protocol, kept Kept, tasks []task, methods []Method, tell func(Row)) (r Results, err error) {
	for _, k := range tasks {
		tests := make([]*test, len(p.Seeds))
		for _, m := range methods {
			if !k.can(m) {
				continue
			}
			row, err := measure(ctx, backend, p, kept, k, m, tests)
			if err != nil {
				return r, err
			}
			r.Rows = append(r.Rows, row)
			tell(row)
		}
	}
	return r, nil
}

// measure measures a row. Tests are made where one is missing.
func measure(ctx context.Context, backend engine.Backend, p Protocol, kept Kept, k task, m Method, tests []*test) (Row, error) {
	n := len(tests)
	w2, npe, floor := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, seed := range p.Seeds {
		one, done := kept.find(Measurement{Protocol: p.String(), Task: k.String(), Method: m, Seed: seed})
		if !done {
			if err := p.one(ctx, backend, k, &tests[i], &one); err != nil {
				return Row{}, err
			}
			if kept.Add != nil {
				if err := kept.Add(one); err != nil {
					return Row{}, err
				}
			}
		}
		w2[i], npe[i], floor[i] = one.W2, one.NPE, one.Floor
	}
	return Row{Task: k.String(), Method: m, W2: spread(w2), NPE: spread(npe), Seeds: n, Published: published[k.String()][m], Floor: spread(floor)}, nil
}

// one measures a method with one seed.
func (p Protocol) one(ctx context.Context, backend engine.Backend, k task, t **test, m *Measurement) (err error) {
	if *t == nil {
		made, err := newTest(ctx, k, p.Test, m.Seed)
		if err != nil {
			return err
		}
		*t = &made
	}
	flow, err := p.flow(ctx, backend, k, m.Method, m.Seed)
	if err != nil {
		return err
	}
	defer flow.close()
	field, err := flow.field(p.Test, engine.Raw, nil)
	if err != nil {
		return err
	}
	m.Floor = (*t).floor
	if m.W2, m.NPE, err = (*t).judge(ctx, field); err != nil {
		return fmt.Errorf("%v, %s, seed %d: %w", k, m.Method, m.Seed, err)
	}
	return nil
}

// Splits of a set.
const (
	learned uint64 = iota
	tested
	testedAgain
	validated
)

// flow trains a flow.
func (p Protocol) flow(ctx context.Context, backend engine.Backend, k task, m Method, seed uint64) (*learner, error) {
	l, err := newLearner(backend, network{in: 3, out: 2, width: width, activation: ops.SELU, seed: seed}, p.Batch, adamW(p.Rate))
	if err != nil {
		return nil, err
	}
	if err := p.train(ctx, l, k, m, seed); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// train trains, and leaves the weights that count. The rate is the same to the end, so that the last weights are far from
// a mean of those before them: the energy of an OT-CFM's paths goes up and down by some 7 % from one epoch to the next.
// The benchmark's code tests the weights whose loss on other points was the least.
func (p Protocol) train(ctx context.Context, l *learner, k task, m Method, seed uint64) error {
	draw := func(split uint64) fill {
		data := pairs{method: m, sigma: sigma, seed: seed, target: k.target.draw(p.Points, seed, split)}
		if !k.fromNormal() {
			data.source = k.source.draw(p.Points, seed, split)
		}
		return data.fill()
	}
	fill, steps := draw(learned), p.Epochs*p.Points/p.Batch
	if p.Check == 0 {
		return l.train(ctx, steps, fill)
	}
	validate, err := l.validation(p.Points/p.Batch, draw(validated))
	if err != nil {
		return err
	}
	least, best := math.Inf(1), [][]float32(nil)
	for l.step < steps {
		if err := l.train(ctx, min(p.Check*p.Points/p.Batch, steps-l.step), fill); err != nil {
			return err
		}
		if loss := validate(); loss < least || best == nil {
			least, best = loss, l.weights()
		}
	}
	l.restore(best)
	return nil
}

// test is what flows of a task are judged by.
type test struct {
	source, target []float32
	shortest       float64 // W2² of the two
	floor          float64 // W2 of target and another draw of it
}

func newTest(ctx context.Context, k task, n int, seed uint64) (test, error) {
	s := test{source: k.source.draw(n, seed, tested), target: k.target.draw(n, seed, tested)}
	w2 := metrics.Wasserstein(s.source, s.target, 2)
	s.shortest = w2 * w2
	if ctx.Err() == nil {
		s.floor = metrics.Wasserstein(k.target.draw(n, seed, testedAgain), s.target, 2)
	}
	return s, ctx.Err()
}

// judge carries the source along the flow and returns the distance to the target, and the normalised path energy.
func (s test) judge(ctx context.Context, field ode.Field[float32]) (w2, npe float64, err error) {
	var energy float64 // E ∫|v|² dt
	metered := func(dst, z []float32, t float64) {
		field(dst, z, t)
		energy += squares(dst) / eulerSteps / float64(len(z)/2)
	}
	z := slices.Clone(s.source)
	ode.Solve(ode.Euler, metered, z, ode.Uniform(1, 0, eulerSteps))
	if ctx.Err() != nil {
		return 0, 0, ctx.Err()
	}
	if !engine.Finite(squares(z)) {
		return 0, 0, errors.New("the flow carries points to infinity")
	}
	return metrics.Wasserstein(z, s.target, 2), math.Abs(energy-s.shortest) / s.shortest, nil
}

// squares is |v|².
func squares(v []float32) (sum float64) {
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return sum
}

// Write writes the table for reading.
func (r Results) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "task\tmethod\tW2\tpublished\tfloor\tNPE\tpublished\tseeds")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%v\t%v\t%.3f\t%v\t%v\t%d\n", row.Task, row.Method, row.W2, row.Published.W2, row.Floor.Mean, row.NPE, row.Published.NPE, row.Seeds)
	}
	return t.Flush()
}
