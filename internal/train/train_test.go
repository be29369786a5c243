package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorgonia.org/gorgonia"

	"lfm/internal/checkpoint"
	"lfm/internal/disk"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/nn"
	"lfm/internal/ops"
	"lfm/internal/optim"
	"lfm/internal/panics"
	"lfm/internal/rng"
)

const (
	testSteps = 60
	testBatch = 8
)

// bench is a small perceptron on a machine of its own, with a job that trains it.
type bench struct {
	machine engine.Machine
	params  *nn.Params
	job     Job
}

// newBench sets up y = sin of x's first number, learned by a perceptron, with checkpoints in dir.
func newBench(t *testing.T, dir string) *bench {
	t.Helper()
	g := gorgonia.NewGraph()
	x, y := nn.Input(g, "x", testBatch, 4), nn.Input(g, "y", testBatch, 1)
	params := nn.NewParams(g)
	h := ops.SiLU(nn.NewLinear(params.Root().In("0"), 4, 16).Apply(x))
	loss := ops.Mean(ops.SquaredError(nn.NewLinear(params.Root().In("2"), 16, 1).Apply(h), y))
	grads, err := ops.Grad(loss, params.Nodes()...)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := engine.Compile(g, gorgonia.Nodes{loss}, optim.Updates(params.Nodes(), grads, true))
	if err != nil {
		t.Fatal(err)
	}
	backend := cpu.Open(1)
	machine, err := backend.Open(plan, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Close(); backend.Close() })
	settings := DefaultSettings()
	settings.Steps, settings.Batch, settings.EMA, settings.CheckpointEvery = testSteps, testBatch, 0.99, 7
	settings.LearningRate = 0.02
	return &bench{machine: machine, params: params, job: Job{
		Settings: settings, Seed: 3, Params: params, Machine: machine,
		Inputs: []*gorgonia.Node{x, y}, Draw: draw, Series: checkpoint.OpenSeries(disk.OS, dir),
		EvaluateEvery: 14,
		// The sum of all weights: a figure that tells whether they are the right ones.
		Evaluate: func(done int) (Figures, error) {
			var sum float64
			for _, p := range params.All() {
				values := make([]float32, p.Size())
				machine.Get(p.Node, values)
				for _, v := range values {
					sum += float64(v)
				}
			}
			return Figures{{"sum", sum}}, nil
		},
	}}
}

func draw(step int, inputs [][]float32) error {
	x, y := inputs[0], inputs[1]
	rng.New(5, "test").Normal(x, uint64(step), 0)
	for i := range y {
		y[i] = float32(math.Sin(float64(x[4*i])))
	}
	return nil
}

// outcome is all that a stage would publish: metrics, weights and their average.
func (b *bench) outcome(t *testing.T, metrics []byte) []byte {
	t.Helper()
	out := bytes.Clone(metrics)
	for _, s := range []engine.State{engine.StateWeights, engine.StateAverage} {
		file, ok := EncodeWeights(b.machine, b.params, s, nil)
		if !ok {
			t.Fatal("the machine does not keep the state")
		}
		out = append(out, file...)
	}
	return out
}

// finish runs the job to its end and returns the outcome.
func (b *bench) finish(t *testing.T) []byte {
	t.Helper()
	metrics, err := Run(context.Background(), b.job)
	if err != nil {
		t.Fatal(err)
	}
	return b.outcome(t, metrics)
}

// poison makes draws of some steps not finite.
func poison(steps ...int) func(int, [][]float32) error {
	return func(step int, inputs [][]float32) error {
		draw(step, inputs)
		for _, s := range steps {
			if s == step {
				inputs[0][1] = float32(math.NaN())
			}
		}
		return nil
	}
}

// TestLearns: the loop lowers the loss, and the average follows the weights.
func TestLearns(t *testing.T) {
	b := newBench(t, t.TempDir())
	rows := parse(t, b.finish(t))
	first, last := rows[0]["loss"], 0.0
	for _, r := range rows {
		if v, ok := r["loss"]; ok {
			last = v
		}
	}
	if !(last < first/2) {
		t.Errorf("loss goes from %.3f to %.3f", first, last)
	}
}

