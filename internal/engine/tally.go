package engine

import (
	"cmp"
	"slices"
	"time"
)

// Tally sums up a machine's profile by kind of operation.
//
//	tally := engine.NewTally(machine.Plan())
//	machine.Profile(tally.Add)
type Tally struct {
	plan  *Plan
	spent []time.Duration
	calls []int
}

// NewTally makes an empty tally for a plan's machines.
func NewTally(p *Plan) *Tally {
	return &Tally{plan: p, spent: make([]time.Duration, len(p.Passes)+1), calls: make([]int, len(p.Passes)+1)}
}

// Add notes one pass. It does not allocate.
func (t *Tally) Add(pass int, d time.Duration) {
	t.spent[pass] += d
	t.calls[pass]++
}

// TallyRow is the time that the passes of one label took together.
type TallyRow struct {
	Label string // the kinds of a pass, or "update"
	Calls int
	Time  time.Duration
}

// Rows lists the labels, the costliest first.
func (t *Tally) Rows() []TallyRow {
	var rows []TallyRow
	for i, d := range t.spent {
		if t.calls[i] == 0 {
			continue
		}
		label := "update"
		if i < len(t.plan.Passes) {
			label = t.plan.Passes[i].Label()
		}
		k := slices.IndexFunc(rows, func(r TallyRow) bool { return r.Label == label })
		if k < 0 {
			rows = append(rows, TallyRow{Label: label})
			k = len(rows) - 1
		}
		rows[k].Calls += t.calls[i]
		rows[k].Time += d
	}
	slices.SortStableFunc(rows, func(a, b TallyRow) int { return cmp.Compare(b.Time, a.Time) })
	return rows
}
