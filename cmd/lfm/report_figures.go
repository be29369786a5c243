package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"lfm/internal/report"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/classifier"
	"lfm/stages/evaluate"
	"lfm/stages/flow"
)

// What trained stages write down beside their weights.
const (
	metricsFile    = "metrics.jsonl"
	evaluationFile = "evaluation.json"
)

// learning shows the losses of all stages that are trained, and how good they were in the end.
func (t *told) learning() (exhibits []report.Exhibit) {
	for i := range t.record.Stages {
		s := &t.record.Stages[i]
		if lines := t.losses(s); len(lines) > 0 {
			exhibits = append(exhibits, report.Exhibit{Title: s.Name + ": loss", Chart: &report.Chart{X: "step", Y: "loss", LogY: true, Lines: lines}})
		}
	}
	for _, m := range t.made(flow.Name, "The flow's loss by time") {
		var e flow.HeldOut
		if t.read(m, evaluationFile, &e) {
			exhibits = append(exhibits, lossByTime(m.Name, &e))
		}
	}
	var rows []report.Row
	for _, m := range t.made(autoencoder.Name, "Fidelity of reconstructions") {
		var e autoencoder.Evaluation
		if t.read(m, evaluationFile, &e) {
			for _, f := range []struct {
				set string
				autoencoder.Fidelity
			}{{"training images", e.Train}, {"held-out images", e.HeldOut}} {
				rows = append(rows, cells(m.Name, f.set, strconv.Itoa(f.Images), fmt.Sprintf("%.2f dB", f.PSNR), fmt.Sprintf("%.3f", f.SSIM), "–"))
			}
		}
	}
	for _, m := range t.finished(classifier.Name) {
		var e classifier.Evaluation
		if t.read(m, evaluationFile, &e) {
			rows = append(rows, cells(m.Name, "training images", strconv.Itoa(e.Train.Images), "–", "–", fmt.Sprintf("%.3f", e.Train.Accuracy)))
			if e.HeldOut != nil {
				rows = append(rows, cells(m.Name, "held-out images", strconv.Itoa(e.HeldOut.Images), "–", "–", fmt.Sprintf("%.3f", e.HeldOut.Accuracy)))
			}
		}
	}
	if len(rows) > 0 {
		exhibits = append(exhibits, report.Exhibit{Title: "In the end", Wide: true, Table: &report.Table{Rows: rows,
			Heads: []report.Head{{Name: "stage"}, {Name: "of"}, {Name: "images"}, {Name: "PSNR", Meaning: "of reconstructions; more is better"},
				{Name: "SSIM", Meaning: "structural similarity of reconstructions; 1 is the same"}, {Name: "accuracy", Meaning: "part of images whose class the classifier tells"}}}})
	}
	return exhibits
}

func cells(texts ...string) (r report.Row) {
	for _, text := range texts {
		r.Cells = append(r.Cells, report.Cell{Text: text})
	}
	return r
}

// losses are the loss of a stage over steps, and on held-out data: of a finished one what it wrote down,
// of any other what the events say so far.
func (t *told) losses(s *pipeline.StageRecord) []report.Line {
	if !s.Output.IsZero() {
		a, err := t.store.Get(s.Output)
		if err != nil {
			return nil
		}
		if _, trained := a.File(metricsFile); !trained {
			return nil
		}
		data, err := a.ReadFile(metricsFile)
		if err != nil {
			t.leaveOut("The losses of %s: %v.", s.Name, err)
			return nil
		}
		all := series(data)
		lines := []report.Line{{Name: "training", Points: all["loss"]}}
		if held := all["heldout_loss"]; len(held) > 0 {
			lines = append(lines, report.Line{Name: "held out", Points: held, Marked: true})
		}
		return lines
	}
	if h := t.events[s.Name]; h != nil && len(h.losses) > 0 {
		return []report.Line{{Name: "training", Points: h.losses}}
	}
	return nil
}

// lossByTime shows where along the path a flow errs.
func lossByTime(stage string, e *flow.HeldOut) report.Exhibit {
	line := func(name string, l *flow.Loss) report.Line {
		out := report.Line{Name: name, Marked: true}
		for i, v := range l.ByT[:min(len(l.ByT), len(e.Times))] {
			out.Points = append(out.Points, report.Point{X: e.Times[i], Y: v})
		}
		return out
	}
	c := &report.Chart{X: "t (0: data, 1: noise)", Y: "loss", LogY: true}
	text := fmt.Sprintf("On %d latents, at fixed times with fixed noise. Predicting nought costs %.3g.", e.Rows, e.Zero)
	if e.EMA != nil {
		c.Lines = append(c.Lines, line("averaged weights", e.EMA))
	}
	c.Lines = append(c.Lines, line("last weights", &e.Raw))
	return report.Exhibit{Title: stage + ": held-out loss by time", Text: text, Chart: c}
}

