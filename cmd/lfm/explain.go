package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newExplain(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain STAGE",
		Short: "Print a stage's key text: everything that its result depends on",
		Long: `Explain prints the text whose hash is the stage's key. Two of them can be compared
with diff. Inputs are named by the content of what was made; one that is not made yet
stands there in words.`,
		Example: `  lfm explain flow
  lfm explain flow --set stages.flow.with.steps=900`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return explainRun(cmd.Context(), a, args[0]) },
	}
	a.reading(cmd)
	a.setting(cmd)
	return cmd
}

func explainRun(ctx context.Context, a *app, stage string) error {
	h, err := a.open("", toRead)
	if err != nil {
		return err
	}
	text, err := h.runner(a).KeyText(ctx, stage)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.Out, map[string]string{"stage": stage, "key_text": text})
	}
	_, err = fmt.Fprint(a.Out, text)
	return err
}
