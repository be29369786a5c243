package decode

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/disk"
	"lfm/internal/disk/disktest"
	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/internal/ops/optest"
	"lfm/internal/picture"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
	"lfm/stages/autoencoder/autoencodertest"
	"lfm/stages/flow"
)

var arch = autoencoder.Arch{Channels: 4, LatentChannels: 2, Downsample: 2, Size: 8}

// inputs are an untrained autoencoder, and an untrained flow of its latents with so many
// classes.
func inputs(t *testing.T, b *pipelinetest.Bench, classes ...string) pipeline.Inputs {
	t.Helper()
	ae := autoencodertest.Artifact(t, b, arch)
	spec := flow.Spec{
		Format:  1,
		Arch:    flow.Arch{Tokens: 16, Channels: 2, Width: 8, Depth: 1, Heads: 2, Classes: len(classes), ContextTokens: 2},
		Latent:  latent.Shape{H: 4, W: 4, C: 2},
		Stats:   latent.Stats{Mean: []float64{0.5, -1}, Std: []float64{1, 2}},
		Classes: classes, Path: "straight", Averaged: true, Autoencoder: ae.ID.String(),
	}
	graph, err := flow.NewEvaluation(spec.Arch, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, scale := range map[string]float32{"flow.safetensors": 0.3, "flow-ema.safetensors": 0.4} {
		var tensors []checkpoint.Tensor
		for _, p := range graph.Params.All() {
			values := optest.Fill(p.Name, p.Size())
			for i := range values {
				values[i] *= scale
			}
			tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Shape(), Data: values})
		}
		var file bytes.Buffer
		if err := checkpoint.Write(&file, tensors, nil); err != nil {
			t.Fatal(err)
		}
		files[name] = file.Bytes()
	}
	if files["flow.json"], err = json.Marshal(spec); err != nil {
		t.Fatal(err)
	}
	return pipeline.Inputs{Artifacts: map[string]*artifacts.Artifact{"autoencoder": ae, "flow": b.Artifact(flow.Output, files)}}
}

func models(t *testing.T, in pipeline.Inputs) (*autoencoder.Model, *flow.Model) {
	t.Helper()
	ae, err := autoencoder.Open(in.Artifacts["autoencoder"])
	if err != nil {
		t.Fatal(err)
	}
	fl, err := flow.Open(in.Artifacts["flow"])
	if err != nil {
		t.Fatal(err)
	}
	return ae, fl
}

