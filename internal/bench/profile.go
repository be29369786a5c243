package bench

import (
	"cmp"
	"context"
	"slices"
	"time"

	"lfm/internal/engine"
	"lfm/internal/profile"
)

// profiled is how many steps are looked into.
const profiled = 5

// Operation is a line of a profile: all passes of a plan that do the same at the same size.
// A pass takes the median of its times, as the machine may be shared.
type Operation struct {
	Name   string  `json:"name"`
	Passes int     `json:"passes"` // in a step
	MS     float64 `json:"ms"`     // in a step, all passes together
	Share  float64 `json:"share"`  // of all operations' time
	GFLOPS float64 `json:"gflops"` // 0 for operations whose work is not counted
}

// outside is the name of what happens between passes.
const outside = "(outside of the plan: drawing, copying)"

// profile runs the case once more, with a look at every pass. It is a run of its own, as
// looking costs time.
func (c Case) profile(ctx context.Context, b engine.Backend, batch int) ([]Operation, error) {
	p := &profiler{Backend: b}
	w, err := c.open(p, batch)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	between := &pass{name: outside}
	for range profiled {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.inside = 0
		begin := time.Now()
		if err := w.step(ctx); err != nil {
			return nil, err
		}
		between.seconds = append(between.seconds, (time.Since(begin) - p.inside).Seconds())
	}
	p.passes = append(p.passes, between)
	return p.table(), nil
}

// profiler is a back end whose machines tell how long their passes take.
type profiler struct {
	engine.Backend
	passes []*pass
	inside time.Duration // passes of this step, so far
}

// pass is a pass of a plan, and how long each of its runs took.
type pass struct {
	name    string
	flop    float64
	seconds []float64
}

// Open opens a machine and listens to it.
func (p *profiler) Open(plan *engine.Plan, o engine.Options) (engine.Machine, error) {
	m, err := p.Backend.Open(plan, o)
	if err != nil {
		return nil, err
	}
	var passes []*pass
	for _, step := range plan.Passes {
		c := profile.Of(plan, step)
		passes = append(passes, &pass{name: c.Name, flop: c.FLOP})
	}
	passes = append(passes, &pass{name: "update"})
	p.passes = append(p.passes, passes...)
	m.Profile(func(i int, d time.Duration) {
		passes[i].seconds = append(passes[i].seconds, d.Seconds())
		p.inside += d
	})
	return m, nil
}

// table sums passes up by name, the most expensive first.
func (p *profiler) table() []Operation {
	type line struct {
		calls, seconds, flop float64 // of a step
	}
	lines, total := map[string]line{}, 0.0
	for _, q := range p.passes {
		if len(q.seconds) == 0 {
			continue
		}
		calls := float64(len(q.seconds)) / profiled
		seconds := calls * median(q.seconds)
		l := lines[q.name]
		lines[q.name] = line{l.calls + calls, l.seconds + seconds, l.flop + calls*q.flop}
		total += seconds
	}
	var table []Operation
	for name, l := range lines {
		o := Operation{Name: name, Passes: int(l.calls), MS: round(1e3*l.seconds, 3), Share: round(l.seconds/total, 4)}
		if l.flop > 0 {
			o.GFLOPS = round(l.flop/l.seconds/1e9, 1)
		}
		table = append(table, o)
	}
	slices.SortFunc(table, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(b.MS, a.MS), cmp.Compare(a.Name, b.Name))
	})
	return table
}
