package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lfm/artifacts"
	"lfm/internal/kernels"
	"lfm/pipeline"
)

// killed is a pipeline whose every stage works long enough to be killed in the middle:
// checkpoints every ten steps, latents in three shards, and pictures in many batches.
const killed = `
seed: 3
datasets: {dots: {source: dots, size: 8}}
stages:
  autoencoder:
    uses: autoencoder
    with: {latent_channels: 2, channels: 4, batch: 4, steps: %[1]d, checkpoint_every: %[3]d}
  encode: {uses: encode, needs: [autoencoder], with: {hflip: true, batch: 2}}
  flow:
    uses: flow
    needs: [encode]
    with: {width: 16, heads: 2, context_tokens: 2, batch: 4, steps: %[2]d, checkpoint_every: %[3]d, previews: false}
  decode: {uses: decode, needs: [autoencoder, flow], with: {per_class: 30, steps: 2, batch: %[4]d}}
`

// TestKill: whatever kill -9 interrupts, the next run goes on from the last checkpoint, and
// all ends in the same bytes as a run that nothing interrupted.
func TestKill(t *testing.T) {
	const (
		steps, flowSteps, interval = 300, 300, 10
		images, shard              = 5000, 4096 // 9500 rows with the mirror images
		pictures, batch            = 60, 4      // of two classes
	)
	t.Parallel()
	build := func() *program {
		p := newProgram(t)
		p.write(defaultFile, fmt.Sprintf(killed, steps, flowSteps, interval, batch))
		if err := writeIDX(filepath.Join(p.dir, "dots"), images); err != nil {
			t.Fatal(err)
		}
		return p
	}
	straight := build()
	straight.run("run")
	want := straight.outputs()

	p := build()
	type kill struct {
		stage    string
		after    int // step of a checkpoint
		interval int
		total    int
	}
	executed, started := map[string]int{}, map[string]int{} // steps, by stage: of all attempts; the step at which the last one began
	for _, k := range []kill{
		{"autoencoder", 20, interval, steps},
		{"autoencoder", 60, interval, steps},
		{"encode", shard, shard, images*2 - images/10},
		{"flow", 20, interval, flowSteps},
		{"decode", 2 * batch, batch, pictures},
	} {
		a := p.try(func(e pipeline.Event) os.Signal {
			if e.Stage == k.stage && e.Event == pipeline.StageCheckpoint && e.Step >= k.after {
				return os.Kill
			}
			return nil
		}, "run")
		if a.code != -1 {
			t.Fatalf("%s: ended with %d before it was killed\n%s", k.stage, a.code, a.messages())
		}
		if s := p.states()[k.stage]; s.State != pipeline.Interrupted {
			t.Errorf("%s is %s after the kill, want interrupted", k.stage, s.State)
		}
		checkResumed(t, a, executed, started)
		saved, _ := a.last(pipeline.StageCheckpoint, k.stage)
		if saved.Step >= k.total {
			t.Fatalf("%s: was done at step %d before it was killed", k.stage, saved.Step)
		}
		executed[k.stage] += saved.Step + k.interval - 1 - started[k.stage] // at most: the next checkpoint was not written
		started[k.stage] = saved.Step
	}
	a := p.try(func(pipeline.Event) os.Signal { return nil }, "run")
	if a.code != exitDone {
		t.Fatalf("the last run: exit code %d\n%s", a.code, a.messages())
	}
	checkResumed(t, a, executed, started)
	for stage, total := range map[string]int{"autoencoder": steps, "flow": flowSteps, "encode": images*2 - images/10, "decode": pictures} {
		kills, every := 1, interval
		switch stage {
		case "autoencoder":
			kills = 2
		case "encode":
			every = shard
		case "decode":
			every = batch
		}
		if sum := executed[stage] + total - started[stage]; sum > total+kills*every {
			t.Errorf("%s: %d steps in all attempts together, want at most %d", stage, sum, total+kills*every)
		}
	}
	if got := p.outputs(); !maps.Equal(got, want) {
		t.Errorf("other bytes than straight through:\n%v\nwant\n%v", got, want)
	}
}

