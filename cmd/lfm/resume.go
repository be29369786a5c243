package main

import (
	"context"

	"github.com/spf13/cobra"

	"lfm/pipeline"
)

type resumeOptions struct {
	from string
	jobs int
}

func newResume(a *app) *cobra.Command {
	var o resumeOptions
	cmd := &cobra.Command{
		Use:   "resume [--from STAGE]",
		Short: "Go on with the last run here, or rerun from a stage on",
		Long: `Resume goes on with the last run here, its --set included.

With --from it verifies what stands upstream of the stage byte by byte and reuses it,
forgets the results of the stage and of what depends on it, and runs them again. Killed
itself, it goes on with a plain lfm resume.`,
		Example: `  lfm resume
  lfm resume --from encode`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return resumeRun(cmd.Context(), a, o)
		},
	}
	a.computing(cmd)
	a.logging(cmd)
	a.setting(cmd)
	cmd.Flags().StringVar(&o.from, "from", "", "rerun this stage and what depends on it")
	cmd.Flags().IntVar(&o.jobs, "jobs", 1, "stages that may run side by side")
	return cmd
}

func resumeRun(ctx context.Context, a *app, o resumeOptions) error {
	h, err := a.open("", true)
	if err != nil {
		return err
	}
	if o.from != "" {
		if _, err := h.graph.Node(o.from); err != nil {
			return usageError{err}
		}
		if err := h.runner(a).Withdraw(ctx, o.from); err != nil {
			return err
		}
	}
	return a.execute(ctx, h, pipeline.Options{}, o.jobs)
}