// parse reads the JSON lines at the beginning of an outcome.
func parse(t *testing.T, outcome []byte) (rows []map[string]float64) {
	t.Helper()
	for _, line := range strings.Split(string(outcome), "\n") {
		row := map[string]float64{}
		if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &row) != nil {
			break
		}
		rows = append(rows, row)
	}
	return rows
}

// TestInterruptedIsExact: a run that is interrupted at any step, saves, and is resumed ends in the bytes of a straight
// one, metrics and averages included; also where the steps around the interruption are not finite, and however often
// checkpoints are written.
func TestInterruptedIsExact(t *testing.T) {
	for name, source := range map[string]func(int, [][]float32) error{"finite": draw, "poisoned": poison(12, 13, 14, 15, 40)} {
		straight := newBench(t, t.TempDir())
		straight.job.Draw = source
		want := straight.finish(t)
		for i, stop := range []int{1, 6, 7, 13, 14, 15, 28, 14, testSteps - 1} {
			dir := t.TempDir()
			b := newBench(t, dir)
			b.job.Draw, b.job.CheckpointEvery = source, 7*(i%2)
			ctx, cancel := context.WithCancelCause(context.Background())
			interrupt(b, stop, cancel)
			_, err := Run(ctx, b.job)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%s, step %d: an interrupted run returned %v", name, stop, err)
			}
			if _, step, err := b.job.Series.Latest(); err != nil || step != stop {
				t.Fatalf("%s: interrupted after %d steps, the checkpoint is of step %d (%v)", name, stop, step, err)
			}
			again := newBench(t, dir)
			again.job.Draw = source
			resumed := -1
			again.job.Observe.Resumed = func(step int) { resumed = step }
			if got := again.finish(t); !bytes.Equal(got, want) {
				t.Errorf("%s, step %d: the resumed run differs from the straight one", name, stop)
			}
			if resumed != stop {
				t.Errorf("%s: resumed at step %d, want %d", name, resumed, stop)
			}
		}
	}
}

// TestInterruptedUnsaved: an interrupted run that cannot save says so, and is interrupted all the same.
func TestInterruptedUnsaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoints")
	b := newBench(t, dir)
	b.job.CheckpointEvery = 0
	var told []string
	b.job.Observe.Warn = func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	ctx, cancel := context.WithCancelCause(context.Background())
	interrupt(b, 3, func(why error) {
		if err := os.WriteFile(dir, nil, 0o666); err != nil { // where the folder would be
			t.Error(err)
		}
		cancel(why)
	})
	_, err := Run(ctx, b.job)
	var path *fs.PathError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &path) {
		t.Errorf("the run returned %v", err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "from 0 to 3 could not be saved") || !strings.Contains(told[0], dir) {
		t.Errorf("told %q", told)
	}
}

// interrupt cancels the run as soon as so many steps are done: the machine counts them.
func interrupt(b *bench, stop int, cancel context.CancelCauseFunc) {
	b.job.Machine = &counted{Machine: b.machine, done: func(n int) {
		if n == stop {
			cancel(errors.New("a signal came"))
		}
	}}
}

// counted tells how often its machine ran.
type counted struct {
	engine.Machine
	n    int
	done func(n int)
}

func (c *counted) RunAll() error {
	err := c.Machine.RunAll()
	c.n++
	c.done(c.n)
	return err
}

