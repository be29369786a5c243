package evaluate

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/flow"
)

func report(t *testing.T, b *pipelinetest.Bench, a *artifacts.Artifact) (r Report) {
	t.Helper()
	if err := json.Unmarshal(b.Read(a, ReportFile), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBadModels: floor, ceiling and a trained flow come in that order; a flow that was hardly
// trained, and one whose samples are denormalised by wrong numbers, are told apart from it.
func TestBadModels(t *testing.T) {
	if testing.Short() {
		t.Skip("trains long enough to be judged")
	}
	b := pipelinetest.New(t)
	in := data(t, b, 900, nil)
	trained(t, b, &in, 200, 300, 600)
	c := DefaultConfig()
	c.Samples, c.CASSteps, c.Guidance, c.Steps = 200, 0, []float64{2}, []int{6}
	a := b.Run(Kind(pipelinetest.CPU), c, in)
	r, table := report(t, b, a), string(b.Read(a, TableFile))
	good := r.Rows[1]
	if *r.Floor.FD > *r.Ceiling.FD || *r.Ceiling.FD > *good.FD || *r.Floor.SW2 > *r.Ceiling.SW2 || *r.Ceiling.ClassAccuracy > *r.Floor.ClassAccuracy {
		t.Errorf("floor, ceiling and samples are not in order:\n%s", table)
	}
	if *good.ClassAccuracy < 0.6 || *good.Memorised < 0.5 {
		t.Errorf("the trained flow:\n%s", table)
	}
	if r.Rows[0].Set != "reconstructions" || r.Rows[0].Drawing != nil || *r.Rows[0].FD != *r.Ceiling.FD || len(r.Rows) != 2 {
		t.Errorf("the first row is not that of the reconstructions:\n%s", table)
	}
	if d := *good.Drawing; d != (Drawing{Guidance: 2, Steps: 6, Solver: "heun", Weights: "ema", NFE: 24, Seed: 7}) || good.N != 200 || r.Flow != in.Artifacts["flow"].ID {
		t.Errorf("samples of %+v", d)
	}

	sound := in.Artifacts["flow"]
	in.Artifacts["flow"] = flowOf(b, in, 50)
	bad := report(t, b, b.Run(Kind(pipelinetest.CPU), c, in)).Rows[1]
	if *bad.ClassAccuracy > *good.ClassAccuracy-0.15 || *bad.FD < *good.FD {
		t.Errorf("a flow of 50 steps has class accuracy %.3f and distance %.3g, one of 600 has %.3f and %.3g", *bad.ClassAccuracy, *bad.FD, *good.ClassAccuracy, *good.FD)
	}

	in.Artifacts["flow"] = withStats(t, b, sound, func(s *flow.Spec) {
		t.Log(s.Stats)
		for i := range s.Stats.Std {
			s.Stats.Mean[i], s.Stats.Std[i] = 0, 1
		}
	})
	bad = report(t, b, b.Run(Kind(pipelinetest.CPU), c, in)).Rows[1]
	if *bad.FD < 1.3**good.FD || *bad.SW2 < 1.3**good.SW2 {
		t.Errorf("denormalised wrongly, distance %.3g and sw2 %.3g; rightly %.3g and %.3g", *bad.FD, *bad.SW2, *good.FD, *good.SW2)
	}
}

// withStats is a flow whose spec is changed.
func withStats(t *testing.T, b *pipelinetest.Bench, a *artifacts.Artifact, change func(*flow.Spec)) *artifacts.Artifact {
	t.Helper()
	files := map[string][]byte{}
	for _, f := range a.Files {
		files[f.Name] = b.Read(a, f.Name)
	}
	var spec flow.Spec
	if err := json.Unmarshal(files["flow.json"], &spec); err != nil {
		t.Fatal(err)
	}
	change(&spec)
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	files["flow.json"] = text
	return b.Artifact(flow.Output, files)
}

// TestExact: the payload's bytes depend neither on threads and batch nor on where a run was interrupted.
func TestExact(t *testing.T) {
	b := pipelinetest.New(t)
	in := data(t, b, 450, nil)
	trained(t, b, &in, 1, 1, 1)
	c := DefaultConfig()
	c.Samples, c.CASSteps, c.Steps, c.Solver, c.Weights = 300, 2, []int{1}, []string{"euler"}, []string{"ema", "raw"}
	c.LikelihoodImages, c.LikelihoodProbes = 5, 3
	// Each step is some of the work, and the last set's figures are the rest of it; a latent that is followed is more than
	// a picture, and one that is drawn more than one that is there.
	var told []pipeline.Event
	want, err := b.Start(t.Context(), Kind(pipelinetest.CPU), c, in, func(e pipeline.Event) {
		if e.Event == pipeline.StageProgress {
			told = append(told, e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var pace []float64 // share of the work that a step is
	last := pipeline.Event{}
	drawn := 0.0 // share when all pictures are there
	for _, e := range told {
		if e.Step > last.Step {
			pace = append(pace, (e.Share-last.Share)/float64(e.Step-last.Step))
			drawn = e.Share
		}
		last = e
	}
	if n := len(pace); n < 11 || last.Step != last.Steps || drawn > 0.99 || math.Abs(last.Share-1) > 1e-9 || pace[0] < 10*pace[n-1] || pace[n-1] < 1.1*pace[10] || slices.Min(pace) <= 0 {
		t.Errorf("the last of %d steps is %+v; shares of the work a step: %v", n, last, pace)
	}
	b.Env.Threads = 3
	c.Batch = 2 // fewer than probes
	// In and after the likelihood of either weights; after the floor; in and after the reconstructions; in both rows.
	interruptions := []int{4, 5, 9, 10, 310, 566, 610, 866, 1166}
	if testing.Short() {
		interruptions = []int{5, 610}
	}
	for _, at := range interruptions {
		got, resumed := b.Interrupted(Kind(pipelinetest.CPU), c, in, pipeline.StageCheckpoint, at)
		if got.ID != want.ID || resumed != at {
			t.Errorf("interrupted at step %d, resumed at %d: output %s, want %s", at, resumed, got.ID.Short(), want.ID.Short())
		}
	}
	b.Env.Seed++
	if got := b.Run(Kind(pipelinetest.CPU), c, in); got.ID == want.ID {
		t.Error("another seed draws the same samples")
	}
}

// TestPoorData: without test images only the class accuracy is left, with a warning that says why; too
// few training images are as many as there are, with a warning; and what does not belong together
// is refused.
func TestPoorData(t *testing.T) {
	b := pipelinetest.New(t)
	var warned string
	start := func(c *Config, in pipeline.Inputs) (*artifacts.Artifact, error) {
		warned = ""
		return b.Start(t.Context(), Kind(pipelinetest.CPU), c, in, func(e pipeline.Event) {
			if e.Event == pipeline.StageWarning {
				warned += e.Message + "\n"
			}
		})
	}
	c := DefaultConfig()
	c.Samples, c.CASSteps, c.Steps, c.Solver = 50, 1, []int{1}, []string{"euler"}
	in := data(t, b, 40, func(d *dataset.Config) { d.TestFraction = 0 })
	trained(t, b, &in, 1, 1, 1)
	a, err := start(c, in)
	if err != nil {
		t.Fatal(err)
	}
	r := report(t, b, a)
	if m := r.Rows[1].Measures; m.ClassAccuracy == nil || m.CAS != nil || m.FD != nil || m.KID != nil || m.Coverage != nil || m.SW2 != nil || m.Memorised != nil {
		t.Errorf("without test images: %s", b.Read(a, ReportFile))
	}
	if r.Floor.N != 40 || !strings.Contains(warned, "0 test images") || !strings.Contains(warned, "40 training images") {
		t.Errorf("%d pictures, warnings %q", r.Floor.N, warned)
	}

	few := data(t, b, 5, func(d *dataset.Config) { d.TestFraction = 0 })
	few.Artifacts = in.Artifacts
	if _, err := start(c, few); err == nil || !strings.Contains(err.Error(), "5 training images") {
		t.Errorf("five training images: %v", err)
	}
	other := data(t, b, 40, func(d *dataset.Config) { d.Classes = []string{"cat", "dog", "penguin"} })
	other.Artifacts = in.Artifacts
	if _, err := start(c, other); err == nil || !strings.Contains(err.Error(), `"dog"`) {
		t.Errorf("another data set: %v", err)
	}
	foreign := in
	foreign.Artifacts = map[string]*artifacts.Artifact{"classifier": in.Artifacts["classifier"], "autoencoder": in.Artifacts["autoencoder"],
		"flow": withStats(t, b, in.Artifacts["flow"], func(s *flow.Spec) { s.Autoencoder = strings.Repeat("0", 64) })}
	if _, err := start(c, foreign); err == nil || !strings.Contains(err.Error(), "name that one under needs") {
		t.Errorf("an autoencoder that is not the flow's: %v", err)
	}
}

// TestSweep: every combination once; weights that a flow does not have are not measured twice, and a flow of a single
// class, which no guidance changes, is drawn and counted without any.
func TestSweep(t *testing.T) {
	c := DefaultConfig()
	c.Guidance, c.Steps, c.Solver, c.Weights = []float64{1, 2, 1}, []int{5, 10}, []string{"euler", "heun"}, []string{"raw", "ema"}
	model := func(averaged bool, classes ...string) *flow.Model {
		return &flow.Model{Spec: flow.Spec{Averaged: averaged, Classes: classes}}
	}
	if n := len(c.sweep(model(true, "cat", "dog"))); n != 16 {
		t.Errorf("%d rows, want 16", n)
	}
	for _, o := range c.sweep(model(false, "cat", "dog")) {
		if o.Weights != engine.Raw {
			t.Errorf("an average that was not kept is measured: %+v", o)
		}
	}
	if n := len(c.sweep(model(false, "cat", "dog"))); n != 8 {
		t.Errorf("%d rows, want 8", n)
	}
	single := model(true, "cat")
	for _, o := range c.sweep(single) {
		if nfe, err := single.Evaluations(o); err != nil || o.Guidance != 0 || o.Solver == "euler" && nfe != o.Steps {
			t.Errorf("%+v costs %d evaluations, %v: there is nothing to be guided to", o, nfe, err)
		}
	}
	if n := len(c.sweep(single)); n != 8 {
		t.Errorf("%d rows, want 8", n)
	}
}

// TestFigure: what is no number is null.
func TestFigure(t *testing.T) {
	if figure(math.NaN()) != nil || figure(math.Inf(1)) != nil || *figure(2) != 2 {
		t.Error("figures that are none")
	}
}

// TestLikelihood: a trained flow foretells the latents of test images in fewer bits than one that was hardly trained,
// whose average is measured beside its last weights.
func TestLikelihood(t *testing.T) {
	b := pipelinetest.New(t)
	in := data(t, b, 300, nil)
	trained(t, b, &in, 2, 60, 200)
	c := DefaultConfig()
	c.Samples, c.CASSteps, c.Steps, c.Solver, c.Weights = 8, 0, []int{1}, []string{"euler"}, []string{"raw"}
	c.LikelihoodImages, c.LikelihoodProbes = 4, 2
	measure := func() []Likelihood { return report(t, b, b.Run(Kind(pipelinetest.CPU), c, in)).Likelihood }
	sound := measure()
	if len(sound) != 1 || sound[0].Weights != "raw" || sound[0].Images != 4 || sound[0].Evaluations < 14 || sound[0].Error <= 0 {
		t.Fatalf("measured %+v", sound)
	}
	in.Artifacts["flow"] = flowOf(b, in, 2)
	c.Weights = []string{"ema", "raw"}
	l := measure()
	if len(l) != 2 || l[0].Weights != "ema" || l[1].BitsPerDim < sound[0].BitsPerDim+0.05 {
		t.Errorf("after 2 steps %+v, after 200 %+v", l, sound)
	}
}

// TestTable: rows that were drawn in different ways do not look alike, and a row without anything special ends with its figures.
func TestTable(t *testing.T) {
	drawings := []Drawing{{}, {Interval: flow.Interval{0.2, 0.75}}, {Rescale: 0.5}, {Grid: flow.ShiftedGrid, Shift: 3}, {Grid: flow.ShiftedGrid, Shift: 2}, {Grid: flow.EDMGrid, Rho: 7}}
	r := Report{}
	for i := range drawings {
		r.Rows = append(r.Rows, Row{Set: "samples", Drawing: &drawings[i]})
	}
	seen := map[string]bool{}
	for line := range strings.Lines(r.table()) {
		if strings.Contains(line, "samples") {
			seen[line] = true
		}
	}
	if len(seen) != len(drawings) {
		t.Errorf("%d different rows of %d:\n%s", len(seen), len(drawings), r.table())
	}
	r.Rows = r.Rows[:1]
	if lines := strings.Split(r.table(), "\n"); len([]rune(lines[0])) != len([]rune(lines[2])) {
		t.Errorf("the row is not as long as the head:\n%s", r.table())
	}
}
