package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lfm/artifacts"
)

// States of a node.
const (
	Cached      = "cached"      // what it makes is in the store
	Stale       = "stale"       // it was made before, but not from what stands there now
	Missing     = "missing"     // it was never made, or is lost
	Interrupted = "interrupted" // it was begun, and goes on where it stopped
)

// NodeStatus says what the next run would do with a node, and why.
type NodeStatus struct {
	Name     string       `json:"name"`
	Kind     string       `json:"kind"` // "dataset" for a data set
	State    string       `json:"state"`
	Reason   string       `json:"reason"`               // "" when cached
	ActionID artifacts.ID `json:"action_id,omitzero"`   // zero while an input is not made
	OutputID artifacts.ID `json:"output_id,omitzero"`   // zero unless cached
	Needs    []string     `json:"needs"`                // nodes that it is made from, without ports filled by way of others
	Source   bool         `json:"data_set,omitempty"`   // it is a data set
	Error    string       `json:"data_error,omitempty"` // why a data set cannot be read
}

// Status looks at every stage and the data sets that stages read, data sets first, in
// topological order. Nothing runs and nothing is published, but data sets are opened and
// digested. One that cannot be read is missing, with the reason; the store not being
// readable is an error.
func (r *Runner) Status(ctx context.Context) ([]NodeStatus, error) {
	_, _, statuses, err := r.plan(ctx, Options{})
	return statuses, err
}

// forcedReason is why a stage runs that need not.
const forcedReason = "forced"

// Plan is Status for what Run would do with the same options: of the nodes that they choose
// alone, and with those they force as good as gone. Its errors are Run's, as far as they can be
// foreseen: a data set that is not indexed yet is not known.
func (r *Runner) Plan(ctx context.Context, opt Options) ([]NodeStatus, error) {
	selected, found, statuses, err := r.plan(ctx, opt)
	if err != nil || !slices.ContainsFunc(statuses, func(s NodeStatus) bool { return !s.Source && s.State != Cached }) ||
		slices.ContainsFunc(statuses, func(s NodeStatus) bool { return s.Source && s.State != Cached }) {
		return statuses, err
	}
	if n, err := r.unfit(selected, found); err != nil {
		return nil, &StageError{Stage: n.Name, Err: err}
	}
	return statuses, nil
}

func (r *Runner) plan(ctx context.Context, opt Options) (selected []*Node, found []*finding, statuses []NodeStatus, err error) {
	c, err := r.Graph.choose(opt)
	if err != nil {
		return nil, nil, nil, err
	}
	if found, err = r.lookAll(ctx, c.wanted, c.forced); err != nil {
		return nil, nil, nil, err
	}
	for _, n := range c.selected {
		f := found[n.index]
		if f.artifact == nil {
			if err := c.unasked(n, f); err != nil {
				return nil, nil, nil, err
			}
		}
		s := NodeStatus{Name: n.Name, Kind: n.KindName(), State: f.state, Reason: f.reason, ActionID: f.action, Needs: n.NamedNeeds(), Source: n.IsSource()}
		if f.artifact != nil {
			s.OutputID = f.artifact.ID
		}
		if f.err != nil {
			s.Error = f.err.Error()
		}
		statuses = append(statuses, s)
	}
	return c.selected, found, statuses, nil
}

// unfit asks stages whether they can work with their data sets, all of which are indexed. It returns the first node that
// is at fault: a stage that cannot, or a data set whose facts cannot be read.
func (r *Runner) unfit(selected []*Node, found []*finding) (*Node, error) {
	tell, facts := r.Graph.kinds.Source.Facts, map[*Node]any{}
	if tell == nil {
		return nil, nil
	}
	for _, n := range selected {
		if !n.IsSource() {
			continue
		}
		var err error
		if facts[n], err = tell(found[n.index].artifact); err != nil {
			return n, err
		}
	}
	for _, n := range selected {
		if n.IsSource() || n.Kind.CheckData == nil {
			continue
		}
		err := n.Kind.CheckData(n.Config, func(ports ...string) any { return facts[n.behind(ports...)] })
		if err != nil {
			return n, r.Graph.locate(n, err)
		}
	}
	return nil, nil
}

