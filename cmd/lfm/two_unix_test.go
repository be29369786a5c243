//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lfm/pipeline"
)

// live is one lfm at work, with --log json. A test reads its events one by one, stops the
// process where it likes, and so does not depend on who is faster.
type live struct {
	t      testing.TB
	cmd    *exec.Cmd
	events chan pipeline.Event
	attempt
}

// start starts lfm; at the end of the test it is gone.
func (p *program) start(args ...string) *live {
	p.t.Helper()
	cmd := p.command(append(args, "--log", "json")...)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	l := &live{t: p.t, cmd: cmd, events: make(chan pipeline.Event, 1000)}
	go func() {
		defer close(l.events)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var e pipeline.Event
			if json.Unmarshal(lines.Bytes(), &e) == nil { // a line that a kill tore is none
				l.events <- e
			}
		}
	}()
	return l
}

// patience bounds every wait for what must come.
const patience = time.Minute

// until reads events up to one of that name and stage; it must come.
func (l *live) until(event, stage string) pipeline.Event {
	l.t.Helper()
	late := time.After(patience)
	for {
		select {
		case e, ok := <-l.events:
			if !ok {
				l.t.Fatalf("ended before %s of %q\n%s", event, stage, l.messages())
			}
			l.attempt.events = append(l.attempt.events, e)
			if e.Event == event && e.Stage == stage {
				return e
			}
		case <-late:
			l.t.Fatalf("no %s of %q\n%s", event, stage, l.messages())
		}
	}
}

func (l *live) signal(s os.Signal) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil {
		l.t.Fatal(err)
	}
}

// end waits for the end, which must come.
func (l *live) end() attempt {
	l.t.Helper()
	began, late := time.Now(), time.After(patience)
	for {
		select {
		case e, ok := <-l.events:
			if ok {
				l.attempt.events = append(l.attempt.events, e)
				continue
			}
		case <-late:
			l.t.Fatalf("does not end\n%s", l.messages())
		}
		l.cmd.Wait()
		l.code, l.took = l.cmd.ProcessState.ExitCode(), time.Since(began)
		return l.attempt
	}
}

// bothLocks runs a test with flock and with leases, on a store with the tiny pipeline as
// a.yaml and, with another flow on the same latents, as b.yaml. Its autoencoder saves often.
func bothLocks(t *testing.T, f func(t *testing.T, p *program)) {
	text, err := os.ReadFile("testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a := strings.NewReplacer("steps: 6,", "steps: 60, checkpoint_every: 5,", "steps: 8,", "steps: 60, checkpoint_every: 5,").Replace(string(text))
	b := strings.Replace(a, "width: 16", "width: 32", 1)
	for kind, env := range map[string]string{"flock": "LFM_NO_FLOCK=", "lease": "LFM_NO_FLOCK=1"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, env)
			p.write("a.yaml", a)
			p.write("b.yaml", b)
			f(t, p)
		})
	}
}

// straight is what a.yaml and b.yaml come to in runs alone; asked once, for all tests.
func straight(p *program) (a, b map[string]string) {
	p.t.Helper()
	alone.Do(func() {
		one := newProgram(p.t)
		for _, name := range []string{"a.yaml", "b.yaml"} {
			text, err := os.ReadFile(filepath.Join(p.dir, name))
			if err != nil {
				p.t.Fatal(err)
			}
			one.write(name, string(text))
			one.run("run", "-f", name)
		}
		alone.a, alone.b = one.outputs("-f", "a.yaml"), one.outputs("-f", "b.yaml")
	})
	return alone.a, alone.b
}

var alone struct {
	sync.Once
	a, b map[string]string
}

// finishedOnce counts which stages were computed, by action, over several runs: each once.
func finishedOnce(t *testing.T, want int, attempts ...attempt) {
	t.Helper()
	times := map[string]int{}
	for i, a := range attempts {
		if a.code != exitDone {
			t.Errorf("run %d: exit code %d\n%s", i, a.code, a.messages())
		}
		for _, e := range a.events {
			if e.Event == pipeline.StageFinished {
				times[e.Stage+" "+e.ActionID]++
			}
		}
	}
	for stage, n := range times {
		if n != 1 {
			t.Errorf("%s was computed %d times", stage, n)
		}
	}
	if len(times) != want {
		t.Errorf("computed were %v, want %d stages", times, want)
	}
}

func checkOutputs(t *testing.T, p *program, file string, want map[string]string) {
	t.Helper()
	if got := p.outputs("-f", file); !maps.Equal(got, want) {
		t.Errorf("%s: outputs\n%v, want those of a run alone\n%v", file, got, want)
	}
}

