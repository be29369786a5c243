package engine

import (
	"errors"
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/internal/ops"
)

// kindAdd is the kind of a sum, ours or gorgonia's.
var kindAdd = (&ops.AddOp{}).Kind()

// Compile makes the plan that computes outputs from the graph's leaves and then moves
// parameters by updates. With an update that has a gradient the first output is the loss,
// a single number: a step whose loss is not finite must not move anything.
func Compile(g *gorgonia.ExprGraph, outputs []*gorgonia.Node, updates []ops.Update) (*Plan, error) {
	c := &compiler{
		g:       g,
		plan:    &Plan{index: map[*gorgonia.Node]int{}},
		bundles: map[*gorgonia.Node][]int{},
		params:  map[*gorgonia.Node]bool{},
	}
	if err := c.check(outputs, updates); err != nil {
		return nil, fmt.Errorf("engine: compile: %w", err)
	}
	order, err := c.order(outputs, updates)
	if err != nil {
		return nil, fmt.Errorf("engine: compile: %w", err)
	}
	for _, n := range order {
		if err := c.lower(n); err != nil {
			return nil, fmt.Errorf("engine: compile: node %d %s: %w", n.ID(), n.Name(), err)
		}
	}
	if err := c.finish(outputs, updates); err != nil {
		return nil, fmt.Errorf("engine: compile: %w", err)
	}
	c.fuse()
	c.modulate()
	c.modulateGrad()
	c.schedule()
	c.accumulate()
	c.chain()
	c.assign()
	c.measure()
	return c.plan, nil
}

// compiler holds what Compile knows on its way. Steps are first collected in steps, in a
// valid order, then scheduled, then cut into the plan's passes.
type compiler struct {
	g       *gorgonia.ExprGraph
	plan    *Plan
	bundles map[*gorgonia.Node][]int // values of the results of an operation with several
	params  map[*gorgonia.Node]bool
	kept    []bool
	steps   []Step
	point   []bool // by step: point-wise

	producer map[int]int // by value that no view is: the step that computes it
	pass     []int       // by step: its pass
	lastUse  []int       // by value that no view is: the last step reading it or a view of it; -1 none
}

// check looks at what the caller gave.
func (c *compiler) check(outputs []*gorgonia.Node, updates []ops.Update) error {
	trains := false
	for i, u := range updates {
		switch {
		case u.Param == nil:
			return fmt.Errorf("update %d has no parameter", i)
		case u.Param.Op() != nil:
			return fmt.Errorf("update %d: %s is computed; a parameter is a leaf", i, u.Param.Name())
		case c.params[u.Param]:
			return fmt.Errorf("update %d: %s has two updates", i, u.Param.Name())
		case u.Grad != nil && elements(u.Grad.Shape()) != elements(u.Param.Shape()):
			return fmt.Errorf("update %d: %s is %v, its gradient %v", i, u.Param.Name(), u.Param.Shape(), u.Grad.Shape())
		}
		c.params[u.Param] = true
		trains = trains || u.Grad != nil
	}
	for i, n := range outputs {
		if n == nil {
			return fmt.Errorf("output %d is nil", i)
		}
	}
	if trains && (len(outputs) == 0 || elements(outputs[0].Shape()) != 1) {
		return errors.New("with updates the first output is the loss, one number")
	}
	return nil
}

// order lists the nodes that outputs and updates need, operands first, in gorgonia's
// stable topological order.
func (c *compiler) order(outputs []*gorgonia.Node, updates []ops.Update) ([]*gorgonia.Node, error) {
	sorted, err := gorgonia.Sort(c.g) // results first
	if err != nil {
		return nil, err
	}
	needed := map[*gorgonia.Node]bool{}
	for _, n := range outputs {
		needed[n] = true
	}
	for _, u := range updates {
		needed[u.Param] = true
		if u.Grad != nil {
			needed[u.Grad] = true
		}
	}
	wanted := len(needed)
	var order []*gorgonia.Node
	for _, n := range sorted {
		if !needed[n] {
			continue
		}
		// After RemoveNode an ID may lead to another node, and From to another's operands.
		if c.g.Node(n.ID()) != n {
			return nil, fmt.Errorf("the graph's index is stale at node %d %s: a node was removed", n.ID(), n.Name())
		}
		for _, operand := range ops.Inputs(n) {
			needed[operand] = true
		}
		order = append(order, n)
	}
	if len(order) < len(needed) {
		return nil, fmt.Errorf("%d of the %d outputs and updates are not in the graph", len(needed)-len(order), wanted)
	}
	for i, j := 0, len(order)-1; i < j; i, j = i+1, j-1 {
		order[i], order[j] = order[j], order[i]
	}
	return order, nil
}

