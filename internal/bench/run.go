package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lfm/internal/engine"
	"lfm/stages/flow"
)

// warmUp is how many turns are done before the clock starts.
const warmUp = 3

// Options say what is measured.
type Options struct {
	Only    []string // names of cases; all if empty
	Batches []int    // of every case, timed in turn if there are several; each case's own if empty
	UNet    bool     // the flow of the default settings in R1's place: its two cases alone
	Tokens  int      // of the flow: its two cases alone; 0 is as many as R1 has
	Repeats int      // timed turns, at least 1: see Run
	NoLoss  bool     // leave out the 20 steps behind loss_20
	Profile bool     // also find out where the time goes
	Threads int      // of the back end
	Version string   // of lfm
}

// Result is what was measured of a case.
type Result struct {
	Engine       string      `json:"engine"` // lfm, its version and its back end
	Case         string      `json:"case"`
	Batch        int         `json:"batch"`
	Network      string      `json:"network,omitempty"` // unet, where it is not R1's transformer
	Tokens       int         `json:"tokens,omitempty"`  // where they are not R1's
	Threads      int         `json:"threads"`
	Device       string      `json:"device"`
	DType        string      `json:"dtype"`
	MedianMS     float64     `json:"median_ms"`         // of a step
	MinMS        float64     `json:"min_ms"`            // of several batches: in the turn with the least mean
	ItemsPerS    float64     `json:"items_per_s"`       // at the median
	GFLOPPerItem float64     `json:"gflop_per_item"`    // see the package's comment on work
	GFLOPS       float64     `json:"gflops"`            // ItemsPerS · GFLOPPerItem
	PeakGFLOPS   float64     `json:"peak_gflops"`       // of the threads on registers alone, just before
	PeakFraction float64     `json:"peak_fraction"`     // GFLOPS of PeakGFLOPS
	ByLast       float64     `json:"by_last,omitempty"` // of several batches: time of an item by that of the last batch, median over turns
	PeakMB       float64     `json:"peak_mb,omitempty"` // most memory of the process during the case, 10⁶ bytes; not of several batches
	Loss20       *float64    `json:"loss_20,omitempty"` // of the training cases, see the package's comment
	Profile      []Operation `json:"profile,omitempty"` // most expensive first
}