// TestKillGenerate: whatever of lfm generate a kill -9 interrupts, each picture is there whole
// or not at all, and the same command makes the rest and leaves what is there alone.
func TestKillGenerate(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	p.run("run")
	generate := func(out string) []string {
		return []string{"generate", "--prompt-class", "cat,dog", "-n", "100", "--steps", "2", "--batch", "4", "--out", out}
	}
	p.run(generate("straight")...)
	want := pictures(t, filepath.Join(p.dir, "straight"))
	if len(want) != 200+1 {
		t.Fatalf("%d pictures", len(want))
	}
	var before map[string]pictureFile
	for _, after := range []int{10, 90} {
		a := p.try(func(e pipeline.Event) os.Signal {
			if e.Event == pipeline.StageProgress && e.Step >= after {
				return os.Kill
			}
			return nil
		}, generate("killed")...)
		if a.code != -1 {
			t.Fatalf("ended with %d before it was killed\n%s", a.code, a.messages())
		}
		now := pictures(t, filepath.Join(p.dir, "killed"))
		if len(now) < after || len(now) >= len(want) {
			t.Fatalf("%d pictures when killed at %d", len(now), after)
		}
		checkKept(t, now, before, want)
		before = now
	}
	a := p.try(func(pipeline.Event) os.Signal { return nil }, generate("killed")...)
	if note := fmt.Sprintf("%d of 200 pictures are there already", len(before)); a.code != exitDone || !strings.Contains(a.messages(), note) {
		t.Errorf("exit code %d, want a note: %s\n%s", a.code, note, a.messages())
	}
	now := pictures(t, filepath.Join(p.dir, "killed"))
	checkKept(t, now, before, want)
	if len(now) != len(want) {
		t.Errorf("%d pictures in the end, want %d", len(now), len(want))
	}
}

// pictureFile is a file and its bytes.
type pictureFile struct {
	info fs.FileInfo
	data string
}

// pictures are the PNG files of a folder by name.
func pictures(t *testing.T, dir string) map[string]pictureFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]pictureFile{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = pictureFile{info, string(data)}
	}
	return files
}

// checkKept holds pictures to the bytes of a straight run, and those of before to being the
// very files that they were.
func checkKept(t *testing.T, now, before, want map[string]pictureFile) {
	t.Helper()
	for name, f := range now {
		if f.data != want[name].data {
			t.Errorf("%s has other bytes than straight through", name)
		}
	}
	for name, f := range before {
		if !os.SameFile(f.info, now[name].info) {
			t.Errorf("%s was written again", name)
		}
	}
}

// checkResumed holds an attempt to going on from the last checkpoint of the one before. One
// that was written but not told of before the kill may have been later.
func checkResumed(t *testing.T, a attempt, executed, started map[string]int) {
	t.Helper()
	for stage, saved := range started {
		e, ok := a.last(pipeline.StageResumed, stage)
		if _, begun := a.last(pipeline.StageStarted, stage); !begun {
			continue // cached by now
		}
		if !ok || e.Step < saved || e.Step == 0 {
			t.Errorf("%s: goes on from step %d (%v), want the checkpoint of %d", stage, e.Step, ok, saved)
			continue
		}
		started[stage] = e.Step
	}
}

// soon is how long lfm may take to end after a signal.
const soon = 10 * time.Second

// signalCase is a loop of some stage or data set, and a moment at which a run is in it.
type signalCase struct {
	loop   string
	stage  string // or data set
	signal syscall.Signal
	at     func(pipeline.Event) bool
	after  time.Duration // behind that
	sets   []string
	exact  bool // the next run goes on from the last checkpoint told, which there is
}

