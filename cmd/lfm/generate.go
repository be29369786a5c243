package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lfm/artifacts"
	"lfm/internal/disk"
	"lfm/internal/picture"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/decode"
	"lfm/stages/flow"
)

type generateOptions struct {
	classes []string
	prompts []string
	flow    string
	guided  bool // a scale of guidance is asked for
	n       int
	span    string
	draw    *decode.Config
	seed    uint64
	out     string
}

func newGenerate(a *app) *cobra.Command {
	o := generateOptions{draw: decode.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "generate [--prompt-class CLASS | --prompt TEXT]",
		Short: "Draw pictures of a class or a text with the latest finished flow here",
		Long: `Generate draws pictures of one or more classes and writes them, with a labelled grid, to
out/CLASS. A class is named, or given by its number; all is every class. Where there is
one class only, it need not be named.

A flow with condition: caption draws what --prompt says ("a red cat on grass"), one with
condition: properties takes a number for each property ("x = 0.5, y = -1"). Given again,
--prompt asks for more. Words that no caption had are told, as they mean nothing to the flow,
and so is the end of a text that is longer than it reads.
A picture's number picks the noise that it starts from, whatever the prompt.

A picture depends on seed, class, number and settings alone: asked for again, in any
batch and with any number of threads, it has the same bytes. One whose file is there
already, whole and of these settings, is not drawn again. The name of a text's folder ends
in six digits of its SHA-256 where it had to be changed.

Guidance w: v = v(null) + w (v(class) - v(null)); 0 is unconditional, 1 conditional, which
is all that a flow trained with condition_dropout: 0 can be asked for. A million pictures
are the most that are drawn at once.`,
		Example: `  lfm generate --prompt-class cat
  lfm generate --prompt-class cat,dog -n 16 --guidance 3 --seed 1
  lfm generate --prompt-class all --range 100:108 --out more`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.span != "" && cmd.Flags().Changed("number") {
				return usagef("-n and --range exclude each other")
			}
			if len(o.prompts) > 0 && len(o.classes) > 0 {
				return usagef("--prompt and --prompt-class exclude each other")
			}
			o.guided = cmd.Flags().Changed("guidance")
			return generateRun(cmd.Context(), a, o)
		},
	}
	a.computing(cmd)
	a.logging(cmd)
	a.setting(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&o.classes, "prompt-class", nil, "class, classes, or all")
	flags.StringArrayVar(&o.prompts, "prompt", nil, "text to draw, for a flow trained with captions or properties; may be given again")
	flags.StringVar(&o.flow, "flow", "", "the flow stage, where the pipeline has several")
	flags.IntVarP(&o.n, "number", "n", 8, "pictures of each class")
	flags.StringVar(&o.span, "range", "", "pictures numbered from a up to, but not including, b: a:b")
	d := o.draw
	flags.Float64Var(&d.Guidance, "guidance", d.Guidance, "guidance scale w")
	flags.Float64SliceVar(&d.GuidanceInterval, "guidance-interval", d.GuidanceInterval, "times at which samples are guided; at the others they are conditional")
	flags.Float64Var(&d.GuidanceRescale, "guidance-rescale", d.GuidanceRescale, "0 to 1: how far guided samples are brought back to the contrast of conditional ones")
	flags.Float64Var(&d.ClipData, "clip-data", d.ClipData, "standard deviations of the latents within which predictions of the data are kept; 0: anywhere")
	flags.IntVar(&d.Steps, "steps", d.Steps, "steps from noise to data")
	flags.StringVar(&d.Solver, "solver", d.Solver, strings.Join(flow.Solvers(), ", "))
	flags.StringVar(&d.Grid, "grid", d.Grid, "times of the steps: uniform, shifted or edm")
	flags.Float64Var(&d.GridShift, "grid-shift", d.GridShift, "of --grid shifted: more than 1 makes short steps near the noise")
	flags.Float64Var(&d.GridRho, "grid-rho", d.GridRho, "of --grid edm: the larger, the shorter the steps near the data")
	flags.Float64Var(&d.RTol, "rtol", d.RTol, "of --solver dopri5: error of a step, relative to the latent")
	flags.Float64Var(&d.ATol, "atol", d.ATol, "of --solver dopri5: error of a step, added to that")
	flags.StringVar(&d.Weights, "weights", d.Weights, "ema: the averaged weights; raw: the last ones")
	flags.Uint64Var(&o.seed, "seed", 0, "of the noise that pictures start from")
	flags.IntVar(&d.Batch, "batch", d.Batch, "pictures drawn at a time; changes no byte")
	flags.StringVar(&o.out, "out", "", "folder to write to (default: out/CLASS beside pipeline.yaml)")
	return cmd
}

