package pipeline

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzLoad: whatever stands in the file and in a --set, reading it ends, and gives either
// one *Error about a line that is there, or a whole graph in topological order.
func FuzzLoad(f *testing.F) {
	f.Add(standard, "stages.flow.with.steps=3")
	f.Add(parallel, "seed=1")
	data, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		f.Fatal(err)
	}
	for c := range strings.SplitSeq(string(data), "\n=== ") {
		_, body, _ := strings.Cut(c, "\n")
		input, _, _ := strings.Cut(body, "----\n")
		f.Add(input, "device=cpu")
	}
	f.Fuzz(func(t *testing.T, text, set string) {
		w := &world{t: t, calls: map[string]int{}, env: map[string]Env{}}
		for _, sets := range [][]string{nil, {set}} {
			g, err := parse("pipeline.yaml", filepath.Join("x", "pipeline.yaml"), []byte(text), w.kinds(), sets)
			if err != nil {
				checkError(t, err, text)
				continue
			}
			for i, n := range g.Nodes {
				if n.index != i || slices.ContainsFunc(n.inputs(), func(in *Node) bool { return in.index >= i }) {
					t.Fatalf("%s stands before what it needs", n.Name)
				}
				if !n.IsSource() {
					for _, p := range n.Kind.Inputs {
						if p.Optional && n.Needs[p.Name] == nil {
							continue
						}
						if n.Needs[p.Name] == nil || n.Needs[p.Name].Kind.Output != p.Artifact {
							t.Fatalf("%s: port %s is not filled with what it takes", n.Name, p.Name)
						}
					}
					g.keyText(n, func(*Node) string { return "" })
				}
			}
		}
	})
}

func checkError(t *testing.T, err error, text string) {
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not an *Error: %v", err)
	}
	lines := linesOf(text)
	if e.Set == "" && e.Line > len(lines) {
		t.Fatalf("line %d of %d: %v", e.Line, len(lines), err)
	}
	if e.Set == "" && e.Line > 0 && e.Text != lines[e.Line-1] {
		t.Fatalf("line %d is %q, not %q", e.Line, lines[e.Line-1], e.Text)
	}
	if e.Error() == "" || e.Msg == "" {
		t.Fatal("an error without words")
	}
}
