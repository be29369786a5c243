package main

import (
	"bytes"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lfm/artifacts"
	"lfm/pipeline"
)

// breaking is stderr that panics at the first checkpoint that it is told of.
type breaking struct {
	io.Writer
	once sync.Once
}

func (b *breaking) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(`"event":"checkpoint"`)) {
		b.once.Do(func() { panic("stderr: out of paper") })
	}
	return b.Writer.Write(p)
}

// breaks is lfm, but for its stderr.
func breaks() {
	io := System()
	io.Err = &breaking{Writer: io.Err}
	os.Exit(Main(os.Args[1:], io))
}

// TestPanic: a panic in the midst of a stage of the real program ends it with exit code 1 and a
// message that names the stage and where the stack is. The store is intact, and the next run
// goes on from the checkpoint and comes to the bytes of a straight run. (That a panic in a goroutine
// of the engine, of the reading of images or of a training's inputs is one of the stage is
// tested where those goroutines start.)
func TestPanic(t *testing.T) {
	t.Parallel()
	straight, p := newProgram(t), newProgram(t)
	straight.tiny()
	straight.run("run")
	p.tiny()
	cmd := exec.Command("lfm-breaks", "run", "--log", "json")
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
	told, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(string(told), "stage autoencoder: panicked: stderr: out of paper (a mistake in lfm; the stack is in ") {
		t.Errorf("it says:\n%s", told)
	}
	store, err := artifacts.Open(filepath.Join(p.dir, ".lfm"))
	if err != nil {
		t.Fatal(err)
	}
	s := pipeline.LastRecord(store, filepath.Join(p.dir, defaultFile)).Stage("autoencoder")
	if s.State != pipeline.WasFailed || !strings.Contains(s.Stack, "train.(*run).save") {
		t.Errorf("record: %+v", s)
	}
	p.run("artifacts", "verify")
	a := p.try(func(pipeline.Event) os.Signal { return nil }, "run")
	if e, ok := a.last(pipeline.StageResumed, "autoencoder"); a.code != exitDone || !ok || e.Step != 6 {
		t.Errorf("the next run: exit code %d, goes on from step %d\n%s", a.code, e.Step, a.messages())
	}
	if got, want := p.outputs(), straight.outputs(); !maps.Equal(got, want) {
		t.Errorf("other bytes than straight through:\n%v\nwant\n%v", got, want)
	}
}
