package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// need is one word under needs: a stage, and the port if it is named.
type need struct {
	port string
	key  *yaml.Node // of the port
	at   *yaml.Node
	from *stageText
}

// wire looks up what every stage needs, refuses cycles, puts the nodes into topological
// order, and fills the ports. Cycles come before types: a cycle of real kinds always has a
// wrong type in it too, and the cycle is what to tell.
func (g *Graph) wire(stages []*stageText) error {
	needs := map[*Node][]need{}
	for _, s := range stages {
		list, err := g.readNeeds(s, stages)
		if err != nil {
			return err
		}
		needs[s.Node] = list
	}
	if err := findCycle(stages, needs); err != nil {
		return err
	}
	g.sort(stages, needs)
	slices.SortFunc(stages, func(a, b *stageText) int { return a.index - b.index })
	for _, s := range stages {
		if err := s.fillPorts(needs[s.Node], stages); err != nil {
			return err
		}
		if err := s.fillVia(); err != nil {
			return err
		}
		if err := g.fillData(s); err != nil {
			return err
		}
	}
	return nil
}

// readNeeds reads `needs: [a, b]` or `needs: {port: a}`.
func (g *Graph) readNeeds(s *stageText, stages []*stageText) ([]need, error) {
	n := s.needs
	if n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil, nil
	}
	var list []need
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			list = append(list, need{at: c})
		}
	case yaml.MappingNode:
		entries, err := mapEntries(n, "needs")
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			list = append(list, need{port: e.name, key: e.key, at: e.value})
		}
	default:
		hint := ""
		if n.ShortTag() == "!!str" {
			hint = fmt.Sprintf("; write [%s]", n.Value)
		}
		return nil, faultAt(n, "needs wants a list of stages or a map from port to stage, not %s%s", describe(n), hint)
	}
	for i := range list {
		var err error
		if list[i].from, err = g.findStage(list[i].at, stages); err != nil {
			return nil, err
		}
		for _, before := range list[:i] {
			if list[i].port == "" && before.from == list[i].from {
				return nil, faultAt(list[i].at, "%s stands under needs twice", before.from.Name)
			}
		}
	}
	return list, nil
}

func (g *Graph) findStage(n *yaml.Node, stages []*stageText) (*stageText, error) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		return nil, faultAt(n, "needs wants the name of a stage, not %s", describe(n))
	}
	var names []string
	for _, s := range stages {
		if s.Name == n.Value {
			return s, nil
		}
		names = append(names, s.Name)
	}
	for _, d := range g.Nodes {
		if d.IsSource() && d.Name == n.Value {
			return nil, faultAt(n, "%s is a data set, not a stage; write data: %s", n.Value, n.Value)
		}
	}
	end, near := choices(n.Value, names)
	return nil, faultNear(n, near, "no stage is named %q%s", n.Value, end)
}

