package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lfm/internal/disk"
	"lfm/internal/engine"
	"lfm/internal/lab"
)

func newLab(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Train small models on the spot and measure what flow matching claims",
		Long: `Lab trains small models on the spot, in the plane, where distances are exact and a flow can
be looked at. It needs no pipeline and no images, and leaves nothing in a store.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLabTable(a), newLabFigures(a))
	return cmd
}

func newLabTable(a *app) *cobra.Command {
	var quick bool
	var keep string
	cmd := &cobra.Command{
		Use:   "table",
		Short: "Compare three ways to train a flow on four tasks, beside published figures",
		Long: `Table does the two-dimensional benchmark of Tong et al. (2024, arXiv 2307.03672, table 2): flows
from a normal distribution or two moons to eight Gaussians, two moons, or an S, trained with
independent pairs (I-CFM), with pairs by optimal transport (OT-CFM), and by Lipman et al. (FM).

W2 is the exact Wasserstein distance of what a flow makes to the target, floor that of two
samples of the target, below which none can be expected to come. NPE, the normalised path
energy, says how much longer than the shortest its paths are: | E ∫|v|² dt - W2² | / W2².
All are means over seeds with their standard deviations, beside the published ones.

Without --quick it takes the published protocol, 1,000 epochs and five seeds: hours. With it,
one seed, a fraction of the training and a test of 512 points, which is seconds; then
published figures show the order to expect and no more. With --keep a table that was stopped
goes on where it was.`,
		Example: `  lfm lab table --quick
  lfm lab table --quick --keep table.json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return labTableRun(cmd.Context(), a, quick, keep) },
	}
	a.computing(cmd)
	a.reading(cmd)
	cmd.Flags().BoolVar(&quick, "quick", false, "one seed and a fraction of the training")
	cmd.Flags().StringVar(&keep, "keep", "", "a file for what is measured, so that it is not measured again")
	return cmd
}

func labTableRun(ctx context.Context, a *app, quick bool, keep string) error {
	if err := a.checkComputing("auto"); err != nil {
		return err
	}
	backend, err := openBackend(ctx, a.device, a.threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	protocol := lab.Full
	if quick {
		protocol = lab.Quick
	}
	kept, err := labKept(keep)
	if err != nil {
		return fmt.Errorf("--keep %w", err)
	}
	a.stopped = "interrupted; nothing is kept: with --keep FILE a stopped table goes on"
	if keep != "" {
		a.stopped = fmt.Sprintf("interrupted; what was measured is in %s, and the same command goes on from there", keep)
	}
	results, err := lab.Table(ctx, backend, protocol, kept, func(r lab.Row) {
		a.notef("%s  %s  W2 %v  NPE %v", r.Task, r.Method, r.W2, r.NPE)
	})
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.Out, results)
	}
	return results.Write(a.Out)
}

// labMeasurements is the file of measurements that lab table keeps.
type labMeasurements struct {
	Format       string            `json:"format"`
	Measurements []lab.Measurement `json:"measurements"`
}

// labKept is the measurements in a file, which grows as there are more. Without a name there is none. That the file
// can be written is tried before anything is measured.
func labKept(path string) (k lab.Kept, err error) {
	if path == "" {
		return k, nil
	}
	file, err := readLabMeasurements(path)
	if err != nil {
		return k, err
	}
	k.Done = file.Measurements
	k.Add = func(m lab.Measurement) error {
		file, err := readLabMeasurements(path) // another table may have added to it
		if err != nil {
			return err
		}
		file.Measurements = append(file.Measurements, m)
		return file.write(path)
	}
	return k, file.write(path)
}

// readLabMeasurements reads a file, which need not be there. What is somebody else's is an error, lest it be written over.
func readLabMeasurements(path string) (labMeasurements, error) {
	file := labMeasurements{Format: lab.Format, Measurements: []lab.Measurement{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	} else if err != nil {
		return file, err
	}
	file.Format = ""
	read := json.NewDecoder(bytes.NewReader(text))
	read.DisallowUnknownFields()
	if err = read.Decode(&file); err == nil {
		if _, end := read.Token(); end != io.EOF {
			err = errors.New("there is more behind its first value")
		}
	}
	if err == nil && file.Format != lab.Format {
		err = fmt.Errorf("its format is %q, not %q", file.Format, lab.Format)
	}
	if err != nil {
		return file, fmt.Errorf("%s: no measurements of this lab table (%w); delete it, or name another file", path, err)
	}
	return file, nil
}

func (file labMeasurements) write(path string) error {
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	if err := disk.MkdirAll(disk.OS, filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := disk.Replace(disk.OS, filepath.Dir(path), path, append(text, '\n')); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

type labFiguresOptions struct {
	out   string
	only  []string
	quick bool
}

func newLabFigures(a *app) *cobra.Command {
	var o labFiguresOptions
	cmd := &cobra.Command{
		Use:   "figures",
		Short: "Draw what flow matching claims, each claim with its numbers",
		Long: `Figures trains small models in the plane and draws a figure for each claim: NAME.svg and
NAME.png, and NAME.json with the claim and the numbers that are drawn.

` + labFigureList() + `

With --quick models are trained a quarter as long.`,
		Example: `  lfm lab figures --quick --only crossing,embedding
  lfm lab figures --quick --only guidance --out drawn`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return labFiguresRun(cmd.Context(), a, o) },
	}
	a.computing(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.out, "out", "o", "figures", "the folder to write to")
	flags.StringSliceVar(&o.only, "only", nil, "figures, separated by commas (default: all)")
	flags.BoolVar(&o.quick, "quick", false, "train a quarter as long")
	return cmd
}

func labFigureNames() (names []string) {
	for _, f := range lab.Figures {
		names = append(names, f.Name)
	}
	return names
}

func labFigureList() string {
	var b strings.Builder
	for _, f := range lab.Figures {
		fmt.Fprintf(&b, "  %-13s%s\n", f.Name, f.Claim)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func labFiguresRun(ctx context.Context, a *app, o labFiguresOptions) error {
	if err := a.checkComputing("auto"); err != nil {
		return err
	}
	for _, name := range o.only {
		if names := labFigureNames(); !slices.Contains(names, name) {
			return usagef("no figure %q%s\nfigures: %s", name, didYouMean(name, names), strings.Join(names, ", "))
		}
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	backend, err := openBackend(ctx, a.device, a.threads)
	if err != nil {
		return err
	}
	defer backend.Close()
	for _, f := range lab.Figures {
		if len(o.only) > 0 && !slices.Contains(o.only, f.Name) {
			continue
		}
		if err := writeFigure(ctx, a, backend, f, o); err != nil {
			return fmt.Errorf("figure %s: %w", f.Name, err)
		}
	}
	return nil
}

// writeFigure writes the three files of a figure.
func writeFigure(ctx context.Context, a *app, backend engine.Backend, f lab.Figure, o labFiguresOptions) error {
	drawing, numbers, err := f.Draw(ctx, backend, o.quick)
	if err != nil {
		return err
	}
	png, err := drawing.PNG()
	if err != nil {
		return err
	}
	var told bytes.Buffer
	if err := printJSON(&told, map[string]any{"claim": f.Claim, "numbers": numbers}); err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(o.out, f.Name))
	if err != nil {
		return err
	}
	for _, file := range []struct {
		ending string
		bytes  []byte
	}{{".svg", drawing.SVG()}, {".json", told.Bytes()}, {".png", png}} {
		if err := disk.Place(disk.OS, path+file.ending, file.bytes); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.Out, shown(path+".png"))
	return nil
}