// lower turns a node into a value, and a step where something is to be computed.
func (c *compiler) lower(n *gorgonia.Node) error {
	if n.Op() == nil {
		return c.leaf(n)
	}
	in := ops.Inputs(n)
	if len(in) == 0 {
		return c.constant(n)
	}
	op, ours := n.Op().(ops.Op)
	if !ours {
		return c.foreign(n, in)
	}
	if part, ok := op.(*ops.PartOp); ok {
		results := c.bundles[in[0]]
		if results == nil {
			return fmt.Errorf("takes a part of %s, which has a single result", in[0].Name())
		}
		c.plan.index[n] = results[part.Index]
		return nil
	}

	values, err := c.values(in)
	if err != nil {
		return err
	}
	if offset, ok := viewOffset(op, in[0].Shape()); ok {
		c.add(n, Value{Shape: n.Shape(), Offset: offset}, values[0])
		return nil
	}
	shapes := make([]tensor.Shape, len(in))
	for i, operand := range in {
		shapes[i] = operand.Shape()
	}
	results := op.Results(shapes)
	if len(results) == 1 {
		results[0] = n.Shape()
	}
	return c.step(n, op, op.Kind(), values, results)
}

func (c *compiler) leaf(n *gorgonia.Node) error {
	if n.Dtype() != tensor.Float32 {
		return fmt.Errorf("is %v; everything here is float32", n.Dtype())
	}
	place := Input
	if c.params[n] {
		place = Param
	}
	v := c.add(n, Value{Name: n.Name(), Shape: n.Shape()}, -1)
	c.buffer(v, place)
	if place == Input {
		c.plan.Inputs = append(c.plan.Inputs, v)
	}
	return nil
}

func (c *compiler) constant(n *gorgonia.Node) error {
	v := Value{Name: n.Name(), Shape: n.Shape()}
	switch data := n.Value().Data().(type) {
	case float32:
		v.Data = []float32{data}
	case []float32:
		v.Data = data
	default:
		return fmt.Errorf("is a constant of %T; everything here is float32", data)
	}
	c.buffer(c.add(n, v, -1), Constant)
	return nil
}

// foreign takes the one operation of gorgonia's own that its differentiation puts between
// ours: the sum where gradients meet.
func (c *compiler) foreign(n *gorgonia.Node, in []*gorgonia.Node) error {
	if !ops.IsSum(n) || elements(in[0].Shape()) != elements(in[1].Shape()) {
		return fmt.Errorf("operation %T (%v) is not one of internal/ops", n.Op(), n.Op())
	}
	values, err := c.values(in)
	if err != nil {
		return err
	}
	return c.step(n, n.Op(), kindAdd, values, []tensor.Shape{n.Shape()})
}

func (c *compiler) step(n *gorgonia.Node, op gorgonia.Op, kind ops.Kind, in []int, results []tensor.Shape) error {
	s := Step{Kind: kind, Op: op, Name: fmt.Sprintf("%s#%d", kind, n.ID()), In: in, Results: results}
	for i, shape := range results {
		v := Value{Name: s.Name, Shape: shape}
		if len(results) > 1 {
			v.Name = fmt.Sprintf("%s.%d", s.Name, i)
		}
		id := c.add(n, v, -1)
		s.Out = append(s.Out, id)
	}
	if len(results) > 1 {
		c.bundles[n] = s.Out
		delete(c.plan.index, n)
	}
	_, pointwise := op.(ops.Pointwise)
	c.steps = append(c.steps, s)
	c.point = append(c.point, pointwise || kind == kindAdd)
	return nil
}

// add makes a value for a node, a view of another value unless base is -1.
func (c *compiler) add(n *gorgonia.Node, v Value, base int) int {
	id := len(c.plan.Values)
	v.Node, v.Buffer = n, -1
	root := id
	if base >= 0 {
		root = c.root(base)
		v.Offset += c.plan.Values[base].Offset
		v.Name = c.plan.Values[base].Name
	}
	v.Root = root
	c.plan.Values = append(c.plan.Values, v)
	c.plan.index[n] = id
	return id
}

// root is the value that v is a view of, v itself if none: the one that is computed.
func (c *compiler) root(v int) int { return c.plan.Values[v].Root }

func (c *compiler) values(nodes []*gorgonia.Node) ([]int, error) {
	values := make([]int, len(nodes))
	for i, n := range nodes {
		v, ok := c.plan.index[n]
		if !ok {
			return nil, fmt.Errorf("reads all results of %s at once; take them by ops.Part", n.Name())
		}
		values[i] = v
	}
	return values, nil
}