// NamedNeeds names what a node is made from as pipeline.yaml says it.
func (n *Node) NamedNeeds() []string {
	names := []string{}
	if n.Data != nil {
		names = append(names, n.Data.Name)
	}
	if !n.IsSource() {
		for _, p := range n.Kind.Inputs {
			if from := n.Needs[p.Name]; p.Via == "" && from != nil {
				names = append(names, from.Name)
			}
		}
	}
	return names
}

// KeyText is the description whose hash is a stage's action ID. An output that is not
// made yet stands in it in words, and then the text is no key.
func (r *Runner) KeyText(ctx context.Context, name string) (string, error) {
	n, err := r.Graph.Node(name)
	if err != nil {
		return "", err
	}
	found, err := r.lookAll(ctx, r.Graph.upstream(n), nil)
	if err != nil {
		return "", err
	}
	if f := found[n.index]; f.err != nil {
		return "", f.err
	} else if f.key != "" {
		return f.key, nil
	}
	return r.Graph.keyText(n, func(in *Node) string {
		if a := found[in.index].artifact; a != nil {
			return a.ID.String()
		}
		return "(" + in.Name + " is not made yet)"
	}), nil
}

// Withdraw makes a stage and all that depends on it run again with the next Run: the store
// forgets where their actions led. First everything upstream is verified, every byte; what
// is missing or damaged there is an error, and nothing is withdrawn.
func (r *Runner) Withdraw(ctx context.Context, from string) error {
	n, err := r.Graph.Node(from)
	if err != nil {
		return err
	}
	done, err := r.Store.Use(ctx, r.waiting)
	if err != nil {
		return err
	}
	defer done()
	upstream, wanted := r.Graph.upstream(n), r.Graph.wanted(nil)
	maps.Copy(wanted, upstream)
	found, err := r.lookAll(ctx, wanted, nil)
	if err != nil {
		return err
	}
	for _, up := range r.Graph.Nodes {
		if up == n || !upstream[up] {
			continue
		}
		f := found[up.index]
		if f.artifact == nil {
			return fmt.Errorf("pipeline: %s is made from %s, which is %s (%s): bring it up to date with lfm run --until %s, then resume",
				from, up.Name, f.state, f.reason, up.Name)
		}
		if err := r.Store.Verify(ctx, f.artifact.ID); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return fmt.Errorf("pipeline: %s is made from what %s made, and that cannot be used: %w (or make it anew now: lfm resume --from %s)", from, up.Name, err, up.Name)
		}
	}
	memories := r.remember()
	for _, down := range r.Graph.Nodes {
		if !r.Graph.upstream(down)[n] {
			continue
		}
		action := found[down.index].action
		if made := memories[down.Name].made; found[down.index].key == "" && made != nil {
			action = made.Action // what the key will be is not known yet: most likely, what it was
		}
		if action.IsZero() {
			continue
		}
		if err := r.Store.Withdraw(action); err != nil {
			return fmt.Errorf("pipeline: withdrawing %s: %w", down.Name, err)
		}
	}
	return nil
}

// upstream is the set of a node and everything that it is made from.
func (g *Graph) upstream(n *Node) map[*Node]bool {
	set := map[*Node]bool{n: true}
	for i := n.index; i >= 0; i-- {
		if m := g.Nodes[i]; set[m] {
			for _, in := range m.inputs() {
				set[in] = true
			}
		}
	}
	return set
}

// finding is what a look at one node found.
type finding struct {
	key      string // "" while an input is not made
	action   artifacts.ID
	artifact *artifacts.Artifact // nil unless cached
	miss     string              // why the store has none
	source   Source              // of a data set
	state    string
	reason   string
	err      error // the data set cannot be read
}