// maxNumber is how many pictures of a class there are: the random streams number no more.
const maxNumber = 1<<32 - 1

// maxAtOnce is how many pictures are drawn at once: all are looked for before the first is drawn.
const maxAtOnce = 1_000_000

// check finds what is wrong with the flags, before anything is opened.
func (o *generateOptions) check() (from, to int, err error) {
	from, to = 0, o.n
	if o.span != "" {
		a, b, ok := strings.Cut(o.span, ":")
		from, err = strconv.Atoi(a)
		if err == nil {
			to, err = strconv.Atoi(b)
		}
		if !ok || err != nil || from < 0 || to <= from {
			return 0, 0, usagef("--range %s: want a:b with 0 <= a < b <= %d", o.span, maxNumber)
		}
	}
	switch {
	case to > maxNumber:
		return 0, 0, usagef("picture %d: numbers end at %d", to-1, maxNumber-1)
	case to-from < 1:
		return 0, 0, usagef("-n %d: want at least 1", o.n)
	}
	var field pipeline.FieldError
	if err := pipeline.Check(o.draw); errors.As(err, &field) {
		return 0, 0, usagef("--%s %s", strings.ReplaceAll(field.Name, "_", "-"), field.Msg)
	}
	return from, to, nil
}

func generateRun(ctx context.Context, a *app, o generateOptions) error {
	from, to, err := o.check()
	if err != nil {
		return err
	}
	listen, err := a.listener()
	if err != nil {
		return err
	}
	if err := a.checkComputing("auto"); err != nil {
		return err
	}
	h, err := a.open("", toRead)
	if err != nil {
		return err
	}
	done, err := a.use(ctx, h.store)
	if err != nil {
		return err
	}
	defer done()
	fl, ae, err := h.models(ctx, a, o.flow)
	if err != nil {
		return err
	}
	fl, classes, err := o.asked(a, fl)
	if err != nil {
		return err
	}
	if n := (to - from) * len(classes); n > maxAtOnce {
		return usagef("%d pictures: want at most %d at once; choose some with --range", n, maxAtOnce)
	}
	if o.guided && fl.Conditional() && fl.Unguided && o.draw.Guidance != 1 {
		return usagef("--guidance %g looks at samples without a condition, and the flow was trained with condition_dropout: 0: leave it out, or say 1", o.draw.Guidance)
	}
	backend, err := openBackend(ctx, a.device, a.threads)
	if err != nil {
		return err
	}
	defer backend.Close()

	request := decode.Request{Seed: o.seed, Batch: o.draw.Batch, SampleOptions: o.draw.Options()}
	for _, c := range classes {
		for i := from; i < to; i++ {
			request.Labels, request.Numbers = append(request.Labels, fl.Label(c)), append(request.Numbers, i)
		}
	}
	names := decode.FileNames(fl.Classes)
	if len(o.prompts) > 0 {
		names = promptNames(fl.Classes)
	}
	folders := newFolders(h, o.out, fl.Classes, names, classes, from, to)
	kept, err := request.Keep(ctx, ae, fl, folders.have)
	if err != nil {
		return err
	}
	if kept > 0 {
		a.notef("%d of %d pictures are there already and stay; remove a file to have it drawn again", kept, len(request.Labels))
	}
	began, drawn := time.Now(), 0
	err = decode.Generate(ctx, backend, ae, fl, request, func(d decode.Drawn) error {
		if err := folders.write(d); err != nil {
			return err
		}
		drawn++
		listen(pipeline.Event{Time: time.Now(), Event: pipeline.StageProgress, Stage: "generate",
			Step: kept + drawn, Steps: len(request.Labels), ItemsPerS: float64(drawn) / time.Since(began).Seconds()})
		return nil
	})
	if err != nil {
		return err
	}
	return folders.finish(a)
}

