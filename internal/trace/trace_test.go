package trace

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type line struct {
	Name     string
	Ph       string
	PID, TID int
	TS, Dur  float64
	Args     map[string]any
}

// spans reads a finished file and gives the spans of a track.
func spans(t *testing.T, path, track string) (found []line, leftOut map[string]any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ TraceEvents []line }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	id := [2]int{}
	for _, e := range file.TraceEvents {
		switch {
		case e.Name == "thread_name" && e.Args["name"] == track:
			id = [2]int{e.PID, e.TID}
		case id != [2]int{e.PID, e.TID}:
		case e.Ph == "X":
			found = append(found, e)
		case e.Name == "left out":
			leftOut = e.Args
		}
	}
	return found, leftOut
}

func create(t *testing.T, steps int) (*Tracer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace.json")
	tracer, err := Create(path, steps)
	if err != nil {
		t.Fatal(err)
	}
	return tracer, path
}

// TestBounded: of a track's spans of one name the first few are written, with what lies in
// them; of the others long waits, and long times without a span. The rest is counted.
func TestBounded(t *testing.T) {
	tracer, path := create(t, 2)
	k := tracer.Process("p").Track("k")
	at := time.Now()
	step := func(gap, took time.Duration) {
		at = at.Add(gap)
		s := k.BeginAt("step", at)
		k.BeginAt("part", at).EndAt(at.Add(took/2), 3e9, 1e9)
		at = at.Add(took)
		s.EndAt(at, 0, 0)
	}
	for range 10 {
		step(time.Microsecond, time.Second)
	}
	step(long, time.Second)
	for _, took := range []time.Duration{0, 0, long / 2, long, long / 2} {
		k.begin("wait", at, true).EndAt(at.Add(took), 0, 0)
		at = at.Add(took)
	}
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	found, left := spans(t, path, "k")
	var names []string
	for _, s := range found {
		names = append(names, s.Name)
	}
	if got, want := strings.Join(names, " "), "step part step part nothing wait wait wait"; got != want {
		t.Errorf("written are %s, want %s", got, want)
	}
	part := found[1]
	if part.Args["gflop_per_s"] != 6.0 || part.Args["gb_per_s"] != 2.0 || part.TS != found[0].TS || part.Dur != found[0].Dur/2 {
		t.Errorf("a span with work is %+v in %+v", part, found[0])
	}
	if found[4].Dur != 5000 || found[7].Dur != 5000 {
		t.Errorf("long ones are %+v and %+v", found[4], found[7])
	}
	if left["1"] != `9 of 11 of "step", 9.000 s of 11.000 s` || left["2"] != `2 of 5 of "wait", 0.005 s of 0.010 s` {
		t.Errorf("left out: %v", left)
	}
	if n := tracer.LeftOut(); n != 11 {
		t.Errorf("%d left out", n)
	}
}

// TestSize: a million steps with long waits between them are a file of less than a megabyte.
func TestSize(t *testing.T) {
	tracer, path := create(t, DefaultSteps)
	k := tracer.Process("p").Track("k")
	at := time.Now()
	for range 1_000_000 {
		at = at.Add(2 * long)
		k.BeginAt("step", at).EndAt(at.Add(time.Millisecond), 0, 0)
	}
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 1<<20 {
		t.Errorf("%v, %v", info.Size(), err)
	}
}

// TestKilled: without its end the file is an array that lacks its bracket, and a comma at most.
func TestKilled(t *testing.T) {
	tracer, path := create(t, 5)
	k := tracer.Process("p").Track("k")
	for range 3 {
		k.Begin(`a "step"`).End()
	}
	tracer.mu.Lock()
	tracer.out.Flush()
	tracer.mu.Unlock()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []line
	if err := json.Unmarshal([]byte(string(data)+"]"), &lines); err != nil || len(lines) != 5 {
		t.Errorf("%d events, %v:\n%s", len(lines), err, data)
	}
	if err := tracer.Close(); err != nil {
		t.Error(err)
	}
}

// TestLanes: spans side by side are on tracks of their own, one after the other on one.
func TestLanes(t *testing.T) {
	tracer, path := create(t, 5)
	p := tracer.Process("p")
	one, free := p.Lane("stages")
	two, freeTwo := p.Lane("stages")
	if one == two {
		t.Error("two at a time share a track")
	}
	free()
	if again, _ := p.Lane("stages"); again != one {
		t.Error("a free track is not used again")
	}
	freeTwo()
	two.Begin("second").End()
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := spans(t, path, "stages 2"); len(found) != 1 {
		t.Errorf("%v", found)
	}
}

// TestOpen: what was open when the trace ended, ends there.
func TestOpen(t *testing.T) {
	tracer, path := create(t, 5)
	k := tracer.Process("p").Track("k")
	k.Begin("outer")
	k.Begin("inner")
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := spans(t, path, "k"); len(found) != 2 || found[0].Dur < 0 || found[1].Dur > found[0].Dur {
		t.Errorf("%+v", found)
	}
}

// TestNil: where nothing is traced nothing is allocated, and nothing happens.
func TestNil(t *testing.T) {
	ctx := With(context.Background(), nil)
	k := From(ctx).Process("p").Track("k")
	if _, free := From(ctx).Lane("stages"); k != nil || From(ctx) != nil {
		t.Error("there is something")
	} else {
		free()
	}
	if n := testing.AllocsPerRun(100, func() {
		s := k.Begin("step")
		k.Wait("wait").End()
		k.BeginAt("past", time.Time{}).EndAt(time.Time{}, 1, 1)
		s.End()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	var tracer *Tracer
	if err := tracer.Close(); err != nil || tracer.LeftOut() != 0 {
		t.Error(err)
	}
}

// TestFullDisk: what could not be written is told when the trace ends.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	tracer, err := Create("/dev/full", 5)
	if err != nil {
		t.Fatal(err)
	}
	tracer.Process("p").Track("k").Begin("step").End()
	if err := tracer.Close(); err == nil || !strings.Contains(err.Error(), "/dev/full") {
		t.Errorf("it ended with %v", err)
	}
}
