package main

import (
	"context"

	"github.com/spf13/cobra"

	"lfm/internal/trace"
)

// tracing are the flags of commands whose work can be traced.
type tracing struct {
	file  string
	steps int
}

func (t *tracing) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.file, "trace", "", "write who did what when to this file, for chrome://tracing or ui.perfetto.dev")
	cmd.Flags().IntVar(&t.steps, "trace-steps", trace.DefaultSteps, "steps of each stage that are traced whole; of later ones only long waits are")
}

// check finds what is wrong with the flags.
func (t tracing) check() error {
	if t.steps < 1 {
		return usagef("--trace-steps %d: want at least 1", t.steps)
	}
	return nil
}

// start begins the trace, if one is asked for: what is done in the context that it returns
// belongs to it. end ends it, and gives err, or else its own error.
func (t tracing) start(ctx context.Context, a *app) (traced context.Context, end func(err error) error, err error) {
	if err := t.check(); err != nil {
		return nil, nil, err
	}
	if t.file == "" {
		return ctx, func(err error) error { return err }, nil
	}
	tracer, err := trace.Create(t.file, t.steps)
	if err != nil {
		return nil, nil, err
	}
	return trace.With(ctx, tracer.Process("lfm")), func(err error) error {
		if failed := tracer.Close(); failed != nil {
			a.notef("%v", failed)
			if err == nil {
				return exitError(exitFailed)
			}
			return err
		}
		if n := tracer.LeftOut(); n > 0 {
			a.notef("trace: %s has the first %d of each kind of step; %d spans are left out", t.file, t.steps, n)
		}
		return err
	}, nil
}