// asked is the flow, with prompts in the place of its classes if there are any, and the numbers of the classes to draw.
func (o *generateOptions) asked(a *app, fl *flow.Model) (*flow.Model, []int, error) {
	switch {
	case len(o.prompts) > 0:
		return o.prompted(a, fl)
	case len(o.classes) == 0 && fl.Arch.Condition != "":
		return nil, nil, usagef("say what to draw, for example --prompt %q; --prompt-class all draws this and others of the data set", fl.Classes[0])
	case len(o.classes) == 0 && !fl.Conditional():
		return fl, []int{0}, nil // there is one class only
	}
	classes, err := chosen(fl.Classes, o.classes)
	return fl, classes, err
}

// prompted is the flow with the prompts in the place of its classes, and all of them chosen.
func (o *generateOptions) prompted(a *app, fl *flow.Model) (*flow.Model, []int, error) {
	var prompts []string
	var numbers []int
	for _, prompt := range o.prompts {
		if slices.Contains(prompts, prompt) {
			continue
		}
		prompts, numbers = append(prompts, prompt), append(numbers, len(prompts))
		for _, word := range fl.Unknown(prompt) {
			a.notef("no caption in training had the word %q: it means nothing to the flow%s", word, didYouMean(word, fl.Words()))
		}
		if cut := fl.Cut(prompt); cut != "" {
			a.notef("the flow reads %d tokens (context_tokens) and does not see the end of --prompt %q, which is %q", fl.Arch.ContextTokens, prompt, cut)
		}
	}
	fl, err := fl.Prompted(prompts)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return fl, numbers, nil
}

// models opens the flow to draw with, and the autoencoder behind it.
func (h *here) models(ctx context.Context, a *app, name string) (*flow.Model, *autoencoder.Model, error) {
	art, err := h.latestFlow(ctx, a, name)
	if err != nil {
		return nil, nil, err
	}
	fl, err := flow.Open(art)
	if err != nil {
		return nil, nil, h.doubt(ctx, art, err)
	}
	key, _ := h.store.KeyText(art.Action)
	fl.Unguided = keyValue(key, "with.condition_dropout") == "0"
	id, err := artifacts.ParseID(fl.Autoencoder)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: autoencoder: %w", art.Dir(), err)
	}
	art, err = h.store.Get(id)
	if err != nil {
		return nil, nil, fmt.Errorf("the flow's autoencoder: %w; lfm run makes it anew", err)
	}
	ae, err := autoencoder.Open(art)
	if err != nil {
		return nil, nil, h.doubt(ctx, art, err)
	}
	return fl, ae, nil
}

// doubt adds to an error of reading an artifact that it is damaged, if it is: the next run makes it anew.
func (h *here) doubt(ctx context.Context, art *artifacts.Artifact, err error) error {
	if bad := h.store.Verify(ctx, art.ID); bad != nil {
		return fmt.Errorf("%w; %w", err, bad)
	}
	return err
}

// latestFlow finds the artifact of the flow stage: the one that is up to date, else the one
// that a run finished last.
func (h *here) latestFlow(ctx context.Context, a *app, name string) (*artifacts.Artifact, error) {
	node, err := h.flowNode(name)
	if err != nil {
		return nil, err
	}
	states, err := h.runner(a).Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		if s.Name == node.Name && s.State == pipeline.Cached {
			return h.store.Get(s.OutputID)
		}
	}
	var lost error // why the last one that was finished cannot be had
	for record := range pipeline.Records(h.store) {
		if s := record.Stage(node.Name); record.File == h.graph.Path && s != nil && !s.Output.IsZero() {
			art, err := h.store.Get(s.Output)
			if err == nil {
				a.notef("%s is not up to date; drawing with what it made in run %s", node.Name, record.ID)
				return art, nil
			}
			if lost == nil {
				lost = err
			}
		}
	}
	if lost != nil {
		return nil, fmt.Errorf("what %s made cannot be read: %w; make it anew with: lfm run %s", node.Name, lost, shown(h.graph.Path))
	}
	return nil, fmt.Errorf("no finished flow here yet; make one with: lfm run %s", shown(h.graph.Path))
}

