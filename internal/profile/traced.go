package profile

import (
	"strings"
	"time"

	"lfm/internal/engine"
	"lfm/internal/trace"
)

// Traced is a back end whose machines have tracks in a trace, each its own: a span a run, in
// it one a pass. Where nothing is traced it is b.
func Traced(b engine.Backend, p *trace.Process) engine.Backend {
	if p == nil {
		return b
	}
	return &traced{b, p}
}

type traced struct {
	engine.Backend
	process *trace.Process
}

func (t *traced) Open(plan *engine.Plan, o engine.Options) (engine.Machine, error) {
	m, err := t.Backend.Open(plan, o)
	if err != nil {
		return nil, err
	}
	track, costs, last := t.process.Track(trackName(plan)), Costs(plan), len(plan.Passes)
	var run trace.Span
	m.Profile(func(i int, d time.Duration) {
		now := time.Now()
		if i == 0 {
			run = track.BeginAt("run", now.Add(-d))
		}
		c := &costs[i]
		if i < last || c.Bytes > 0 {
			track.BeginAt(c.Name, now.Add(-d)).EndAt(now, c.FLOP, c.Bytes)
		}
		if i == last {
			run.EndAt(now, 0, 0)
		}
	})
	return m, nil
}

// trackName says what a machine does by its inputs: "machine: zt, t, labels, target, trains".
func trackName(plan *engine.Plan) string {
	names := make([]string, 0, len(plan.Inputs)+1)
	for _, v := range plan.Inputs {
		names = append(names, plan.Values[v].Name)
	}
	for _, u := range plan.Updates {
		if u.Trained() {
			names = append(names, "trains")
			break
		}
	}
	return "machine: " + strings.Join(names, ", ")
}