// signalCases are the loops of a run that may take longer than soon. All but those that read
// files begin in a store that has what the stage is made from.
func signalCases() []signalCase {
	const sigint, sigterm, sighup = syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP
	const hashing = 500 * time.Millisecond // until it has begun; it takes minutes
	on := func(event, stage string) func(pipeline.Event) bool {
		return func(e pipeline.Event) bool { return e.Event == event && e.Stage == stage }
	}
	return []signalCase{
		{"hashing an archive", "critters", sigint, on(pipeline.RunStarted, ""), hashing, []string{"datasets.critters={source: huge.tar, size: 16}"}, false},
		{"hashing a file of a folder", "critters", sigterm, on(pipeline.RunStarted, ""), hashing, []string{"datasets.critters={source: huge, size: 16}"}, false},
		{"decoding a folder", "critters", sigint, on(pipeline.SourceStarted, "critters"), 0, []string{"datasets.critters={source: many, size: 16}"}, false},
		{"decoding a zip", "critters", sigterm, on(pipeline.SourceStarted, "critters"), 0, []string{"datasets.critters={source: many.zip, size: 16}"}, false},
		{"drawing critters", "critters", sigint, on(pipeline.SourceStarted, "critters"), 0, []string{"datasets.critters.count=1000000", "datasets.critters.size=64"}, false},
		{"training", "autoencoder", sigint, on(pipeline.StageProgress, "autoencoder"), 0, []string{"stages.autoencoder.with.steps=1000000"}, true},
		{"training", "autoencoder", sigterm, on(pipeline.StageProgress, "autoencoder"), 0, []string{"stages.autoencoder.with.steps=1000000"}, true},
		{"writing checkpoints", "autoencoder", sigint, on(pipeline.StageCheckpoint, "autoencoder"), 0,
			[]string{"stages.autoencoder.with.steps=1000000", "stages.autoencoder.with.checkpoint_every=1", "stages.autoencoder.with.channels=32"}, true},
		{"measuring", "autoencoder", sigterm, on(pipeline.StageCheckpoint, "autoencoder"), 0,
			[]string{"stages.autoencoder.with.steps=1", "stages.autoencoder.with.channels=32", "datasets.critters.size=32", "datasets.critters.count=600"}, true},
		{"encoding", "encode", sigint, on(pipeline.StageProgress, "encode"), 0, []string{"datasets.critters.count=20000", "datasets.critters.test_fraction=0"}, false},
		{"encoding, behind a shard", "encode", sigterm, on(pipeline.StageCheckpoint, "encode"), 0, []string{"datasets.critters.count=20000", "datasets.critters.test_fraction=0"}, true},
		{"training", "flow", sighup, on(pipeline.StageProgress, "flow"), 0, []string{"stages.flow.with.steps=1000000"}, true},
		{"previews", "flow", sigint, on(pipeline.StagePicture, "flow"), 0,
			[]string{"stages.flow.with.steps=20", "stages.flow.with.previews=true", "stages.flow.with.width=64"}, true},
		{"measuring", "flow", sigterm, on(pipeline.StageCheckpoint, "flow"), 0,
			[]string{"stages.flow.with.steps=1", "stages.flow.with.width=64", "stages.flow.with.previews=true"}, true},
		{"sampling", "decode", sigint, on(pipeline.StageStarted, "decode"), 0, []string{"stages.decode.with.steps=10000"}, false},
		{"writing pictures", "decode", sigterm, on(pipeline.StageProgress, "decode"), 0, []string{"stages.decode.with.per_class=1000", "stages.decode.with.batch=4"}, true},
		{"sampling", "evaluate", sigterm, on(pipeline.StageProgress, "evaluate"), 0, []string{"stages.evaluate.with.steps=[10000]"}, false},
		{"learning from pictures", "evaluate", sigint, on(pipeline.StageProgress, "evaluate"), 0, []string{"stages.evaluate.with.cas_steps=1000000"}, false},
	}
}

