package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lfm/artifacts"
	"lfm/internal/panics"
)

func wantComputed(t *testing.T, what string, got map[string]int, want ...string) {
	t.Helper()
	counts := map[string]int{}
	for _, name := range want {
		counts[name]++
	}
	if !maps.Equal(got, counts) {
		t.Errorf("%s: computed %v, want %v", what, got, counts)
	}
}

// TestCaching counts work: what was computed once is not computed again, an edit that
// changes no computation reruns nothing, and a changed setting reruns its stage and what
// is made from it.
func TestCaching(t *testing.T) {
	w := newWorld(t)
	wantComputed(t, "first run", w.up(standard), "dataset", "autoencoder", "encode", "flow", "decode")
	wantComputed(t, "second run", w.up(standard))
	edited := "# a comment\n" + strings.Replace(standard, "{steps: 10}", "{\n      steps: 0xa,  # ten\n      checkpoint_every: 3}", 1)
	wantComputed(t, "comment, notation, key:\"-\"", w.up(edited))
	wantComputed(t, "default written out", w.up(strings.Replace(standard, "{hflip: true}", "{quality: 0, hflip: true}", 1)))
	wantComputed(t, "name", w.up(strings.Replace(standard, "name: toys", "name: other", 1)))
	wantComputed(t, "renamed stage", w.up(strings.NewReplacer("  decode:", "  pictures:", "critters:", "animals:").Replace(standard)))
	wantComputed(t, "flow setting", w.up(strings.Replace(standard, "steps: 20", "steps: 21", 1)), "flow", "decode")
	wantComputed(t, "and back", w.up(standard))
	wantComputed(t, "--set", w.up(standard, "stages.flow.with.steps=22"), "flow", "decode")
	wantComputed(t, "autoencoder setting", w.up(standard, "stages.autoencoder.with.lr=0.5"), "autoencoder", "encode", "flow", "decode")
	wantComputed(t, "no effect on the payload", w.up(standard, "stages.encode.with.quality=3"), "encode")
	wantComputed(t, "seed of one stage", w.up(standard, "stages.decode.seed=8"), "decode")
	wantComputed(t, "pinned device", w.up(standard, "device=cpu"), "autoencoder", "encode", "flow", "decode")
	w.images = "other images"
	wantComputed(t, "images", w.up(standard), "dataset", "autoencoder", "encode", "flow", "decode")
}

// TestOptions checks what --until, --only and --force select.
func TestOptions(t *testing.T) {
	w := newWorld(t)
	run := func(opt Options) error {
		w.computed()
		_, err := w.runner(standard).Run(t.Context(), opt)
		return err
	}
	if err := run(Options{Only: "encode"}); err == nil || !strings.Contains(err.Error(), "stage autoencoder: is missing (never computed), and only encode was asked for") {
		t.Errorf("--only before its inputs: %v", err)
	}
	wantComputed(t, "--only before its inputs", w.computed(), "dataset")
	if err := run(Options{Until: "encode"}); err != nil {
		t.Error(err)
	}
	wantComputed(t, "--until encode", w.computed(), "autoencoder", "encode")
	if err := run(Options{Only: "flow"}); err != nil {
		t.Error(err)
	}
	wantComputed(t, "--only flow", w.computed(), "flow")
	if err := run(Options{Force: []string{"encode"}}); err != nil {
		t.Error(err)
	}
	wantComputed(t, "--force encode, which makes the same bytes", w.computed(), "encode", "decode") // decode was not made yet
	var e *Error
	if err := run(Options{Until: "flwo"}); !errors.As(err, &e) || e.Nearest != "flow" {
		t.Errorf("unknown stage: %v", err)
	}
	if err := run(Options{Until: "encode", Force: []string{"flow"}}); !errors.As(err, &e) {
		t.Errorf("forced outside of --until: %v", err)
	}
	if err := run(Options{Until: "encode", Only: "flow"}); !errors.As(err, &e) {
		t.Errorf("--until and --only: %v", err)
	}
}

