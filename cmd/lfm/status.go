package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lfm/pipeline"
)

func newStatus(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is cached, stale, missing or interrupted, and why",
		Long: `Status shows each stage's state and the reason for it, data sets first. It exits with 3
if any stage would run. With --json, stages are listed under "stages" and data sets under
"datasets".`,
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
	h, err := a.open("", toRead)
	if err != nil {
		return err
	}
	states, err := h.runner(a).Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		err = printStatesJSON(a.Out, states)
	} else {
		err = printStates(a.Out, states)
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

// printStates prints a line a node.
func printStates(out io.Writer, states []pipeline.NodeStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range states {
		output := ""
		if !s.OutputID.IsZero() {
			output = s.OutputID.Short()
		}
		fmt.Fprintln(w, strings.TrimRight(s.Name+"\t"+s.State+"\t"+output+"\t"+s.Reason, "\t"))
	}
	return w.Flush()
}

// stateJSON is a node's state as --json prints it. Every field is always there.
type stateJSON struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // "dataset" for a data set
	State    string   `json:"state"`
	Reason   string   `json:"reason"`    // "" when cached
	ActionID string   `json:"action_id"` // "" while an input is not made
	OutputID string   `json:"output_id"` // "" unless cached
	Needs    []string `json:"needs"`
}

func stateOf(s pipeline.NodeStatus) stateJSON {
	j := stateJSON{Name: s.Name, Kind: s.Kind, State: s.State, Reason: s.Reason, Needs: s.Needs}
	if !s.ActionID.IsZero() {
		j.ActionID = s.ActionID.String()
	}
	if !s.OutputID.IsZero() {
		j.OutputID = s.OutputID.String()
	}
	return j
}

// printStatesJSON prints stages, and data sets apart from them, so that whoever counts
// stages counts stages.
func printStatesJSON(out io.Writer, states []pipeline.NodeStatus) error {
	stages, sets := []stateJSON{}, []stateJSON{}
	for _, s := range states {
		if s.Source {
			sets = append(sets, stateOf(s))
		} else {
			stages = append(stages, stateOf(s))
		}
	}
	return printJSON(out, struct {
		Stages   []stateJSON `json:"stages"`
		Datasets []stateJSON `json:"datasets"`
	}{stages, sets})
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