// lookAll looks at nodes in order; what they are made from is among them. The finding of
// another node is nil. A forced node is found as if its output were not there.
func (r *Runner) lookAll(ctx context.Context, nodes, forced map[*Node]bool) ([]*finding, error) {
	memories := r.remember()
	found := make([]*finding, len(r.Graph.Nodes))
	for i, n := range r.Graph.Nodes {
		if !nodes[n] {
			continue
		}
		f, err := r.look(ctx, n, found, nil)
		if err != nil {
			return nil, err
		}
		found[i] = f
		f.state, f.reason = r.judge(n, f, found, memories[n.Name])
		if forced[n] && f.artifact != nil {
			f.artifact, f.state, f.reason = nil, Stale, forcedReason
		}
	}
	return found, nil
}

// look finds a node's key and what the store has for it. found holds the nodes before; where
// an input is not made, the key stays empty. An unreadable data set is told in the finding;
// l is told how far it has been looked through.
func (r *Runner) look(ctx context.Context, n *Node, found []*finding, l Listener) (*finding, error) {
	f := &finding{}
	if n.IsSource() {
		if f.err = r.openSource(ctx, n, f, l); f.err != nil {
			return f, context.Cause(ctx)
		}
	} else {
		for _, in := range n.inputs() {
			if found[in.index] == nil || found[in.index].artifact == nil {
				return f, nil
			}
		}
		f.key = r.Graph.keyText(n, func(in *Node) string { return found[in.index].artifact.ID.String() })
	}
	f.action = artifacts.HashText(f.key)
	return f, r.lookup(n, f)
}

// lookup asks the store for what a finding's action led to.
func (r *Runner) lookup(n *Node, f *finding) error {
	var miss *artifacts.Miss
	a, err := r.Store.Lookup(f.action)
	switch {
	case errors.As(err, &miss):
		f.artifact, f.miss = nil, miss.Reason
	case err != nil:
		return fmt.Errorf("pipeline: looking for what %s made: %w", n.Name, err)
	default:
		f.artifact = a
	}
	return nil
}

// openSource opens a data set and writes its key text from its digest.
func (r *Runner) openSource(ctx context.Context, n *Node, f *finding, l Listener) error {
	source, err := r.Graph.kinds.Source.Open(n.Config, r.Graph.Dir, r.Store.Cache())
	if err != nil {
		return r.Graph.locate(n, fmt.Errorf("pipeline: data set %s: %w", n.Name, err))
	}
	digest, err := source.Digest(ctx, l.sourceProgress)
	if err != nil {
		return r.Graph.locate(n, fmt.Errorf("pipeline: data set %s: %w", n.Name, err))
	}
	f.source, f.key = source, sourceKeyText(n, digest)
	return nil
}

// locate shows an error about a setting at its line; other errors pass.
func (g *Graph) locate(n *Node, err error) error {
	var named interface{ Field() string }
	if !errors.As(err, &named) {
		return err
	}
	at := fieldNode(err, n.at, n.with)
	if at == nil {
		at = n.node
	}
	return g.reader.locate(faultAt(at, "%s", err))
}

// judge puts a finding into a word and a reason. f.key is empty if an input is not made.
func (r *Runner) judge(n *Node, f *finding, found []*finding, m memory) (state, reason string) {
	absent := Missing
	if m.made != nil {
		absent = Stale
	}
	switch {
	case f.artifact != nil:
		return Cached, ""
	case f.err != nil:
		return Missing, f.err.Error()
	case f.key == "":
		for _, in := range slices.Backward(n.inputs()) { // the nearest
			if found[in.index].artifact == nil {
				return absent, "depends on " + in.Name + "'s output"
			}
		}
	case r.Store.Unfinished(f.action):
		return Interrupted, "interrupted: work area present"
	case f.miss == artifacts.Withdrawn:
		return absent, f.miss
	case f.miss != artifacts.NeverComputed:
		return Missing, f.miss // damaged: FILE
	case m.last != nil && m.last.State == WasFailed && m.last.Action == f.action:
		first, _, _ := strings.Cut(m.last.Error, "\n")
		return absent, "failed before: " + first
	case m.made != nil && m.made.Action == f.action:
		return Missing, "removed from the store"
	case m.made != nil:
		return Stale, keyDiff(m.made.Key, f.key)
	}
	return Missing, artifacts.NeverComputed
}
