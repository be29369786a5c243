package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lfm/pipeline"
	"lfm/stages/decode"
	"lfm/stages/evaluate"
	"lfm/stages/flow"
)

type runOptions struct {
	named  string // the pipeline as an argument
	until  string
	only   string
	force  []string
	dryRun bool
	running
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [pipeline.yaml]",
		Short: "Bring every stage up to date",
		Long: `Run brings every stage of a pipeline up to date: what was made before is taken from
the store, what was interrupted goes on where it stopped, and only the rest is computed.

With --dry-run it computes nothing, says of each stage whether it would run and why, and
exits with 3 if any would. A stage that depends on another's output runs unless that
output turns out the same as before.

With --web it shows the page of lfm report while it runs: how far each stage is, the loss
so far and the last preview. :0 is any free port; the address is printed. Who can reach the
address can read the page, and nothing else; without a host that is this machine alone.`,
		Example: `  lfm run
  lfm run pipeline.yaml --set stages.flow.with.steps=200
  lfm run --until encode
  lfm run --trace trace.json
  lfm run --web :0
  lfm run --dry-run`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.named = args[0]
			}
			return runRun(cmd.Context(), a, o)
		},
	}
	o.flags(a, cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.until, "until", "", "run this stage and what it needs, and stop")
	flags.StringVar(&o.only, "only", "", "run this stage alone; what it needs must be cached")
	flags.StringArrayVar(&o.force, "force", nil, "run this stage even if it is cached (repeatable)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would run and why, and run nothing")
	flags.BoolVar(&a.json, "json", false, "print what --dry-run says as JSON")
	return cmd
}

func runRun(ctx context.Context, a *app, o runOptions) error {
	listen, err := a.listener()
	if err != nil {
		return err
	}
	if a.json && !o.dryRun {
		return usagef("--json is for --dry-run; events as JSON are had with --log json")
	}
	h, err := a.open(o.named, toRun)
	if err != nil {
		return err
	}
	options := pipeline.Options{Until: o.until, Only: o.only, Force: o.force}
	if o.dryRun {
		return dryRun(ctx, a, h, options)
	}
	return a.execute(ctx, h, listen, options, o.running)
}

// running is what run and resume have in common.
type running struct {
	jobs          int
	acceptInexact bool
	web           string
	tracing       tracing
}

// flags adds the flags of commands that run a pipeline.
func (r *running) flags(a *app, cmd *cobra.Command) {
	a.computing(cmd)
	a.logging(cmd)
	a.setting(cmd)
	r.tracing.flags(cmd)
	cmd.Flags().IntVar(&r.jobs, "jobs", 1, "stages that may run side by side")
	cmd.Flags().StringVar(&r.web, "web", "", "show how the run goes at this address while it goes: a port, on this machine alone, or HOST:PORT")
	cmd.Flags().BoolVar(&r.acceptInexact, "accept-inexact", false, "go on with what another device or instruction set began: close to what it would have made, not the same bytes")
}

// checkRunning finds what is wrong with the flags that running adds.
func (a *app) checkRunning(h *here, r running) error {
	if err := a.checkComputing(h.graph.Device); err != nil {
		return err
	}
	if r.jobs < 1 {
		return usagef("--jobs %d: want at least 1", r.jobs)
	}
	if r.web != "" {
		if _, _, err := webAddress(r.web); err != nil {
			return err
		}
	}
	if err := r.tracing.check(); err != nil {
		return err
	}
	return checkOut(h.graph)
}

// checkOut finds a file that stands where the folders of pictures are wanted, before anything is computed.
func checkOut(g *pipeline.Graph) error {
	var dirs []string
	for _, n := range g.Nodes {
		if _, shows := shownFile[n.KindName()]; shows || n.KindName() == flow.Name {
			dirs = append(dirs, filepath.Join(g.Dir, "out"), filepath.Join(g.Dir, "out", n.Name))
		}
	}
	for _, dir := range dirs {
		_, missing := os.Lstat(dir)
		if info, err := os.Stat(dir); missing == nil && (errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir()) {
			return &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
		}
	}
	return nil
}

// execute runs a pipeline and shows how it goes: what run and resume do in the end.
func (a *app) execute(ctx context.Context, h *here, listen pipeline.Listener, options pipeline.Options, r running) error {
	if err := a.checkRunning(h, r); err != nil {
		return err
	}
	done, err := a.use(ctx, h.store) // until the pictures are copied: what the run itself holds ends before
	if err != nil {
		return err
	}
	defer done()
	ctx, end, err := r.tracing.start(ctx, a)
	if err != nil {
		return err
	}
	listen, unserve, err := a.serve(ctx, h, r.web, listen)
	if err != nil {
		return end(err)
	}
	defer unserve()
	remember(h.graph.Path, h.store.Dir())
	a.resume = h.resumeCommand()
	runner := h.runner(a)
	runner.Listen, runner.Jobs, runner.AcceptInexact = listen, r.jobs, r.acceptInexact
	summary, err := runner.Run(ctx, options)
	err = end(err)
	if failed := a.copyOut(h, summary); err == nil { // what was finished before a failure, too
		err = failed
	}
	return err
}

// resumeCommand is what goes on with a run of this pipeline, called from the same folder.
func (h *here) resumeCommand() string {
	if path, err := filepath.Abs(defaultFile); err == nil && path != h.graph.Path {
		if _, err := os.Stat(path); err == nil { // a plain resume would take that one
			return "lfm resume -f " + h.graph.File
		}
	}
	return "lfm resume"
}

// shownFile is, for each kind of stage whose results are for people to look at, the file to look at
// first.
var shownFile = map[string]string{decode.Name: decode.GridFile, evaluate.Name: evaluate.TableFile}

// copyOut copies the results of a run that are for people to out/STAGE beside pipeline.yaml, and
// prints where to look.
func (a *app) copyOut(h *here, summary pipeline.Summary) error {
	for _, s := range summary.Stages {
		file, shows := shownFile[s.Kind]
		if !shows || s.Output.IsZero() {
			continue
		}
		art, err := h.store.Get(s.Output)
		if err != nil {
			return err
		}
		dir := filepath.Join(h.graph.Dir, "out", s.Name)
		if err := decode.CopyOut(art, dir); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, shown(filepath.Join(dir, file)))
	}
	return nil
}

// dryRun says what a run with these options would do.
func dryRun(ctx context.Context, a *app, h *here, options pipeline.Options) error {
	states, err := h.runner(a).Plan(ctx, options)
	if err != nil {
		return err
	}
	if a.json {
		err = printStatesJSON(a.Out, states)
	} else {
		err = printPlan(a.Out, states)
	}
	if err == nil && !allCached(states) {
		err = exitError(exitWouldRun)
	}
	return err
}

// printPlan prints a line a node: cached, run with the reason, or what it depends on.
func printPlan(out io.Writer, states []pipeline.NodeStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range states {
		verb := "run"
		switch {
		case s.State == pipeline.Cached:
			verb = "cached"
		case s.Error != "":
			verb = "fail"
		case s.ActionID.IsZero():
			verb = "perhaps"
		}
		fmt.Fprintln(w, strings.TrimRight(s.Name+"\t"+verb+"\t"+s.Reason, "\t"))
	}
	return w.Flush()
}

// runner is a runner of the pipeline that tells nobody yet.
func (h *here) runner(a *app) *pipeline.Runner {
	return &pipeline.Runner{Store: h.store, Graph: h.graph, Threads: a.threads, Device: a.device, Jobs: 1}
}
