package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"lfm/pipeline"
)

type dagOptions struct{ format string }

func newDag(a *app) *cobra.Command {
	var o dagOptions
	cmd := &cobra.Command{
		Use:   "dag",
		Short: "Draw the graph of data sets and stages",
		Example: `  lfm dag
  lfm dag --format mermaid
  lfm dag --format dot > dag.dot`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return dagRun(cmd.Context(), a, o) },
	}
	a.reading(cmd)
	a.setting(cmd)
	cmd.Flags().StringVar(&o.format, "format", "text", "text, mermaid or dot")
	return cmd
}

func dagRun(ctx context.Context, a *app, o dagOptions) error {
	draw := map[string]func(io.Writer, []pipeline.NodeStatus){"text": dagText, "mermaid": dagMermaid, "dot": dagDot}[o.format]
	if draw == nil {
		return usagef("--format %s: want text, mermaid or dot%s", o.format, didYouMean(o.format, []string{"text", "mermaid", "dot"}))
	}
	h, err := a.open("", toRead)
	if err != nil {
		return err
	}
	states, err := h.runner(a).Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		nodes := []stateJSON{}
		for _, s := range states {
			nodes = append(nodes, stateOf(s))
		}
		return printJSON(a.Out, map[string]any{"nodes": nodes})
	}
	draw(a.Out, states)
	return nil
}

// dagText is a line a node in the order of running: name, kind, state, and what it needs.
func dagText(out io.Writer, nodes []pipeline.NodeStatus) {
	width := 0
	for _, n := range nodes {
		width = max(width, len(n.Name))
	}
	for _, n := range nodes {
		line := fmt.Sprintf("%-*s  %-12s %-12s", width, n.Name, n.Kind, n.State)
		if len(n.Needs) > 0 {
			line += " <- " + strings.Join(n.Needs, ", ")
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

func dagMermaid(out io.Writer, nodes []pipeline.NodeStatus) {
	fmt.Fprintln(out, "flowchart LR")
	number := map[string]int{}
	for i, n := range nodes {
		number[n.Name] = i
		fmt.Fprintf(out, "  n%d[\"%s<br/>%s\"]\n", i, n.Name, n.Kind)
	}
	for i, n := range nodes {
		for _, from := range n.Needs {
			fmt.Fprintf(out, "  n%d --> n%d\n", number[from], i)
		}
	}
}

func dagDot(out io.Writer, nodes []pipeline.NodeStatus) {
	fmt.Fprintln(out, "digraph pipeline {\n  rankdir=LR; node [shape=box];")
	for _, n := range nodes {
		fmt.Fprintf(out, "  %q [label=%q];\n", n.Name, n.Name+"\n"+n.Kind)
		for _, from := range n.Needs {
			fmt.Fprintf(out, "  %q -> %q;\n", from, n.Name)
		}
	}
	fmt.Fprintln(out, "}")
}
