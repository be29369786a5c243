package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lfm/pipeline"
)

// traced is an event of a trace file.
type traced struct {
	Name     string
	Ph       string
	PID, TID int
	TS, Dur  float64
	Args     map[string]any
}

func (e traced) end() float64 { return e.TS + e.Dur }

// readTrace gives the spans of each track, by "process/track" (and #2 for a second of that name),
// in the order of their beginnings.
func readTrace(t *testing.T, path string) map[string][]traced {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ TraceEvents []traced }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	processes, names, given, tracks := map[int]string{}, map[[2]int]string{}, map[string]int{}, map[string][]traced{}
	for _, e := range file.TraceEvents {
		id := [2]int{e.PID, e.TID}
		switch {
		case e.Name == "process_name":
			processes[e.PID] = fmt.Sprint(e.Args["name"])
		case e.Name == "thread_name":
			name := fmt.Sprintf("%s/%s", processes[e.PID], e.Args["name"])
			if given[name]++; given[name] > 1 {
				name += fmt.Sprintf(" #%d", given[name])
			}
			names[id] = name
		case e.Ph == "X":
			tracks[names[id]] = append(tracks[names[id]], e)
		}
	}
	return tracks
}

// nanosecond is what times in a trace, in µs, are rounded to, twice.
const nanosecond = 0.002

// TestTrace runs a pipeline with a trace. All stages are there, each beside its machines and
// the goroutines around them; on a track nothing overlaps, but what is a part lies within its
// whole; every run of a machine shows the same passes.
func TestTrace(t *testing.T) {
	p := newProgram(t)
	p.tiny()
	p.run("run", "--trace", "trace.json")
	tracks := readTrace(t, filepath.Join(p.dir, "trace.json"))
	var stages []string
	for _, e := range tracks["lfm/stages"] {
		stages = append(stages, e.Name)
	}
	for _, want := range []string{"critters", "autoencoder", "encode", "flow", "decode", "compute", "publish"} {
		if !slices.Contains(stages, want) {
			t.Errorf("the stages are %v, without %s", stages, want)
		}
	}
	names := slices.Sorted(maps.Keys(tracks))
	for _, want := range []string{
		"autoencoder/training", "autoencoder/drawing ahead", "autoencoder/checkpoints", "autoencoder/machine: x, noise, trains",
		"encode/encoding", "encode/reading ahead", "encode/shards", "encode/machine: x",
		"flow/training", "flow/drawing ahead", "flow/checkpoints", "flow/machine: zt, t, labels, target, trains",
		"decode/sampling", "decode/pictures", "decode/machine: z",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no track %s in %q", want, names)
		}
	}
	runs := 0
	for name, spans := range tracks {
		if !strings.HasPrefix(name, "lfm/") {
			checkNested(t, name, spans)
		}
		if strings.Contains(name, "/machine: ") {
			runs += checkRuns(t, name, spans)
		}
	}
	if runs < 6+8 {
		t.Errorf("%d runs of machines, want those of 14 training steps at least", runs)
	}
}

// checkNested wants every span to begin behind the end of the one before, or to lie within it.
func checkNested(t *testing.T, name string, spans []traced) {
	t.Helper()
	var open []traced
	for _, e := range spans {
		for len(open) > 0 && open[len(open)-1].end() <= e.TS+nanosecond {
			open = open[:len(open)-1]
		}
		if len(open) > 0 && e.end() > open[len(open)-1].end()+nanosecond {
			t.Errorf("%s: %+v reaches beyond %+v", name, e, open[len(open)-1])
		}
		open = append(open, e)
	}
}

// checkRuns wants every run of a machine to show all its passes, one behind the other, each with
// the bytes that it moves, and returns how many runs there were.
func checkRuns(t *testing.T, name string, spans []traced) (runs int) {
	t.Helper()
	var end float64
	var passes []int
	for _, e := range spans {
		switch e.Name {
		case "nothing":
			continue
		case "run":
			passes, end = append(passes, 0), e.TS
			continue
		}
		if e.TS < end-nanosecond {
			t.Errorf("%s: pass %s begins at %f, before the one before it ended at %f", name, e.Name, e.TS, end)
		}
		if rate, ok := e.Args["gb_per_s"].(float64); !ok || rate < 0 {
			t.Errorf("%s: pass %+v has no GB/s", name, e)
		}
		passes[len(passes)-1]++
		end = e.end()
	}
	if slices.Contains(passes, 0) || len(slices.Compact(slices.Clone(passes))) > 1 {
		t.Errorf("%s: the runs show %d passes", name, passes)
	}
	return len(passes)
}

// TestTraceUsage: a trace that cannot be had is told before anything is computed.
func TestTraceUsage(t *testing.T) {
	p := newProgram(t)
	p.tiny()
	p.fails(exitUsage, []string{"run", "--trace-steps", "0"}, "--trace-steps 0")
	p.fails(exitFailed, []string{"run", "--trace", "no/folder/trace.json"}, "no/folder/trace.json")
	if s := p.states()["autoencoder"]; s.State != pipeline.Missing {
		t.Errorf("autoencoder is %s", s.State)
	}
}
