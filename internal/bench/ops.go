package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/ops"
	"lfm/internal/optim"
	"lfm/internal/profile"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// OpResult is what was measured of one operation, forward or backward, alone in a plan.
type OpResult struct {
	Engine       string  `json:"engine"`
	Op           string  `json:"op"` // its kinds and its size
	Batch        int     `json:"batch"`
	Threads      int     `json:"threads"`
	Uses         int     `json:"uses"` // in a training step of R1, the forward operation's
	MedianMS     float64 `json:"median_ms"`
	GFLOPS       float64 `json:"gflops"`        // 0 where work is not counted
	GBPerS       float64 `json:"gb_per_s"`      // operands and results, each once
	PeakGFLOPS   float64 `json:"peak_gflops"`   // of the threads on registers alone
	PeakFraction float64 `json:"peak_fraction"` // GFLOPS of PeakGFLOPS
}

// timedKinds are the operations that are timed alone, in the order in which they are shown. Their
// gradients come with them.
var timedKinds = []ops.Kind{"conv2d", "upsample-conv", "linear", "attention", "group-norm", "layer-norm", "scale-shift", "gate", "silu", "gelu"}

// operation is an operation of the model at a size of its own.
type operation struct {
	op   ops.Op
	in   []tensor.Shape
	uses int
}

// operations are the different ones of R1's two training graphs.
func operations(batch int) ([]operation, error) {
	ae, err := autoencoder.NewTraining(autoencoder.R1, batch)
	if err != nil {
		return nil, err
	}
	fl, err := flow.NewTraining(flow.R1, batch)
	if err != nil {
		return nil, err
	}
	var found []operation
	seen := map[string]int{}
	for _, n := range slices.Concat(ae.Graph.AllNodes(), fl.Graph.AllNodes()) {
		op, ok := n.Op().(ops.Op)
		if !ok || !slices.Contains(timedKinds, op.Kind()) {
			continue
		}
		var in []tensor.Shape
		for _, m := range ops.Inputs(n) {
			in = append(in, m.Shape())
		}
		key := fmt.Sprint(op, in)
		if i, ok := seen[key]; ok {
			found[i].uses++
			continue
		}
		seen[key] = len(found)
		found = append(found, operation{op, in, 1})
	}
	slices.SortStableFunc(found, func(a, b operation) int {
		return cmp.Compare(slices.Index(timedKinds, a.op.Kind()), slices.Index(timedKinds, b.op.Kind()))
	})
	return found, nil
}

// RunOps measures R1's operations one after the other, and AdamW on the flow's parameters, and
// gives each result to emit.
func RunOps(ctx context.Context, b engine.Backend, o Options, emit func(OpResult) error) error {
	batch := lossBatch
	if len(o.Batches) > 0 {
		batch = o.Batches[0]
	}
	all, err := operations(batch)
	if err != nil {
		return err
	}
	for _, op := range all {
		if err := op.measure(ctx, b, o, batch, emit); err != nil {
			return fmt.Errorf("bench: %s: %w", op.op.Kind(), err)
		}
	}
	if err := adamW(ctx, b, o, emit); err != nil {
		return fmt.Errorf("bench: adamw: %w", err)
	}
	return nil
}

// measure times the operation and its gradients in a graph that has little else.
func (p operation) measure(ctx context.Context, b engine.Backend, o Options, batch int, emit func(OpResult) error) error {
	g := gorgonia.NewGraph()
	var leaves, outputs gorgonia.Nodes
	err := ops.Check(func() error {
		for i, s := range p.in {
			leaves = append(leaves, nn.Input(g, fmt.Sprintf("in%d", i), s...))
		}
		y, err := gorgonia.ApplyOp(p.op, leaves...)
		if err != nil {
			return err
		}
		if len(ops.Results(y)) > 1 {
			y = ops.Part(y, 0)
		}
		loss := ops.Mean(ops.SquaredError(y, nn.Input(g, "target", y.Shape()...)))
		grads, err := ops.Grad(loss, leaves...)
		outputs = append(gorgonia.Nodes{loss, y}, grads...) // y too, so that no chain takes it in
		return err
	})
	if err != nil {
		return err
	}
	plan, err := engine.Compile(g, outputs, nil)
	if err != nil {
		return err
	}
	kind := string(p.op.Kind())
	return timePasses(ctx, b, o, plan, leaves, func(i int) bool {
		return i < len(plan.Passes) && strings.HasPrefix(plan.Passes[i].Label(), kind)
	}, func(r OpResult) error {
		r.Batch, r.Uses = batch, p.uses
		return emit(r)
	})
}

// adamW times the update of as many parameters as the flow has, averages included.
func adamW(ctx context.Context, b engine.Backend, o Options, emit func(OpResult) error) error {
	t, err := flow.NewTraining(flow.R1, 1)
	if err != nil {
		return err
	}
	plan, err := engine.Compile(t.Graph, gorgonia.Nodes{t.Loss}, optim.Updates(t.Params.Nodes(), t.Grads, true))
	if err != nil {
		return err
	}
	leaves := gorgonia.Nodes{t.Zt, t.T, t.Target}
	for _, p := range t.Params.All() {
		leaves = append(leaves, p.Node)
	}
	return timePasses(ctx, b, o, plan, leaves, func(i int) bool { return i == len(plan.Passes) }, func(r OpResult) error {
		r.Op = fmt.Sprintf("adamw %d parameters, with averages", t.Params.Count())
		r.Batch, r.Uses = 1, 1
		return emit(r)
	})
}

// timePasses runs a plan on random numbers and gives the passes that are wanted.
func timePasses(ctx context.Context, b engine.Backend, o Options, plan *engine.Plan, leaves gorgonia.Nodes, wanted func(pass int) bool, emit func(OpResult) error) error {
	m, err := b.Open(plan, engine.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	for _, n := range leaves {
		x := normal("operands", n.Shape().TotalSize())
		for i := range x {
			x[i] /= 10 // as weights are
		}
		m.Set(n, x)
	}
	adam := optim.AdamW{Rate: rate, WeightDecay: weightDecay, EMA: averaging}
	m.SetScalars(adam.Scalars(0))
	seconds := make([][]float64, len(plan.Passes)+1)
	for i := range warmUp + o.Repeats {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i == warmUp {
			m.Profile(func(pass int, d time.Duration) { seconds[pass] = append(seconds[pass], d.Seconds()) })
		}
		if err := m.RunAll(); err != nil {
			return err
		}
	}
	peak := Peak(o.Threads)
	for i, c := range profile.Costs(plan) {
		if !wanted(i) {
			continue
		}
		s := median(seconds[i])
		gflops := c.FLOP / s / 1e9
		if err := emit(OpResult{Engine: engineName(b, o), Op: c.Name, Threads: o.Threads, MedianMS: significant(1e3 * s),
			GFLOPS: significant(gflops), GBPerS: significant(c.Bytes / s / 1e9), PeakGFLOPS: round(peak, 1), PeakFraction: round(gflops/peak, 4)}); err != nil {
			return err
		}
	}
	return nil
}
