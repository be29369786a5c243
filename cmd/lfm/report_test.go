package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lfm/internal/report/reporttest"
	"lfm/stages/evaluate"
	"lfm/stages/flow"
)

// readReport writes the report and reads it.
func (p *program) readReport(args ...string) string {
	p.t.Helper()
	p.run(append([]string{"report"}, args...)...)
	page, err := os.ReadFile(filepath.Join(p.dir, "report.html"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(page)
}

// colours makes a class of 60 pictures of one colour each.
func colours(t *testing.T, dir string, red uint8) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
		draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{red, uint8(4 * i), 200, 255}), image.Point{}, draw.Src)
		var file bytes.Buffer
		err := png.Encode(&file, m)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), file.Bytes(), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestReportHostile: the report of a run with a stage of every kind, whose classes are named to do
// harm, is a page that keeps its promises and shows all that there is.
func TestReportHostile(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.judged()
	colours(t, filepath.Join(p.dir, "pictures", `"><script>alert(1)<img src=x onerror=alert(1)>&'`), 0)
	colours(t, filepath.Join(p.dir, "pictures", "{{.}}"), 100)
	text, err := os.ReadFile(filepath.Join(p.dir, defaultFile))
	if err != nil {
		t.Fatal(err)
	}
	p.write(defaultFile, strings.NewReplacer("source: critters, count: 60", "source: pictures", "cas_steps: 2", "cas_steps: 2, likelihood_images: 2").Replace(string(text)))
	p.run("run")
	page := p.readReport()
	reporttest.Check(t, page)
	for _, want := range []string{"onerror=alert(1)&gt;&amp;", "{{.}}", "Samples, averaged weights", "Samples, last weights", "w = 8", "t = 0.5",
		"floor: real images", "ceiling: reconstructions", "memorised", "evaluate: likelihood", "classifier: loss", "accuracy"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report does not show %q", want)
		}
	}
	if strings.Contains(page, "Left out") {
		t.Errorf("something is left out: %s", page[strings.Index(page, "Left out"):])
	}
	reporttest.Check(t, p.readReport(".", "."))
}

// TestReportOfPastRun: a run is shown as it was, not as its pipeline file would make it now: its pictures are guided as
// its decode stage guided. The images that samples are held to are those that the flow learned from, also where
// the autoencoder learned from others.
func TestReportOfPastRun(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	text, err := os.ReadFile(filepath.Join(p.dir, defaultFile))
	if err != nil {
		t.Fatal(err)
	}
	past := strings.NewReplacer(
		"{source: critters, count: 60, size: 16}", "{source: critters, count: 60, size: 16, test_fraction: 0}\n  few: {source: critters, count: 40, size: 16, test_fraction: 0}",
		"uses: autoencoder", "uses: autoencoder\n    data: critters",
		"uses: encode", "uses: encode\n    data: few",
		"per_class: 1", "per_class: 1, guidance: 2.25",
	).Replace(string(text))
	for _, guidance := range []string{"2.25", "4.5"} {
		p.write(defaultFile, strings.Replace(past, "2.25", guidance, 1))
		p.run("run")
	}
	runs, err := filepath.Glob(filepath.Join(p.dir, ".lfm", "runs", "*", "run.json"))
	if err != nil || len(runs) != 2 {
		t.Fatalf("runs %q, %v", runs, err)
	}
	page := p.readReport(filepath.Base(filepath.Dir(runs[0])), filepath.Base(filepath.Dir(runs[1])))
	first, second := strings.Index(page, "<p>Guidance 2.25.</p>"), strings.Index(page, "<p>Guidance 4.5.</p>")
	if first < 0 || second < first {
		t.Errorf("the runs' pictures are not guided by 2.25 and then by 4.5: told at %d and %d", first, second)
	}
	if n := strings.Count(page, "among 40 training images"); n != 2 {
		t.Errorf("%d runs, want 2, looked among the images that the flow learned from", n)
	}
}

// TestClosest: of the states of a way the one at about a time is shown, and of those at t = 0 the finished one.
func TestClosest(t *testing.T) {
	passed := []state{{1, nil}, {0.5, nil}, {0, []float32{0}}, {0, []float32{1}}}
	for at, want := range map[float64]float64{1: 1, 0.8: 1, 0.6: 0.5, 0.1: 0} {
		if got := closest(passed, at); got.t != want {
			t.Errorf("closest to t = %v is %v, want %v", at, got.t, want)
		}
	}
	if got := closest(passed, 0); got.latents[0] != 1 {
		t.Error("at t = 0 it is the state before the finish")
	}
}

// TestQualityTellsApart: rows and lines of samples that differ in their grid or in how they are guided alone are told
// apart, and what is plain is not burdened with that.
func TestQualityTellsApart(t *testing.T) {
	v := 0.5
	r := &evaluate.Report{}
	for _, d := range []evaluate.Drawing{{}, {Interval: flow.Interval{0.2, 0.75}}, {Rescale: 0.7}, {Grid: flow.EDMGrid, Rho: 7}} {
		for steps := 1; steps < 3; steps++ {
			d := d
			d.Guidance, d.Solver, d.Weights, d.Steps, d.NFE = 2, "euler", "ema", steps, 2*steps
			r.Rows = append(r.Rows, evaluate.Row{Set: "samples", Drawing: &d, Measures: evaluate.Measures{FD: &v}})
		}
	}
	names := map[string]bool{}
	for _, row := range qualityTable(r).Rows {
		names[row.Cells[0].Text] = true
	}
	if len(names) != 1+len(r.Rows) || !names["w = 2, euler 1, ema"] || !names["w = 2, euler 2, ema, guided in [0.2, 0.75]"] {
		t.Errorf("rows %v", names)
	}
	at := slices.IndexFunc(criteria, func(m criterion) bool { return m.name == "fd-cls" })
	if at < 0 {
		t.Fatal("there is no criterion fd-cls")
	}
	if c := byNFE(r, criteria[at]); c == nil || len(c.Lines) != 4 || len(c.Lines[0].Points) != 2 {
		t.Errorf("chart %+v, want 4 lines of 2 points", c)
	}
}
