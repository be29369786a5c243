package flow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lfm/artifacts"
	"lfm/crossattn"
	"lfm/internal/dataset"
	"lfm/internal/disk"
	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/internal/rng"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
)

// told are latents around -1 or 1, 2x2x1, of one class: a caption and a property say which. changes are made to each row.
func told(t *testing.T, b *pipelinetest.Bench, rows int, changes ...func(*latent.Row)) pipeline.Inputs {
	t.Helper()
	dir := t.TempDir()
	h := latent.Header{Shape: latent.Shape{H: 2, W: 2, C: 1}, Classes: []string{"all"}, Autoencoder: "autoencoder", Dataset: "dataset",
		Captioned: true, Properties: []string{"height", "row"}}
	w, err := latent.NewWriter(disk.OS, dir, h, rows)
	if err != nil {
		t.Fatal(err)
	}
	shard, err := w.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 4)
	for i := range rows {
		up := i % 2
		rng.New(1, "latents").Normal(x, 0, uint64(i))
		for k := range x {
			x[k] = float32(2*up-1) + x[k]/4
		}
		row := latent.Row{ID: fmt.Sprint(i), Split: latent.Train, Latent: x,
			Caption:    []string{"a red", "a blue", "the"}[i%3] + []string{" low one", " high one"}[up],
			Properties: []float32{float32(10 + up), float32(i)}}
		if i%5 == 4 {
			row.Split = latent.Test
		}
		for _, change := range changes {
			change(&row)
		}
		if err := shard.Append(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := shard.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range w.Files() {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return pipeline.Inputs{Artifacts: map[string]*artifacts.Artifact{"encode": b.Artifact(latent.Kind, files)}}
}

// TestConditions: a flow that was told captions, or properties, draws what a text asks for that it never saw, the two
// halves of guidance differ, and what a sample is does not depend on what is asked for beside it.
func TestConditions(t *testing.T) {
	for condition, c := range map[string]struct {
		low, high string
		unet      bool
	}{
		byCaption:    {"low", "A HIGH, high one!", false},
		byProperties: {"row = 30, height = 10", "height = 11, row = 30", false},
		"unet":       {"one low", "the high", true},
	} {
		t.Run(condition, func(t *testing.T) {
			config := tiny(400)
			if c.unet {
				config, condition = tinies(400)[UNet], byCaption
			}
			config.Condition, config.ContextTokens = condition, 6
			b := pipelinetest.New(t)
			m, err := Open(b.Run(Kind(pipelinetest.CPU), config, told(t, b, 120)))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Classes) < 2 || !m.Conditional() || m.Null() != len(m.Classes) {
				t.Fatalf("it shows %q", m.Classes)
			}
			both := drawPrompts(t, m, c.low, c.high)
			for i, want := range []float32{-1, 1} {
				if mean := meanOf(both[i]); mean < want-0.4 || mean > want+0.4 {
					t.Errorf("asked for %v it draws %.2f on average", want, mean)
				}
			}
			if alone := drawPrompts(t, m, c.high); !slices.Equal(alone[0], both[1]) {
				t.Error("a sample depends on what is asked for beside it")
			}
		})
	}
}

// drawPrompts draws 64 samples of each text.
func drawPrompts(t *testing.T, m *Model, texts ...string) [][]float32 {
	t.Helper()
	p, err := m.Prompted(texts)
	if err != nil {
		t.Fatal(err)
	}
	backend := cpu.Open(1)
	defer backend.Close()
	s, err := p.NewSampler(backend, 32, SampleOptions{Guidance: 1.5, Steps: 8, Solver: "heun"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all [][]float32
	for class := range texts {
		labels, numbers := slices.Repeat([]int{p.Label(class)}, 64), make([]int, 64)
		for i := range numbers {
			numbers[i] = i
		}
		dst := make([]float32, 64*4)
		if _, err := s.Draw(t.Context(), dst, labels, numbers, 3); err != nil {
			t.Fatal(err)
		}
		all = append(all, dst)
	}
	return all
}

func meanOf(x []float32) (mean float32) {
	for _, v := range x {
		mean += v / float32(len(x))
	}
	return mean
}

// TestPrompts: what cannot be asked is refused with what can be, and what a file says of conditions is held to itself.
func TestPrompts(t *testing.T) {
	s := Spec{Arch: Arch{Condition: byProperties, Properties: 2, ContextTokens: 2}, Properties: []Property{{"height", 10, 2}, {"row size", 4, 0}}}
	m := &Model{Spec: s}
	for text, want := range map[string][]float32{
		"height = 14, row size = 5": {2, 1, 1}, "row size=4,height=1e1": {0, 0, 1},
		"": nil, "height = 1": nil, "height = 1, height = 2": nil, "height = 1, row = 2": nil, "height = 1, row size = x": nil,
		"height = 1, row size = NaN": nil, "height = 1e50, row size = 1": nil,
	} {
		p, err := m.Prompted([]string{text})
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), `"height = 10, row size = 4"`) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		b, _ := p.book()
		if !slices.Equal(b.row(0), want) || !slices.Equal(b.row(p.Null()), []float32{0, 0, 0}) {
			t.Errorf("%q is %v, want %v", text, b.rows, want)
		}
		if again := s.write([]float32{14, 5}); again != "height = 14, row size = 5" {
			t.Errorf("written: %q", again)
		}
	}
	classes := &Model{Spec: Spec{Arch: Arch{Classes: 2}, Classes: []string{"cat", "dog"}}}
	if _, err := classes.Prompted([]string{"a cat"}); err == nil || !strings.Contains(err.Error(), "classes are cat, dog") {
		t.Errorf("a model of classes: %v", err)
	}
	for _, broken := range []Spec{
		{Arch: Arch{Condition: byCaption, Vocabulary: 300}},
		{Arch: Arch{Condition: byProperties, Properties: 2}, Properties: s.Properties[:1]},
		{Arch: Arch{Condition: byProperties, Properties: 2, Classes: 1}, Properties: s.Properties},
	} {
		if broken.checkCondition() == nil {
			t.Errorf("%+v passed", broken.Arch)
		}
	}
}

// TestCut: a text is seen up to context_tokens, the rest of it is known, and one without words is refused, as it would be
// no condition at all.
func TestCut(t *testing.T) {
	tok, err := crossattn.LearnTokenizer(t.Context(), []string{"a red one", "a red one", "a low one", "a low one"}, 300)
	if err != nil {
		t.Fatal(err)
	}
	m := &Model{Spec: Spec{Arch: Arch{Condition: byCaption, Vocabulary: tok.Vocabulary(), ContextTokens: 3}, Tokenizer: tok}}
	for text, want := range map[string]string{"a red one": "", "a red one, LOW": ", low", "": ""} {
		if got := m.Cut(text); got != want {
			t.Errorf("of %q is cut %q, want %q", text, got, want)
		}
	}
	whole, err := m.Prompted([]string{"a red one"})
	if err != nil {
		t.Fatal(err)
	}
	long, err := m.Prompted([]string{"a red one, LOW"})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := whole.book()
	if b, _ := long.book(); !slices.Equal(a.row(0), b.row(0)) {
		t.Errorf("what is cut is seen: %v, %v", a.row(0), b.row(0))
	}
	for _, text := range []string{"", " \n"} {
		if _, err := m.Prompted([]string{"a red one", text}); err == nil || !strings.Contains(err.Error(), "has no words") {
			t.Errorf("asked for %q: %v", text, err)
		}
	}
}

// TestConditionsStop: what captions say is learned and read no longer than the context lasts.
func TestConditionsStop(t *testing.T) {
	b := pipelinetest.New(t)
	set, err := latent.Open(t.Context(), told(t, b, 60).Artifacts["encode"].Path, latent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	c := tiny(1)
	c.Condition = byCaption
	s := &stage{config: *c}
	spec := s.spec(set)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := spec.learnCondition(ended, c, set); !errors.Is(err, context.Canceled) {
		t.Errorf("learning: %v", err)
	}
	if err := spec.learnCondition(t.Context(), c, set); err != nil {
		t.Fatal(err)
	}
	if _, err := newTerms(ended, spec, set); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
}

// TestConditionMissing: latents that say nothing of what a condition asks for are refused, by the setting's name. Of a data set
// without captions Check knows before there are latents.
func TestConditionMissing(t *testing.T) {
	b := pipelinetest.New(t)
	set, err := latent.Open(t.Context(), inputs(t, b).Artifacts["encode"].Path, latent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	for _, condition := range []string{byCaption, byProperties} {
		c := tiny(1)
		c.Condition = condition
		spec := (&stage{config: *c}).spec(set)
		var field pipeline.FieldError
		if err := spec.learnCondition(t.Context(), c, set); !errors.As(err, &field) || field.Name != "condition" {
			t.Errorf("%s of latents without: %v", condition, err)
		}
		for _, images := range []*dataset.Config{{}, {Captions: "drawn"}} {
			err := Kind(nil).Check(c, func(ports ...string) any {
				if slices.Equal(ports, []string{"encode", pipeline.DataPort}) {
					return images
				}
				return nil
			})
			if refused := errors.As(err, &field) && field.Name == "condition"; refused == images.Captioned() {
				t.Errorf("%s of a data set with captions %q: %v", condition, images.Captions, err)
			}
		}
	}
}

// TestConditionWarnings: a warning comes where settings and latents make of each other what is hardly meant, and advises
// nothing that would be refused.
func TestConditionWarnings(t *testing.T) {
	b := pipelinetest.New(t)
	mirror := func(r *latent.Row) { r.Flip = r.Split == latent.Train }
	for _, c := range []struct {
		condition, coupling string
		in                  pipeline.Inputs
		want                string
	}{
		{byClass, exactly, inputs(t, b), "class-ot pairs within classes"},
		{byCaption, exactly, told(t, b, 60), "the noise that a condition is trained from is then not the noise that it is sampled from; independent keeps to it"},
		{byCaption, independent, told(t, b, 60, mirror), ""},
		{byProperties, independent, told(t, b, 60), ""},
		{byProperties, independent, told(t, b, 60, mirror), "48 latents are of mirror images"},
	} {
		config := tiny(1)
		config.Condition, config.Coupling, config.ContextTokens = c.condition, c.coupling, 6
		var got []string
		_, err := b.Start(t.Context(), Kind(pipelinetest.CPU), config, c.in, func(e pipeline.Event) {
			if e.Event == pipeline.StageWarning {
				got = append(got, e.Message)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(got, "\n"); len(got) > 1 || (all == "") != (c.want == "") || !strings.Contains(all, c.want) {
			t.Errorf("condition %s, coupling %s: warned of %q, want %q", c.condition, c.coupling, all, c.want)
		}
		config.Coupling = withinClass
		if err := config.Validate(); err != nil && strings.Contains(strings.Join(got, ""), withinClass) {
			t.Errorf("condition %s: advised is what is refused: %v", c.condition, err)
		}
	}
}

// TestConditionArch: what a file claims of the encoder is held to what the settings allow.
func TestConditionArch(t *testing.T) {
	whole := Arch{Tokens: 4, Channels: 1, Width: 8, Depth: 1, Heads: 2, Classes: 1, ContextTokens: 4, Condition: byCaption, Vocabulary: 300, TextDepth: 1}
	if err := whole.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Arch){
		"vocabulary of 0":            func(a *Arch) { a.Vocabulary = 0 },
		"of depth -1":                func(a *Arch) { a.TextDepth = -1 },
		"context_tokens is 1000":     func(a *Arch) { a.ContextTokens = 1000 },
		"properties is 0":            func(a *Arch) { a.Condition = byProperties },
		`the condition is a "rhyme"`: func(a *Arch) { a.Condition = "rhyme" },
	} {
		a := whole
		change(&a)
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// said is what a data set says of its images.
type said struct {
	captions   int
	properties []string
	err        error
}

func (s said) Said() (int, []string, error) { return s.captions, s.properties, s.err }

// TestConditionSettings: settings that contradict a condition are refused, and data sets that say nothing of it.
func TestConditionSettings(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"settings of condition: caption": func(c *Config) { c.Vocabulary = 300 },
		"gives each class noise":         func(c *Config) { c.Condition, c.Base = byCaption, classMoments },
		"pairs within classes":           func(c *Config) { c.Condition, c.Coupling = byProperties, withinClass },
	} {
		c := DefaultConfig()
		change(c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, images := range map[string]struct {
		condition string
		said
	}{
		"":                                    {byClass, said{err: errors.New("unreadable")}}, // nobody asks
		"caption wants captions":              {byCaption, said{properties: []string{"x"}}},
		"properties wants numbers":            {byProperties, said{captions: 3}},
		`a property is called "x, y": rename`: {byProperties, said{3, []string{"size", "x, y"}, nil}},
		"unreadable":                          {byCaption, said{err: errors.New("unreadable")}},
	} {
		c := DefaultConfig()
		c.Condition = images.condition
		if err := c.checkData(images); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", images, err, want)
		}
	}
	b := pipelinetest.New(t)
	for _, condition := range []string{byCaption, byProperties} {
		c := tiny(1)
		c.Condition = condition
		_, err := b.Start(t.Context(), Kind(pipelinetest.CPU), c, inputs(t, b), nil)
		if err == nil || !strings.Contains(err.Error(), "set its captions to a file") {
			t.Errorf("latents without captions: %v", err)
		}
	}
}

// TestNoCaptionHeldOut: where no held-out image has a caption, the model shows those of training images.
func TestNoCaptionHeldOut(t *testing.T) {
	b := pipelinetest.New(t)
	c := tiny(1)
	c.Condition = byCaption
	in := told(t, b, 40, func(r *latent.Row) {
		if r.Split == latent.Test {
			r.Caption = ""
		}
	})
	m, err := Open(b.Run(Kind(pipelinetest.CPU), c, in))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(m.Classes, "a red low one") || slices.Contains(m.Classes, "") {
		t.Errorf("it shows %q", m.Classes)
	}
}