// TestKilledIsExact: a run that dies without a word, whenever that is, ends in the bytes of a straight one. What a kill
// leaves is the folder as it was at that moment.
func TestKilledIsExact(t *testing.T) {
	want := newBench(t, t.TempDir()).finish(t)
	for _, kill := range []int{3, 7, 20, 21, 22, 41, testSteps} {
		dir, left := t.TempDir(), t.TempDir()
		b := newBench(t, dir)
		b.job.Machine = &counted{Machine: b.machine, done: func(n int) {
			if n == kill {
				copyDir(t, filepath.Join(left, "copy"), dir)
			}
		}}
		b.finish(t)
		again := newBench(t, filepath.Join(left, "copy"))
		resumed := 0
		again.job.Observe.Resumed = func(step int) { resumed = step }
		if got := again.finish(t); !bytes.Equal(got, want) {
			t.Errorf("killed in step %d: the resumed run differs from the straight one", kill)
		}
		if lost := kill - 1 - resumed; lost < 0 || lost > b.job.CheckpointEvery { // the step it was in was not done
			t.Errorf("killed in step %d: went on from %d", kill, resumed)
		}
	}
}

// copyDir copies a folder in which a checkpoint may be being written: that is the copy of one
// moment only if no name vanished meanwhile.
func copyDir(t *testing.T, to, from string) {
	t.Helper()
	for range 100 {
		err := os.CopyFS(to, os.DirFS(from))
		if err == nil {
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		os.RemoveAll(to)
	}
	t.Fatal("the folder never stands still")
}

// TestLongRunIsExact: rows that stand for several steps, in the midst of which a run is interrupted, come out the same.
func TestLongRunIsExact(t *testing.T) {
	long := func(dir string) *bench {
		b := newBench(t, dir)
		b.job.Steps, b.job.CheckpointEvery, b.job.EvaluateEvery = 2010, 0, 0
		return b
	}
	want := long(t.TempDir()).finish(t)
	if n := len(parse(t, want)); n != 2010/rowEvery(2010)+1 {
		t.Fatalf("%d rows", n)
	}
	dir := t.TempDir()
	b := long(dir)
	ctx, cancel := context.WithCancelCause(context.Background())
	interrupt(b, 777, cancel)
	if _, err := Run(ctx, b.job); !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted run returned %v", err)
	}
	if !bytes.Equal(long(dir).finish(t), want) {
		t.Error("the resumed run differs from the straight one")
	}
}

// TestTornCheckpoint: where the newest checkpoint is torn, the one before serves.
func TestTornCheckpoint(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, dir)
	want := b.finish(t)
	newest := ""
	files, _ := filepath.Glob(filepath.Join(dir, "*.checkpoint"))
	for _, f := range files {
		newest = max(newest, f)
	}
	if err := os.Truncate(newest, 100); err != nil {
		t.Fatal(err)
	}
	again := newBench(t, dir)
	resumed := 0
	again.job.Observe.Resumed = func(step int) { resumed = step }
	if got := again.finish(t); !bytes.Equal(got, want) || resumed == 0 || resumed == testSteps {
		t.Errorf("resumed at step %d, outcome equal: %v", resumed, bytes.Equal(got, want))
	}
}

// TestFinishedRunsNothing: a run whose last step is saved only repeats the last evaluation.
func TestFinishedRunsNothing(t *testing.T) {
	dir := t.TempDir()
	want := newBench(t, dir).finish(t)
	b := newBench(t, dir)
	steps := 0
	b.job.Machine = &counted{Machine: b.machine, done: func(n int) { steps = n }}
	if got := b.finish(t); !bytes.Equal(got, want) || steps != 0 {
		t.Errorf("%d steps were computed again, outcome equal: %v", steps, bytes.Equal(got, want))
	}
}

// TestEvaluationGivenUp: an evaluation that is interrupted is made up for with the weights that it was due on.
func TestEvaluationGivenUp(t *testing.T) {
	want := newBench(t, t.TempDir()).finish(t)
	for _, at := range []int{14, 28, testSteps} {
		dir := t.TempDir()
		b := newBench(t, dir)
		ctx, cancel := context.WithCancel(context.Background())
		evaluate := b.job.Evaluate
		b.job.Evaluate = func(done int) (Figures, error) {
			if done == at {
				cancel()
				return nil, ctx.Err()
			}
			return evaluate(done)
		}
		if _, err := Run(ctx, b.job); !errors.Is(err, context.Canceled) {
			t.Fatalf("the interrupted run returned %v", err)
		}
		if got := newBench(t, dir).finish(t); !bytes.Equal(got, want) {
			t.Errorf("evaluation after %d steps given up: the resumed run differs from the straight one", at)
		}
	}
}

