package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lfm/artifacts"
)

// showStatus writes a status one node a line.
func showStatus(t *testing.T, r *Runner) string {
	t.Helper()
	status, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range status {
		line := s.Name + " " + s.State
		if s.Reason != "" {
			line += ": " + s.Reason
		}
		if (s.State == Cached) == s.OutputID.IsZero() {
			t.Errorf("%s: output ID %v", line, s.OutputID)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestStatus holds the states and the reasons.
func TestStatus(t *testing.T) {
	w := newWorld(t)
	want := func(what, want string, sets ...string) {
		t.Helper()
		if got := showStatus(t, w.runner(standard, sets...)); got != want {
			t.Errorf("%s: got\n%swant\n%s", what, got, want)
		}
	}
	want("before the first run", `critters missing: never computed
autoencoder missing: depends on critters's output
encode missing: depends on autoencoder's output
flow missing: depends on encode's output
decode missing: depends on flow's output
`)
	w.up(standard)
	const fresh = "critters cached\nautoencoder cached\nencode cached\n"
	want("after it", fresh+"flow cached\ndecode cached\n")
	want("other settings", fresh+`flow stale: settings changed: with.lr 0.001 -> 0.5, with.steps 20 -> 700
decode stale: depends on flow's output
`, "stages.flow.with.steps=700", "stages.flow.with.lr=0.5")
	want("other seed", fresh+`flow cached
decode stale: seed changed: 7 -> 8
`, "stages.decode.seed=8")
	want("device pinned", `critters cached
autoencoder stale: device changed: auto -> cuda
encode stale: depends on autoencoder's output
flow stale: depends on encode's output
decode stale: depends on flow's output
`, "device=cuda:3")
	w.images = "more images"
	want("other images", `critters stale: the images changed
autoencoder stale: depends on critters's output
encode stale: depends on autoencoder's output
flow stale: depends on encode's output
decode stale: depends on flow's output
`)
	w.images = "some images"

	r := w.runner(standard)
	status, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Store.Get(status[2].OutputID)
	if err == nil {
		err = os.Truncate(a.Path("payload"), 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	damaged := showStatus(t, r)
	if !strings.Contains(damaged, "encode missing: damaged: payload") || !strings.Contains(damaged, "flow stale: depends on encode's output") {
		t.Errorf("damaged: got\n%s", damaged)
	}
	wantComputed(t, "a damaged artifact", w.up(standard), "encode")
	if err := r.Withdraw(t.Context(), "flow"); err != nil {
		t.Fatal(err)
	}
	want("withdrawn", fresh+"flow stale: withdrawn\ndecode stale: depends on flow's output\n")
}

// TestInputChanged: when an input was made anew with other bytes, the stage behind it says
// so as it starts.
func TestInputChanged(t *testing.T) {
	w := newWorld(t)
	w.up(standard)
	r := w.runner(standard, "stages.flow.with.steps=30")
	reasons := map[string]string{}
	r.Listen = func(e Event) {
		if e.Event == StageStarted {
			reasons[e.Stage] = e.Reason
		}
	}
	if _, err := r.Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(reasons); got != "map[decode:input flow changed flow:settings changed: with.steps 20 -> 30]" {
		t.Error(got)
	}
}

// TestWithdraw: resume --from reruns the stage and all behind it, and nothing before it;
// a damaged byte upstream stops it before anything is withdrawn.
func TestWithdraw(t *testing.T) {
	w := newWorld(t)
	r := w.runner(standard)
	if err := r.Withdraw(t.Context(), "flow"); err == nil || !strings.Contains(err.Error(), "flow is made from critters, which is missing") {
		t.Errorf("before the first run: %v", err)
	}
	w.up(standard)
	if err := r.Withdraw(t.Context(), "encode"); err != nil {
		t.Fatal(err)
	}
	wantComputed(t, "from encode", w.up(standard), "encode", "flow", "decode")

	status, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Store.Get(status[1].OutputID)
	if err != nil {
		t.Fatal(err)
	}
	path := a.Path("payload")
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.Chmod(path, 0o644)
	}
	data[0] ^= 1 // the size stays
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = r.Withdraw(t.Context(), "flow")
	if err == nil || !strings.Contains(err.Error(), "autoencoder") || !strings.Contains(err.Error(), "payload") || !strings.Contains(err.Error(), "lfm run") {
		t.Errorf("a flipped bit upstream: %v", err)
	}
	wantComputed(t, "the run after it", w.up(standard), "autoencoder")
	var e *Error
	if err := r.Withdraw(t.Context(), "decoder"); !errors.As(err, &e) || e.Nearest != "decode" {
		t.Errorf("unknown stage: %v", err)
	}
}

// TestKeyText holds the format of a key text.
func TestKeyText(t *testing.T) {
	w := newWorld(t)
	r := w.runner(standard, "device=cuda:1", "stages.decode.with.classes=[cat, a dog]")
	text, err := r.KeyText(t.Context(), "flow")
	if err != nil {
		t.Fatal(err)
	}
	const want = `kind: flow 2
with.heads: 4
with.lr: 0.001
with.steps: 20
with.time: uniform
with.width: 128
seed: 7
device: cuda
input autoencoder: (autoencoder is not made yet)
input encode: (encode is not made yet)
`
	if text != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
	if _, err := r.Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	status, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status {
		text, err := r.KeyText(t.Context(), s.Name)
		if err != nil {
			t.Fatal(err)
		}
		if artifacts.HashText(text) != s.ActionID {
			t.Errorf("%s: its action ID is not the hash of\n%s", s.Name, text)
		}
		if strings.Contains(text, w.dir) || strings.Contains(text, "critters") {
			t.Errorf("%s: a path or a name is in its key text\n%s", s.Name, text)
		}
	}
	if text, _ = r.KeyText(t.Context(), "decode"); !strings.Contains(text, `with.classes: [cat, "a dog"]`) {
		t.Errorf("classes in\n%s", text)
	}
	if text, _ = r.KeyText(t.Context(), "autoencoder"); !strings.HasSuffix(text, "data: "+status[0].OutputID.String()+"\n") {
		t.Errorf("no data in\n%s", text)
	}
}

// TestUnreadableData: a data set that cannot be opened is an error at its line, of the run
// and of nothing that was made before.
func TestUnreadableData(t *testing.T) {
	w := newWorld(t)
	r := w.runner(strings.Replace(standard, "source: critters", "source: gone", 1))
	_, err := r.Run(t.Context(), Options{})
	var e *Error
	var stage *StageError
	if !errors.As(err, &e) || e.Line != 4 || e.Column != 22 || !errors.As(err, &stage) || stage.Stage != "critters" {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(showStatus(t, r), "critters missing: ") {
		t.Error("status")
	}
	if _, err := r.KeyText(t.Context(), "critters"); err == nil {
		t.Error("a key text without a digest")
	}
}

// TestMovedProject: a project that is moved, store and all, remembers its runs.
func TestMovedProject(t *testing.T) {
	w := newWorld(t)
	w.up(standard, "stages.flow.with.steps=30")
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(w.dir, moved); err != nil {
		t.Fatal(err)
	}
	w.dir = moved
	record := LastRecord(w.store(), filepath.Join(moved, "pipeline.yaml"))
	if record == nil || len(record.Sets) != 1 {
		t.Fatalf("record %+v", record)
	}
	wantComputed(t, "moved", w.up(standard, record.Sets...))
}

// TestUnusedData: a data set that no stage reads is not indexed.
func TestUnusedData(t *testing.T) {
	w := newWorld(t)
	text := strings.Replace(standard, "stages:", "  unused: {source: gone}\nstages:", 1)
	text = strings.ReplaceAll(text, "uses: autoencoder", "uses: autoencoder\n    data: critters")
	text = strings.ReplaceAll(text, "uses: encode", "uses: encode\n    data: critters")
	wantComputed(t, "one of two data sets", w.up(text), "dataset", "autoencoder", "encode", "flow", "decode")
	if got := showStatus(t, w.runner(text)); got != "critters cached\nautoencoder cached\nencode cached\nflow cached\ndecode cached\n" {
		t.Errorf("status\n%s", got)
	}
}

// TestCancelledStatus: a status whose context ends is an error, not a missing data set.
func TestCancelledStatus(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.digest = func(ctx context.Context) error { return ctx.Err() }
	if _, err := w.runner(standard).Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestPlan: a plan has the nodes that the options choose alone, takes what is forced for
// gone, and refuses what Run would refuse.
func TestPlan(t *testing.T) {
	w := newWorld(t)
	w.up(standard)
	plan := func(opt Options) (string, error) {
		t.Helper()
		states, err := w.runner(standard).Plan(t.Context(), opt)
		var lines []string
		for _, s := range states {
			lines = append(lines, strings.TrimSpace(s.Name+" "+s.State+" "+s.Reason))
		}
		return strings.Join(lines, "\n"), err
	}
	for opt, want := range map[*Options]string{
		{Until: "encode"}: "critters cached\nautoencoder cached\nencode cached",
		{Only: "encode", Force: []string{"encode"}}: "critters cached\nautoencoder cached\nencode stale forced",
		{Force: []string{"flow"}}: "critters cached\nautoencoder cached\nencode cached\nflow stale forced\n" +
			"decode stale depends on flow's output",
	} {
		if got, err := plan(*opt); got != want || err != nil {
			t.Errorf("%+v: got\n%s\n%v, want\n%s", *opt, got, err, want)
		}
	}
	var wrong *Error
	if _, err := plan(Options{Until: "deocde"}); !errors.As(err, &wrong) || wrong.Nearest != "decode" {
		t.Errorf("a stage that is not there: %v", err)
	}
	if err := w.runner(standard).Withdraw(t.Context(), "autoencoder"); err != nil {
		t.Fatal(err)
	}
	var stage *StageError
	if _, err := plan(Options{Only: "encode"}); !errors.As(err, &stage) || stage.Stage != "autoencoder" {
		t.Errorf("an input that is not there: %v", err)
	}
}

// TestWithdrawUnknownKeys: where a stage's output is gone, nobody knows the keys of what
// depends on it; the actions that it had before are withdrawn, so that it runs again though
// the stage makes the same bytes as before.
func TestWithdrawUnknownKeys(t *testing.T) {
	w := newWorld(t)
	w.up(standard)
	r := w.runner(standard)
	states, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Store.Get(states[2].OutputID)
	if err == nil {
		err = os.RemoveAll(a.Dir())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Withdraw(t.Context(), "encode"); err != nil {
		t.Fatal(err)
	}
	wantComputed(t, "after the output was lost", w.up(standard), "encode", "flow", "decode")
}