// texts are what a PNG file says of itself.
func texts(t *testing.T, file []byte) map[string]string {
	t.Helper()
	said := map[string]string{}
	list, err := picture.Texts(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range list {
		said[text.Key] = text.Value
	}
	return said
}

// drawing is the default settings but for these.
func drawing(perClass int, guidance float64, steps int, solver string, batch int) *Config {
	c := DefaultConfig()
	c.PerClass, c.Guidance, c.Steps, c.Solver, c.Batch = perClass, guidance, steps, solver, batch
	return c
}

// TestStage: the payload is a picture of the right size for each number of each class, with
// the settings that drew it, and a grid; its bytes depend on neither batch nor threads.
func TestStage(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, "cat", "T-shirt/top", "dog")
	c := drawing(3, 2.5, 2, "heun", 4)
	a := b.Run(Kind(pipelinetest.CPU), c, in)
	for class, folder := range map[string]string{"cat": "cat", "T-shirt/top": "T-shirt-top", "dog": "dog"} {
		for i := range 3 {
			file := b.Read(a, fmt.Sprintf("%s/%04d.png", folder, i))
			m, err := png.Decode(bytes.NewReader(file))
			if err != nil || m.Bounds().Dx() != 8 || m.Bounds().Dy() != 8 {
				t.Fatalf("%s %d: %v, %v", class, i, m.Bounds(), err)
			}
			want := map[string]string{
				"Software": "lfm", "lfm:class": class, "lfm:number": fmt.Sprint(i), "lfm:seed": "7", "lfm:guidance": "2.5", "lfm:steps": "2",
				"lfm:solver": "heun", "lfm:nfe": "8", "lfm:weights": "ema",
				"lfm:flow": in.Artifacts["flow"].ID.String(), "lfm:autoencoder": in.Artifacts["autoencoder"].ID.String(),
			}
			if got := texts(t, file); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s %d says %v, want %v", class, i, got, want)
			}
		}
	}
	if grid, err := png.Decode(bytes.NewReader(b.Read(a, GridFile))); err != nil || grid.Bounds().Dx() < 3*8 || grid.Bounds().Dy() < 3*8 {
		t.Errorf("grid: %v", err)
	}
	if len(a.Files) != 3*3+2 {
		t.Errorf("%d files", len(a.Files))
	}
	for _, batch := range []int{1, 9, 64} {
		again := *c
		again.Batch, b.Env.Threads = batch, 3
		if got := b.Run(Kind(pipelinetest.CPU), &again, in); got.ID != a.ID {
			t.Errorf("other pictures in batches of %d", batch)
		}
	}
	for name, change := range map[string]func(*Config){
		"guidance":          func(c *Config) { c.Guidance = 1 },
		"steps":             func(c *Config) { c.Steps = 3 },
		"euler":             func(c *Config) { c.Solver = "euler" },
		"midpoint":          func(c *Config) { c.Solver = "midpoint" },
		"dopri5":            func(c *Config) { c.Solver, c.RTol = "dopri5", 0.01 },
		"ddpm":              func(c *Config) { c.Solver = "ddpm" },
		"weights":           func(c *Config) { c.Weights = "raw" },
		"grid shifted":      func(c *Config) { c.Grid = "shifted" },
		"grid edm":          func(c *Config) { c.Grid = "edm" },
		"guidance_interval": func(c *Config) { c.GuidanceInterval = []float64{0.2, 0.75} },
		"guidance_rescale":  func(c *Config) { c.GuidanceRescale = 0.7 },
		"clip_data":         func(c *Config) { c.ClipData = 0.5 },
	} {
		other := *c
		change(&other)
		drawn := b.Run(Kind(pipelinetest.CPU), &other, in)
		got := b.Read(drawn, "cat/0001.png")
		if bytes.Equal(pixels(t, got), pixels(t, b.Read(a, "cat/0001.png"))) {
			t.Errorf("%s makes no difference", name)
		}
		said, key := texts(t, got), strings.Fields(name)[0]
		if want := map[string]string{"grid shifted": "shifted 3", "grid edm": "edm 7", "guidance_interval": "0.2 0.75", "guidance_rescale": "0.7", "clip_data": "0.5"}[name]; said["lfm:"+key] != want && want != "" {
			t.Errorf("%s: the picture says %v", name, said)
		}
		if name == "dopri5" && said["lfm:tolerance"] != "0.01 0.0001" {
			t.Errorf("%s: the picture says %v", name, said)
		}
		var file struct{ NFE int }
		if err := json.Unmarshal(b.Read(drawn, samplesFile), &file); err != nil || (fmt.Sprint(file.NFE) == said["lfm:nfe"]) == (name == "dopri5") {
			t.Errorf("%s: %s says nfe %d, the picture %s (%v)", name, samplesFile, file.NFE, said["lfm:nfe"], err)
		}
		other.Batch = 1
		if again := b.Run(Kind(pipelinetest.CPU), &other, in); again.ID != drawn.ID {
			t.Errorf("%s: other pictures one at a time", name)
		}
	}
}

// TestContradictions: settings that say two things at once, or nothing, are refused by name.
func TestContradictions(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"grid":              func(c *Config) { c.Solver, c.Grid = "dopri5", "edm" },
		"guidance_interval": func(c *Config) { c.GuidanceInterval = []float64{0.75, 0.2} },
		"solver":            func(c *Config) { c.Solver = "huen" },
	} {
		c := DefaultConfig()
		change(c)
		var field pipeline.FieldError
		if err := pipeline.Check(c); !errors.As(err, &field) || field.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := pipeline.Check(DefaultConfig()); err != nil {
		t.Error(err)
	}
}

// pixels are the bytes of a PNG's image.
func pixels(t *testing.T, file []byte) []byte {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			r, g, b, _ := m.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return out
}

// TestOneClass: a flow of one class is drawn from without guidance, and its pictures are of
// that class.
func TestOneClass(t *testing.T) {
	b := pipelinetest.New(t)
	a := b.Run(Kind(pipelinetest.CPU), drawing(1, 2.5, 2, "euler", 4), inputs(t, b, "cat"))
	said := texts(t, b.Read(a, "cat/0000.png"))
	if said["lfm:class"] != "cat" || said["lfm:guidance"] != "0" || said["lfm:nfe"] != "2" {
		t.Errorf("the picture says %v", said)
	}
}