// TestSkipped: a step that is not finite moves nothing, is counted in its row, and is warned of.
func TestSkipped(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.job.Draw = poison(20, 22)
	warned, before, after := 0, []float32(nil), []float32(nil)
	b.job.Observe.Warn = func(string, ...any) { warned++ }
	weights := func() []float32 {
		p := b.params.All()[0]
		values := make([]float32, p.Size())
		b.machine.Get(p.Node, values)
		return values
	}
	b.job.Machine = &counted{Machine: b.machine, done: func(n int) {
		switch n {
		case 20:
			before = weights()
		case 21:
			after = weights()
		}
	}}
	rows := parse(t, b.finish(t))
	if !reflect.DeepEqual(before, after) {
		t.Error("a step that is not finite moved the weights")
	}
	skipped := map[float64]float64{}
	for _, r := range rows {
		if r["skipped"] != 0 {
			skipped[r["step"]] = r["skipped"]
			if _, ok := r["loss"]; ok {
				t.Error("a row of skipped steps alone has a loss")
			}
		}
	}
	if want := map[float64]float64{21: 1, 23: 1}; !reflect.DeepEqual(skipped, want) || warned != 2 {
		t.Errorf("skipped rows are %v, want %v; warned %d times", skipped, want, warned)
	}
}

// TestManySkipped: where every other step is not finite, training goes on, but tells of the first of them only.
func TestManySkipped(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.job.Steps = 4 * warnings
	var odd []int
	for step := 1; step < b.job.Steps; step += 2 {
		odd = append(odd, step)
	}
	b.job.Draw = poison(odd...)
	var told []string
	b.job.Observe.Warn = func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	skipped := 0.0
	for _, r := range parse(t, b.finish(t)) {
		skipped += r["skipped"]
	}
	if len(told) != warnings || !strings.Contains(told[warnings-1], "in the metrics alone") || int(skipped) != 2*warnings {
		t.Errorf("%v steps were skipped, want %d; told of %d, want %d", skipped, 2*warnings, len(told), warnings)
	}
}

// TestMillionSteps: what a checkpoint holds beside the model is bounded, however many steps there are, and so is the
// time to resume from it: a resumed run draws the step at hand first and no step before it.
func TestMillionSteps(t *testing.T) {
	const steps = 1_000_000
	var m metrics
	for step := 1; step <= steps; step++ {
		m.add(engine.Report{Loss: 0.1234567890123456, GradNorm: 12.34567890123456}, 0.0001234567890123456)
		if step%rowEvery(steps) == 0 {
			m.row(step)
		}
	}
	if len(m.rows) > 300_000 {
		t.Errorf("the metrics of a million steps have %d bytes", len(m.rows))
	}

	dir, from := t.TempDir(), steps-20
	b := newBench(t, dir)
	b.finish(t)
	path := func(step int) string { return filepath.Join(dir, fmt.Sprintf("step-%09d.checkpoint", step)) }
	if err := os.Rename(path(testSteps), path(from)); err != nil {
		t.Fatal(err)
	}
	again := newBench(t, dir)
	again.job.Steps = steps
	var drawn []int
	again.job.Draw = func(step int, inputs [][]float32) error {
		drawn = append(drawn, step)
		return draw(step, inputs)
	}
	again.finish(t)
	if len(drawn) != 20 || drawn[0] != from {
		t.Errorf("%d steps were drawn, the first was %d", len(drawn), drawn[0])
	}
}