// flowNode is the flow stage of that name, or the only one.
func (h *here) flowNode(name string) (*pipeline.Node, error) {
	var flows []*pipeline.Node
	var names []string
	for _, n := range h.graph.Nodes {
		if n.KindName() == "flow" {
			flows, names = append(flows, n), append(names, n.Name)
		}
	}
	for _, n := range flows {
		if n.Name == name || name == "" && len(flows) == 1 {
			return n, nil
		}
	}
	switch {
	case len(flows) == 0:
		return nil, usagef("%s has no flow stage", shown(h.graph.Path))
	case name == "":
		return nil, usagef("%s has several flows; choose with --flow: %s", shown(h.graph.Path), strings.Join(names, ", "))
	}
	return nil, usagef("no flow stage %q; there is %s%s", name, strings.Join(names, ", "), didYouMean(name, names))
}

// chosen turns names, numbers and all into class numbers.
func chosen(classes, wanted []string) ([]int, error) {
	if len(wanted) == 0 {
		return nil, usagef("say which class: --prompt-class NAME, or all\nclasses: %s", strings.Join(classes, ", "))
	}
	var numbers []int
	add := func(i int) {
		for _, n := range numbers {
			if n == i {
				return
			}
		}
		numbers = append(numbers, i)
	}
	for _, w := range wanted {
		i := slices.Index(classes, w)
		if number, err := strconv.Atoi(w); i < 0 && err == nil && number >= 0 && number < len(classes) {
			i = number
		}
		switch {
		case i >= 0:
			add(i)
		case w == "all":
			for i := range classes {
				add(i)
			}
		default:
			return nil, usagef("no class %q%s\nclasses: %s", w, didYouMean(w, classes), strings.Join(classes, ", "))
		}
	}
	return numbers, nil
}

// folders is where the pictures go: a folder a class, or the one that --out names.
type folders struct {
	dirs     map[int]string // of each class
	names    []string       // of the files of all classes
	order    []int          // of the classes asked for
	from, to int            // numbers of the pictures of each class
	rows     map[int]picture.Row
}

// promptNames gives prompts the names of their folders. Those that are no file names as they stand end in the beginning of
// their SHA-256: another time another prompt is not to be taken for them.
func promptNames(prompts []string) []string {
	names := decode.FileNames(prompts)
	for i, prompt := range prompts {
		if names[i] != prompt {
			names[i] = fmt.Sprintf("%s-%.3x", decode.SafeName(prompt), sha256.Sum256([]byte(prompt)))
		}
	}
	return names
}

func newFolders(h *here, out string, classes, names []string, order []int, from, to int) *folders {
	f := &folders{dirs: map[int]string{}, names: names, order: order, from: from, to: to, rows: map[int]picture.Row{}}
	for _, c := range order {
		f.rows[c] = picture.Row{Label: classes[c], Images: make([]*picture.Image, min(to-from, decode.GridColumns))}
		f.dirs[c] = out
		if out == "" {
			f.dirs[c] = filepath.Join(h.graph.Dir, "out", f.names[c])
		}
	}
	return f
}

// class is the class that a picture was asked for.
func (f *folders) class(d decode.Drawn) int { return f.order[d.Index/(f.to-f.from)] }

// path is a picture's file.
func (f *folders) path(d decode.Drawn) string {
	c := f.class(d)
	return filepath.Join(f.dirs[c], fmt.Sprintf("%s-%04d.png", f.names[c], d.Number))
}

// show puts a picture into its class's row of the grid, if it is one of the first.
func (f *folders) show(d decode.Drawn, m *picture.Image) {
	if row := f.rows[f.class(d)].Images; d.Number-f.from < len(row) {
		row[d.Number-f.from] = m
	}
}

// have reports whether a picture's file is there already.
func (f *folders) have(d decode.Drawn) (bool, error) {
	m, ok := decode.ReadPicture(f.path(d), d.Text)
	if ok {
		f.show(d, m)
	}
	return ok, nil
}

// write writes one picture.
func (f *folders) write(d decode.Drawn) error {
	f.show(d, d.Image)
	return decode.WritePicture(disk.OS, f.path(d), d.Image, d.Text)
}

// finish writes a grid to each folder, of the classes that went there.
func (f *folders) finish(a *app) error {
	grids := map[string][]picture.Row{}
	var dirs []string
	for _, c := range f.order {
		if grids[f.dirs[c]] == nil {
			dirs = append(dirs, f.dirs[c])
		}
		grids[f.dirs[c]] = append(grids[f.dirs[c]], f.rows[c])
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, decode.GridFile)
		if err := decode.WritePicture(disk.OS, path, picture.Grid(grids[dir], ""), nil); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, shown(path))
	}
	return nil
}
