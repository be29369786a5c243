package cpu

import (
	"errors"
	"fmt"
	"time"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/ops"
)

// Machine runs one plan.
type Machine struct {
	backend *Backend
	plan    *engine.Plan
	values  [][]float32 // by value; nil for one that is local to a chain
	passes  [][]phase
	chains  [][]link    // by pass; nil for a single step that is not point-wise
	params  []parameter // by update of the plan
	owned   []*memory
	bytes   int64

	scratch  [][]float32    // by worker
	operands [][4][]float32 // by worker: of the point-wise step at hand
	update   updater
	report   engine.Report
	profile  func(pass int, d time.Duration)
}

var _ engine.Machine = (*Machine)(nil)

// Open makes a machine for a plan: memory, kernels bound to it, and the values that leaves
// carry. A kind without kernel is an error here.
func (b *Backend) Open(p *engine.Plan, o engine.Options) (engine.Machine, error) {
	m := &Machine{backend: b, plan: p}
	if err := m.open(o); err != nil {
		for _, block := range m.owned {
			block.release()
		}
		return nil, err
	}
	return m, nil
}

func (m *Machine) open(o engine.Options) error {
	need := m.plan.Peak()
	if o.Share != nil {
		sizes := m.plan.Sizes
		need = int64(4 * (sizes.Arena + sizes.Inputs + sizes.Constants))
	}
	if err := fits(need, o); err != nil {
		return err
	}
	if err := m.openParams(o); err != nil {
		return err
	}
	b := &binder{m: m}
	if err := b.measure(); err != nil {
		return err
	}
	need += int64(4 * b.total())
	if err := fits(need, o); err != nil {
		return err
	}
	m.bytes = need
	if err := m.openValues(); err != nil {
		return err
	}
	if err := b.bind(); err != nil {
		return err
	}
	m.update.open(m)
	return m.start(o.Share != nil)
}

// fits compares bytes with the limit.
func fits(need int64, o engine.Options) error {
	limit := o.Limit
	if limit == 0 {
		limit = systemMemory()
	}
	if limit > 0 && need > limit {
		return &engine.MemoryError{Need: need, Limit: limit}
	}
	return nil
}

// allocate gives the machine a block of its own.
func (m *Machine) allocate(floats int) ([]float32, error) {
	block, err := newMemory(floats)
	if err != nil {
		return nil, err
	}
	m.owned = append(m.owned, block)
	return block.floats, nil
}

// openValues finds every value its memory.
func (m *Machine) openValues() error {
	p := m.plan
	arena, err := m.allocate(p.Sizes.Arena)
	if err != nil {
		return err
	}
	fixed, err := m.allocate(p.Sizes.Inputs + p.Sizes.Constants)
	if err != nil {
		return err
	}
	inputs, constants := fixed[:p.Sizes.Inputs], fixed[p.Sizes.Inputs:]
	weights := map[int][]float32{}
	for i, u := range p.Updates {
		weights[u.Param] = m.params[i].weights
	}
	m.values = make([][]float32, len(p.Values))
	for i := range p.Values {
		v := &p.Values[i]
		if v.Buffer < 0 {
			continue
		}
		buffer := p.Buffers[v.Buffer]
		from := buffer.Offset + v.Offset
		to := from + v.Size()
		switch buffer.Place {
		case engine.Arena:
			m.values[i] = arena[from:to:to]
		case engine.Input:
			m.values[i] = inputs[from:to:to]
		case engine.Constant:
			m.values[i] = constants[from:to:to]
			if v.Data != nil {
				copy(m.values[i], v.Data)
			}
		case engine.Param:
			w := weights[v.Root]
			m.values[i] = w[v.Offset : v.Offset+v.Size() : v.Offset+v.Size()]
		}
	}
	return nil
}

