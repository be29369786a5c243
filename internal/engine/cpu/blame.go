package cpu

import (
	"fmt"
	"strings"

	"lfm/internal/engine"
)

// Blame computes the passes once more, step by step, and names the first tensor that is
// not finite. Inputs and parameters are as the last step found them, as that step, whose
// loss or norm was not finite, moved nothing.
func (m *Machine) Blame() string {
	m.backend.mu.Lock()
	defer m.backend.mu.Unlock()
	for i := range m.plan.Values {
		if v := &m.plan.Values[i]; v.Node.Op() == nil && !finite(m.values[i]) {
			return fmt.Sprintf("%s %s %v", m.plan.Place(i), v.Name, v.Shape)
		}
	}
	for i := range m.passes {
		pass := &m.plan.Passes[i]
		if pass.Elements > 0 {
			if s := m.blameChain(i); s != nil {
				return m.describe(s)
			}
			continue
		}
		m.runPhases(m.passes[i])
		for _, v := range pass.Steps[0].Out {
			if v >= 0 && !finite(m.values[v]) {
				return m.describe(&pass.Steps[0])
			}
		}
	}
	return ""
}

// blameChain runs a chain and looks at every block of every step. The step that comes first
// in the chain is the one to blame, in whichever block it went wrong.
func (m *Machine) blameChain(pass int) *engine.Step {
	links, elements := m.chains[pass], m.plan.Passes[pass].Elements
	first := len(links)
	for from := 0; from < elements; from += blockSize {
		to := min(from+blockSize, elements)
		for k := range links {
			links[k].run(m, 0, from, to)
			if k < first && !finite(links[k].out.block(m.scratch[0], from, to)) {
				first = k
			}
		}
	}
	if first == len(links) {
		return nil
	}
	return links[first].step
}

// describe names a step with the shapes that it works on.
func (m *Machine) describe(s *engine.Step) string {
	var operands []string
	for _, v := range s.In {
		operands = append(operands, fmt.Sprint(m.plan.Values[v].Shape))
	}
	return s.Name + " of " + strings.Join(operands, ", ")
}

func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 { // infinities and NaNs leave a NaN
			return false
		}
	}
	return true
}
