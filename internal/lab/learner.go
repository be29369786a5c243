package lab

import (
	"context"
	"fmt"
	"runtime"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/ode"
	"lfm/internal/ops"
	"lfm/internal/optim"
)

// network says what is learned: a perceptron from rows of in numbers to rows of out, with three hidden layers.
type network struct {
	in, out, width int
	activation     func(x *gorgonia.Node) *gorgonia.Node
	seed           uint64 // of the first weights
}

const hiddenLayers = 3

// graph is a network on rows of numbers: in (N, in), out (N, out), and in training target (N, out) and their loss, the
// mean squared error of a number.
type graph struct {
	params                *nn.Params
	in, target, out, loss *gorgonia.Node
	grads                 gorgonia.Nodes
}

func (n network) build(rows int) graph {
	g := gorgonia.NewGraph()
	b := graph{params: nn.NewParams(g), in: nn.Input(g, "in", rows, n.in)}
	h, width := b.in, n.in
	for i := range hiddenLayers {
		h = n.activation(nn.NewLinear(b.params.Root().In("hidden").At(i), width, n.width).Apply(h))
		width = n.width
	}
	b.out = nn.NewLinear(b.params.Root().In("out"), width, n.out).Apply(h)
	return b
}

func (n network) buildTraining(rows int) (b graph, err error) {
	err = ops.Check(func() (err error) {
		b = n.build(rows)
		b.target = nn.Input(b.params.Graph(), "target", rows, n.out)
		b.loss = ops.Mean(ops.SquaredError(b.out, b.target))
		b.grads, err = ops.Grad(b.loss, b.params.Nodes()...)
		return err
	})
	return b, err
}

// learner trains a network, and hands out what it has learned as a field.
type learner struct {
	network
	backend   engine.Backend
	graph     graph
	machine   engine.Machine
	optimizer optim.AdamW
	batch     int
	step      int
	opened    []engine.Machine
}

// newLearner begins with the network's first weights.
func newLearner(backend engine.Backend, n network, batch int, optimizer optim.AdamW) (*learner, error) {
	g, err := n.buildTraining(batch)
	if err != nil {
		return nil, err
	}
	plan, err := engine.Compile(g.params.Graph(), gorgonia.Nodes{g.loss}, optim.Updates(g.params.Nodes(), g.grads, optimizer.EMA > 0))
	if err != nil {
		return nil, err
	}
	machine, err := backend.Open(plan, engine.Options{})
	if err != nil {
		return nil, err
	}
	for _, p := range g.params.All() {
		machine.Set(p.Node, p.Initial(n.seed))
	}
	return &learner{network: n, backend: backend, graph: g, machine: machine, optimizer: optimizer, batch: batch, opened: []engine.Machine{machine}}, nil
}

// close gives back the memory of the learner and of its fields.
func (l *learner) close() {
	for _, m := range l.opened {
		m.Close()
	}
}

// batch is what a step learns from: rows of inputs, and what is wanted of each.
type batch struct {
	in, target []float32
	err        error
}

// fill sets the rows of a step, from its number alone.
type fill func(step int, in, target []float32) error

// train goes on for so many steps. Batches of steps to come are drawn on goroutines of their own, several at once,
// because pairing a batch may take longer than learning from it.
func (l *learner) train(ctx context.Context, steps int, f fill) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan batch, runtime.GOMAXPROCS(0))
	from, to := l.step, l.step+steps
	go func() {
		defer close(queue)
		for step := from; step < to; step++ {
			drawn := make(chan batch, 1)
			go func() { drawn <- l.draw(step, f) }()
			select {
			case queue <- drawn:
			case <-ctx.Done():
				return
			}
		}
	}()
	for drawn := range queue {
		if err := l.learn(<-drawn); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (l *learner) draw(step int, f fill) batch {
	b := batch{in: make([]float32, l.batch*l.in), target: make([]float32, l.batch*l.out)}
	b.err = f(step, b.in, b.target)
	return b
}

// learn makes one step.
func (l *learner) learn(b batch) error {
	if b.err != nil {
		return b.err
	}
	l.machine.Set(l.graph.in, b.in)
	l.machine.Set(l.graph.target, b.target)
	l.machine.SetScalars(l.optimizer.Scalars(l.step))
	if err := l.machine.RunAll(); err != nil {
		return err
	}
	if l.machine.Report().Skipped {
		return fmt.Errorf("lab: step %d: the loss is not finite", l.step)
	}
	l.step++
	return nil
}

// evaluate returns the network with the weights as they are, on so many rows at once: out (rows, out) of in (rows, in).
// What is learned later shows in it.
func (l *learner) evaluate(rows int, weights engine.Weights) (func(out, in []float32), error) {
	var g graph
	if err := ops.Check(func() error { g = l.build(rows); return nil }); err != nil {
		return nil, err
	}
	plan, err := engine.Compile(g.params.Graph(), gorgonia.Nodes{g.out}, optim.Frozen(g.params.Nodes()))
	if err != nil {
		return nil, err
	}
	machine, err := l.backend.Open(plan, engine.Options{Share: l.machine, Weights: weights})
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, machine)
	return func(out, in []float32) {
		machine.Set(g.in, in)
		if err := machine.RunAll(); err != nil {
			panic("lab: " + err.Error()) // a compiled plan on memory that is there
		}
		machine.Get(g.out, out)
	}, nil
}

// validation returns what computes the loss on so many batches of another fill, the same each time.
func (l *learner) validation(batches int, f fill) (loss func() float64, err error) {
	evaluate, err := l.evaluate(l.batch, engine.Raw)
	if err != nil {
		return nil, err
	}
	in, target := make([][]float32, batches), make([][]float32, batches)
	for i := range batches {
		in[i], target[i] = make([]float32, l.batch*l.in), make([]float32, l.batch*l.out)
		if err := f(i, in[i], target[i]); err != nil {
			return nil, err
		}
	}
	out := make([]float32, l.batch*l.out)
	return func() (loss float64) {
		for i := range batches {
			evaluate(out, in[i])
			for j, want := range target[i] {
				e := float64(out[j]) - float64(want)
				loss += e * e / float64(batches*len(out))
			}
		}
		return loss
	}, nil
}

// weights copies the weights as they are.
func (l *learner) weights() (values [][]float32) {
	for _, p := range l.graph.params.All() {
		v := make([]float32, p.Node.Shape().TotalSize())
		l.machine.Get(p.Node, v)
		values = append(values, v)
	}
	return values
}

// restore sets the weights to what they were.
func (l *learner) restore(values [][]float32) {
	for i, p := range l.graph.params.All() {
		l.machine.Set(p.Node, values[i])
	}
}

// field returns the network as a velocity of so many points in the plane, whose rows are z, t and then what given says
// of every point (rows, in-3), which may be nil.
func (l *learner) field(rows int, weights engine.Weights, given []float32) (ode.Field[float32], error) {
	f, err := l.evaluate(rows, weights)
	if err != nil {
		return nil, err
	}
	in, more := make([]float32, rows*l.in), l.in-3
	return func(dst, z []float32, t float64) {
		for i := range rows {
			row := in[i*l.in : (i+1)*l.in]
			row[0], row[1], row[2] = z[2*i], z[2*i+1], float32(t)
			copy(row[3:], given[i*more:])
		}
		f(dst, in)
	}, nil
}