// TestDiverged: five steps in a row that are not finite end the run and say where, why and what to do; four do not.
// Resuming such a run diverges in the same way.
func TestDiverged(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		b := newBench(t, dir)
		b.job.Draw = poison(3, 4, 5, 6, 30, 31, 32, 33, 34)
		_, err := Run(context.Background(), b.job)
		var d *Diverged
		if !errors.As(err, &d) {
			t.Fatalf("the run returned %v", err)
		}
		if d.Step != 34 || d.Checkpoint != 28 || d.First == "" {
			t.Errorf("diverged: %+v", d)
		}
		for _, word := range []string{"34", "28", d.First, "learning_rate (now 0.02)", "clip"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not say %q", err, word)
			}
		}
	}
}

// TestDivergedAcrossResume: steps that are not finite are counted across an interruption in their midst.
func TestDivergedAcrossResume(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, dir)
	b.job.Draw = poison(30, 31, 32, 33, 34, 35, 36)
	ctx, cancel := context.WithCancelCause(context.Background())
	interrupt(b, 33, cancel)
	if _, err := Run(ctx, b.job); !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted run returned %v", err)
	}
	again := newBench(t, dir)
	again.job.Draw = b.job.Draw
	_, err := Run(context.Background(), again.job)
	var d *Diverged
	if !errors.As(err, &d) || d.Step != 34 {
		t.Errorf("the resumed run returned %v, want divergence at step 34", err)
	}
}

// TestDrawFails: an error of Draw comes out with its step, and what was done before it is saved.
func TestDrawFails(t *testing.T) {
	want := newBench(t, t.TempDir()).finish(t)
	dir, broken := t.TempDir(), errors.New("disk on fire")
	b := newBench(t, dir)
	b.job.Draw = func(step int, inputs [][]float32) error {
		if step == 17 {
			return broken
		}
		return draw(step, inputs)
	}
	if _, err := Run(context.Background(), b.job); !errors.Is(err, broken) || !strings.Contains(err.Error(), "17") {
		t.Errorf("the run returned %v", err)
	}
	if _, step, _ := b.job.Series.Latest(); step != 17 {
		t.Errorf("the checkpoint is of step %d, want 17", step)
	}
	if got := newBench(t, dir).finish(t); !bytes.Equal(got, want) {
		t.Error("the resumed run differs from the straight one")
	}
}

// TestDrawPanics: a panic in the goroutine that draws is one of Run's, and nothing of it is
// saved: what comes out of a mistake is not to be gone on from.
func TestDrawPanics(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, dir)
	b.job.Draw = func(step int, inputs [][]float32) error {
		if step == 10 {
			panic("rng: no such stream")
		}
		return draw(step, inputs)
	}
	caught := panics.Catch(func() { Run(t.Context(), b.job) })
	if caught == nil || caught.Value != "rng: no such stream" {
		t.Fatalf("caught %v", caught)
	}
	if _, step, err := b.job.Series.Latest(); err != nil || step != 7 {
		t.Errorf("the last checkpoint is of step %d, %v", step, err)
	}
}

