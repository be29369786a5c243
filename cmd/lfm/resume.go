package main

import (
	"context"

	"github.com/spf13/cobra"

	"lfm/pipeline"
)

type resumeOptions struct {
	from string
	running
}

func newResume(a *app) *cobra.Command {
	var o resumeOptions
	cmd := &cobra.Command{
		Use:   "resume [--from STAGE]",
		Short: "Go on with the last run here, or rerun from a stage on",
		Long: `Resume goes on with the last run here, its --set included, and if it did not end well,
its --until and --only.

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
	o.flags(a, cmd)
	cmd.Flags().StringVar(&o.from, "from", "", "rerun this stage and what depends on it")
	return cmd
}

func resumeRun(ctx context.Context, a *app, o resumeOptions) error {
	listen, err := a.listener()
	if err != nil {
		return err
	}
	h, err := a.open("", toRead)
	if err != nil {
		return err
	}
	if o.from == "" {
		return a.execute(ctx, h, listen, h.unfinished(a), o.running)
	}
	if _, err := h.graph.Node(o.from); err != nil {
		return err
	}
	if err := a.checkRunning(h, o.running); err != nil { // before anything is forgotten
		return err
	}
	if err := h.runner(a).Withdraw(ctx, o.from); err != nil {
		return err
	}
	return a.execute(ctx, h, listen, pipeline.Options{}, o.running)
}

// unfinished is what the last run was asked for and did not come to the end of, said on
// stderr; nothing special if it ended well. What it forced and came to is not forced again:
// that goes on where it stopped.
func (h *here) unfinished(a *app) pipeline.Options {
	last := pipeline.LastRecord(h.store, h.graph.Path)
	if last == nil || last.State == pipeline.Finished {
		return pipeline.Options{}
	}
	o := pipeline.Options{Until: last.Until, Only: last.Only}
	for _, name := range last.Force {
		if s := last.Stage(name); s != nil && s.State == pipeline.Waiting {
			o.Force = append(o.Force, name)
			a.notef("as in the last run: --force %s", name)
		}
	}
	if o.Until != "" {
		a.notef("as in the last run: --until %s", o.Until)
	}
	if o.Only != "" {
		a.notef("as in the last run: --only %s", o.Only)
	}
	return o
}
