package main

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"lfm/pipeline"
)

var update = flag.Bool("update", false, "write testdata/golden.txt or docs/settings.md anew")

// transformer is a flow of the network that is not the default.
const transformer = `  transformer:
    uses: flow
    needs: [encode]
    with: {arch: transformer, width: 16, depth: 1, heads: 2, context_tokens: 2, batch: 4, steps: 8, previews: false}
`

// TestSameBytes: threads, and stages side by side, change no byte of any payload.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.judged(transformer)
	p.run("run", "--threads", "1")
	want := p.outputs()
	for i, flags := range [][]string{{"--threads", "2"}, {"--threads", "5", "--jobs", "3"}} {
		store := fmt.Sprintf("store%d", i)
		p.run(append([]string{"run", "--store", store}, flags...)...)
		if got := p.outputs("--store", store); !maps.Equal(got, want) {
			t.Errorf("%v: other bytes than with one thread:\n%v\nwant\n%v", flags, got, want)
		}
	}
}

// golden is what a stage made of an action: a line of testdata/golden.txt.
type golden struct{ kind, version, action, output string }

const (
	goldenFile = "testdata/golden.txt"
	goldenHead = `# What each kind of stage makes in a tiny pipeline, on plain Go (LFM_CPU=generic, amd64):
# kind, version, action ID, output ID. Written by
#
#   go test ./cmd/lfm -run Golden -update
#
# The same action must always make the same output. Where it does not any more, the Version
# of that kind wants to be raised, or else what users have in their stores is mistaken for
# what the new program would make.
`
)

// TestGolden: the same key makes the same bytes as in every earlier version of lfm. It fails
// where a stage computes something else now and its Version was not raised.
func TestGolden(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("another architecture may round the exponential function in another way")
	}
	t.Parallel()
	p := newProgram(t, "LFM_CPU=generic")
	p.judged(transformer)
	p.run("run")
	versions := map[string]int{"dataset": kinds().Source.Version}
	for _, k := range kinds().Stages {
		versions[k.Name] = k.Version
	}
	known := readGolden(t)
	var lines []string
	outdated := false
	states := p.states()
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		now := golden{s.Kind, fmt.Sprint(versions[s.Kind]), s.ActionID, s.OutputID}
		lines = append(lines, fmt.Sprintf("%s %s %s %s\n", now.kind, now.version, now.action, now.output))
		i := slices.IndexFunc(known, func(g golden) bool { return g.action == now.action })
		switch {
		case i < 0:
			outdated = true
		case known[i] != now:
			t.Errorf("%s %s made %.12s, and makes %.12s of the same key now: raise Version in the kind's package, then go test ./cmd/lfm -run Golden -update",
				now.kind, now.version, known[i].output, now.output)
		}
	}
	switch {
	case t.Failed():
	case *update:
		if err := os.WriteFile(goldenFile, []byte(goldenHead+strings.Join(lines, "")), 0o666); err != nil {
			t.Fatal(err)
		}
	case outdated || len(known) != len(states):
		t.Errorf("%s does not know these keys (a setting, a version or an input is new): go test ./cmd/lfm -run Golden -update", goldenFile)
	}
}

func readGolden(t *testing.T) []golden {
	f, err := os.Open(goldenFile)
	if err != nil {
		if *update {
			return nil
		}
		t.Fatal(err)
	}
	defer f.Close()
	var known []golden
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if w := strings.Fields(lines.Text()); len(w) == 4 {
			known = append(known, golden{w[0], w[1], w[2], w[3]})
		}
	}
	return known
}

// TestKeys: changing any setting of any kind changes its key text, unless the setting is
// marked key:"-", and then it does not.
func TestKeys(t *testing.T) {
	all := map[string]func() any{"dataset": kinds().Source.Config}
	for _, k := range kinds().Stages {
		all[k.Name] = k.Config
	}
	for kind, config := range all {
		before := pipeline.ConfigText(config())
		mutants := pipeline.Mutants(config)
		if len(mutants) == 0 {
			t.Errorf("%s has no settings", kind)
		}
		for _, m := range mutants {
			if changed := pipeline.ConfigText(m.Config) != before; changed != m.Key {
				t.Errorf("%s: %s: the key changes is %v, want %v", kind, m.Name, changed, m.Key)
			}
		}
	}
}

// TestKeyReasons lists the settings that stand in no key, each of which has its reason
// beside it in the kind's config: a new one wants a second look.
func TestKeyReasons(t *testing.T) {
	want := map[string][]string{
		"dataset":     {"source", "captions", "class_words", "test_captions"},
		"autoencoder": {"checkpoint_every"},
		"encode":      {"batch"},
		"flow":        {"previews", "checkpoint_every"},
		"decode":      {"batch"},
		"classifier":  {"checkpoint_every"},
		"evaluate":    {"batch"},
	}
	got := map[string][]string{}
	note := func(kind string, config any) {
		for _, f := range pipeline.Fields(config) {
			if !f.Key {
				got[kind] = append(got[kind], f.Name)
			}
		}
	}
	note("dataset", kinds().Source.Config())
	for _, k := range kinds().Stages {
		note(k.Name, k.Config())
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("settings outside keys: %v, want %v", got, want)
	}
}

// BenchmarkNoop is a run that has nothing to do.
func BenchmarkNoop(b *testing.B) {
	p := newProgram(b)
	p.tiny()
	p.run("run")
	for b.Loop() {
		p.run("run")
	}
}
