package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lfm/artifacts"
	"lfm/pipeline"
)

func newArtifacts(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "artifacts",
		Short: "List, show, verify and clean up what the store keeps",
		Example: `  lfm artifacts ls
  lfm artifacts show flow
  lfm artifacts gc --dry-run`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newArtifactsLs(a), newArtifactsShow(a), newArtifactsVerify(a), newArtifactsGC(a))
	return cmd
}

func newArtifactsLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List artifacts, oldest first",
		Example: `  lfm artifacts ls
  lfm artifacts ls --json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return artifactsLsRun(a) },
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
		fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{l.ID.Short(), l.Kind, size(l.Size), l.Created, l.Damage}, "\t"), "\t"))
	}
	return w.Flush()
}

func newArtifactsShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID | STAGE",
		Short: "Show an artifact's files, and what it was made of and by",
		Long: `Show takes an output ID or enough of its beginning, or the name of a stage that is up to
date.`,
		Example: `  lfm artifacts show flow
  lfm artifacts show flow --json`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return artifactsShowRun(cmd.Context(), a, args[0]) },
	}
	a.reading(cmd)
	return cmd
}

func artifactsShowRun(ctx context.Context, a *app, word string) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	art, err := a.findArtifact(ctx, store, word)
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
	for _, key := range slices.Sorted(maps.Keys(art.Provenance)) {
		fmt.Fprintf(a.Out, "%s: %s\n", key, art.Provenance[key])
	}
	if text, ok := store.KeyText(art.Action); ok {
		fmt.Fprintf(a.Out, "\n%s", text)
	}
	return nil
}

func newArtifactsVerify(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [ID | STAGE]...",
		Short: "Read artifacts whole and compare them with their digests",
		Long: `Verify reads every byte of all artifacts, or of those named, and compares them with the
digests in their manifests. It exits with 1 if any is damaged.`,
		Example: `  lfm artifacts verify
  lfm artifacts verify flow`,
		RunE: func(cmd *cobra.Command, args []string) error { return artifactsVerifyRun(cmd.Context(), a, args) },
	}
	a.reading(cmd)
	return cmd
}

// verified is an artifact as verify prints it.
type verified struct {
	ID   artifacts.ID `json:"output_id"`
	Kind string       `json:"kind"`
	OK   bool         `json:"ok"`
	Why  string       `json:"error,omitempty"`
}

func artifactsVerifyRun(ctx context.Context, a *app, words []string) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	done, err := a.use(ctx, store)
	if err != nil {
		return err
	}
	defer done()
	list, err := store.List()
	if err != nil {
		return err
	}
	if len(words) > 0 {
		list = nil
		for _, w := range words {
			art, err := a.findArtifact(ctx, store, w)
			if err != nil {
				return err
			}
			list = append(list, art)
		}
	}
	results, damaged := []verified{}, 0
	for _, art := range list {
		v := verified{ID: art.ID, Kind: art.Kind, OK: true}
		if err := store.Verify(ctx, art.ID); errors.Is(err, context.Canceled) {
			return err
		} else if err != nil {
			damaged++
			v.OK, v.Why = false, err.Error()
		}
		results = append(results, v)
		switch {
		case a.json:
		case v.OK:
			fmt.Fprintf(a.Out, "%s  %-12s ok\n", v.ID.Short(), v.Kind)
		default:
			fmt.Fprintf(a.Out, "%s  %-12s %s\n", v.ID.Short(), v.Kind, v.Why)
		}
	}
	if a.json {
		if err := printJSON(a.Out, map[string]any{"artifacts": results}); err != nil {
			return err
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
deletes it after asking; so it does with what was kept of a data set and not used for 30
days. What a pipeline file needed that is gone is kept until you say --drop-gone.`,
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
	garbage, err := store.Garbage(artifacts.Keep{NotGone: o.dryRun && o.dropGone})
	if err != nil {
		return err
	}
	if dropped, err := dropGone(ctx, a, store, garbage.Gone, o); err != nil {
		return err
	} else if dropped {
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
	if err := ctx.Err(); err != nil {
		return err // nobody is there to be asked
	}
	if o.dryRun {
		return nil
	}
	if len(garbage.Items) == 0 {
		store.Collect(ctx, garbage) // lock files of dead processes go; it does not matter if they cannot
		return ctx.Err()
	}
	if !o.yes && !a.confirm(fmt.Sprintf("delete these %d, %s?", len(garbage.Items), size(garbage.Size()))) {
		return errors.New("nothing deleted; say --yes to delete without being asked")
	}
	freed, err := store.Collect(ctx, garbage)
	if freed > 0 || err == nil {
		a.notef("freed %s", size(freed))
	}
	return err
}

// dropGone gives up what pipeline files that are gone needed, where that is wished.
func dropGone(ctx context.Context, a *app, store *artifacts.Store, gone []artifacts.Root, o gcOptions) (dropped bool, err error) {
	for _, root := range gone {
		ask := !o.yes && !o.dryRun && !a.json
		if o.dryRun || !o.dropGone && !(ask && a.confirm(fmt.Sprintf("%s is gone; give up what it needed?", shown(root.File)))) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return dropped, err
		}
		if err := store.DropRoot(root.File); err != nil {
			return dropped, err
		}
		dropped = true
	}
	return dropped, nil
}

func printGarbage(a *app, g *artifacts.Garbage) {
	for _, root := range g.Gone {
		a.notef("%s is gone; what it needed is kept (--drop-gone gives it up)", shown(root.File))
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
	if a.answers == nil {
		a.answers = bufio.NewReader(a.In)
	}
	line, _ := a.answers.ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// findArtifact finds the artifact whose ID begins with a word, or that the stage or data
// set of that name made last, if that is up to date.
func (a *app) findArtifact(ctx context.Context, store *artifacts.Store, word string) (*artifacts.Artifact, error) {
	all, err := store.List()
	if err != nil {
		return nil, err
	}
	var found *artifacts.Artifact
	for _, art := range all {
		if word == "" || !strings.HasPrefix(art.ID.String(), word) {
			continue
		}
		if found != nil {
			return nil, usagef("more than one artifact begins with %s; give more of the ID", word)
		}
		found = art
	}
	if found != nil {
		return found, nil
	}
	h, err := a.open("", toRead)
	if err != nil {
		return nil, usagef("no artifact begins with %q; lfm artifacts ls lists them", word)
	}
	states, err := h.runner(a).Status(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range states {
		names = append(names, s.Name)
		if s.Name != word {
			continue
		}
		if s.State != pipeline.Cached {
			return nil, fmt.Errorf("%s is %s (%s); bring it up to date with: lfm run --until %s", s.Name, s.State, s.Reason, s.Name)
		}
		return h.store.Get(s.OutputID)
	}
	return nil, usagef("no artifact begins with %q, and no stage has that name%s; lfm artifacts ls lists what there is", word, didYouMean(word, names))
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
