package main

import (
	"strings"
	"testing"
	"time"

	"lfm/pipeline"
)

// TestSourceProgress: how far a data set has been read is shown in every way that progress is, with what is being done,
// images a second and the time left of that work alone.
func TestSourceProgress(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	show := func(log string) string {
		var out strings.Builder
		a := &app{streams: streams{Err: &out}, log: log}
		listen, err := a.listener()
		if err != nil {
			t.Fatal(err)
		}
		for i, doing := range []string{"hashing", "decoding"} {
			for s := range 3 {
				listen(pipeline.Event{Event: pipeline.SourceProgress, Stage: "cats", Message: doing, Step: 100 * s, Steps: 900,
					ItemsPerS: 10, Time: began.Add(time.Duration(30*i+10*s) * time.Second)})
			}
		}
		return out.String()
	}
	if got, want := show("plain"), "cats         hashing 100/900  10 images/s  1m20s left\ncats         hashing 200/900  10 images/s  1m10s left\n"+
		"cats         decoding 100/900  10 images/s  1m20s left\ncats         decoding 200/900  10 images/s  1m10s left\n"; got != want {
		t.Errorf("plain:\n%swant\n%s", got, want)
	}
	if got := show("json"); strings.Count(got, `"event":"source_progress","stage":"cats"`) != 6 ||
		!strings.Contains(got, `"step":100,"steps":900,"items_per_s":10,"message":"decoding"}`) {
		t.Errorf("json:\n%s", got)
	}
	if got := show("bar"); !strings.Contains(got, "cats         hashing 0/900  10 images/s") {
		t.Errorf("bar: %q", got)
	}
}

// TestRate: images a second are told in whole ones, and slow ones to two digits.
func TestRate(t *testing.T) {
	for perSecond, want := range map[float64]string{
		0.0001: "<0.01 images/s", 0.0123: "0.012 images/s", 0.5: "0.5 images/s", 3.14159: "3.1 images/s", 9.6: "10 images/s", 1034.4: "1034 images/s",
	} {
		if got := rate(perSecond); got != want {
			t.Errorf("%v: %s, want %s", perSecond, got, want)
		}
	}
}

// TestLongLog: the lines of a stage become fewer the longer it works, and the last one is always there.
func TestLongLog(t *testing.T) {
	var out strings.Builder
	p := &plainLog{out: &out}
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	lines := func() int { return strings.Count(out.String(), "\n") }
	const hours = 10
	for s := range hours*3600 + 1 {
		p.event(pipeline.Event{Event: pipeline.StageProgress, Stage: "flow", Step: s, Steps: hours * 3600, Time: began.Add(time.Duration(s) * time.Second)})
		if s == 60 && lines() != 12 {
			t.Errorf("%d lines in the first minute, want 12", lines())
		}
	}
	if n := lines(); n < 60*hours || n > 1200 {
		t.Errorf("%d lines in ten hours", n)
	}
	if !strings.HasSuffix(out.String(), "36000/36000\n") {
		t.Error("the last line is missing")
	}
}

// TestFitting: what stands beside a bar leaves room for it.
func TestFitting(t *testing.T) {
	for n, want := range map[int]string{-3: "", 0: "", 4: "flow", 6: "flow  ", 100: "flow   鳥 1/2"} {
		if got := fitting("flow   鳥 1/2", n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if n := columns(&strings.Builder{}); n != 80 {
		t.Errorf("no terminal has %d columns", n)
	}
}
