package cpu

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/engine"
)

// parameter is the memory of one parameter: what a machine computes with, and what the
// optimizer keeps beside it. A state that is not kept is nil.
type parameter struct {
	node    *gorgonia.Node
	name    string
	shape   tensor.Shape
	trained bool
	block   *memory // where all of it lies

	weights, moment1, moment2, average []float32
}

// openParams makes or borrows the memory of all parameters.
func (m *Machine) openParams(o engine.Options) error {
	if o.Share == nil {
		if o.Weights != engine.Raw {
			return fmt.Errorf("cpu: averaged weights come from a machine to share with")
		}
		return m.ownParams()
	}
	source, ok := o.Share.(*Machine)
	if !ok {
		return fmt.Errorf("cpu: cannot share parameters with a %T", o.Share)
	}
	for _, u := range m.plan.Updates {
		v := &m.plan.Values[u.Param]
		k := slices.IndexFunc(source.params, func(p parameter) bool { return p.name == v.Name })
		if k < 0 {
			return fmt.Errorf("cpu: the machine to share with has no parameter %s", v.Name)
		}
		p, err := source.params[k].lend(v, u, o.Weights)
		if err != nil {
			return err
		}
		p.block.retain()
		m.owned = append(m.owned, p.block)
		m.params = append(m.params, p)
	}
	return nil
}

// ownParams gives the machine parameters of its own.
func (m *Machine) ownParams() error {
	s := m.plan.Sizes
	rest, err := m.allocate(s.Params + s.Moments + s.Averages)
	if err != nil {
		return err
	}
	block := m.owned[len(m.owned)-1]
	block.version.Store(1)
	for _, u := range m.plan.Updates {
		v := &m.plan.Values[u.Param]
		p := parameter{node: v.Node, name: v.Name, shape: v.Shape, trained: u.Trained(), block: block}
		take := func(wanted bool) []float32 {
			if !wanted {
				return nil
			}
			n := v.Size()
			part := rest[:n:n]
			rest = rest[min(engine.Align(n), len(rest)):]
			return part
		}
		p.weights = take(true)
		p.moment1 = take(u.Trained())
		p.moment2 = take(u.Trained())
		p.average = take(u.EMA)
		m.params = append(m.params, p)
	}
	return nil
}

// lend gives a parameter as another machine's plan wants it.
func (p parameter) lend(v *engine.Value, u engine.Update, w engine.Weights) (parameter, error) {
	if !p.shape.Eq(v.Shape) {
		return p, fmt.Errorf("cpu: parameter %s is %v in the machine to share with, %v here", p.name, p.shape, v.Shape)
	}
	if w == engine.Average {
		switch {
		case u.Trained():
			return p, fmt.Errorf("cpu: parameter %s: moving averages are not trained", p.name)
		case p.average != nil:
			p.weights = p.average
		case p.trained:
			return p, fmt.Errorf("cpu: no moving average is kept of parameter %s", p.name)
		}
	}
	if !u.Trained() {
		p.moment1, p.moment2, p.average = nil, nil, nil
	} else if p.moment1 == nil || u.EMA && p.average == nil {
		return p, fmt.Errorf("cpu: parameter %s is trained here and not in the machine to share with", p.name)
	}
	p.node, p.trained = v.Node, u.Trained()
	return p, nil
}

// param finds the parameter of a node; not being one is a mistake of the program.
func (m *Machine) param(n *gorgonia.Node) *parameter {
	for i := range m.params {
		if m.params[i].node == n {
			return &m.params[i]
		}
	}
	panic(fmt.Sprintf("cpu: %s is not a parameter", n.Name()))
}

func (p *parameter) state(s engine.State) []float32 {
	return [...][]float32{p.weights, p.moment1, p.moment2, p.average}[s]
}

// State copies a parameter's state out; false if it is not kept.
func (m *Machine) State(n *gorgonia.Node, s engine.State, dst []float32) bool {
	state := m.stateOf("state", n, s, len(dst))
	copy(dst, state)
	return state != nil
}

// SetState copies a parameter's state in; false if it is not kept.
func (m *Machine) SetState(n *gorgonia.Node, s engine.State, v []float32) bool {
	state := m.stateOf("set state", n, s, len(v))
	copy(state, v)
	m.param(n).block.version.Add(1)
	return state != nil
}

func (m *Machine) stateOf(verb string, n *gorgonia.Node, s engine.State, length int) []float32 {
	m.find(verb, n, length)
	return m.param(n).state(s)
}