// TestNull: pictures of no class say that they have none.
func TestNull(t *testing.T) {
	ae, fl := models(t, inputs(t, pipelinetest.New(t), "cat", "dog"))
	backend := cpu.Open(1)
	defer backend.Close()
	r := Request{Labels: []int{fl.Null(), 1}, Numbers: []int{0, 0}, Batch: 2, SampleOptions: flow.SampleOptions{Guidance: 1, Steps: 1, Solver: "euler"}}
	var classes []string
	if err := Generate(t.Context(), backend, ae, fl, r, func(d Drawn) error { classes = append(classes, d.Class); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(classes, []string{"", "dog"}) {
		t.Errorf("classes %q", classes)
	}
}

// TestResume: interrupted between two batches, drawing goes on behind the pictures that are
// finished, and ends in the bytes of a straight run; a picture that was torn meanwhile, or is
// not what is asked for, is drawn again.
func TestResume(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, "cat", "dog")
	c := drawing(10, 2.5, 2, "heun", 4)
	k := Kind(pipelinetest.CPU)
	want := b.Run(k, c, in)
	for _, at := range []int{4, 12, 16} {
		got, resumed := b.Interrupted(k, c, in, pipeline.StageCheckpoint, at)
		if got.ID != want.ID || resumed < at || resumed > at+2*c.Batch { // two batches may be under way
			t.Errorf("interrupted after %d pictures, resumed after %d: output %s, want %s", at, resumed, got.ID.Short(), want.ID.Short())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.Start(ctx, k, c, in, func(e pipeline.Event) {
		if e.Event == pipeline.StageCheckpoint && e.Step == 12 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted, it returned %v", err)
	}
	work, err := filepath.Glob(filepath.Join(b.Store.Dir(), "work", "*", "cat"))
	if err != nil || len(work) != 1 {
		t.Fatalf("work areas %v, %v", work, err)
	}
	if err := os.Truncate(filepath.Join(work[0], "0003.png"), 100); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(work[0], "0005.png"), filepath.Join(work[0], "0006.png")); err != nil {
		t.Fatal(err)
	}
	resumed, checkpoints := 0, 0
	got, err := b.Start(t.Context(), k, c, in, func(e pipeline.Event) {
		switch e.Event {
		case pipeline.StageResumed:
			resumed = e.Step
		case pipeline.StageCheckpoint:
			checkpoints++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// Of the 12, and what was under way, three are gone.
	if left := 20 - resumed; got.ID != want.ID || resumed < 12-3 || resumed > 12+2*c.Batch-3 || checkpoints != (left+c.Batch-1)/c.Batch {
		t.Errorf("resumed after %d pictures, %d batches: output %s, want %s", resumed, checkpoints, got.ID.Short(), want.ID.Short())
	}
}

// TestBrokenDisk: whichever write to the work area fails, is torn, or is the last before the
// process or the machine ends, the next run goes on from there to the bytes of a straight run.
func TestBrokenDisk(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, "cat", "dog")
	c := drawing(1, 1, 1, "euler", 1)
	want := b.Run(Kind(pipelinetest.CPU), c, in)
	stage, err := Kind(pipelinetest.CPU).Open(c, b.Env)
	if err != nil {
		t.Fatal(err)
	}
	run := func(dir string, fsys disk.FS) (artifacts.ID, error) {
		out, err := b.Store.Build(Output)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Discard()
		if err := stage.Run(t.Context(), in, artifacts.Workspace{Dir: dir, FS: fsys}, out, nil); err != nil {
			return artifacts.ID{}, err
		}
		key := "in " + dir
		a, err := out.Publish(artifacts.HashText(key), key, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.ID, nil
	}
	for _, fault := range []disktest.Fault{disktest.NoSpace, disktest.Torn, disktest.PowerLoss} {
		met := true
		for n := 1; met; n++ {
			dir, f := t.TempDir(), disktest.New(t.TempDir(), n, fault)
			run(dir, f) // most faults end it
			met = f.Hit() != ""
			if got, err := run(dir, disk.OS); err != nil || got != want.ID {
				t.Errorf("%v at %s: then output %s, want %s (%v)", fault, f.Hit(), got.Short(), want.ID.Short(), err)
			}
		}
	}
}

// TestForeignAutoencoder: one that did not make the flow's latents is refused.
func TestForeignAutoencoder(t *testing.T) {
	b := pipelinetest.New(t)
	in := inputs(t, b, "cat", "dog")
	other := arch
	other.Channels = 8
	in.Artifacts["autoencoder"] = autoencodertest.Artifact(t, b, other)
	_, err := b.Start(t.Context(), Kind(pipelinetest.CPU), DefaultConfig(), in, nil)
	if err == nil || !strings.Contains(err.Error(), in.Artifacts["autoencoder"].ID.Short()) {
		t.Errorf("it drew with another autoencoder: %v", err)
	}
}

// TestInterrupted: the end of the context ends the drawing within a step, not a batch.
func TestInterrupted(t *testing.T) {
	ae, fl := models(t, inputs(t, pipelinetest.New(t), "cat", "dog"))
	backend := cpu.Open(1)
	defer backend.Close()
	r := Request{Labels: []int{0}, Numbers: []int{0}, Batch: 1, SampleOptions: flow.SampleOptions{Guidance: 2, Steps: 1 << 20, Solver: "euler"}}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := Generate(ctx, backend, ae, fl, r, func(Drawn) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("it returned %v", err)
	}
}
