package pipeline

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected outputs under testdata")

// goldenCases walks a file of cases
//
//	=== what it is about
//	set: a.b=c            (any number, or none)
//	the input
//	----
//	what is expected
//
// and compares what got makes of each input. -update writes the file anew.
func goldenCases(t *testing.T, file string, got func(input string, sets []string) string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := bytes.Cut(data, []byte("=== "))
	out := bytes.NewBuffer(bytes.Clone(head))
	for c := range strings.SplitSeq(string(rest), "\n=== ") {
		name, body, _ := strings.Cut(c, "\n")
		input, want, ok := strings.Cut(body+"\n", "----\n")
		if !ok {
			t.Fatalf("%s: %s has no line ----", file, name)
		}
		var sets []string
		text := input
		for strings.HasPrefix(text, "set: ") {
			line, after, _ := strings.Cut(text, "\n")
			sets, text = append(sets, strings.TrimPrefix(line, "set: ")), after
		}
		result := got(text, sets)
		t.Run(name, func(t *testing.T) {
			if strings.TrimSpace(want) != strings.TrimSpace(result) && !*update {
				t.Errorf("got\n%s\nwant\n%s", result, want)
			}
		})
		out.WriteString("=== " + name + "\n" + input + "----\n" + strings.TrimRight(result, "\n") + "\n\n")
	}
	if *update {
		if err := os.WriteFile(file, bytes.TrimRight(out.Bytes(), "\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErrors holds the message of every mistake that a pipeline.yaml can make: one error,
// with file, line, column, the line itself, a caret, and the word that was meant.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	goldenCases(t, "testdata/errors.txt", func(input string, sets []string) string {
		input = strings.NewReplacer("<TAB>", "\t", "<FF>", "\xff", "<LONG>", strings.Repeat("x", 300)).Replace(input)
		g, err := parse("pipeline.yaml", filepath.Join(w.dir, "pipeline.yaml"), []byte(input), w.kinds(), sets)
		if err == nil {
			return "no error: " + g.Name
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("not an *Error: %v", err)
		}
		return err.Error()
	})
}