// Run measures cases one after the other and gives each result to emit. It ends early, with
// its error, when ctx ends.
//
// A turn is a step. Of several batches it is so many steps of each that all get through as many
// items as the greatest has, one batch after the other, every second time from the last to the first:
// what else a machine does then weighs on all of them, and ratios within a turn say how the cost of
// an item depends on the batch.
func Run(ctx context.Context, b engine.Backend, o Options, emit func(Result) error) error {
	chosen, err := o.choose()
	if err != nil {
		return err
	}
	if o.Repeats < 1 || slices.ContainsFunc(o.Batches, func(n int) bool { return n < 1 }) {
		return fmt.Errorf("bench: %d repeats of batches %d: want at least 1 of each", o.Repeats, o.Batches)
	}
	for _, c := range chosen {
		results, err := c.measure(ctx, b, o)
		if err != nil {
			return fmt.Errorf("bench: %s: %w", c.Name, err)
		}
		for _, r := range results {
			if err := emit(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// cases are those that can be chosen: all of R1's, or those of another flow alone.
func (o Options) cases() ([]Case, error) {
	if o.reference() {
		return Cases, nil
	}
	if o.Tokens != 0 && (o.Tokens < latentWidth || o.Tokens%latentWidth != 0) {
		return nil, fmt.Errorf("bench: %d tokens: want a multiple of %d", o.Tokens, latentWidth)
	}
	return flowCases(o.flow()), nil
}

// reference says whether all is as in R1, whose losses are known.
func (o Options) reference() bool { return !o.UNet && o.Tokens == 0 }

// flow is the flow that is measured.
func (o Options) flow() flow.Arch {
	a := flow.R1
	if o.UNet {
		a = flow.DefaultArch
	}
	a.Tokens = cmp.Or(o.Tokens, a.Tokens)
	if a.Kind == flow.UNet {
		a.Rows = a.Tokens / latentWidth
	}
	return a
}

// Names are the names of the cases that can be chosen.
func (o Options) Names() []string {
	cases, _ := o.cases() // Run says what is wrong
	return names(cases)
}

func names(cases []Case) []string {
	names := make([]string, len(cases))
	for i, c := range cases {
		names[i] = c.Name
	}
	return names
}

// choose finds cases by their names.
func (o Options) choose() ([]Case, error) {
	all, err := o.cases()
	if err != nil {
		return nil, err
	}
	if len(o.Only) == 0 {
		return all, nil
	}
	var chosen []Case
	for _, c := range all {
		if slices.Contains(o.Only, c.Name) {
			chosen = append(chosen, c)
		}
	}
	for _, name := range o.Only {
		if names := names(all); !slices.Contains(names, name) {
			return nil, fmt.Errorf("bench: no case %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

// measure gives a result for each batch.
func (c Case) measure(ctx context.Context, b engine.Backend, o Options) ([]Result, error) {
	batches := o.Batches
	if len(batches) == 0 {
		batches = []int{c.Batch}
	}
	device, _, _ := strings.Cut(b.Name(), " ")
	r := Result{
		Engine: engineName(b, o), Case: c.Name,
		Network: o.flow().Kind, Tokens: o.Tokens, Threads: o.Threads, Device: device, DType: "f32",
	}
	work, err := c.FLOP()
	if err != nil {
		return nil, err
	}
	r.GFLOPPerItem = round(work/1e9, 4)
	if device == "cpu" {
		r.PeakGFLOPS = round(Peak(o.Threads), 1)
	}
	resetPeakMemory()
	seconds, err := c.time(ctx, b, batches, o.Repeats)
	if err != nil {
		return nil, err
	}
	if len(batches) == 1 {
		r.PeakMB = round(float64(peakMemory())/1e6, 1)
	}
	if c.Losses != nil && !o.NoLoss && o.reference() {
		losses, err := c.Losses(ctx, b)
		if err != nil {
			return nil, err
		}
		last := round(losses[len(losses)-1], 6)
		r.Loss20 = &last
	}
	results := make([]Result, len(batches))
	for i, batch := range batches {
		r := r
		r.Batch = batch
		median := median(seconds[i])
		items := float64(c.items(batch)) / median
		r.MedianMS, r.MinMS = round(1e3*median, 3), round(1e3*slices.Min(seconds[i]), 3)
		r.ItemsPerS, r.GFLOPS = round(items, 2), round(items*work/1e9, 1)
		if r.PeakGFLOPS > 0 {
			r.PeakFraction = round(r.GFLOPS/r.PeakGFLOPS, 4)
		}
		if last := len(batches) - 1; last > 0 {
			r.ByLast = round(c.ratio(seconds[i], seconds[last], batch, batches[last]), 4)
		}
		if o.Profile {
			if r.Profile, err = c.profile(ctx, b, batch); err != nil {
				return nil, err
			}
		}
		results[i] = r
	}
	return results, nil
}

// items counts those of a step.
func (c Case) items(batch int) int { return cmp.Or(c.Items, batch) }

// ratio is the median over turns of the time of an item with one batch by that with another, given the seconds of
// their steps.
func (c Case) ratio(seconds, others []float64, batch, other int) float64 {
	ratios := make([]float64, len(seconds))
	for i := range ratios {
		ratios[i] = seconds[i] / float64(c.items(batch)) / (others[i] / float64(c.items(other)))
	}
	return median(ratios)
}

// engineName is the engine of a result: lfm, its version and its back end.
func engineName(b engine.Backend, o Options) string {
	return fmt.Sprintf("lfm %s (%s)", o.Version, b.Name())
}

// time gives, for each batch, the seconds of a step in each of so many turns.
func (c Case) time(ctx context.Context, b engine.Backend, batches []int, repeats int) ([][]float64, error) {
	seconds, work := make([][]float64, len(batches)), make([]workload, len(batches))
	for i, batch := range batches {
		w, err := c.open(b, batch)
		if err != nil {
			return nil, err
		}
		defer w.Close()
		work[i] = w
	}
	warmUp := warmUp
	if c.Items > 0 {
		warmUp = 1 // a whole stage has many steps
	}
	most := c.items(slices.Max(batches))
	for turn := range warmUp + repeats {
		for i := range batches {
			if turn%2 == 1 {
				i = len(batches) - 1 - i
			}
			steps := 1
			if turn >= warmUp {
				steps = (most + c.items(batches[i]) - 1) / c.items(batches[i])
			}
			begin := time.Now()
			for range steps {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				if err := work[i].step(ctx); err != nil {
					return nil, err
				}
			}
			if turn >= warmUp {
				seconds[i] = append(seconds[i], time.Since(begin).Seconds()/float64(steps))
			}
		}
	}
	return seconds, nil
}

// median of at least one number; of an even number of them the mean of the middle two.
func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// round keeps so many decimals, as many as mean something.
func round(x float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(x*p) / p
}

// significant rounds to four significant digits: what is not 0 stays so.
func significant(x float64) float64 {
	if x == 0 {
		return 0
	}
	return round(x, 3-int(math.Floor(math.Log10(math.Abs(x)))))
}
