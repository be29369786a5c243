package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lfm/pipeline"
)

// program is lfm in a folder of its own.
type program struct {
	t   testing.TB
	dir string
	env []string // beside the test's own

	binary     string               // in place of the lfm in PATH
	credential *syscall.SysProcAttr // whom it runs as; nil: whom the test runs as
	ignoring   string               // a signal that it is started ignoring, as by nohup; a name as trap takes it
}

func newProgram(t testing.TB, env ...string) *program {
	dir := t.TempDir()
	env = append([]string{"LFM_CACHE_DIR=" + filepath.Join(dir, ".cache"), "LFM_STORE=", "LFM_DEVICE="}, env...)
	return &program{t: t, dir: dir, env: env}
}

// write puts a file into the folder.
func (p *program) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o666); err != nil {
		p.t.Fatal(err)
	}
}

// tiny puts the tiny pipeline into the folder.
func (p *program) tiny() {
	p.t.Helper()
	text, err := os.ReadFile("testdata/tiny.yaml")
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(defaultFile, string(text))
}

// judged puts the tiny pipeline into the folder, with the stages that judge its samples, one of every kind, and
// with more stages.
func (p *program) judged(more ...string) {
	p.t.Helper()
	text, err := os.ReadFile("testdata/tiny.yaml")
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(defaultFile, string(text)+`  classifier:
    uses: classifier
    with: {channels: 4, features: 4, batch: 4, steps: 4}
  evaluate:
    uses: evaluate
    needs: [classifier, autoencoder, flow]
    with: {samples: 20, guidance: [2], steps: [1], solver: [euler], cas_steps: 2}
`+strings.Join(more, ""))
}

func (p *program) command(args ...string) *exec.Cmd {
	binary := "lfm"
	if p.binary != "" {
		binary = p.binary
	}
	cmd := exec.Command(binary, args...)
	if p.ignoring != "" {
		line := `trap "" ` + p.ignoring + `; exec "$0" "$@"`
		cmd = exec.Command("sh", append([]string{"-c", line, binary}, args...)...)
	}
	cmd.SysProcAttr = p.credential
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
	return cmd
}

// run runs lfm to its end, which must be a good one, and returns what it printed on stdout.
func (p *program) run(args ...string) string {
	p.t.Helper()
	cmd := p.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("lfm %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// states are the stages and data sets by name.
func (p *program) states(args ...string) map[string]stateJSON {
	p.t.Helper()
	cmd := p.command(append([]string{"status", "--json"}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == exitWouldRun) {
		p.t.Fatal(err)
	}
	var status struct{ Stages, Datasets []stateJSON }
	if err := json.Unmarshal(out, &status); err != nil {
		p.t.Fatal(err)
	}
	states := map[string]stateJSON{}
	for _, s := range append(status.Datasets, status.Stages...) {
		states[s.Name] = s
	}
	return states
}

// outputs are the output IDs by name; everything must be cached.
func (p *program) outputs(args ...string) map[string]string {
	p.t.Helper()
	ids := map[string]string{}
	for name, s := range p.states(args...) {
		if s.OutputID == "" {
			p.t.Fatalf("%s is %s: %s", name, s.State, s.Reason)
		}
		ids[name] = s.OutputID
	}
	return ids
}

// attempt is what one call of lfm with --log json told.
type attempt struct {
	events []pipeline.Event
	code   int           // exit code; -1 if a signal ended it before it could say anything, as a kill does
	took   time.Duration // from the signal that it was sent to its end
}

// try runs lfm with --log json, shows each event to stop, and sends the process the signal
// that stop returns first.
func (p *program) try(stop func(pipeline.Event) os.Signal, args ...string) attempt {
	p.t.Helper()
	stopped := false
	return p.strike(func(e pipeline.Event, send func(os.Signal, time.Duration)) {
		if stopped {
			return
		}
		if s := stop(e); s != nil {
			send(s, 0)
			stopped = true
		}
	}, args...)
}

// strike runs lfm with --log json and shows each event to see, at first an empty one when the
// process has been started. see may send the process signals, now or after a while.
func (p *program) strike(see func(e pipeline.Event, send func(s os.Signal, after time.Duration)), args ...string) attempt {
	p.t.Helper()
	cmd := p.command(append(args, "--log", "json")...)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	var a attempt
	var sent atomic.Pointer[time.Time] // the first one
	strike := func(s os.Signal) {
		now := time.Now()
		sent.CompareAndSwap(nil, &now)
		cmd.Process.Signal(s) // it may have ended
	}
	send := func(s os.Signal, after time.Duration) {
		if after == 0 {
			strike(s)
			return
		}
		timer := time.AfterFunc(after, func() { strike(s) })
		p.t.Cleanup(func() { timer.Stop() })
	}
	see(pipeline.Event{}, send)
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break // a line that a kill tore is none
		}
		if err != nil {
			p.t.Fatal(err)
		}
		var e pipeline.Event
		if err := json.Unmarshal(line, &e); err != nil {
			p.t.Fatalf("lfm %s: %v in %s", strings.Join(args, " "), err, line)
		}
		a.events = append(a.events, e)
		see(e, send)
	}
	cmd.Wait()
	a.code = cmd.ProcessState.ExitCode()
	if at := sent.Load(); at != nil {
		a.took = time.Since(*at)
	}
	return a
}

// last is the last event of that name of a stage.
func (a attempt) last(event, stage string) (e pipeline.Event, ok bool) {
	for _, e := range slices.Backward(a.events) {
		if e.Event == event && e.Stage == stage {
			return e, true
		}
	}
	return e, false
}

// messages are the texts of events, one a line.
func (a attempt) messages() string {
	var text strings.Builder
	for _, e := range a.events {
		if e.Message != "" || e.Error != "" {
			text.WriteString(e.Message + e.Error + "\n")
		}
	}
	return text.String()
}