// TestSignals: SIGINT, SIGTERM and SIGHUP end any loop of any stage within seconds, with the exit code
// of the signal, after saying how to go on; and going on does, where there was something to
// save from just there.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals to send")
	}
	t.Parallel()
	hearHangups()
	p := newProgram(t)
	p.judged()
	p.run("run")
	p.longReads()
	for _, c := range signalCases() {
		t.Run(c.stage+"/"+c.loop, func(t *testing.T) {
			p := &program{t: t, dir: p.dir, env: p.env}
			args := []string{"run"}
			for _, set := range c.sets {
				args = append(args, "--set", set)
			}
			struck := false
			a := p.strike(func(e pipeline.Event, send func(os.Signal, time.Duration)) {
				if c.at(e) && !struck {
					send(c.signal, c.after)
					struck = true
				}
			}, args...)
			checkStopped(t, a, c.signal, "interrupted in "+c.stage, "go on with: lfm resume")
			if !c.exact {
				return
			}
			saved, ok := a.last(pipeline.StageCheckpoint, c.stage)
			if s := p.states()[c.stage]; s.State != pipeline.Interrupted || !ok {
				t.Fatalf("is %s, saved at step %d", s.State, saved.Step)
			}
			again := p.try(func(e pipeline.Event) os.Signal {
				if e.Stage == c.stage && (e.Event == pipeline.StageResumed || e.Event == pipeline.StageProgress) {
					return os.Kill
				}
				return nil
			}, "resume")
			if e, ok := again.last(pipeline.StageResumed, c.stage); !ok || e.Step != saved.Step {
				t.Errorf("goes on from step %d, and was saved at %d\n%s", e.Step, saved.Step, again.messages())
			}
		})
	}
	t.Run("generate", func(t *testing.T) {
		a := (&program{t: t, dir: p.dir, env: p.env}).try(func(e pipeline.Event) os.Signal {
			if e.Event == pipeline.StageProgress {
				return os.Interrupt
			}
			return nil
		}, "generate", "-f", defaultFile, "--prompt-class", "all", "-n", "100", "--batch", "1", "--steps", "100")
		checkStopped(t, a, syscall.SIGINT, "interrupted", "the same command makes the rest")
	})
	t.Run("waiting", func(t *testing.T) {
		p := &program{t: t, dir: p.dir, env: p.env}
		var waiting attempt
		p.try(func(e pipeline.Event) os.Signal {
			if e.Event != pipeline.StageProgress {
				return nil
			}
			waiting = p.try(func(e pipeline.Event) os.Signal {
				if e.Event == pipeline.StageWaiting {
					return syscall.SIGTERM
				}
				return nil
			}, "run", "--set", "stages.autoencoder.with.steps=2000000")
			return os.Kill
		}, "run", "--set", "stages.autoencoder.with.steps=2000000")
		checkStopped(t, waiting, syscall.SIGTERM, "is computing the same; waiting for it", "interrupted in autoencoder", "go on with: lfm resume")
	})
	t.Run("bench", func(t *testing.T) {
		p.stopped(t, syscall.SIGTERM, "bench", "--only", "encode", "--repeats", "1000000")
	})
	t.Run("verify", func(t *testing.T) {
		store, err := artifacts.Open(filepath.Join(p.dir, "large"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := store.Build("large")
		if err != nil {
			t.Fatal(err)
		}
		large := filepath.Join(p.dir, "large.bin")
		small, err := store.Build("small")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := small.Publish(artifacts.HashText("small"), "small", nil); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(large, nil, 0o666), os.Truncate(large, 512<<20), out.AddFile("large.bin", large)); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Publish(artifacts.HashText("large"), "large", nil); err != nil {
			t.Fatal(err)
		}
		p.stopped(t, syscall.SIGINT, "artifacts", "verify", "--store", "large")
	})
}