// viewOffset says whether an operation only looks at its first operand's memory, and how
// many floats from the beginning.
func viewOffset(op ops.Op, shape tensor.Shape) (int, bool) {
	switch op := op.(type) {
	case *ops.ReshapeOp:
		return 0, true
	case *ops.SliceOp:
		width := shape[len(shape)-1]
		return op.From, elements(shape) == width // a single row is contiguous
	}
	return 0, false
}

// finish notes what must outlive the passes, and drops results that nobody reads.
func (c *compiler) finish(outputs []*gorgonia.Node, updates []ops.Update) error {
	p := c.plan
	c.kept = make([]bool, len(p.Values))
	for _, n := range outputs {
		v, err := c.values([]*gorgonia.Node{n})
		if err != nil {
			return fmt.Errorf("an output %w", err)
		}
		c.kept[c.root(v[0])] = true
		p.Outputs = append(p.Outputs, v[0])
	}
	for _, u := range updates {
		entry := Update{Param: p.index[u.Param], Grad: -1}
		if u.Grad != nil {
			v, err := c.values([]*gorgonia.Node{u.Grad})
			if err != nil {
				return fmt.Errorf("the update of %s %w", u.Param.Name(), err)
			}
			c.kept[c.root(v[0])] = true
			entry = Update{Param: entry.Param, Grad: v[0], Decay: u.Decay, EMA: u.EMA}
		}
		p.Updates = append(p.Updates, entry)
	}
	read := make([]bool, len(p.Values))
	for _, s := range c.steps {
		for _, v := range s.In {
			read[c.root(v)] = true
		}
	}
	for _, s := range c.steps {
		for i, v := range s.Out {
			if !read[v] && !c.kept[v] {
				s.Out[i] = -1
			}
		}
	}
	return nil
}

// schedule fixes the order of the steps: that of gorgonia's sort, which follows the order in
// which nodes were made, so that an operation's gradients are computed one behind the other
// and its activations live no longer than they must. The exception: a point-wise step that
// can follow the point-wise step just taken goes first, to become one pass with it.
func (c *compiler) schedule() {
	c.producer = c.producers()
	missing := make([]int, len(c.steps)) // operands not yet computed
	readers := make([][]int, len(c.steps))
	for i, s := range c.steps {
		for _, v := range s.In {
			if j, ok := c.producer[c.root(v)]; ok {
				missing[i]++
				readers[j] = append(readers[j], i)
			}
		}
	}
	var ready []int
	for i := range c.steps {
		if missing[i] == 0 {
			ready = append(ready, i)
		}
	}
	var order []int
	for previous := -1; len(ready) > 0; {
		pick := 0
		for k := range ready {
			a, b := ready[k], ready[pick]
			if fa, fb := c.follows(previous, a), c.follows(previous, b); fa != fb {
				if fa {
					pick = k
				}
			} else if a < b {
				pick = k
			}
		}
		previous = ready[pick]
		ready = append(ready[:pick], ready[pick+1:]...)
		order = append(order, previous)
		for _, i := range readers[previous] {
			if missing[i]--; missing[i] == 0 {
				ready = append(ready, i)
			}
		}
	}
	steps, point := make([]Step, len(order)), make([]bool, len(order))
	for to, from := range order {
		steps[to], point[to] = c.steps[from], c.point[from]
	}
	c.steps, c.point = steps, point
}

// producers gives the step that computes a value.
func (c *compiler) producers() map[int]int {
	producer := map[int]int{}
	for i, s := range c.steps {
		for _, v := range s.Out {
			producer[v] = i
		}
	}
	return producer
}

// follows says whether step b reads a result of step a and both are point-wise over the
// same number of elements.
func (c *compiler) follows(a, b int) bool {
	if a < 0 || !c.chains(&c.steps[a], c.point[a], &c.steps[b], c.point[b]) {
		return false
	}
	for _, v := range c.steps[b].In {
		if j, ok := c.producer[c.root(v)]; ok && j == a {
			return true
		}
	}
	return false
}

func (c *compiler) chains(a *Step, pointA bool, b *Step, pointB bool) bool {
	return pointA && pointB && c.elements(a) == c.elements(b)
}

// elements is the number of elements that a point-wise step works on.
func (c *compiler) elements(s *Step) int { return c.plan.Values[s.In[0]].Size() }