// TestForceStartsAfresh: a forced stage does not go on from what an earlier one left in
// its work area.
func TestForceStartsAfresh(t *testing.T) {
	w := newWorld(t)
	w.up(standard)
	w.hook("flow", func(_ context.Context, _ Inputs, work artifacts.Workspace, _ *artifacts.Builder, _ Listener) error {
		if !work.Empty() {
			t.Error("the work area is not empty")
		}
		return os.WriteFile(work.Path("checkpoint"), nil, 0o644)
	})
	r := w.runner(standard)
	s, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	work, err := r.Store.Work(s[3].ActionID)
	if err == nil {
		err = os.WriteFile(work.Path("left"), nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(t.Context(), Options{Force: []string{"flow"}}); err != nil {
		t.Fatal(err)
	}
	if r.Store.Unfinished(s[3].ActionID) {
		t.Error("the work area outlived its stage")
	}
}

// TestOtherBytes: a rerun that makes other bytes than before from the same key says so,
// and what depends on it runs again.
func TestOtherBytes(t *testing.T) {
	w := newWorld(t)
	w.up(standard)
	w.hook("flow", func(_ context.Context, _ Inputs, _ artifacts.Workspace, out *artifacts.Builder, _ Listener) error {
		return out.WriteFile("extra", []byte("not there before"))
	})
	var warnings []string
	r := w.runner(standard)
	r.Listen = func(e Event) {
		if e.Event == StageWarning {
			warnings = append(warnings, e.Stage+": "+e.Message)
		}
	}
	w.computed()
	if _, err := r.Run(t.Context(), Options{Force: []string{"flow"}}); err != nil {
		t.Fatal(err)
	}
	wantComputed(t, "forced, other bytes", w.computed(), "flow", "decode")
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "flow: flow made other bytes than before") {
		t.Errorf("warnings: %q", warnings)
	}
}

// TestPorts: list and map forms of needs, two ports of one kind, and a port that is filled
// by way of another.
func TestPorts(t *testing.T) {
	const text = `
datasets: {d: {source: critters}}
stages:
  compare: {uses: compare, needs: {candidate: f, reference: g}}
  other: {uses: compare, needs: [candidate, f]}
  decode: {uses: decode, needs: [ae, f]}
  candidate: {uses: flow, needs: [e]}
  f: {uses: flow, needs: {encode: e}}
  g: {uses: flow, needs: [e2]}
  e: {uses: encode, needs: [ae]}
  e2: {uses: encode, needs: [ae2]}
  ae: {uses: autoencoder}
  ae2: {uses: autoencoder}
`
	g := newWorld(t).load(text)
	var order []string
	for _, n := range g.Nodes {
		order = append(order, n.Name)
	}
	if got, want := strings.Join(order, " "), "d ae e candidate f other decode ae2 e2 g compare"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
	for _, want := range []struct{ stage, port, from string }{
		{"compare", "candidate", "f"}, {"compare", "reference", "g"},
		{"decode", "autoencoder", "ae"}, {"decode", "flow", "f"},
		{"f", "encode", "e"}, {"f", "autoencoder", "ae"}, {"g", "autoencoder", "ae2"},
		{"other", "candidate", "candidate"},
	} {
		n, err := g.Node(want.stage)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Needs[want.port]; got == nil || got.Name != want.from {
			t.Errorf("%s: port %s is filled with %v, want %s", want.stage, want.port, got, want.from)
		}
	}
}

// parallel is two branches that nothing joins.
const parallel = `
datasets: {d: {source: critters}}
stages:
  a: {uses: autoencoder, seed: 1}
  b: {uses: autoencoder, seed: 2}
  c: {uses: encode, needs: [a]}
`

// TestJobs: two stages that do not need each other meet only if two jobs run side by side,
// and then share the threads.
func TestJobs(t *testing.T) {
	w := newWorld(t)
	met := make(chan bool)
	w.hook("autoencoder", func(ctx context.Context, _ Inputs, _ artifacts.Workspace, _ *artifacts.Builder, _ Listener) error {
		select {
		case met <- true:
		case <-met:
		case <-time.After(10 * time.Second):
			return errors.New("alone")
		}
		return nil
	})
	r := w.runner(parallel)
	r.Jobs, r.Threads = 2, 8
	if _, err := r.Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := w.lastEnv("autoencoder").Threads; got != 4 {
		t.Errorf("two stages at work on 8 threads got %d each", got)
	}
}

// TestOneJob: without --jobs no two stages are at work at a time.
func TestOneJob(t *testing.T) {
	w := newWorld(t)
	var working atomic.Int32
	w.hook("autoencoder", func(context.Context, Inputs, artifacts.Workspace, *artifacts.Builder, Listener) error {
		if working.Add(1) > 1 {
			t.Error("two at once")
		}
		time.Sleep(5 * time.Millisecond)
		working.Add(-1)
		return nil
	})
	if _, err := w.runner(parallel).Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
}

// TestTwoRunners: what two runs want at a time is computed once; the other waits, says on
// whom, and finds it made.
func TestTwoRunners(t *testing.T) {
	w := newWorld(t)
	told := make(chan bool, 2)
	w.hook("autoencoder", func(context.Context, Inputs, artifacts.Workspace, *artifacts.Builder, Listener) error {
		select {
		case <-told:
			return nil
		case <-time.After(time.Minute):
			return errors.New("nobody waits")
		}
	})
	w.load(standard)
	var waited atomic.Int32
	var wg sync.WaitGroup
	for range 2 {
		r := w.runner(standard)
		r.Listen = func(e Event) {
			if e.Event == StageWaiting && e.Stage == "autoencoder" && strings.Contains(e.Message, "process") {
				waited.Add(1)
				told <- true
			}
		}
		wg.Go(func() {
			if _, err := r.Run(t.Context(), Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantComputed(t, "two runs", w.computed(), "dataset", "autoencoder", "encode", "flow", "decode")
	if waited.Load() != 1 {
		t.Errorf("%d runs said that they wait, want 1", waited.Load())
	}
}

// TestFailure: the error names the stage, what does not depend on it is stopped, what was
// made is kept, and the reason is remembered.
func TestFailure(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("out of paper")
	stopped := make(chan bool, 1)
	w.hook("autoencoder", func(ctx context.Context, in Inputs, work artifacts.Workspace, _ *artifacts.Builder, _ Listener) error {
		if w.lastEnv("autoencoder").Seed == 2 { // b's
			<-ctx.Done()
			stopped <- true
			return ctx.Err()
		}
		return nil
	})
	w.hook("encode", func(context.Context, Inputs, artifacts.Workspace, *artifacts.Builder, Listener) error { return broken })
	r := w.runner(strings.ReplaceAll(parallel, "seed: 1", "seed: 0"))
	// One job computes a; then b and c are at work together.
	if _, err := r.Run(t.Context(), Options{Until: "a"}); err != nil {
		t.Fatal(err)
	}
	r.Jobs = 2
	_, err := r.Run(t.Context(), Options{})
	var stage *StageError
	if !errors.As(err, &stage) || stage.Stage != "c" || !errors.Is(err, broken) || err.Error() != "stage c: out of paper" {
		t.Errorf("error %v", err)
	}
	if len(stopped) != 1 {
		t.Error("b was not stopped")
	}
	record := LastRecord(r.Store, r.Graph.File)
	states := []string{record.State}
	for _, s := range record.Stages {
		states = append(states, s.Name+" "+s.State)
	}
	if got := strings.Join(states, ", "); got != "failed, d cached, a cached, b interrupted, c failed" {
		t.Errorf("record: %s", got)
	}
	status, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := status[3]; got.State != Missing || got.Reason != "failed before: out of paper" {
		t.Errorf("status of c: %+v", got)
	}
}

// tooShort panics in a goroutine of its own.
func tooShort() {
	var g panics.Group
	g.Go(func() { panic("kernels: gemm: b too short") })
	g.Wait()
}

// TestCheckData: what a stage says of its data set is said before anything is made of that, at the line of
// what it is about, and not when the stage is not asked for.
func TestCheckData(t *testing.T) {
	for images, want := range map[string]string{
		"dull images":          "stage decode: there is nothing to draw",
		"images without light": "pipeline.yaml:17:3: guidance wants light",
		"a trap":               "stage autoencoder: panicked: stepped on",
		"nothing":              "stage critters: this is no index",
		"the abyss":            "stage autoencoder: panicked: looked back",
	} {
		w := newWorld(t)
		w.images = images
		r := w.runner(standard)
		for range 2 { // the index is made, and found
			_, err := r.Run(t.Context(), Options{})
			var stage *StageError
			if !errors.As(err, &stage) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", images, err, want)
			}
		}
		wantComputed(t, images, w.computed(), "dataset")
		if strings.Contains(want, "panicked") || strings.HasPrefix(want, "stage critters") {
			continue
		}
		if _, err := r.Plan(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, dry run: %v, want %q", images, err, want)
		}
		if _, err := r.Status(t.Context()); err != nil {
			t.Errorf("%s, status: %v", images, err)
		}
		if _, err := r.Run(t.Context(), Options{Until: "flow"}); err != nil {
			t.Errorf("%s, until flow: %v", images, err)
		}
	}
}

// TestCheckDataTogether: of stages that are about to begin together, one is refused, and the others still wait.
func TestCheckDataTogether(t *testing.T) {
	const text = `
datasets: {d: {source: critters}}
stages:
  a: {uses: autoencoder, seed: 1}
  b: {uses: autoencoder, seed: 2}
  e: {uses: encode, needs: [a]}
  f: {uses: flow, needs: [e]}
  g: {uses: decode, needs: [a, f]}
`
	for range 10 {
		w := newWorld(t)
		w.images = "dull images"
		r := w.runner(text)
		r.Jobs = 2
		r.Listen = func(e Event) {
			if e.Event == StageInterrupted {
				t.Errorf("%s is told to be interrupted", e.Stage)
			}
		}
		if _, err := r.Run(t.Context(), Options{}); err == nil || err.Error() != "stage g: there is nothing to draw" {
			t.Error(err)
		}
		var states []string
		for _, s := range LastRecord(r.Store, r.Graph.File).Stages {
			states = append(states, s.Name+" "+s.State)
		}
		if got := strings.Join(states, ", "); got != "d executed, a waiting, b waiting, e waiting, f waiting, g failed" {
			t.Errorf("record: %s", got)
		}
	}
}

// TestCheckDataInterrupted: a run that ends while it is asked why facts cannot be read was interrupted.
func TestCheckDataInterrupted(t *testing.T) {
	w := newWorld(t)
	w.images = "nothing"
	ctx, cancel := context.WithCancel(t.Context())
	w.unfounded = cancel
	_, err := w.runner(standard).Run(ctx, Options{})
	var stopped *InterruptedError
	if !errors.As(err, &stopped) {
		t.Errorf("%v, want an interrupted run", err)
	}
}

// TestCheckTwoDataSets: a stage that is made from two data sets is asked when both are indexed, and knows which is where.
func TestCheckTwoDataSets(t *testing.T) {
	const text = `
datasets: {a: {source: one}, b: {source: two}}
stages:
  ae: {uses: autoencoder, data: a}
  e: {uses: encode, needs: [ae], data: b}
  f: {uses: flow, needs: [e]}
  d: {uses: decode, needs: [ae, f]}
`
	w := newWorld(t)
	w.imagesOf = map[string]string{"one": "bright images", "two": "dull images"}
	r := w.runner(text)
	r.Jobs = 2
	var asked atomic.Int32
	w.digest = func(context.Context) error {
		if asked.Add(1) == 2 {
			time.Sleep(100 * time.Millisecond) // a stage could be computed meanwhile
		}
		return nil
	}
	_, err := r.Run(t.Context(), Options{})
	if err == nil || err.Error() != "stage d: what is dull looks bright" {
		t.Error(err)
	}
	wantComputed(t, "two data sets", w.computed(), "dataset", "dataset")
	record := LastRecord(r.Store, r.Graph.File)
	if s := record.Stage("d"); s.State != WasFailed || record.Stage("ae").State == WasFailed {
		t.Errorf("record: %+v", record.Stages)
	}
}

// TestPanic: a panic in a stage, also one that a goroutine handed over, is an error that names
// the stage, with the stack of where it began in the run record and not in the message. The
// store is as it was, and the next run goes on.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	mistaken := true
	w.hook("encode", func(context.Context, Inputs, artifacts.Workspace, *artifacts.Builder, Listener) error {
		if mistaken {
			tooShort()
		}
		return nil
	})
	r := w.runner(standard)
	_, err := r.Run(t.Context(), Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "stage encode: panicked: kernels: gemm: b too short") || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("error %v", err)
	}
	s := LastRecord(r.Store, r.Graph.File).Stage("encode")
	if s.State != WasFailed || !strings.Contains(s.Stack, "pipeline.tooShort") {
		t.Errorf("record: %+v", s)
	}
	if aside, err := os.ReadDir(filepath.Join(r.Store.Dir(), "aside")); err != nil || len(aside) > 0 {
		t.Errorf("left aside: %v, %v", aside, err)
	}
	mistaken = false
	if summary, err := r.Run(t.Context(), Options{}); err != nil || summary.Executed != 3 || summary.Cached != 1 {
		t.Errorf("the next run executes %d and takes %d from the store: %v", summary.Executed, summary.Cached, err)
	}
}

// TestPanicBeforeStage: so is one that comes before a stage or a data set is at work.
func TestPanicBeforeStage(t *testing.T) {
	w := newWorld(t)
	w.digest = func(context.Context) error { panic("imaging: no filter") }
	r := w.runner(standard)
	_, err := r.Run(t.Context(), Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "stage critters: panicked: imaging: no filter") {
		t.Errorf("error %v", err)
	}
	if s := LastRecord(r.Store, r.Graph.File).Stage("critters"); s.State != WasFailed || !strings.Contains(s.Stack, "run_test.go") {
		t.Errorf("record: %+v", s)
	}
	w.digest = nil
	if _, err := r.Run(t.Context(), Options{}); err != nil {
		t.Errorf("the next run: %v", err)
	}
}

// TestInterrupt: the end of the context is an error that wraps context.Canceled and the
// cause and names the stage; the work area survives, the state says so, and the next run
// goes on in it.
func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	signal := errors.New("terminated")
	w.hook("flow", func(ctx context.Context, _ Inputs, work artifacts.Workspace, _ *artifacts.Builder, l Listener) error {
		if data, err := os.ReadFile(work.Path("checkpoint")); err == nil {
			l.Resumed(len(data))
			return nil
		}
		cancel(signal)
		<-ctx.Done()
		if err := os.WriteFile(work.Path("checkpoint"), []byte("four"), 0o644); err != nil {
			t.Error(err)
		}
		return fmt.Errorf("flow: step 4: %w", ctx.Err())
	})
	r := w.runner(standard)
	_, err := r.Run(ctx, Options{})
	var stopped *InterruptedError
	if !errors.Is(err, context.Canceled) || !errors.Is(err, signal) || !errors.As(err, &stopped) || !slices.Equal(stopped.Stages, []string{"flow"}) {
		t.Errorf("error %v", err)
	}
	status, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := status[3]; got.State != Interrupted || got.Reason != "interrupted: work area present" {
		t.Errorf("status of flow: %+v", got)
	}
	w.computed()
	summary, err := r.Run(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantComputed(t, "the next run", w.computed(), "flow", "decode")
	if got := summary.Stages[3].Resumed; !slices.Equal(got, []int{4}) {
		t.Errorf("resumed at %v, want 4", got)
	}
}

// TestEndedContext: a run whose context has ended starts nothing.
func TestEndedContext(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.runner(standard).Run(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	wantComputed(t, "nothing", w.computed())
}

// TestEnv: seeds, devices and folders reach the stage.
func TestEnv(t *testing.T) {
	w := newWorld(t)
	r := w.runner(standard, "stages.decode.seed=18446744073709551615")
	r.Device = "cuda:1"
	if _, err := r.Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	if got, want := w.lastEnv("decode").Seed, uint64(1<<64-1); got != want {
		t.Errorf("seed %d, want %d", got, want)
	}
	want := Env{Seed: 7, Threads: runtime.GOMAXPROCS(0), Device: "cuda:1", BaseDir: w.dir, OutDir: filepath.Join(w.dir, "out", "flow")}
	if got := w.lastEnv("flow"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var warned string
	r = w.runner(standard, "device=cpu")
	r.Device = "cuda"
	r.Listen = func(e Event) {
		if e.Event == StageWarning {
			warned = e.Message
		}
	}
	if _, err := r.Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := w.lastEnv("flow").Device; got != "cpu" || !strings.Contains(warned, "pins device: cpu") {
		t.Errorf("device %s of a file that pins cpu; warning %q", got, warned)
	}
}

// TestRoots: what a pipeline file wanted last is no garbage, also after a run of a part.
func TestRoots(t *testing.T) {
	w := newWorld(t)
	w.up(standard)
	r := w.runner(standard)
	if _, err := r.Run(t.Context(), Options{Until: "autoencoder"}); err != nil {
		t.Fatal(err)
	}
	roots, err := r.Store.Roots()
	if err != nil || len(roots) != 1 || roots[0].File != r.Graph.Path {
		t.Fatalf("roots %v, %v", roots, err)
	}
	status, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status {
		if !slices.Contains(roots[0].Actions, s.ActionID) {
			t.Errorf("%s is not among the roots", s.Name)
		}
	}
}

// TestEvents: what a run tells its listener, in order, is also in its events.jsonl.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.hook("encode", func(_ context.Context, _ Inputs, _ artifacts.Workspace, _ *artifacts.Builder, l Listener) error {
		l.Checkpoint(3)
		l.Picture("preview", "out/encode/preview.png")
		l.Warn("%d pictures skipped", 2)
		return nil
	})
	tell := func(opt Options) string {
		var told, kept []string
		r := w.runner(standard)
		r.Listen = func(e Event) {
			told = append(told, e.Event+" "+e.Stage)
			if e.Time.IsZero() {
				t.Error("an event without a time")
			}
		}
		summary, err := r.Run(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := r.Store.Runs()
		if err != nil || runs[0].ID != summary.RunID {
			t.Fatalf("runs %v, %v", runs, err)
		}
		if err := runs[0].Events(func(line []byte) error {
			var e Event
			err := json.Unmarshal(line, &e)
			kept = append(kept, e.Event+" "+e.Stage)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(told, kept) {
			t.Errorf("told %q, kept %q", told, kept)
		}
		return strings.Join(told, ", ")
	}
	const first = "run_started , source_started critters, source_progress critters, source_finished critters, " +
		"stage_started autoencoder, progress autoencoder, stage_finished autoencoder, " +
		"stage_started encode, checkpoint encode, picture encode, warning encode, progress encode, stage_finished encode, run_finished "
	if got := tell(Options{Until: "encode"}); got != first {
		t.Errorf("got  %s\nwant %s", got, first)
	}
	const second = "run_started , source_cached critters, stage_cached autoencoder, stage_cached encode, run_finished "
	if got := tell(Options{Until: "encode"}); got != second {
		t.Errorf("got  %s\nwant %s", got, second)
	}
}

// TestManyEvents: however many steps a stage reports, the listener is told of them all, and
// events.jsonl of some, the last among them.
func TestManyEvents(t *testing.T) {
	const steps = 20000
	w := newWorld(t)
	w.hook("encode", func(_ context.Context, _ Inputs, _ artifacts.Workspace, _ *artifacts.Builder, l Listener) error {
		for step := range steps {
			l.Checkpoint(step + 1)
			l.Progress(step+1, steps, 0.5, 1000)
		}
		return nil
	})
	told := 0
	r := w.runner(standard)
	r.Listen = func(Event) { told++ }
	summary, err := r.Run(t.Context(), Options{Until: "encode"})
	if err != nil {
		t.Fatal(err)
	}
	runs, err := r.Store.Runs()
	if err != nil {
		t.Fatal(err)
	}
	lines, last := 0, 0
	if err := runs[0].Events(func(line []byte) error {
		var e Event
		err := json.Unmarshal(line, &e)
		if lines++; e.Event == StageProgress && e.Steps == steps {
			last = e.Step
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if most := 20 + 2*int(summary.Seconds); told < 2*steps || lines > most || last != steps {
		t.Errorf("told of %d events; %d lines, want at most %d; the last is of step %d of %d", told, lines, most, last, steps)
	}
}

// TestSieve: a stage that reports five times a second leaves a line a second in the first
// quarter of an hour, and some thousand in the rest of a week. What is neither progress nor a
// checkpoint always comes through, and stages do not hide one another.
func TestSieve(t *testing.T) {
	s := sieve{}
	lines := map[string]int{}
	const steps = 1 << 30
	count := func(from, to time.Duration) (n int) {
		for at := from; at < to; at += 200 * time.Millisecond {
			if s.passes(Event{Event: StageProgress, Stage: "flow", Step: 1, Steps: steps}, at) {
				n++
			}
		}
		return n
	}
	if n := count(0, 1000*time.Second); n < 990 || n > 1000 {
		t.Errorf("%d lines in the first 1000 seconds", n)
	}
	if n := count(1000*time.Second, 7*24*time.Hour); n < 5000 || n > 6410 {
		t.Errorf("%d lines in the rest of the week", n)
	}
	week := 7 * 24 * time.Hour
	for range 3 {
		for _, e := range []Event{{Event: StageWarning, Stage: "flow"}, {Event: StageCheckpoint, Stage: "flow"},
			{Event: StageProgress, Stage: "encode", Steps: steps}, {Event: SourceProgress, Stage: "cats", Steps: steps}, {Event: StageProgress, Stage: "flow", Step: 9, Steps: 9}} {
			if s.passes(e, week) {
				lines[e.Event+" "+e.Stage]++
			}
		}
	}
	if want := map[string]int{"warning flow": 3, "checkpoint flow": 1, "progress encode": 1, "source_progress cats": 1, "progress flow": 3}; !maps.Equal(lines, want) {
		t.Errorf("lines %v, want %v", lines, want)
	}
}

// TestEventJSON: fields that an event is about are written even when zero, others only
// when set, and a loss that became NaN does not break the line.
func TestEventJSON(t *testing.T) {
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{Event: RunFinished, Cached: 4}, `"event":"run_finished","executed":0,"cached":4}`},
		{Event{Event: StageProgress, Stage: "flow", Steps: 9, Loss: math.NaN()}, `"event":"progress","stage":"flow","step":0,"steps":9,"loss":null,"items_per_s":0}`},
		{Event{Event: SourceProgress, Stage: "cats", Steps: 9, Message: "decoding"}, `"event":"source_progress","stage":"cats","step":0,"steps":9,"items_per_s":0,"message":"decoding"}`},
		{Event{Event: StageNote, Message: "a\nb"}, `"event":"note","message":"a\nb"}`},
		{Event{Event: StageWarning, Message: "a \"b\""}, `"event":"warning","message":"a \"b\""}`},
	} {
		got, err := json.Marshal(c.event)
		if err != nil || string(got) != `{"time":"0001-01-01T00:00:00Z",`+c.want {
			t.Errorf("got %s, %v; want …%s", got, err, c.want)
		}
	}
	{
		got, err := json.Marshal(Event{Event: StageProgress, Step: 3, Steps: 4, Share: 0.5})
		if want := `"step":3,"steps":4,"share":0.5,`; err != nil || !strings.Contains(string(got), want) {
			t.Errorf("got %s, %v; want …%s…", got, err, want)
		}
	}
	var l Listener
	l.Progress(1, 2, 3, 4) // a nil listener is fine
	l.Warn("nobody hears %d", 1)
}

// TestLeft: what is left takes its time by the steps that are done since, or by their share of the work; it is unknown before
// anything is done, and nought at the end.
func TestLeft(t *testing.T) {
	began := time.Now()
	at := func(seconds, step int, share float64) Event {
		return Event{Time: began.Add(time.Duration(seconds) * time.Second), Step: step, Steps: 100, Share: share}
	}
	for _, c := range []struct {
		since, now Event
		done       float64
		left       time.Duration
	}{
		{at(0, 0, 0), at(10, 25, 0), 0.25, 30 * time.Second},
		{at(0, 20, 0), at(10, 40, 0), 0.4, 30 * time.Second},
		{at(0, 20, 0.5), at(10, 40, 0.75), 0.75, 10 * time.Second},
		{at(0, 20, 0), at(10, 20, 0), 0.2, 0},
		{at(0, 20, 0), at(10, 100, 0), 1, 0},
		{at(0, 0, 0), Event{Time: began}, 0, 0},
	} {
		if got := c.now.Done(); got != c.done {
			t.Errorf("%+v: done is %v, want %v", c.now, got, c.done)
		}
		if got := c.now.Left(c.since); got.Round(time.Millisecond) != c.left {
			t.Errorf("from %+v to %+v: %v are left, want %v", c.since, c.now, got, c.left)
		}
	}
}