// finished are the finished stages of a kind, if there are any.
func (t *told) finished(kind string) []product {
	before := len(t.run.LeftOut)
	all := t.made(kind, "")
	t.run.LeftOut = t.run.LeftOut[:before]
	return all
}

// criterion is a column of evaluate's figures.
type criterion struct {
	name, meaning string
	of            func(*evaluate.Measures) *float64
	better        int // 1: more is, -1: less is, 0: neither
}

var criteria = []criterion{
	{"accuracy", "part of pictures in which the classifier sees the class that was asked for", func(m *evaluate.Measures) *float64 { return m.ClassAccuracy }, 1},
	{"cas", "accuracy on real images of a classifier that learned from these pictures", func(m *evaluate.Measures) *float64 { return m.CAS }, 1},
	{"fd-cls", "Fréchet distance of the classifier's features from those of test images", func(m *evaluate.Measures) *float64 { return m.FD }, -1},
	{"kid-cls", "kernel distance of the same features", func(m *evaluate.Measures) *float64 { return m.KID }, -1},
	{"±", "standard error of kid-cls", func(m *evaluate.Measures) *float64 { return m.KIDError }, 0},
	{"precision", "part of pictures that lie among real ones", func(m *evaluate.Measures) *float64 { return m.Precision }, 1},
	{"recall", "part of real images that lie among these", func(m *evaluate.Measures) *float64 { return m.Recall }, 1},
	{"density", "how densely real images lie around these pictures", func(m *evaluate.Measures) *float64 { return m.Density }, 1},
	{"coverage", "part of real images with one of these near by", func(m *evaluate.Measures) *float64 { return m.Coverage }, 1},
	{"sw2", "sliced Wasserstein distance of pixels", func(m *evaluate.Measures) *float64 { return m.SW2 }, -1},
	{"memorised", "distance to the nearest training image over that of a test image: 1 is new, 0 a copy", func(m *evaluate.Measures) *float64 { return m.Memorised }, 0},
}

// plotted are the measures that are drawn over the number of evaluations.
var plotted = []string{"accuracy", "fd-cls", "coverage", "sw2"}

// quality shows what evaluate measured.
func (t *told) quality() (exhibits []report.Exhibit) {
	all := t.made(evaluate.Name, "Quality of samples (examples/critters/evaluate.yaml shows how to have it)")
	for _, m := range all {
		var r evaluate.Report
		if !t.read(m, evaluate.ReportFile, &r) {
			continue
		}
		exhibits = append(exhibits, report.Exhibit{Title: m.Name, Wide: true, Table: qualityTable(&r),
			Text: fmt.Sprintf("%d pictures a row against %d test images%s. A row of samples says guidance, solver with its steps, weights, and what else is not as by default; the best of each column is marked. What a column means is where the mouse rests on its head.", r.Floor.N, r.TestImages, r.JudgeSays())})
		if len(r.Likelihood) > 0 {
			exhibits = append(exhibits, report.Exhibit{Title: m.Name + ": likelihood", Table: likelihoodTable(r.Likelihood),
				Text: "How many bits each number of a test image's latent takes under the flow, given its class. Flows of one autoencoder can be compared."})
		}
		for _, name := range plotted {
			i := slices.IndexFunc(criteria, func(x criterion) bool { return x.name == name })
			if c := byNFE(&r, criteria[i]); c != nil {
				exhibits = append(exhibits, report.Exhibit{Title: fmt.Sprintf("%s: %s by NFE", m.Name, name), Chart: c})
			}
		}
	}
	return exhibits
}

func figure(v *float64) string {
	if v == nil {
		return "–"
	}
	decimals := 4 // so that columns stand under each other
	for _, bound := range []float64{0.1, 1, 10, 100} {
		if math.Abs(*v) >= bound {
			decimals--
		}
	}
	return strconv.FormatFloat(*v, 'f', decimals, 64)
}