// longReads lays out sources that take long to read: a file that is hashed for minutes (it has no
// blocks on the disk), and many images that are slow to decode.
func (p *program) longReads() {
	p.t.Helper()
	const huge = 256 << 30
	folder, many := filepath.Join(p.dir, "huge", "cat"), filepath.Join(p.dir, "many", "cat")
	var data bytes.Buffer
	err := errors.Join(os.MkdirAll(folder, 0o777), os.MkdirAll(many, 0o777),
		png.Encode(&data, image.NewGray(image.Rect(0, 0, 3000, 3000))))
	for _, name := range []string{filepath.Join(p.dir, "huge.tar"), filepath.Join(folder, "1.png")} {
		err = errors.Join(err, os.WriteFile(name, nil, 0o666), os.Truncate(name, huge))
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for i := range 500 {
		name := fmt.Sprintf("%03d.png", i)
		w, zerr := z.Create("cat/" + name)
		if zerr == nil {
			_, zerr = w.Write(data.Bytes())
		}
		err = errors.Join(err, zerr, os.WriteFile(filepath.Join(many, name), data.Bytes(), 0o666))
	}
	err = errors.Join(err, z.Close(), os.WriteFile(filepath.Join(p.dir, "many.zip"), archive.Bytes(), 0o666))
	if err != nil {
		p.t.Fatal(err)
	}
}

// checkStopped holds an attempt to having ended by a signal's manners, with these words.
func checkStopped(t *testing.T, a attempt, signal syscall.Signal, words ...string) {
	t.Helper()
	if want := 128 + int(signal); a.code != want || a.took > soon {
		t.Errorf("%v: exit code %d after %v, want %d\n%s", signal, a.code, a.took, want, a.messages())
	}
	for _, w := range words {
		if !strings.Contains(a.messages(), w) {
			t.Errorf("%v: does not say %q:\n%s", signal, w, a.messages())
		}
	}
}

// stopped runs lfm without --log until it prints something, and holds it to ending by a signal's
// manners.
func (p *program) stopped(t *testing.T, signal syscall.Signal, args ...string) {
	t.Helper()
	cmd := p.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stdout.Read(make([]byte, 1))
	sent := time.Now()
	cmd.Process.Signal(signal)
	io.Copy(io.Discard, stdout)
	cmd.Wait()
	if code, took := cmd.ProcessState.ExitCode(), time.Since(sent); code != 128+int(signal) || took > soon || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("%v: exit code %d after %v\n%s", signal, code, took, stderr.Bytes())
	}
}

// TestSecondSignal: a run that was asked to end and takes its time, because a step is long, ends
// at once when it is asked again: with the exit code of the second signal, and saving nothing
// more. The next run goes on from the checkpoint before.
func TestSecondSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals to send")
	}
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	args := []string{"run", "--threads", "1"}
	for _, set := range []string{"datasets.critters.size=64", "stages.autoencoder.with.channels=32", "stages.autoencoder.with.batch=16", "stages.autoencoder.with.checkpoint_every=1"} {
		args = append(args, "--set", set)
	}
	for done, second := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		a := p.strike(func(e pipeline.Event, send func(os.Signal, time.Duration)) {
			switch {
			case e.Event == pipeline.StageCheckpoint:
				send(syscall.SIGTERM, 0)
			case strings.Contains(e.Message, "once more to stop at once"):
				send(second, 0)
			}
		}, args...)
		if a.code != 128+int(second) || strings.Contains(a.messages(), "interrupted") {
			t.Errorf("%v: exit code %d\n%s", second, a.code, a.messages())
		}
		if e, _ := a.last(pipeline.StageResumed, "autoencoder"); e.Step != done {
			t.Errorf("%v: goes on from step %d, want %d", second, e.Step, done)
		}
		if e, _ := a.last(pipeline.StageCheckpoint, "autoencoder"); e.Step != done+1 {
			t.Errorf("%v: saved at step %d, want %d", second, e.Step, done+1)
		}
	}
}

// hearHangups has programs that are started from now on end by SIGHUP, also where the tests run under nohup: what is
// handled is not inherited, what is ignored is.
func hearHangups() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }

// endless trains until it is stopped, and saves nothing of itself before.
func endless() []string {
	return []string{"run", "--set", "stages.autoencoder.with.steps=1000000", "--set", "stages.autoencoder.with.checkpoint_every=1000000"}
}

// wentOn holds the next run to going on from where the last one was stopped.
func (p *program) wentOn() {
	p.t.Helper()
	if s := p.states()["autoencoder"]; s.State != pipeline.Interrupted {
		p.t.Errorf("the stage is %s, want interrupted", s.State)
	}
	a := p.try(func(e pipeline.Event) os.Signal {
		if e.Stage == "autoencoder" && (e.Event == pipeline.StageResumed || e.Event == pipeline.StageProgress) {
			return os.Kill
		}
		return nil
	}, "resume")
	if e, ok := a.last(pipeline.StageResumed, "autoencoder"); !ok || e.Step == 0 {
		p.t.Errorf("goes on from step %d (%v)\n%s", e.Step, ok, a.messages())
	}
}

