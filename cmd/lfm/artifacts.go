package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lfm/artifacts"
)

func newArtifacts(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "artifacts",
		Short: "List, show, verify and clean up what the store keeps",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newArtifactsLs(a), newArtifactsShow(a), newArtifactsVerify(a), newArtifactsGC(a))
	return cmd
}

func newArtifactsLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Short:   "List artifacts",
		Example: `  lfm artifacts ls`,
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, args []string) error { return artifactsLsRun(a) },
	}
	a.reading(cmd)
	return cmd
}

// listed is an artifact as ls prints it.
type listed struct {
	ID      artifacts.ID `json:"output_id"`
	Kind    string       `json:"kind"`
	Size    int64        `json:"size"`
	Created string       `json:"created"`
	Damage  string       `json:"damage,omitempty"`
}

func artifactsLsRun(a *app) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	all, err := store.List()
	if err != nil {
		return err
	}
	list := []listed{}
	for _, art := range all {
		list = append(list, listed{art.ID, art.Kind, art.Size(), art.Created.Format("2006-01-02 15:04:05"), art.Damage})
	}
	if a.json {
		return printJSON(a.Out, map[string]any{"artifacts": list})
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.ID.Short(), l.Kind, size(l.Size), l.Created, l.Damage)
	}
	return w.Flush()
}

func newArtifactsShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show an artifact's files, and what it was made of and by",
		Long:  "Show takes an output ID, or enough of its beginning.",
		Example: `  lfm artifacts show 1f2e3d4c5b6a
  lfm artifacts show 1f2e3d4c5b6a --json`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return artifactsShowRun(a, args[0]) },
	}
	a.reading(cmd)
	return cmd
}

func artifactsShowRun(a *app, prefix string) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	art, err := findArtifact(store, prefix)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.Out, art)
	}
	fmt.Fprintf(a.Out, "%s  %s\n%s\ncreated %s\n", art.Kind, art.ID, art.Dir(), art.Created.Format("2006-01-02 15:04:05"))
	for _, f := range art.Files {
		fmt.Fprintf(a.Out, "  %10s  %s\n", size(f.Size), f.Name)
	}
	for key, value := range art.Provenance {
		fmt.Fprintf(a.Out, "%s: %s\n", key, value)
	}
	if text, ok := store.KeyText(art.Action); ok {
		fmt.Fprintf(a.Out, "\n%s", text)
	}
	return nil
}

func newArtifactsVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [ID...]",
		Short: "Read artifacts whole and compare them with their digests",
		Example: `  lfm artifacts verify
  lfm artifacts verify 1f2e3d4c5b6a`,
		RunE: func(cmd *cobra.Command, args []string) error { return artifactsVerifyRun(cmd.Context(), a, args) },
	}
}

func artifactsVerifyRun(ctx context.Context, a *app, prefixes []string) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return err
	}
	if len(prefixes) > 0 {
		list = nil
		for _, p := range prefixes {
			art, err := findArtifact(store, p)
			if err != nil {
				return err
			}
			list = append(list, art)
		}
	}
	damaged := 0
	for _, art := range list {
		if err := store.Verify(ctx, art.ID); errors.Is(err, context.Canceled) {
			return err
		} else if err != nil {
			damaged++
			fmt.Fprintf(a.Out, "%s  %-12s %v\n", art.ID.Short(), art.Kind, err)
		} else {
			fmt.Fprintf(a.Out, "%s  %-12s ok\n", art.ID.Short(), art.Kind)
		}
	}
	if damaged > 0 {
		return fmt.Errorf("%d of %d artifacts are damaged; lfm run makes them anew", damaged, len(list))
	}
	return nil
}

type gcOptions struct {
	yes      bool
	dryRun   bool
	dropGone bool
}

func newArtifactsGC(a *app) *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Delete what no pipeline file needs any more",
		Long: `Gc lists what no pipeline file that used this store needs, with sizes and reasons, and
deletes it after asking. What a pipeline file needed that is gone is kept until you say
--drop-gone.`,
		Example: `  lfm artifacts gc --dry-run
  lfm artifacts gc --yes`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return artifactsGCRun(cmd.Context(), a, o) },
	}
	a.reading(cmd)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "list only")
	cmd.Flags().BoolVar(&o.dropGone, "drop-gone", false, "also what was needed by pipeline files that are gone")
	return cmd
}

func artifactsGCRun(ctx context.Context, a *app, o gcOptions) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	garbage, err := store.Garbage(artifacts.Keep{})
	if err != nil {
		return err
	}
	if o.dropGone && !o.dryRun && len(garbage.Gone) > 0 {
		for _, root := range garbage.Gone {
			if err := store.DropRoot(root.File); err != nil {
				return err
			}
		}
		if garbage, err = store.Garbage(artifacts.Keep{}); err != nil {
			return err
		}
	}
	if a.json {
		if err := printJSON(a.Out, map[string]any{"items": garbage.Items, "gone": garbage.Gone, "size": garbage.Size()}); err != nil {
			return err
		}
	} else {
		printGarbage(a, garbage)
	}
	if o.dryRun || len(garbage.Items) == 0 {
		return nil
	}
	if !o.yes && !a.confirm(fmt.Sprintf("delete these %d, %s?", len(garbage.Items), size(garbage.Size()))) {
		return usagef("nothing deleted; say --yes to delete without being asked")
	}
	freed, err := store.Collect(ctx, garbage)
	fmt.Fprintf(a.Err, "freed %s\n", size(freed))
	return err
}

func printGarbage(a *app, g *artifacts.Garbage) {
	for _, root := range g.Gone {
		fmt.Fprintf(a.Err, "lfm: %s is gone; what it needed is kept (--drop-gone gives it up)\n", shown(root.File))
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, item := range g.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", item.Kind, short(item.Name), size(item.Size), item.Reason)
	}
	w.Flush()
	if len(g.Items) == 0 {
		fmt.Fprintln(a.Out, "nothing to delete")
	}
}

// confirm asks on the terminal; where nobody answers, the answer is no.
func (a *app) confirm(question string) bool {
	fmt.Fprintf(a.Err, "%s [y/N] ", question)
	line, _ := bufio.NewReader(a.In).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// findArtifact finds the artifact whose ID begins so.
func findArtifact(store *artifacts.Store, prefix string) (*artifacts.Artifact, error) {
	all, err := store.List()
	if err != nil {
		return nil, err
	}
	var found *artifacts.Artifact
	for _, art := range all {
		if !strings.HasPrefix(art.ID.String(), prefix) {
			continue
		}
		if found != nil {
			return nil, usagef("more than one artifact begins with %s; give more of the ID", prefix)
		}
		found = art
	}
	if found == nil {
		return nil, usagef("no artifact begins with %s; lfm artifacts ls lists them", prefix)
	}
	return found, nil
}

// size is a number of bytes as people read it.
func size(bytes int64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, prefix := float64(bytes)/unit, 0
	for value >= unit && prefix < 3 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[prefix])
}
