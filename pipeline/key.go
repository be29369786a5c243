package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"lfm/artifacts"
)

// keyText is the complete description of what a stage computes. output gives the ID of
// what an input made; it may be words where that is not known yet, to show the text.
//
// A device is named only if pipeline.yaml pins one, and without its number: which of two
// cards computes is of no consequence.
func (g *Graph) keyText(n *Node, output func(*Node) string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "kind: %s %d\n", n.Kind.Name, n.version)
	text.WriteString(ConfigText(n.Config))
	fmt.Fprintf(&text, "seed: %d\n", n.Seed)
	if device, _, _ := strings.Cut(g.Device, ":"); device != "auto" {
		fmt.Fprintf(&text, "device: %s\n", device)
	}
	ports := make([]string, 0, len(n.Needs))
	for port := range n.Needs {
		ports = append(ports, port)
	}
	slices.Sort(ports)
	for _, port := range ports {
		fmt.Fprintf(&text, "input %s: %s\n", port, output(n.Needs[port]))
	}
	if n.Data != nil {
		fmt.Fprintf(&text, "data: %s\n", output(n.Data))
	}
	return text.String()
}

// sourceKeyText describes the index of a data set. What the data set consists of is in
// the digest; a path never is in the text.
func sourceKeyText(n *Node, digest artifacts.ID) string {
	return fmt.Sprintf("kind: %s %d\n%sdigest: %s\n", datasetKind, n.version, ConfigText(n.Config), digest)
}

// maxChanges is how many changed settings a reason lists.
const maxChanges = 4

// keyDiff says in words how a key text differs from an older one, or "" if it does not.
func keyDiff(old, now string) string {
	before, after := keyLines(old), keyLines(now)
	var names []string
	for name := range before {
		names = append(names, name)
	}
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var settings, others []string
	for _, name := range names {
		was, is := before[name], after[name]
		if was == is {
			continue
		}
		switch {
		case strings.HasPrefix(name, "with."):
			settings = append(settings, fmt.Sprintf("%s %s -> %s", name, shown(was, "unset"), shown(is, "unset")))
		case name == "kind":
			others = append(others, fmt.Sprintf("implementation changed: %s -> %s", was, is))
		case name == "seed":
			others = append(others, fmt.Sprintf("seed changed: %s -> %s", was, is))
		case name == "device":
			others = append(others, fmt.Sprintf("device changed: %s -> %s", shown(was, "auto"), shown(is, "auto")))
		case name == "digest":
			others = append(others, "the images changed")
		case name == "data":
			others = append(others, "the data set changed")
		default:
			others = append(others, name+" changed")
		}
	}
	if more := len(settings) - maxChanges; more > 0 {
		settings = append(settings[:maxChanges], fmt.Sprintf("and %d more", more))
	}
	if len(settings) > 0 {
		others = slices.Insert(others, 0, "settings changed: "+strings.Join(settings, ", "))
	}
	return strings.Join(others, "; ")
}

func keyLines(text string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		lines[name] = value
	}
	return lines
}

func shown(value, absent string) string {
	if value == "" {
		return absent
	}
	return clip(value, 40)
}