// TestTwoRuns: of two runs that want the same, one computes, however long it is stopped, and
// the other says for whom it waits; a third that waits too ends at once when it is told to.
// Two pipelines share what they have in common.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	bothLocks(t, func(t *testing.T, p *program) {
		a, b := straight(p)
		first := p.start("run", "-f", "a.yaml")
		first.until(pipeline.StageCheckpoint, "autoencoder")
		first.signal(syscall.SIGSTOP)
		same, other, third := p.start("run", "-f", "a.yaml"), p.start("run", "-f", "b.yaml"), p.start("run", "-f", "b.yaml")
		host, _ := os.Hostname()
		for _, l := range []*live{same, other, third} {
			e := l.until(pipeline.StageWaiting, "autoencoder")
			if who := fmt.Sprintf("process %d on %s (since 20", first.cmd.Process.Pid, host); !strings.Contains(e.Message, who) {
				t.Errorf("waits for %q, want %q", e.Message, who)
			}
		}
		third.signal(os.Interrupt)
		if e := third.end(); e.code != exitInterrupted || e.took > 5*time.Second {
			t.Errorf("a waiting run, interrupted: exit code %d after %v\n%s", e.code, e.took, e.messages())
		}
		first.signal(syscall.SIGCONT)
		finishedOnce(t, 6, first.end(), same.end(), other.end())
		checkOutputs(t, p, "a.yaml", a)
		checkOutputs(t, p, "b.yaml", b)
	})
}

// TestDeadHolder: what a run held that was killed, a run that waits takes over at once, long
// before a lease runs out, and goes on from the last checkpoint.
func TestDeadHolder(t *testing.T) {
	t.Parallel()
	bothLocks(t, func(t *testing.T, p *program) {
		a, _ := straight(p)
		first := p.start("run", "-f", "a.yaml")
		first.until(pipeline.StageCheckpoint, "autoencoder")
		first.signal(syscall.SIGSTOP)
		second := p.start("run", "-f", "a.yaml")
		second.until(pipeline.StageWaiting, "autoencoder")
		began := time.Now()
		first.signal(os.Kill)
		if e := second.until(pipeline.StageResumed, "autoencoder"); e.Step == 0 {
			t.Error("begins anew")
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took over after %v", took)
		}
		finishedOnce(t, 4, second.end())
		checkOutputs(t, p, "a.yaml", a)
	})
}

// TestManyRuns: eight runs of two pipelines at once compute each stage once.
func TestManyRuns(t *testing.T) {
	t.Parallel()
	bothLocks(t, func(t *testing.T, p *program) {
		a, b := straight(p)
		var runs []*live
		for range 4 {
			runs = append(runs, p.start("run", "-f", "a.yaml"), p.start("run", "-f", "b.yaml"))
		}
		var ends []attempt
		for _, l := range runs {
			ends = append(ends, l.end())
		}
		finishedOnce(t, 6, ends...)
		checkOutputs(t, p, "a.yaml", a)
		checkOutputs(t, p, "b.yaml", b)
		for _, folder := range []string{"aside", "locks", "work"} {
			if left, _ := os.ReadDir(filepath.Join(p.dir, ".lfm", folder)); len(left) != 0 {
				t.Errorf("left in %s: %v", folder, left)
			}
		}
	})
}

// gc collects all that it may; what it says and its exit code.
func (p *program) gc() (text string, code int) {
	p.t.Helper()
	cmd := p.command("artifacts", "gc", "--yes", "--drop-gone")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Run()
	return out.String(), cmd.ProcessState.ExitCode()
}

