package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lfm/pipeline"
)

// tinyOutputs is what the tiny pipeline comes to where nothing is in the way; asked once.
func tinyOutputs(t testing.TB) map[string]string {
	t.Helper()
	tinyAlone.Do(func() {
		p := newProgram(t)
		p.tiny()
		p.run("run")
		tinyAlone.outputs = p.outputs()
	})
	return tinyAlone.outputs
}

var tinyAlone struct {
	sync.Once
	outputs map[string]string
}

// fails runs lfm, which must end with the code, say all of what is wanted on stderr, and show
// no stack.
func (p *program) fails(code int, args []string, want ...string) {
	p.t.Helper()
	cmd := p.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Run()
	text := stderr.String()
	if got := cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("lfm %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, text)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			p.t.Errorf("lfm %s: does not say %q:\n%s", strings.Join(args, " "), w, text)
		}
	}
	if strings.Contains(text, "goroutine ") {
		p.t.Errorf("lfm %s: shows its stack:\n%s", strings.Join(args, " "), text)
	}
}

// recovers runs lfm again where nothing is in the way any more: the outputs are those of a run
// that nothing ever was in the way of, nothing in the store is damaged, nothing left over.
func (p *program) recovers() {
	p.t.Helper()
	p.run("run")
	if got, want := p.outputs(), tinyOutputs(p.t); !maps.Equal(got, want) {
		p.t.Errorf("outputs %v, want %v", got, want)
	}
	p.run("artifacts", "verify")
	for _, folder := range []string{"aside", "locks", "work"} {
		if left, _ := os.ReadDir(filepath.Join(p.dir, ".lfm", folder)); len(left) != 0 {
			p.t.Errorf("left in %s: %v", folder, left)
		}
	}
}

// TestOddStores: a store may lie wherever a folder can, and what can be none is told.
func TestOddStores(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a-rather-long-name/", 40)
	for name, store := range map[string]string{"spaces": "a store  of  lfm ", "letters": "zwischenlager/größe-模型-🐈", "long": long} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t)
			p.tiny()
			args := []string{"--store", filepath.Join(p.dir, store)}
			p.run(append(args, "run")...)
			if got, want := p.outputs(args...), tinyOutputs(t); !maps.Equal(got, want) {
				t.Errorf("outputs %v, want %v", got, want)
			}
			p.run(append(args, "generate", "--prompt-class", "cat", "-n", "1")...)
		})
	}
	p := newProgram(t)
	p.tiny()
	p.fails(exitFailed, []string{"run", "--store", strings.Repeat("x", 300)}, "xxx", "shorter name")
	p.write("file", "")
	p.fails(exitFailed, []string{"run", "--store", "file"}, filepath.Join(p.dir, "file"), "--store")
	p.fails(exitFailed, []string{"run", "--store", "file/below"}, "file", "move it away")
	newer := filepath.Join(p.dir, "newer")
	if err := os.Mkdir(newer, 0o777); err != nil {
		t.Fatal(err)
	}
	p.write("newer/FORMAT", "lfm store 99\n")
	for _, command := range []string{"run", "status", "resume"} {
		p.fails(exitFailed, []string{command, "--store", "newer"}, newer, "newer lfm", "update lfm")
	}
	if left, _ := os.ReadDir(newer); len(left) != 1 {
		t.Errorf("a store of a newer lfm was written to: %v", left)
	}
}

// TestOddOut: what stands in the place of out/ is not touched: a run is refused before it computes anything, and where
// that was finished, the copies of the pictures are all that is missing.
func TestOddOut(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	out := filepath.Join(p.dir, "out")
	p.write("out", "a file of mine")
	p.fails(exitFailed, []string{"run"}, out, "move it away")
	if made, _ := filepath.Glob(filepath.Join(p.dir, ".lfm", "artifacts", "*")); len(made) > 0 {
		t.Errorf("computed before it was refused: %v", made)
	}
	os.Remove(out)
	p.run("run")
	os.RemoveAll(out)
	p.write("out", "a file of mine")
	p.fails(exitFailed, []string{"run"}, out, "move it away")
	p.fails(exitFailed, []string{"generate", "--prompt-class", "cat", "-n", "1"}, out, "move it away")
	if data, err := os.ReadFile(out); err != nil || string(data) != "a file of mine" {
		t.Errorf("the file is %q, %v", data, err)
	}
	os.Remove(out)
	if os.Symlink("nowhere", out) == nil {
		p.fails(exitFailed, []string{"run"}, out, "move it away")
		os.Remove(out)
		os.Mkdir(filepath.Join(p.dir, "else"), 0o777)
		os.Symlink("else", out)
	}
	p.recovers()
	if _, err := os.Stat(filepath.Join(p.dir, "out", "decode", "grid.png")); err != nil {
		t.Error(err)
	}
}

// TestClockBack: which run was the last does not depend on what time it was.
func TestClockBack(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	p.run("run", "--until", "autoencoder")
	runs := filepath.Join(p.dir, ".lfm", "runs")
	first, err := os.ReadDir(runs)
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	// The first run was in 2099, by a clock that was wrong.
	future := "20990101T000000.000-abcdef"
	if err := os.Rename(filepath.Join(runs, first[0].Name()), filepath.Join(runs, future)); err != nil {
		t.Fatal(err)
	}
	set := "stages.flow.with.steps=9"
	a := p.try(func(e pipeline.Event) os.Signal {
		if e.Event == pipeline.StageStarted && e.Stage == "flow" {
			return os.Kill
		}
		return nil
	}, "run", "--until", "flow", "--set", set)
	started, _ := a.last(pipeline.RunStarted, "")
	if started.RunID <= future {
		t.Errorf("run %s sorts before %s", started.RunID, future)
	}
	if text := p.run("logs"); !strings.Contains(text, started.RunID) {
		t.Errorf("logs shows\n%s, want run %s", text, started.RunID)
	}
	if text := p.run("logs", "autoencoder"); !strings.Contains(text, future) {
		t.Errorf("logs autoencoder shows\n%s, want run %s", text, future)
	}
	p.fails(exitWouldRun, []string{"status"}, "as in the last run: --set "+set)
	p.fails(exitDone, []string{"resume"}, "as in the last run: --set "+set, "as in the last run: --until flow")
}
