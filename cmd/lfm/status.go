package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lfm/pipeline"
)

func newStatus(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is cached, stale, missing or interrupted, and why",
		Long: `Status shows each stage's state and the reason for it. It exits with 3 if any stage
would run.`,
		Example: `  lfm status
  lfm status --json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return statusRun(cmd.Context(), a) },
	}
	a.reading(cmd)
	a.setting(cmd)
	return cmd
}

func statusRun(ctx context.Context, a *app) error {
	h, err := a.open("", true)
	if err != nil {
		return err
	}
	states, err := h.runner(a).Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		err = printJSON(a.Out, map[string]any{"stages": states})
	} else {
		printStates(a.Out, states)
	}
	if err == nil && !allCached(states) {
		err = exitError(exitWouldRun)
	}
	return err
}

func allCached(states []pipeline.NodeStatus) bool {
	for _, s := range states {
		if s.State != pipeline.Cached {
			return false
		}
	}
	return true
}

// printStates prints a line a stage.
func printStates(out io.Writer, states []pipeline.NodeStatus) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range states {
		output := ""
		if !s.OutputID.IsZero() {
			output = s.OutputID.Short()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, s.State, output, s.Reason)
	}
	w.Flush()
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