// qualityTable is evaluate's table, without measures that no row has.
func qualityTable(r *evaluate.Report) *report.Table {
	t := &report.Table{Heads: []report.Head{{Name: "set"}, {Name: "NFE", Meaning: "evaluations of the network that a sample costs"}}}
	rows := []report.Row{bound("floor: real images")}
	sets := []*evaluate.Measures{&r.Floor}
	for i := range r.Rows {
		row := &r.Rows[i]
		sets = append(sets, &row.Measures)
		if d := row.Drawing; d != nil {
			rows = append(rows, cells(said(d, fmt.Sprintf("%s %d", d.Solver, d.Steps)), strconv.Itoa(d.NFE)))
		} else {
			rows = append(rows, bound("ceiling: "+row.Set))
		}
	}
	for _, m := range criteria {
		if !slices.ContainsFunc(sets, func(s *evaluate.Measures) bool { return m.of(s) != nil }) {
			continue
		}
		t.Heads = append(t.Heads, report.Head{Name: m.name, Meaning: m.meaning})
		best := bestOf(m, rows, sets)
		for i := range rows {
			rows[i].Cells = append(rows[i].Cells, report.Cell{Text: figure(m.of(sets[i])), Best: i == best})
		}
	}
	t.Rows = rows
	return t
}

func bound(name string) report.Row {
	r := cells(name, "")
	r.Bound = true
	return r
}

// bestOf is the row of samples that is best in a measure, -1 where there is nothing to choose.
func bestOf(m criterion, rows []report.Row, sets []*evaluate.Measures) int {
	best, samples := -1, 0
	for i, s := range sets {
		v := m.of(s)
		if rows[i].Bound || v == nil {
			continue
		}
		samples++
		if best < 0 || *v*float64(m.better) > *m.of(sets[best])*float64(m.better) {
			best = i
		}
	}
	if m.better == 0 || samples < 2 {
		return -1
	}
	return best
}

// said is how samples were drawn, by a solver in words.
func said(d *evaluate.Drawing, solver string) string {
	text := fmt.Sprintf("w = %g, %s, %s", d.Guidance, solver, d.Weights)
	if special := d.Special(); special != "" {
		text += ", " + special
	}
	return text
}

// likelihoodTable is how well a flow foretells latents, a row for each kind of weights.
func likelihoodTable(all []evaluate.Likelihood) *report.Table {
	t := &report.Table{Heads: []report.Head{{Name: "weights"}, {Name: "images", Meaning: "test images"},
		{Name: "bits", Meaning: "for each number of a latent; fewer is better"}, {Name: "±", Meaning: "standard error of bits"},
		{Name: "divergence", Meaning: "exact, or estimated with so many random vectors"},
		{Name: "evaluations", Meaning: "of the network that an image cost, one for each probe; the mean"}}}
	for _, l := range all {
		divergence := "exact"
		if l.Probes > 0 {
			divergence = strconv.Itoa(l.Probes)
		}
		evaluations := "–" // older artifacts counted batches of probes
		if l.Evaluations > 0 {
			evaluations = fmt.Sprintf("%.0f", l.Evaluations)
		}
		t.Rows = append(t.Rows, cells(l.Weights, strconv.Itoa(l.Images), fmt.Sprintf("%.4f", l.BitsPerDim), fmt.Sprintf("%.4f", l.Error),
			divergence, evaluations))
	}
	return t
}

// byNFE draws a measure over the number of evaluations, a line for all that is drawn alike but for the steps; nil where no line would have two points.
func byNFE(r *evaluate.Report, m criterion) *report.Chart {
	c := &report.Chart{X: "NFE", Y: m.name, LogX: true, LogY: m.better < 0}
	long := false
	for i := range r.Rows {
		d, v := r.Rows[i].Drawing, m.of(&r.Rows[i].Measures)
		if d == nil || v == nil {
			continue
		}
		name := said(d, d.Solver)
		at := slices.IndexFunc(c.Lines, func(l report.Line) bool { return l.Name == name })
		if at < 0 {
			at = len(c.Lines)
			c.Lines = append(c.Lines, report.Line{Name: name, Marked: true})
		}
		c.Lines[at].Points = append(c.Lines[at].Points, report.Point{X: float64(d.NFE), Y: *v})
		long = long || len(c.Lines[at].Points) > 1
	}
	if !long {
		return nil
	}
	for _, l := range c.Lines {
		slices.SortFunc(l.Points, func(a, b report.Point) int { return cmp.Compare(a.X, b.X) })
	}
	for name, v := range map[string]*float64{"floor": m.of(&r.Floor), "ceiling": m.of(&r.Ceiling)} {
		if v != nil {
			c.Levels = append(c.Levels, report.Level{Name: name, Y: *v})
		}
	}
	slices.SortFunc(c.Levels, func(a, b report.Level) int { return cmp.Compare(a.Name, b.Name) })
	return c
}