// rootless makes the store forget which pipelines use it, so that everything is garbage.
func (p *program) rootless() {
	p.t.Helper()
	roots, err := filepath.Glob(filepath.Join(p.dir, ".lfm", "roots", "*.json"))
	for _, root := range roots {
		err = errors.Join(err, os.RemoveAll(root)) // another may be at it
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// halfLocked says that a process that was just stopped had made a lease and not written yet who it is.
func (p *program) halfLocked() bool {
	p.t.Helper()
	time.Sleep(10 * time.Millisecond) // a signal takes its time
	leases, err := filepath.Glob(filepath.Join(p.dir, ".lfm", "locks", "*.lease"))
	if err != nil {
		p.t.Fatal(err)
	}
	return slices.ContainsFunc(leases, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() == 0
	})
}

// TestCollectBeside: gc deletes nothing from under a run, not before its first stage, nor
// between two, nor from under a generate; and the two ends meet: the run makes what it would
// have made alone.
func TestCollectBeside(t *testing.T) {
	t.Parallel()
	bothLocks(t, func(t *testing.T, p *program) {
		a, _ := straight(p)
		p.run("run", "-f", "a.yaml", "--until", "encode")
		inUse := func(l *live) {
			t.Helper()
			l.signal(syscall.SIGSTOP)
			for p.halfLocked() { // nobody knows whose such a lease is: after two minutes it would be broken
				l.signal(syscall.SIGCONT)
				time.Sleep(time.Millisecond)
				l.signal(syscall.SIGSTOP)
			}
			p.rootless()
			text, code := p.gc()
			if code != exitFailed || !strings.Contains(text, fmt.Sprintf("in use by process %d", l.cmd.Process.Pid)) {
				t.Errorf("gc beside: exit code %d\n%s", code, text)
			}
			l.signal(syscall.SIGCONT)
		}
		run := p.start("run", "-f", "a.yaml")
		run.until(pipeline.StageCached, "autoencoder") // no stage is locked so far
		inUse(run)
		run.until(pipeline.StageCheckpoint, "flow")
		inUse(run)
		run.until(pipeline.StageFinished, "flow")
		inUse(run)
		end := run.end()
		if e, _ := end.last(pipeline.RunFinished, ""); end.code != exitDone || e.Cached != 2 || e.Executed != 2 {
			t.Errorf("exit code %d, %d cached, %d executed\n%s", end.code, e.Cached, e.Executed, end.messages())
		}
		checkOutputs(t, p, "a.yaml", a)

		generate := p.start("generate", "-f", "a.yaml", "--prompt-class", "all", "-n", "40", "--batch", "1")
		generate.until(pipeline.StageProgress, "generate")
		inUse(generate)
		if end := generate.end(); end.code != exitDone {
			t.Errorf("generate: exit code %d\n%s", end.code, end.messages())
		}
		p.run("artifacts", "verify", "-f", "a.yaml")
	})
}

// TestCollectLoop: gc again and again, two at a time, beside a run of what is garbage to it.
func TestCollectLoop(t *testing.T) {
	t.Parallel()
	bothLocks(t, func(t *testing.T, p *program) {
		a, _ := straight(p)
		p.run("run", "-f", "a.yaml", "--until", "encode")
		run := p.start("run", "-f", "a.yaml")
		run.until(pipeline.RunStarted, "")
		over := make(chan struct{})
		var collectors sync.WaitGroup
		for range 2 {
			collectors.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					p.rootless()
					if text, code := p.gc(); code != exitDone && !strings.Contains(text, "in use") {
						t.Errorf("gc: exit code %d\n%s", code, text)
					}
				}
			})
		}
		end := run.end()
		close(over)
		collectors.Wait()
		if e, _ := end.last(pipeline.RunFinished, ""); end.code != exitDone || e.Cached != 2 || e.Executed != 2 {
			t.Errorf("exit code %d, %d cached, %d executed\n%s", end.code, e.Cached, e.Executed, end.messages())
		}
		p.run("run", "-f", "a.yaml") // some of it was garbage once the run was over
		checkOutputs(t, p, "a.yaml", a)

		p.rootless()
		for range 2 {
			collectors.Go(func() {
				if text, code := p.gc(); code != exitDone && !strings.Contains(text, "in use") {
					t.Errorf("gc: exit code %d\n%s", code, text)
				}
			})
		}
		collectors.Wait()
		p.gc() // where both found the other at work
		for _, folder := range []string{"artifacts", "actions", "aside", "locks"} {
			if left, _ := os.ReadDir(filepath.Join(p.dir, ".lfm", folder)); len(left) != 0 {
				t.Errorf("left in %s: %v", folder, left)
			}
		}
	})
}

// TestResumeBeside: resume --from S beside a run that is past S: the run goes on with what it
// has, and both come to the same.
func TestResumeBeside(t *testing.T) {
	t.Parallel()
	bothLocks(t, func(t *testing.T, p *program) {
		a, _ := straight(p)
		run := p.start("run", "-f", "a.yaml")
		run.until(pipeline.StageCheckpoint, "flow")
		run.signal(syscall.SIGSTOP)
		again := p.start("resume", "-f", "a.yaml", "--from", "encode")
		again.until(pipeline.StageFinished, "encode")
		again.until(pipeline.StageWaiting, "flow")
		run.signal(syscall.SIGCONT)
		for _, end := range []attempt{run.end(), again.end()} {
			if end.code != exitDone {
				t.Errorf("exit code %d\n%s", end.code, end.messages())
			}
		}
		checkOutputs(t, p, "a.yaml", a)
		p.run("artifacts", "verify", "-f", "a.yaml")
	})
}

// TestStoreDeleted: a run whose store is moved away ends at its next checkpoint, says so, and
// makes no half of a store in its place.
func TestStoreDeleted(t *testing.T) {
	t.Parallel()
	bothLocks(t, func(t *testing.T, p *program) {
		store := filepath.Join(p.dir, ".lfm")
		run := p.start("run", "-f", "a.yaml", "--set", "stages.autoencoder.with.steps=1000000")
		run.until(pipeline.StageCheckpoint, "autoencoder")
		if err := os.Rename(store, filepath.Join(p.dir, "elsewhere")); err != nil {
			t.Fatal(err)
		}
		if end := run.end(); end.code != exitFailed || !strings.Contains(end.messages(), store+" is gone: it was deleted or moved while in use") {
			t.Errorf("exit code %d\n%s", end.code, end.messages())
		}
		if _, err := os.Lstat(store); !os.IsNotExist(err) {
			t.Errorf("the store is back: %v", err)
		}
	})
}
