package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"lfm/pipeline"
	"lfm/stages/decode"
)

type runOptions struct {
	named  string // the pipeline as an argument
	until  string
	only   string
	force  []string
	jobs   int
	dryRun bool
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [pipeline.yaml]",
		Short: "Bring every stage up to date",
		Long: `Run brings every stage of a pipeline up to date: what was made before is taken from
the store, what was interrupted goes on where it stopped, and only the rest is computed.

With --dry-run it computes nothing, says of each stage whether it would run and why, and
exits with 3 if any would.`,
		Example: `  lfm run
  lfm run pipeline.yaml --set stages.flow.with.steps=200
  lfm run --until encode
  lfm run --dry-run`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.named = args[0]
			}
			return runRun(cmd.Context(), a, o)
		},
	}
	a.computing(cmd)
	a.logging(cmd)
	a.setting(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.until, "until", "", "run this stage and what it needs, and stop")
	flags.StringVar(&o.only, "only", "", "run this stage alone; what it needs must be cached")
	flags.StringArrayVar(&o.force, "force", nil, "run this stage even if it is cached (repeatable)")
	flags.IntVar(&o.jobs, "jobs", 1, "stages that may run side by side")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would run and why, and run nothing")
	return cmd
}

func runRun(ctx context.Context, a *app, o runOptions) error {
	h, err := a.open(o.named, false)
	if err != nil {
		return err
	}
	if o.dryRun {
		return dryRun(ctx, a, h)
	}
	return a.execute(ctx, h, pipeline.Options{Until: o.until, Only: o.only, Force: o.force}, o.jobs)
}

// execute runs a pipeline and shows how it goes: what run and resume do in the end.
func (a *app) execute(ctx context.Context, h *here, options pipeline.Options, jobs int) error {
	listen, err := a.listener()
	if err != nil {
		return err
	}
	remember(h.graph.Path, h.store.Dir())
	runner := h.runner(a)
	runner.Listen, runner.Jobs = listen, jobs
	if _, err := runner.Run(ctx, options); err != nil {
		return err
	}
	return a.copyOut(ctx, h)
}

// copyOut copies the pictures of finished decode stages to out/STAGE beside pipeline.yaml,
// and prints where their grids lie.
func (a *app) copyOut(ctx context.Context, h *here) error {
	states, err := h.runner(a).Status(ctx)
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.Kind != "decode" || s.State != pipeline.Cached {
			continue
		}
		art, err := h.store.Get(s.OutputID)
		if err != nil {
			return err
		}
		dir := filepath.Join(h.graph.Dir, "out", s.Name)
		if err := decode.CopyOut(art, dir); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, shown(filepath.Join(dir, decode.GridFile)))
	}
	return nil
}

func dryRun(ctx context.Context, a *app, h *here) error {
	states, err := h.runner(a).Status(ctx)
	if err != nil {
		return err
	}
	printStates(a.Out, states)
	if !allCached(states) {
		return exitError(exitWouldRun)
	}
	return nil
}

// runner is a runner of the pipeline that tells nobody yet.
func (h *here) runner(a *app) *pipeline.Runner {
	return &pipeline.Runner{Store: h.store, Graph: h.graph, Threads: a.threads, Device: a.device, Jobs: 1}
}