// start copies the values that leaves carry from gorgonia.
func (m *Machine) start(shared bool) error {
	for i := range m.plan.Values {
		v := &m.plan.Values[i]
		if v.Node.Op() != nil || v.Node.Value() == nil || shared && m.plan.Place(i) == engine.Param {
			continue
		}
		data, err := ops.Floats(v.Node.Value())
		if err != nil {
			return fmt.Errorf("cpu: the value of %s: %w", v.Name, err)
		}
		if len(data) != v.Size() {
			return fmt.Errorf("cpu: the value of %s has %d numbers, its shape is %v", v.Name, len(data), v.Shape)
		}
		m.Set(v.Node, data)
	}
	return nil
}

// Plan is what the machine runs.
func (m *Machine) Plan() *engine.Plan { return m.plan }

// Memory is what the machine holds, in bytes.
func (m *Machine) Memory() int64 { return m.bytes }

// RunAll computes the outputs, and moves the parameters if the plan has updates.
func (m *Machine) RunAll() error {
	m.backend.mu.Lock()
	defer m.backend.mu.Unlock()
	if m.values == nil {
		return errors.New("cpu: the machine is closed")
	}
	for i, phases := range m.passes {
		if m.profile == nil {
			m.runPhases(phases)
			continue
		}
		begin := time.Now()
		m.runPhases(phases)
		m.profile(i, time.Since(begin))
	}
	begin := time.Time{}
	if m.profile != nil {
		begin = time.Now()
	}
	m.report = m.update.run(m)
	if m.profile != nil {
		m.profile(len(m.passes), time.Since(begin))
	}
	return nil
}

func (m *Machine) runPhases(phases []phase) {
	for i := range phases {
		p := &phases[i]
		if p.made != nil {
			version := p.made.from.version.Load()
			if p.made.version == version {
				continue
			}
			p.made.version = version
		}
		m.backend.pool.doAt(p.rates, p.items, p.least, p.run)
	}
}

// Reset is there for gorgonia.VM; a machine is always ready to run again.
func (m *Machine) Reset() {}

// Close gives the memory back, but for parameters that another machine shares.
func (m *Machine) Close() error {
	m.backend.mu.Lock()
	defer m.backend.mu.Unlock()
	for _, block := range m.owned {
		block.release()
	}
	m.owned, m.values, m.passes, m.chains, m.params, m.scratch = nil, nil, nil, nil, nil, nil
	m.update = updater{}
	return nil
}

// Set fills an input or starts a parameter.
func (m *Machine) Set(n *gorgonia.Node, v []float32) {
	i := m.find("set", n, len(v))
	switch m.plan.Place(i) {
	case engine.Input:
		copy(m.values[i], v)
	case engine.Param:
		p := m.param(n)
		copy(p.weights, v)
		copy(p.average, v)
		clear(p.moment1)
		clear(p.moment2)
		p.block.version.Add(1)
	default:
		panic(fmt.Sprintf("cpu: set: %s is computed", n.Name()))
	}
}

// Get copies an input, a parameter, an output or a wanted gradient out.
func (m *Machine) Get(n *gorgonia.Node, dst []float32) {
	i := m.find("get", n, len(dst))
	if m.values[i] == nil || m.plan.Place(i) == engine.Arena && m.plan.Buffers[m.plan.Values[i].Buffer].Last < len(m.plan.Passes) {
		panic(fmt.Sprintf("cpu: get: %s is not an output", m.plan.Values[i].Name))
	}
	copy(dst, m.values[i])
}

func (m *Machine) find(verb string, n *gorgonia.Node, length int) int {
	i := m.plan.Value(n)
	if i < 0 {
		panic(fmt.Sprintf("cpu: %s: node %s is not in the plan", verb, n.Name()))
	}
	if size := m.plan.Values[i].Size(); size != length {
		panic(fmt.Sprintf("cpu: %s: %d numbers for %s, which has %d", verb, length, m.plan.Values[i].Name, size))
	}
	return i
}

// SetScalars gives the optimizer's numbers for the steps to come.
func (m *Machine) SetScalars(s engine.Scalars) { m.update.scalars = s }

// Report says what became of the last step.
func (m *Machine) Report() engine.Report { return m.report }

// Profile has f called after every pass; nil turns it off.
func (m *Machine) Profile(f func(pass int, d time.Duration)) { m.profile = f }
