package evaluate

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"lfm/artifacts"
	"lfm/stages/flow"
)

// Report is evaluate.json.
type Report struct {
	Format     int      `json:"format"`
	Rows       []Row    `json:"rows"`
	Floor      Measures `json:"floor"`   // training images against the test images
	Ceiling    Measures `json:"ceiling"` // their reconstructions against the test images
	Seed       uint64   `json:"seed"`    // of the samples' noise, of the choice of images, of cas
	TestImages int      `json:"test_images"`
	Judge      *float64 `json:"judge_accuracy"` // on the test images: the class_accuracy of new real ones
	CASSteps   int      `json:"cas_steps"`
	Neighbours int      `json:"neighbours"` // k of precision, recall, density and coverage
	Directions int      `json:"directions"` // of sw2 and memorised

	Likelihood []Likelihood `json:"likelihood,omitempty"` // where it was asked for

	// Output IDs of what was measured, and of what with.
	Classifier  artifacts.ID `json:"classifier"`
	Autoencoder artifacts.ID `json:"autoencoder"`
	Flow        artifacts.ID `json:"flow"`
	Data        artifacts.ID `json:"data"`
}

// Row is a set that was measured.
type Row struct {
	Set string `json:"set"` // samples or reconstructions
	*Drawing
	Measures
}

// Drawing says how samples were drawn.
type Drawing struct {
	Guidance float64 `json:"guidance"`
	Steps    int     `json:"steps"`
	Solver   string  `json:"solver"`

	// What is not as it is by default.
	Interval flow.Interval `json:"guidance_interval,omitzero"`
	Rescale  float64       `json:"guidance_rescale,omitempty"`
	Clip     float64       `json:"clip_data,omitempty"`
	Grid     string        `json:"grid,omitempty"`
	Shift    float64       `json:"grid_shift,omitempty"`
	Rho      float64       `json:"grid_rho,omitempty"`

	Weights string `json:"weights"` // ema or raw
	NFE     int    `json:"nfe"`     // evaluations of the network that a sample costs
	Seed    uint64 `json:"seed"`
}

// Special says in words what is not as it is by default, "" where nothing is.
func (d *Drawing) Special() string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if d.Interval != (flow.Interval{}) {
		say("guided in [%g, %g]", d.Interval[0], d.Interval[1])
	}
	if d.Rescale != 0 {
		say("rescaled by %g", d.Rescale)
	}
	if d.Clip != 0 {
		say("data clipped at %g", d.Clip)
	}
	switch d.Grid {
	case flow.ShiftedGrid:
		say("grid %s %g", d.Grid, d.Shift)
	case flow.EDMGrid:
		say("grid %s %g", d.Grid, d.Rho)
	}
	return strings.Join(words, ", ")
}

// JudgeSays tells of the judge's accuracy, behind the number of test images.
func (r *Report) JudgeSays() string {
	if r.Judge == nil {
		return ""
	}
	return fmt.Sprintf(", %.3g of whose classes the judge knows", *r.Judge)
}

// table is the report for people. What is special about a row stands behind its columns.
func (r *Report) table() string {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "set\tguidance\tsteps\tsolver\tweights\tnfe\taccuracy\tcas\tfd-cls\tkid-cls\t±\tprecision\trecall\tdensity\tcoverage\tsw2\tmemorised\t")
	line := func(set string, d *Drawing, m Measures) {
		fmt.Fprintf(w, "%s\t", set)
		if d == nil {
			fmt.Fprint(w, "\t\t\t\t\t")
		} else {
			fmt.Fprintf(w, "%g\t%d\t%s\t%s\t%d\t", d.Guidance, d.Steps, d.Solver, d.Weights, d.NFE)
		}
		for _, v := range []*float64{m.ClassAccuracy, m.CAS, m.FD, m.KID, m.KIDError, m.Precision, m.Recall, m.Density, m.Coverage, m.SW2, m.Memorised} {
			text := "-"
			if v != nil {
				text = strconv.FormatFloat(*v, 'g', 3, 64)
			}
			fmt.Fprintf(w, "%s\t", text)
		}
		if d != nil && d.Special() != "" {
			fmt.Fprint(w, "  ", d.Special())
		}
		fmt.Fprintln(w)
	}
	line("floor", nil, r.Floor)
	for _, row := range r.Rows {
		line(row.Set, row.Drawing, row.Measures)
	}
	w.Flush()
	fmt.Fprintf(&out, "\n%d pictures a set, against %d test images%s; floor: training images; reconstructions: the ceiling.\n", r.Floor.N, r.TestImages, r.JudgeSays())
	for _, l := range r.Likelihood {
		fmt.Fprintf(&out, "latents of %d test images, %s weights: %.4f ± %.4f bits a number.\n", l.Images, l.Weights, l.BitsPerDim, l.Error)
	}
	fmt.Fprintf(&out, "seed %d, classifier %s, autoencoder %s, flow %s, data %s\n", r.Seed, r.Classifier.Short(), r.Autoencoder.Short(), r.Flow.Short(), r.Data.Short())
	return out.String()
}