// chain cuts the steps into passes.
func (c *compiler) chain() {
	p := c.plan
	c.pass = make([]int, len(c.steps))
	for i, s := range c.steps {
		if i == 0 || !c.chains(&c.steps[i-1], c.point[i-1], &s, c.point[i]) {
			pass := Pass{}
			if c.point[i] {
				pass.Elements = c.elements(&s)
			}
			p.Passes = append(p.Passes, pass)
		}
		last := &p.Passes[len(p.Passes)-1]
		last.Steps = append(last.Steps, s)
		c.pass[i] = len(p.Passes) - 1
	}
	c.lastUse = make([]int, len(p.Values))
	for v := range c.lastUse {
		c.lastUse[v] = -1
		if c.kept[v] {
			c.lastUse[v] = math.MaxInt
		}
	}
	for i, s := range c.steps {
		for _, v := range s.In {
			c.lastUse[c.root(v)] = max(c.lastUse[c.root(v)], i)
		}
	}
}

// assign gives every result a buffer: a block-local slot where only its own pass reads it,
// the buffer of an operand that dies in this very step where that is safe, or a new one.
func (c *compiler) assign() {
	p := c.plan
	var slots slotAllocator
	for i, s := range c.steps {
		pass := &p.Passes[c.pass[i]]
		if i == 0 || c.pass[i] != c.pass[i-1] {
			slots = slotAllocator{}
		}
		for _, v := range s.In { // slots of operands that end here may take the results
			if b := p.Values[c.root(v)].Buffer; p.Buffers[b].Place == Local && c.lastUse[c.root(v)] == i {
				slots.release(p.Buffers[b].Offset)
			}
		}
		for k, v := range s.Out {
			if v < 0 {
				continue
			}
			last := c.lastUse[v]
			if c.point[i] && last < len(c.steps) && c.pass[last] == c.pass[i] {
				b := c.buffer(v, Local)
				p.Buffers[b].Offset = slots.take()
				pass.Slots = max(pass.Slots, slots.most)
				continue
			}
			b := c.reusable(i, k)
			if b < 0 {
				b = c.buffer(v, Arena)
				p.Buffers[b].First = c.pass[i]
			}
			p.Values[v].Buffer = b
			end := len(p.Passes)
			if last < len(c.steps) {
				end = c.pass[last]
			}
			p.Buffers[b].Last = max(p.Buffers[b].Last, end)
		}
	}
	for v := range p.Values {
		p.Values[v].Buffer = p.Values[c.root(v)].Buffer
	}
}

// reusable finds an operand of step i whose buffer its k-th result may take over, or -1.
func (c *compiler) reusable(i, k int) int {
	s, p := &c.steps[i], c.plan
	size := p.Values[s.Out[k]].Size()
	for j, v := range s.In {
		root := c.root(v)
		b := p.Values[root].Buffer
		if p.Buffers[b].Place != Arena || p.Buffers[b].Size != size || p.Values[v].Size() != size || c.lastUse[root] != i {
			continue
		}
		if !c.point[i] && !s.inPlace(j, k) {
			continue
		}
		taken := false
		for _, other := range s.Out[:k] {
			taken = taken || other >= 0 && p.Values[other].Buffer == b
		}
		if !taken {
			return b
		}
	}
	return -1
}

// buffer makes a new buffer for a value.
func (c *compiler) buffer(value int, place Place) int {
	p := c.plan
	b := len(p.Buffers)
	p.Buffers = append(p.Buffers, Buffer{Place: place, Size: p.Values[value].Size()})
	p.Values[value].Buffer = b
	return b
}

// measure places all buffers and sums up.
func (c *compiler) measure() {
	p := c.plan
	totals := map[Place]int{Arena: placeArena(p.Buffers)}
	for i := range p.Buffers {
		if b := &p.Buffers[i]; b.Place != Arena && b.Place != Local {
			b.Offset = totals[b.Place]
			totals[b.Place] += Align(b.Size)
		}
	}
	p.Sizes = Sizes{Arena: totals[Arena], Inputs: totals[Input], Constants: totals[Constant], Params: totals[Param]}
	for _, u := range p.Updates {
		size := Align(p.Values[u.Param].Size())
		if u.Trained() {
			p.Sizes.Moments += 2 * size
		}
		if u.EMA {
			p.Sizes.Averages += size
		}
	}
}

// slotAllocator hands out the lowest free number.
type slotAllocator struct {
	used []bool
	most int
}

func (a *slotAllocator) take() int {
	for i, used := range a.used {
		if !used {
			a.used[i] = true
			return i
		}
	}
	a.used = append(a.used, true)
	a.most = len(a.used)
	return a.most - 1
}

func (a *slotAllocator) release(slot int) { a.used[slot] = false }
