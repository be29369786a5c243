package profile

import (
	"strings"

	"gorgonia.org/tensor"

	"lfm/internal/engine"
)

// Cost is what a pass costs.
type Cost struct {
	Name  string  // its kinds, and the size of its first step
	FLOP  float64 // 0 where work is not counted
	Bytes float64 // of operands and results
}

// Of is the cost of a pass of a plan.
func Of(plan *engine.Plan, pass engine.Pass) Cost {
	var c Cost
	var size string
	for i, s := range pass.Steps {
		var in []tensor.Shape
		for _, v := range s.In {
			in = append(in, plan.Values[v].Shape)
		}
		flop, text := work(s.Op, in)
		if c.FLOP += flop; i == 0 {
			size = text
		}
	}
	c.Name = strings.TrimSpace(pass.Label() + " " + size)
	c.Bytes = bytes(plan, pass)
	return c
}

// bytes counts what a pass reads and writes, but for what never leaves a chain's blocks.
func bytes(plan *engine.Plan, pass engine.Pass) (total float64) {
	seen := map[int]bool{}
	touch := func(values []int) {
		for _, v := range values {
			if v < 0 || seen[v] || plan.Values[v].Buffer < 0 || plan.Place(v) == engine.Local {
				continue
			}
			seen[v] = true
			total += 4 * float64(plan.Values[v].Size())
		}
	}
	for _, s := range pass.Steps {
		touch(s.In)
		touch(s.Out)
	}
	return total
}

// Update is the cost of a plan's updates: AdamW reads weights, gradient and two moments, and
// writes all but the gradient; an average is read and written.
func Update(plan *engine.Plan) Cost {
	c := Cost{Name: "update"}
	for _, u := range plan.Updates {
		n := 4 * float64(plan.Values[u.Param].Size())
		if u.Trained() {
			c.Bytes += 7 * n
		}
		if u.EMA {
			c.Bytes += 2 * n
		}
	}
	return c
}

// Costs are those of all passes, and of the updates behind them: as Machine.Profile counts.
func Costs(plan *engine.Plan) []Cost {
	costs := make([]Cost, 0, len(plan.Passes)+1)
	for _, pass := range plan.Passes {
		costs = append(costs, Of(plan, pass))
	}
	return append(costs, Update(plan))
}