// findCycle walks the needs depth first; a stage met again while it is still open closes a
// cycle, which is printed from its first stage in the file, each before what is made from it.
func findCycle(stages []*stageText, needs map[*Node][]need) error {
	const open, done = 1, 2
	state := map[*Node]int{}
	var path []*Node
	var visit func(s *stageText) error
	visit = func(s *stageText) error {
		state[s.Node] = open
		path = append(path, s.Node)
		for _, n := range needs[s.Node] {
			switch state[n.from.Node] {
			case open:
				cycle := path[slices.Index(path, n.from.Node):]
				if len(cycle) == 1 {
					return faultAt(n.at, "%s needs itself", s.Name)
				}
				return faultAt(n.at, "the stages form a cycle: %s", showCycle(cycle))
			case done:
			default:
				if err := visit(n.from); err != nil {
					return err
				}
			}
		}
		path = path[:len(path)-1]
		state[s.Node] = done
		return nil
	}
	for _, s := range stages {
		if state[s.Node] == 0 {
			if err := visit(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// showCycle writes a cycle in the direction of the data. cycle[i] needs cycle[i+1].
func showCycle(cycle []*Node) string {
	cycle = slices.Clone(cycle)
	slices.Reverse(cycle)
	first := slices.Index(cycle, slices.MinFunc(cycle, func(a, b *Node) int { return cmp.Compare(a.index, b.index) }))
	var names []string
	for i := range len(cycle) + 1 {
		names = append(names, cycle[(first+i)%len(cycle)].Name)
	}
	return strings.Join(names, " -> ")
}

// sort puts the nodes into topological order: of those whose needs are met, the first in
// the file comes first. Data sets stand before all stages.
func (g *Graph) sort(stages []*stageText, needs map[*Node][]need) {
	sorted := slices.DeleteFunc(slices.Clone(g.Nodes), func(n *Node) bool { return !n.IsSource() })
	for len(sorted) < len(g.Nodes) {
		for _, s := range stages {
			met := func(n need) bool { return slices.Contains(sorted, n.from.Node) }
			if !slices.Contains(sorted, s.Node) && !slices.ContainsFunc(needs[s.Node], func(n need) bool { return !met(n) }) {
				sorted = append(sorted, s.Node)
				break
			}
		}
	}
	for i, n := range sorted {
		n.index = i
	}
	g.Nodes = sorted
}

// fillPorts gives each needed stage a port that takes what it makes: the port that is
// named; else, where several are alike, the one of the stage's own name; else the only one
// that is left, if the stage is the only one left too.
func (s *stageText) fillPorts(needs []need, stages []*stageText) error {
	var rest []need
	for _, n := range needs {
		port := n.port
		if port != "" {
			if err := s.checkPort(n); err != nil {
				return err
			}
		} else if slices.Contains(s.portsFor(n), n.from.Name) {
			port = n.from.Name
		} else {
			rest = append(rest, n)
			continue
		}
		s.Needs[port] = n.from.Node
	}
	for _, n := range rest {
		port, err := s.lastPort(n, rest)
		if err != nil {
			return err
		}
		s.Needs[port] = n.from.Node
	}
	for _, p := range s.Kind.Inputs {
		if p.Via == "" && !p.Optional && s.Needs[p.Name] == nil {
			return faultAt(cmp.Or(s.needs, s.node), "%s needs %s; %s", s.Name, article(p.Artifact), makersOf(p.Artifact, s, stages))
		}
	}
	return nil
}

// portsFor lists the ports that take what a stage makes and need not be named.
func (s *stageText) portsFor(n need) []string {
	var ports []string
	for _, p := range s.Kind.Inputs {
		if p.Via == "" && !p.Optional && p.Artifact == n.from.Kind.Output {
			ports = append(ports, p.Name)
		}
	}
	return ports
}

// lastPort is the port of a stage whose name says nothing. rest are all such stages.
func (s *stageText) lastPort(n need, rest []need) (string, error) {
	makes, ports := article(n.from.Kind.Output), s.portsFor(n)
	free := slices.DeleteFunc(slices.Clone(ports), func(p string) bool { return s.Needs[p] != nil })
	rivals := 0
	for _, m := range rest {
		if m.from.Kind.Output == n.from.Kind.Output {
			rivals++
		}
	}
	switch {
	case len(ports) == 0:
		return "", faultAt(n.at, "%s makes %s, which %s does not take; %s", n.from.Name, makes, s.Kind.Name, s.takes(n.from.Kind.Output))
	case len(ports) == 1 && rivals > 1:
		return "", faultAt(n.at, "%s takes %s only once, and %d stages that make one are named%s", s.Kind.Name, makes, rivals, s.named(n))
	case len(free) == 0:
		return "", faultAt(n.at, "%s is one too many: every port of %s for %s is filled%s", n.from.Name, s.Kind.Name, makes, s.named(n))
	case len(free) == 1 && rivals == 1:
		return free[0], nil
	}
	var forms []string
	for _, p := range ports {
		forms = append(forms, p+": …")
	}
	return "", faultAt(n.at, "%s could stand at %s of %s; say which: needs: {%s}", n.from.Name, list(free, "or"), s.Kind.Name, strings.Join(forms, ", "))
}

// named shows how to name the ports that take what a stage makes, where some are filled by name alone.
func (s *stageText) named(n need) string {
	var forms []string
	optional := false
	for _, p := range s.Kind.Inputs {
		if p.Via == "" && p.Artifact == n.from.Kind.Output {
			forms = append(forms, p.Name+": …")
			optional = optional || p.Optional
		}
	}
	if !optional {
		return ""
	}
	return "; say which is which: needs: {" + strings.Join(forms, ", ") + "}"
}

// checkPort holds a named port to what it takes.
func (s *stageText) checkPort(n need) error {
	var names []string
	for _, p := range s.Kind.Inputs {
		switch {
		case p.Name == n.port && p.Via != "":
			return faultAt(n.key, "%s gets its %s by way of %s; leave it out", s.Name, p.Name, p.Via)
		case p.Name == n.port && p.Artifact != n.from.Kind.Output:
			return faultAt(n.at, "port %s takes %s, but %s makes %s", p.Name, article(p.Artifact), n.from.Name, article(n.from.Kind.Output))
		case p.Name == n.port:
			return nil
		case p.Via == "":
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return faultAt(n.key, "%s takes no stage's output", s.Kind.Name)
	}
	end, near := choices(n.port, names)
	return faultNear(n.key, near, "%s has no port %q%s", s.Kind.Name, n.port, end)
}

// takes says what a kind takes, for a stage that named something else.
func (s *stageText) takes(makes string) string {
	var wants []string
	for _, p := range s.Kind.Inputs {
		if p.Artifact == makes {
			return fmt.Sprintf("it gets that by way of %s: leave it out", p.Via)
		}
		if p.Via == "" {
			wants = append(wants, article(p.Artifact))
		}
	}
	if len(wants) == 0 {
		return "it takes no stage's output"
	}
	return "it takes " + list(wants, "and")
}

// makersOf says which stages could fill a port, or that there is none.
func makersOf(artifact string, s *stageText, stages []*stageText) string {
	var names []string
	for _, m := range stages {
		if m != s && m.Kind.Output == artifact {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return "no stage of this pipeline makes one"
	}
	return "name under needs the stage that makes it: " + list(names, "or")
}

// fillVia fills the ports that take what another input was made from, the nearest such
// node upstream. The stages before are wired already.
func (s *stageText) fillVia() error {
	for _, p := range s.Kind.Inputs {
		if p.Via == "" {
			continue
		}
		layer, found := []*Node{s.Needs[p.Via]}, (*Node)(nil)
		for len(layer) > 0 && found == nil {
			var before []*Node
			for _, n := range layer {
				before = append(before, n.inputs()...)
			}
			for _, n := range before {
				if !n.IsSource() && n.Kind.Output == p.Artifact && found == nil {
					found = n
				}
			}
			layer = before
		}
		if found == nil {
			return faultAt(cmp.Or(s.needs, s.node), "%s wants the %s that %s was made from, and %s was made from none",
				s.Name, p.Artifact, s.Needs[p.Via].Name, s.Needs[p.Via].Name)
		}
		s.Needs[p.Name] = found
	}
	return nil
}

// fillData finds the data set of a stage that reads images.
func (g *Graph) fillData(s *stageText) error {
	var sets []string
	for _, d := range g.Nodes {
		if d.IsSource() {
			sets = append(sets, d.Name)
		}
	}
	switch {
	case !s.Kind.Data && s.data != nil:
		return faultAt(s.data, "%s reads no images; leave data out", s.Kind.Name)
	case !s.Kind.Data:
		return nil
	case len(sets) == 0:
		return faultAt(s.node, "%s reads images, and the pipeline has no datasets", s.Name)
	case s.data == nil && len(sets) > 1:
		return faultAt(s.node, "%s reads images; say which with data: %s", s.Name, list(sets, "or"))
	}
	name := sets[0]
	if s.data != nil {
		if s.data.Kind != yaml.ScalarNode || !slices.Contains(sets, s.data.Value) {
			end, near := choices(s.data.Value, sets)
			return faultNear(s.data, near, "no data set is named %q%s", s.data.Value, end)
		}
		name = s.data.Value
	}
	s.Data, _ = g.Node(name)
	return nil
}
