package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"lfm/pipeline"
)

// TestExamples: every line under Examples in a help text works. All of them run in the
// folder of one finished tiny run, but for lfm init, which wants an empty one.
func TestExamples(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	p.run("run")
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Runnable() && cmd.Name() != "completion" && cmd.Name() != "help" && cmd.Short == "" {
			t.Errorf("%s has no short help", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimSpace(line)
			if line == "" || cmd.Name() == "bench" { // measures R1 at its full size
				continue
			}
			in := p
			if strings.HasPrefix(line, "lfm init") {
				in = newProgram(t)
			}
			c := exec.Command(sh, "-c", line)
			c.Dir, c.Env = in.dir, in.command().Env
			out, err := c.CombinedOutput()
			if code := c.ProcessState.ExitCode(); err != nil && !(code == exitWouldRun && strings.Contains(line, "--dry-run") || code == exitWouldRun && cmd.Name() == "status") {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
		for _, c := range cmd.Commands() {
			if c.Name() != "completion" && c.Name() != "help" {
				visit(c)
			}
		}
	}
	visit(newRoot(&app{}))
}

// TestBar: a terminal gets a bar with the time left, and other events as lines; the steps
// done before a resumption do not count as fast ones.
func TestBar(t *testing.T) {
	var out bytes.Buffer
	a := &app{streams: streams{Err: &out, Terminal: true}}
	listen, err := a.listener()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	at := func(seconds int, e pipeline.Event) {
		e.Time, e.Stage = began.Add(time.Duration(seconds)*time.Second), "flow"
		listen(e)
	}
	at(0, pipeline.Event{Event: pipeline.StageStarted})
	at(0, pipeline.Event{Event: pipeline.StageResumed, Step: 500})
	at(1, pipeline.Event{Event: pipeline.StageProgress, Step: 510, Steps: 700, Loss: 0.5, ItemsPerS: 640})
	time.Sleep(150 * time.Millisecond) // the bar draws at most ten times a second
	at(11, pipeline.Event{Event: pipeline.StageProgress, Step: 610, Steps: 700, Loss: 0.25, ItemsPerS: 640})
	at(20, pipeline.Event{Event: pipeline.StageFinished, OutputID: strings.Repeat("ab", 32), Seconds: 20})
	for _, want := range []string{"goes on from step 500", "610/700  loss 0.2500  640 images/s  9s left", "finished  abababababab"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}
