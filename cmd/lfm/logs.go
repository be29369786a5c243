package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"lfm/artifacts"
	"lfm/pipeline"
)

type logsOptions struct{ run string }

func newLogs(a *app) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs [STAGE]",
		Short: "Show what happened in the last run, or in the last one of a stage",
		Example: `  lfm logs
  lfm logs flow
  lfm logs flow --json`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			stage := ""
			if len(args) == 1 {
				stage = args[0]
			}
			return logsRun(a, stage, o)
		},
	}
	a.reading(cmd)
	a.setting(cmd)
	cmd.Flags().StringVar(&o.run, "run", "", "a run's ID rather than the last one")
	return cmd
}

func logsRun(a *app, stage string, o logsOptions) error {
	h, err := a.open("", toRead)
	if err != nil {
		return err
	}
	if stage != "" {
		if _, err := h.graph.Node(stage); err != nil {
			return err
		}
	}
	runs, err := h.store.Runs()
	if err != nil {
		return err
	}
	for _, run := range runs {
		if o.run != "" && run.ID != o.run {
			continue
		}
		record, err := pipeline.ReadRecord(h.store, run)
		if o.run == "" && (err != nil || !tells(record, h.graph.Path, stage)) {
			continue
		}
		return printRun(a, run, stage)
	}
	if o.run != "" {
		return usagef("no run %s in %s", o.run, shown(h.store.Dir()))
	}
	if stage != "" {
		return usagef("no run worked on %s yet; start with: lfm run", stage)
	}
	return usagef("nothing was run yet; start with: lfm run")
}

// tells reports whether a run is the one to show: of this pipeline, and of a stage the one
// that last worked on it, not one that found it cached.
func tells(r *pipeline.Record, file, stage string) bool {
	if r.File != file {
		return false
	}
	if stage == "" {
		return true
	}
	s := r.Stage(stage)
	return s != nil && s.State != pipeline.Waiting && s.State != pipeline.WasCached
}

// printRun prints a run's events, of one stage or of all.
func printRun(a *app, run *artifacts.Run, stage string) error {
	if !a.json {
		fmt.Fprintf(a.Out, "run %s\n", run.ID)
	}
	text := plainLog{}
	return run.Events(func(line []byte) error {
		var e pipeline.Event
		if json.Unmarshal(line, &e) != nil || stage != "" && e.Stage != stage {
			return nil // a line that is no event is nobody's
		}
		if a.json {
			_, err := fmt.Fprintf(a.Out, "%s\n", line)
			return err
		}
		if line := text.line(e); line != "" {
			fmt.Fprintf(a.Out, "%s  %s\n", e.Time.Local().Format("15:04:05"), line)
		}
		return nil
	})
}
