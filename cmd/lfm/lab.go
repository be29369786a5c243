package main

import (
	"context"

	"github.com/spf13/cobra"

	"lfm/internal/lab"
)

func newLab(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Train small models on the spot and measure what flow matching claims",
		Long: `Lab trains small models on the spot, in the plane, where distances are exact and a flow can
be looked at. It needs no pipeline and no images, and leaves nothing in a store.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLabTable(a))
	return cmd
}

func newLabTable(a *app) *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:   "table",
		Short: "Compare three ways to train a flow on four tasks, beside published figures",
		Long: `Table does the two-dimensional benchmark of Tong et al. (2024, arXiv 2307.03672, table 2): flows
from a normal distribution or two moons to eight Gaussians, two moons, or an S, trained with
independent pairs (I-CFM), with pairs by optimal transport (OT-CFM), and by Lipman et al. (FM).

W2 is the exact Wasserstein distance of what a flow makes to the target, floor that of two
samples of the target, below which none can be expected to come. NPE, the normalised path
energy, says how much longer than the shortest its paths are: | E ∫|v|² dt - W2² | / W2².
All are means over seeds with their standard deviations, beside the published ones.

Without --quick it takes the published protocol, 1,000 epochs and five seeds: hours. With it,
one seed, a fraction of the training and a test of 512 points, which is seconds; then
published figures show the order to expect and no more.`,
		Example: `  lfm lab table --quick`,
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, args []string) error { return labTableRun(cmd.Context(), a, quick) },
	}
	a.computing(cmd)
	a.reading(cmd)
	cmd.Flags().BoolVar(&quick, "quick", false, "one seed and a fraction of the training")
	return cmd
}

func labTableRun(ctx context.Context, a *app, quick bool) error {
	if err := a.checkComputing("auto"); err != nil {
		return err
	}
	backend, err := openBackend(ctx, a.device, a.threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	protocol := lab.Full
	if quick {
		protocol = lab.Quick
	}
	results, err := lab.Table(ctx, backend, protocol, func(r lab.Row) {
		a.notef("%s  %s  W2 %v  NPE %v", r.Task, r.Method, r.W2, r.NPE)
	})
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.Out, results)
	}
	return results.Write(a.Out)
}
