package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lfm/pipeline"
)

var (
	runComment = regexp.MustCompile(`(?m)^#   (?:go run \./cmd/)?lfm run (\S+)(.*)$`)
	setFlag    = regexp.MustCompile(`--set (\S+)`)
	namedFile  = regexp.MustCompile(`\b(?:docs|examples)/[\w./-]+\.\w+`)
)

// TestExampleFiles: every pipeline in examples/ is one that this program takes, as it is and with the settings of
// the command in its comment, which names it; and the files that comments name are there.
func TestExampleFiles(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, named := range namedFile.FindAllString(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, named)); err != nil {
				t.Errorf("%s names what is not there: %v", file, err)
			}
		}
		if _, err := pipeline.Load(file, kinds(), nil); err != nil {
			t.Error(err)
		}
		commands := runComment.FindAllStringSubmatch(string(text), -1)
		if len(commands) == 0 {
			t.Errorf("%s does not say how it is run", file)
		}
		for _, c := range commands {
			if !strings.HasSuffix(filepath.ToSlash(file), c[1]) {
				t.Errorf("%s says to run %s", file, c[1])
			}
			var sets []string
			for _, s := range setFlag.FindAllStringSubmatch(c[2], -1) {
				sets = append(sets, s[1])
			}
			if _, err := pipeline.Load(file, kinds(), sets); err != nil {
				t.Errorf("%s: %v", c[0], err)
			}
		}
	}
}

// TestStarter: what lfm init writes is a pipeline, and has every setting of every kind, be it in a comment or in
// another kind that shares it.
func TestStarter(t *testing.T) {
	file := filepath.Join(t.TempDir(), defaultFile)
	if err := os.WriteFile(file, starter, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.Load(file, kinds(), nil); err != nil {
		t.Error(err)
	}
	settings := 0
	for kind, properties := range properties(t) {
		for name := range properties {
			settings++
			if !regexp.MustCompile(`\b` + name + `:`).Match(starter) {
				t.Errorf("%s of %s is not in starter.yaml", name, kind)
			}
		}
	}
	if settings < 80 {
		t.Errorf("%d settings: where are they in the schema?", settings)
	}
}