// TestHangup: a terminal that goes away sends SIGHUP, and again when the shell in it has ended, and the end of
// a session sends it with SIGTERM; what trains there saves. Under nohup it trains on.
func TestHangup(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals to send")
	}
	t.Parallel()
	hearHangups()
	p := newProgram(t)
	p.tiny()
	for _, second := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		a := p.strike(func(e pipeline.Event, send func(os.Signal, time.Duration)) {
			switch {
			case e.Event == pipeline.StageProgress:
				send(syscall.SIGHUP, 0)
			case strings.Contains(e.Message, "saving"):
				send(second, 0)
			}
		}, endless()...)
		checkStopped(t, a, syscall.SIGHUP, "interrupted in autoencoder", "go on with: lfm resume")
		p.wentOn()
	}

	p = newProgram(t)
	p.tiny()
	p.ignoring = "HUP"
	a := p.try(func(e pipeline.Event) os.Signal {
		if e.Event == pipeline.StageStarted {
			return syscall.SIGHUP
		}
		return nil
	}, "run")
	if a.code != exitDone {
		t.Errorf("with SIGHUP ignored: exit code %d\n%s", a.code, a.messages())
	}
}

// TestUnread: when nobody reads what it prints any more, what trains saves and stops, and so it does at
// Ctrl-C, which takes the reader away and reaches lfm too.
func TestUnread(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals to send")
	}
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	for _, ctrlC := range []bool{false, true} {
		cmd := p.command(append(endless(), "--log", "json")...)
		stderr, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		for lines.Scan() && !strings.Contains(lines.Text(), pipeline.StageProgress) {
		}
		stderr.Close()
		ended := time.Now()
		if ctrlC {
			cmd.Process.Signal(os.Interrupt)
		}
		cmd.Wait()
		code, took := cmd.ProcessState.ExitCode(), time.Since(ended)
		if took > soon || code != exitUnread && !(ctrlC && code == exitInterrupted) {
			t.Errorf("Ctrl-C %v: exit code %d after %v", ctrlC, code, took)
		}
		p.wentOn()
	}
}

// unread is a pipe whose reader has gone.
type unread struct{}

func (unread) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
}

// TestUnreadResults: results that nobody reads to their end, as behind | head, are no failure to speak of.
func TestUnreadResults(t *testing.T) {
	var said bytes.Buffer
	if code := Main([]string{"schema"}, streams{In: strings.NewReader(""), Out: unread{}, Err: &said}); code != exitUnread || said.Len() > 0 {
		t.Errorf("exit code %d, said %q, want %d and nothing", code, said.String(), exitUnread)
	}
}

// TestInexact: what one instruction set began, another does not go on with unless that is
// accepted, because the bytes would be neither's.
func TestInexact(t *testing.T) {
	if kernels.Level() == kernels.Generic {
		t.Skip("there is one instruction set only")
	}
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	generic := *p
	generic.env = append(slices.Clone(p.env), "LFM_CPU=generic")
	a := generic.try(func(e pipeline.Event) os.Signal {
		if e.Event == pipeline.StageCheckpoint {
			return os.Kill
		}
		return nil
	}, "run", "--set", "stages.autoencoder.with.steps=300", "--set", "stages.autoencoder.with.checkpoint_every=10")
	if a.code != -1 {
		t.Fatalf("exit code %d before the kill\n%s", a.code, a.messages())
	}
	never := func(pipeline.Event) os.Signal { return nil }
	if a = p.try(never, "resume"); a.code != exitFailed || !strings.Contains(a.messages(), "--accept-inexact") {
		t.Errorf("exit code %d\n%s", a.code, a.messages())
	}
	a = p.try(never, "resume", "--accept-inexact")
	if e, ok := a.last(pipeline.StageResumed, "autoencoder"); a.code != exitDone || !ok || e.Step == 0 {
		t.Errorf("accepted: exit code %d, goes on from step %d\n%s", a.code, e.Step, a.messages())
	}
}
