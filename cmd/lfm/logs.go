package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

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
	h, err := a.open("", true)
	if err != nil {
		return err
	}
	if stage != "" {
		if _, err := h.graph.Node(stage); err != nil {
			return usageError{err}
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
		var lines []json.RawMessage
		var events []pipeline.Event
		worked := stage == ""
		err := run.Events(func(line []byte) error {
			var e pipeline.Event
			if err := json.Unmarshal(line, &e); err != nil {
				return err
			}
			if stage != "" && e.Stage != stage {
				return nil
			}
			worked = worked || e.Event == pipeline.StageStarted
			lines = append(lines, append(json.RawMessage(nil), line...))
			events = append(events, e)
			return nil
		})
		if err != nil {
			return err
		}
		if !worked && o.run == "" {
			continue // in this run the stage was cached: look at the one that made it
		}
		if a.json {
			for _, line := range lines {
				fmt.Fprintf(a.Out, "%s\n", line)
			}
			return nil
		}
		fmt.Fprintf(a.Out, "run %s\n", run.ID)
		text := plainLog{out: a.Out}
		for _, e := range events {
			if line := text.line(e); line != "" {
				fmt.Fprintf(a.Out, "%s  %s\n", e.Time.Format("15:04:05"), line)
			}
		}
		return nil
	}
	if o.run != "" {
		return usagef("no run %s in %s", o.run, shown(h.store.Dir()))
	}
	return usagef("nothing was run yet; start with: lfm run")
}
