package engine

import (
	"fmt"
	"slices"
)

// Check proves that the plan's memory is sound, by walking through the passes with nothing
// but the final offsets: whatever a step reads must still be what was written there, and
// outputs must be there at the end. It is slow, and meant for tests and for the suspicious.
func (p *Plan) Check() error {
	var m ownership
	for i, pass := range p.Passes {
		if err := p.checkPass(&m, &pass); err != nil {
			return fmt.Errorf("engine: check: pass %d (%s): %w", i, pass.Label(), err)
		}
	}
	for _, v := range p.Outputs {
		if err := p.reads(&m, v); err != nil {
			return fmt.Errorf("engine: check: at the end: %w", err)
		}
	}
	for _, u := range p.Updates {
		if u.Trained() {
			if err := p.reads(&m, u.Grad); err != nil {
				return fmt.Errorf("engine: check: at the end: %w", err)
			}
		}
	}
	return nil
}

// checkPass runs one pass. In a chain a later step's block is written before an earlier
// step's next block is read, so results may meet memory that the pass reads only where
// both are the very same stretch, and no step reads that stretch's old content afterwards.
func (p *Plan) checkPass(m *ownership, pass *Pass) error {
	local := map[int]int{} // slot: value
	for _, s := range pass.Steps {
		for _, v := range s.In {
			if b := p.Buffers[p.Values[v].Buffer]; b.Place == Local {
				if owner, ok := local[b.Offset]; !ok || owner != p.Values[v].Root {
					return fmt.Errorf("%s reads slot %d, which holds something else", s.Name, b.Offset)
				}
			} else if err := p.reads(m, v); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
		for _, v := range s.Out {
			if v < 0 {
				continue
			}
			b := p.Buffers[p.Values[v].Buffer]
			switch {
			case b.Place == Local && (pass.Elements == 0 || b.Offset >= pass.Slots):
				return fmt.Errorf("%s writes slot %d of %d", s.Name, b.Offset, pass.Slots)
			case b.Place == Local:
				local[b.Offset] = v
			case b.Place == Arena:
				if err := p.checkWrite(pass, &s, v); err != nil {
					return err
				}
				m.write(b.Offset, b.Offset+p.Values[v].Size(), v)
			default:
				return fmt.Errorf("%s writes %s memory", s.Name, b.Place)
			}
		}
	}
	return nil
}

// checkWrite compares where s writes v with all other arena operands of the pass.
func (p *Plan) checkWrite(pass *Pass, s *Step, v int) error {
	from, to := p.stretch(v)
	if to > p.Sizes.Arena {
		return fmt.Errorf("%s writes beyond the arena", s.Name)
	}
	for _, other := range pass.Steps {
		mine := other.Name == s.Name
		for _, w := range slices.Concat(other.In, other.Out) {
			if w < 0 || w == v || p.Place(w) != Arena {
				continue
			}
			a, b := p.stretch(w)
			if b <= from || to <= a {
				continue
			}
			same := a == from && b == to
			switch {
			case mine && slices.Contains(s.Out, w):
				return fmt.Errorf("%s writes two results over each other", s.Name)
			case !same:
				return fmt.Errorf("%s writes over a part of %s", s.Name, p.Values[w].Name)
			case mine && pass.Elements == 0 && !p.mayReplace(s, w, v):
				return fmt.Errorf("%s cannot work in place", s.Name)
			}
		}
	}
	return nil
}

func (p *Plan) mayReplace(s *Step, operand, result int) bool {
	for j, v := range s.In {
		if v == operand && !s.inPlace(j, slices.Index(s.Out, result)) {
			return false
		}
	}
	return true
}

func (p *Plan) stretch(v int) (from, to int) {
	value := &p.Values[v]
	from = p.Buffers[value.Buffer].Offset + value.Offset
	return from, from + value.Size()
}

// reads checks that the memory of a value still holds it.
func (p *Plan) reads(m *ownership, v int) error {
	if p.Place(v) != Arena {
		return nil
	}
	from, to := p.stretch(v)
	return m.read(from, to, p.Values[v].Root, p.Values[v].Name)
}

// ownership says which value each stretch of the arena holds.
type ownership []owned

type owned struct{ from, to, value int }

func (m *ownership) write(from, to, value int) {
	var next ownership
	for _, o := range *m {
		if o.from < from {
			next = append(next, owned{o.from, min(o.to, from), o.value})
		}
		if o.to > to {
			next = append(next, owned{max(o.from, to), o.to, o.value})
		}
	}
	next = append(next, owned{from, to, value})
	slices.SortFunc(next, func(a, b owned) int { return a.from - b.from })
	*m = next
}

func (m *ownership) read(from, to, value int, name string) error {
	for _, o := range *m {
		if o.to <= from || o.from >= to {
			continue
		}
		if o.value != value || o.from > from {
			return fmt.Errorf("reads %s, which was overwritten", name)
		}
		from = o.to
	}
	if from < to {
		return fmt.Errorf("reads %s, which was never written", name)
	}
	return nil
}
