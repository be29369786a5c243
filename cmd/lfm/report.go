package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lfm/artifacts"
	"lfm/internal/disk"
	"lfm/internal/report"
	"lfm/pipeline"
)

type reportOptions struct {
	out      string
	pictures bool
}

func newReport(a *app) *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report [RUN [RUN]]",
		Short: "Write a page that shows what a run learned, or two runs side by side",
		Long: `Report writes one HTML file that needs nothing beside itself: the stages with their times
and what was cached, what was learned and how well, and all settings. It draws some pictures
with the flow, which takes seconds for a small model.

RUN is a pipeline.yaml or its folder, whose last run is meant, or the ID of a run in the
store here, or as much of it as tells it from the others (lfm logs prints the ID of the
last one). Without RUN it is the last run here. Two runs stand side by side, and settings
that differ are marked.`,
		Example: `  lfm report
  lfm report -o tiny.html
  lfm report pipeline.yaml --pictures=false`,
		Args: usageArgs(cobra.MaximumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error { return reportRun(cmd.Context(), a, args, o) },
	}
	a.computing(cmd)
	cmd.Flags().StringVarP(&o.out, "out", "o", "report.html", "the file to write")
	cmd.Flags().BoolVar(&o.pictures, "pictures", true, "draw pictures with the flow")
	return cmd
}

func reportRun(ctx context.Context, a *app, names []string, o reportOptions) error {
	if len(names) == 0 {
		names = []string{""}
	}
	if err := a.checkComputing("auto"); err != nil {
		return err
	}
	backend, err := openBackend(ctx, a.device, a.threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	page := &report.Page{Made: madeBy(time.Now())}
	for _, name := range names {
		s, err := a.subject(name)
		if err != nil {
			return err
		}
		done, err := a.use(ctx, s.store)
		if err != nil {
			return err
		}
		defer done()
		t := s.tell()
		if o.pictures {
			if err := t.pictures(ctx, backend); err != nil {
				return err
			}
		}
		page.Runs = append(page.Runs, t.run)
	}
	var file bytes.Buffer
	if err := page.Write(&file); err != nil {
		return err
	}
	path, err := filepath.Abs(o.out)
	if err != nil {
		return err
	}
	if err := disk.Place(disk.OS, path, file.Bytes()); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, shown(path))
	return nil
}

// madeBy is the last line of a page.
func madeBy(now time.Time) string {
	return "lfm " + version()["version"] + ", " + now.Format("2 January 2006 15:04 MST")
}

// subject is a run to report on.
type subject struct {
	store  *artifacts.Store
	record *pipeline.Record
	run    *artifacts.Run  // whose record it is
	graph  *pipeline.Graph // of its pipeline file as that is now; nil where it cannot be read
}

// subject finds the run that a word names: the last one of a pipeline file, of the one in a
// folder, or of the one here for "", and else the one whose ID begins with it.
func (a *app) subject(name string) (*subject, error) {
	if _, err := os.Stat(name); name != "" && err != nil {
		return a.runNamed(name)
	}
	if isDir(name) {
		name = filepath.Join(name, defaultFile)
	}
	file, dir, err := a.locate(name, toRead)
	if err != nil {
		return nil, err
	}
	nothing := usagef("%s was not run yet; start with: lfm run %[1]s", shown(file))
	if !isDir(dir) {
		return nil, nothing
	}
	store, err := artifacts.Open(dir)
	if err != nil {
		return nil, err
	}
	record := pipeline.LastRecord(store, file)
	if record == nil {
		return nil, nothing
	}
	return newSubject(store, record.ID)
}

// runNamed finds the one run in the store here whose ID begins so.
func (a *app) runNamed(id string) (*subject, error) {
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	runs, err := store.Runs()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, run := range runs {
		if strings.HasPrefix(run.ID, id) {
			found = append(found, run.ID)
		}
	}
	switch len(found) {
	case 0:
		return nil, usagef("%s is no pipeline file, no folder with a %s, and no run in %s", id, defaultFile, shown(store.Dir()))
	case 1:
		return newSubject(store, found[0])
	}
	return nil, usagef("%d runs in %s begin with %s, among them %s and %s: write more of the ID", len(found), shown(store.Dir()), id, found[0], found[1])
}

func newSubject(store *artifacts.Store, id string) (*subject, error) {
	runs, err := store.Runs()
	if err != nil {
		return nil, err
	}
	for _, run := range runs {
		if run.ID != id {
			continue
		}
		record, err := pipeline.ReadRecord(store, run)
		if err != nil {
			return nil, err
		}
		graph, _ := pipeline.Load(shown(record.File), kinds(), record.Sets) // what needs it says that it is not there
		return &subject{store: store, record: record, run: run, graph: graph}, nil
	}
	return nil, fmt.Errorf("run %s is gone from %s", id, shown(store.Dir()))
}