// TestDrawIsAhead: every step is drawn once, in order, at most two steps early, and nothing is drawn after Run.
func TestDrawIsAhead(t *testing.T) {
	b := newBench(t, t.TempDir())
	next, done := 0, 0
	drawnAt := make(chan int, testSteps)
	b.job.Draw = func(step int, inputs [][]float32) error {
		if step != next {
			t.Errorf("step %d was drawn, want %d", step, next)
		}
		next++
		drawnAt <- step
		return draw(step, inputs)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.job.Machine = &counted{Machine: b.machine, done: func(n int) {
		done = n
		for len(drawnAt) > 0 {
			if step := <-drawnAt; step > n+ahead {
				t.Errorf("step %d was drawn before step %d was done", step, n)
			}
		}
		if n == 20 {
			cancel()
		}
	}}
	before := runtime.NumGoroutine()
	if _, err := Run(ctx, b.job); !errors.Is(err, context.Canceled) {
		t.Errorf("the run returned %v", err)
	}
	if done != 20 || next > 20+ahead+1 {
		t.Errorf("%d steps done, %d drawn", done, next)
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 10_000 { // ten seconds
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
		time.Sleep(time.Millisecond)
	}
}

// TestSlowDraw: a run that is interrupted while it waits for its inputs saves, and returns once nothing is drawn any more.
func TestSlowDraw(t *testing.T) {
	b := newBench(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	var drawing atomic.Bool
	b.job.Draw = func(step int, inputs [][]float32) error {
		drawing.Store(true)
		defer drawing.Store(false)
		if step == 9 {
			cancel()
			time.Sleep(20 * time.Millisecond)
		}
		return draw(step, inputs)
	}
	if _, err := Run(ctx, b.job); !errors.Is(err, context.Canceled) {
		t.Errorf("the run returned %v", err)
	}
	if drawing.Load() {
		t.Error("Run returned while inputs were drawn")
	}
}

// TestRows: one row a step in a short run, with the schedule's rate; evaluations have rows of their own; a long run is
// thinned to at most two thousand.
func TestRows(t *testing.T) {
	b := newBench(t, t.TempDir())
	adam := b.job.Settings.optimizer()
	steps, figures := 0, []float64(nil)
	for _, r := range parse(t, b.finish(t)) {
		if _, ok := r["sum"]; ok {
			figures = append(figures, r["step"])
			continue
		}
		if r["learning_rate"] != adam.Scalars(steps).Rate || r["grad_norm"] <= 0 {
			t.Errorf("row %v", r)
		}
		if steps++; int(r["step"]) != steps {
			t.Errorf("row %d is of step %v", steps, r["step"])
		}
	}
	if want := []float64{14, 28, 42, 56, 60}; steps != testSteps || !reflect.DeepEqual(figures, want) {
		t.Errorf("%d rows of steps; evaluations at %v, want %v", steps, figures, want)
	}
	for _, n := range []int{1, 1999, 2000, 2001, 100000} {
		if rows := n / rowEvery(n); rows > 2000 || n >= 2000 && rows < 1000 {
			t.Errorf("%d steps have %d rows", n, rows)
		}
	}
}

// TestWindowText: the sums of an unfinished row survive a checkpoint to the bit.
func TestWindowText(t *testing.T) {
	w := window{3, 1, 0.1 + 0.2, 1e-310, 1.0 / 3}
	if got, err := parseWindow(w.text()); err != nil || got != w {
		t.Errorf("%+v came back as %+v (%v)", w, got, err)
	}
	for _, bad := range []string{"", "1 2 3", "a 0 0x0p+00 0x0p+00 0x0p+00", "0 0 0x0p+00 x 0x0p+00"} {
		if _, err := parseWindow(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestOtherModel: a checkpoint that is not of this model is an error, not a crash.
func TestOtherModel(t *testing.T) {
	dir := t.TempDir()
	tensors := []checkpoint.Tensor{{Name: "weights.0.weight", Shape: []int{2}, Data: []float32{1, 2}}}
	if err := checkpoint.OpenSeries(disk.OS, dir).Save(5, tensors, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), newBench(t, dir).job); err == nil || !strings.Contains(err.Error(), "0.weight") {
		t.Errorf("the run returned %v", err)
	}
}

// TestProgress: the last step is always reported, and what is reported grows.
func TestProgress(t *testing.T) {
	b := newBench(t, t.TempDir())
	last := 0
	b.job.Observe.Progress = func(step, steps int, loss, itemsPerS float64) {
		if step <= last || steps != testSteps || !(itemsPerS > 0) || !(loss >= 0) {
			t.Errorf("progress %d of %d, loss %v, %v items/s after %d", step, steps, loss, itemsPerS, last)
		}
		last = step
	}
	b.finish(t)
	if last != testSteps {
		t.Errorf("the last report was of step %d", last)
	}
}
