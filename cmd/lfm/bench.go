package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lfm/internal/bench"
	"lfm/internal/engine"
)

type benchOptions struct {
	bench.Options
	precision string
	ops       bool // single operations instead of cases
	tracing   tracing
}

func newBench(a *app) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Time the reference model at training, encoding, decoding and sampling",
		Long: `Bench times the reference model R1 (32x32 images, 8x8x4 latents) at seven tasks, by the
code that the stages run:

  ae-train         one training step of the autoencoder
  encode           images to latents
  decode           latents to images
  flow-train       one training step of the flow
  flow-sample-10   guided samples in ten Euler steps
  encode-stage     the whole stage encode: from a folder of JPEG files to an artifact of Arrow files
  decode-stage     the whole stage decode: from models in a store to an artifact of PNG files

GFLOP/s count the work of the model as it is written, multiply-adds as two; of peak is their
part of what the threads reach on registers alone. MB is the most memory that the process had
during the case, the weights and, in training, the optimizer's state included. loss 20 is that before the 20th of 20 fixed training
steps; PyTorch comes to 0.484627 (ae-train) and 1.673636 (flow-train).

With several batches, as --batch 16,64,256, a turn is as many steps of each as get through the greatest
batch's items; ms are means of a turn. by last is an item's cost by that with the last batch, the median
over turns.

With --ops it times each operation of the model alone, forward and backward, at each of its
sizes. uses is how often a training step has it; GB/s count operands and results once.

With --unet it times the flow that the default settings train, a U-Net, at flow-train and
flow-sample-10.

Figures of two machines, or of two days, say nothing of each other: compare within a run.`,
		Example: `  lfm bench
  lfm bench --only encode,decode --threads 1
  lfm bench --only encode --repeats 3 --profile
  lfm bench --only flow-train --repeats 3 --trace step.json
  lfm bench --only flow-train --batch 16,64,256
  lfm bench --ops --repeats 3
  lfm bench --unet --profile
  lfm bench --json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return benchRun(cmd.Context(), a, o) },
	}
	a.computing(cmd)
	a.reading(cmd)
	o.tracing.flags(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Only, "only", nil, "cases, separated by commas (default: all)")
	flags.BoolVar(&o.ops, "ops", false, "time single operations instead of the cases")
	flags.IntVar(&o.Repeats, "repeats", 7, "timed steps of each case, or turns of several batches")
	flags.IntSliceVar(&o.Batches, "batch", nil, "items of a step; several, separated by commas, are timed in turn (default: each case's own)")
	flags.BoolVar(&o.UNet, "unet", false, "flow-train and flow-sample-10 alone, of the U-Net of the default settings instead of R1's transformer")
	flags.IntVar(&o.Tokens, "tokens", 0, "flow-train and flow-sample-10 alone, with so many latent tokens, a multiple of 8, instead of 64")
	flags.StringVar(&o.precision, "precision", "fp32", "of the computation: fp32")
	flags.BoolVar(&o.NoLoss, "no-loss", false, "leave out the 20 steps behind loss 20, which take longer than the rest")
	flags.BoolVar(&o.Profile, "profile", false, "show the operations that take the time")
	return cmd
}

// check finds what is wrong with the flags, before anything is opened.
func (o *benchOptions) check(a *app) error {
	names := o.Names()
	for _, name := range o.Only {
		if !slices.Contains(names, name) {
			return usagef("no case %q%s\ncases: %s", name, didYouMean(name, names), strings.Join(names, ", "))
		}
	}
	switch {
	case o.ops && (o.UNet || o.Tokens != 0):
		return usagef("--ops times the operations of R1; --profile shows those of another flow")
	case o.Repeats < 1:
		return usagef("--repeats %d: want at least 1", o.Repeats)
	case slices.ContainsFunc(o.Batches, func(n int) bool { return n < 1 }):
		return usagef("--batch %s: want at least 1", strings.Trim(strings.ReplaceAll(fmt.Sprint(o.Batches), " ", ","), "[]"))
	case o.ops && len(o.Batches) > 1:
		return usagef("--ops times operations at one batch")
	case o.Tokens < 0 || o.Tokens%8 != 0:
		return usagef("--tokens %d: want a multiple of 8", o.Tokens)
	case a.threads < 0:
		return usagef("--threads %d: want at least 1", a.threads)
	case o.precision != "fp32":
		return usagef("--precision %s: this lfm computes in fp32 only", o.precision)
	}
	return nil
}

// another says which flow is timed where that is not R1's.
func (o *benchOptions) another() (text string) {
	if o.UNet {
		text = ", the U-Net of the default settings"
	}
	if o.Tokens != 0 {
		text += fmt.Sprintf(", %d tokens", o.Tokens)
	}
	return text
}

func benchRun(ctx context.Context, a *app, o benchOptions) error {
	if err := o.check(a); err != nil {
		return err
	}
	ctx, end, err := o.tracing.start(ctx, a)
	if err != nil {
		return err
	}
	return end(measure(ctx, a, o))
}

// measure measures what o says and prints it.
func measure(ctx context.Context, a *app, o benchOptions) error {
	backend, err := openBackend(ctx, a.device, a.threads)
	if err != nil {
		return usageError{err}
	}
	defer backend.Close()
	o.Version, o.Threads = version()["version"], a.threads
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.ops {
		return measureOps(ctx, a, backend, o.Options)
	}
	if a.json {
		lines := json.NewEncoder(a.Out)
		return bench.Run(ctx, backend, o.Options, func(r bench.Result) error { return lines.Encode(r) })
	}
	fmt.Fprintf(a.Out, "lfm %s, %s%s\n\n", o.Version, backend.Name(), o.another())
	memory := "MB"
	if len(o.Batches) > 1 {
		memory = "by last"
	}
	fmt.Fprintf(a.Out, "%-15s %6s %10s %10s %9s %8s %8s %8s  %s\n", "case", "batch", "median ms", "least ms", "items/s", "GFLOP/s", "of peak", memory, "loss 20")
	return bench.Run(ctx, backend, o.Options, func(r bench.Result) error {
		printResult(a.Out, r)
		return nil
	})
}

// printResult prints a line of a case, and its profile below.
func printResult(out io.Writer, r bench.Result) {
	peak, memory, loss := "-", "-", "-" // in the place of memory stands the ratio of several batches
	if r.PeakGFLOPS > 0 {
		peak = percent(r.PeakFraction)
	}
	switch {
	case r.ByLast > 0:
		memory = fmt.Sprintf("%.2f", r.ByLast)
	case r.PeakMB > 0:
		memory = fmt.Sprintf("%.0f", r.PeakMB)
	}
	if r.Loss20 != nil {
		loss = fmt.Sprintf("%.6f", *r.Loss20)
	}
	fmt.Fprintf(out, "%-15s %6d %10.2f %10.2f %9.2f %8.1f %8s %8s  %s\n", r.Case, r.Batch, r.MedianMS, r.MinMS, r.ItemsPerS, r.GFLOPS, peak, memory, loss)
	if len(r.Profile) > 0 {
		printProfile(out, r.Profile)
	}
}

func percent(part float64) string { return fmt.Sprintf("%.1f%%", 100*part) }

// measureOps measures single operations and prints a line for each.
func measureOps(ctx context.Context, a *app, b engine.Backend, o bench.Options) error {
	if a.json {
		lines := json.NewEncoder(a.Out)
		return bench.RunOps(ctx, b, o, func(r bench.OpResult) error { return lines.Encode(r) })
	}
	fmt.Fprintf(a.Out, "lfm %s, %s\n\n%10s %8s %8s %8s %5s  %s\n", o.Version, b.Name(), "median ms", "GFLOP/s", "of peak", "GB/s", "uses", "operation")
	return bench.RunOps(ctx, b, o, func(r bench.OpResult) error {
		rate, peak := "-", "-"
		if r.GFLOPS > 0 {
			rate, peak = fmt.Sprintf("%.1f", r.GFLOPS), percent(r.PeakFraction)
		}
		fmt.Fprintf(a.Out, "%10.3f %8s %8s %8.2f %5d  %s\n", r.MedianMS, rate, peak, r.GBPerS, r.Uses, r.Op)
		return nil
	})
}

// profileLines is how many operations of a profile are shown.
const profileLines = 10

func printProfile(out io.Writer, profile []bench.Operation) {
	fmt.Fprintf(out, "\n  %6s %10s %7s %8s  %s\n", "share", "ms", "passes", "GFLOP/s", "operation")
	var rest bench.Operation
	for i, o := range profile {
		if i >= profileLines {
			rest.Share, rest.MS, rest.Passes = rest.Share+o.Share, rest.MS+o.MS, rest.Passes+o.Passes
			continue
		}
		gflops := "-"
		if o.GFLOPS > 0 {
			gflops = fmt.Sprintf("%.1f", o.GFLOPS)
		}
		fmt.Fprintf(out, "  %5.1f%% %10.2f %7d %8s  %s\n", 100*o.Share, o.MS, o.Passes, gflops, o.Name)
	}
	fmt.Fprintf(out, "  %5.1f%% %10.2f %7d %8s  %s\n\n", 100*rest.Share, rest.MS, rest.Passes, "", "all others")
}
