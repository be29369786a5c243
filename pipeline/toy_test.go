package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"lfm/artifacts"
)

// A world has toy kinds with the ports of the real ones, counts what they compute, and
// lets a test step in. A toy's payload is its key settings and its inputs' payloads.
type world struct {
	t         *testing.T
	dir       string
	images    string            // what the data set holds
	imagesOf  map[string]string // by source, where they are others
	digest    func(context.Context) error
	unfounded func() // before facts are refused

	mu    sync.Mutex
	calls map[string]int // by seed and kind: how often Run was called
	run   map[string]func(ctx context.Context, in Inputs, work artifacts.Workspace, out *artifacts.Builder, l Listener) error
	env   map[string]Env // last given, by kind
}

type trained struct {
	Steps int     `yaml:"steps" min:"1" max:"1000000" doc:"training steps"`
	Rate  float64 `yaml:"lr" above:"0" below:"1" doc:"learning rate"`
	Every int     `yaml:"checkpoint_every" key:"-" min:"0" doc:"steps between checkpoints"` // saving changes no byte
}

type autoencoderConfig struct {
	trained
	Latent     int `yaml:"latent_channels" min:"1" max:"64"`
	Downsample int `yaml:"downsample" oneof:"2 4 8"`
}

type encodeConfig struct {
	Flip    bool `yaml:"hflip"`
	Quality int  `yaml:"quality" min:"0" doc:"in the key, but without effect on the payload"`
}

type flowConfig struct {
	trained
	Width int    `yaml:"width" min:"1"`
	Heads int    `yaml:"heads" min:"1"`
	Time  string `yaml:"time" oneof:"uniform logit-normal"`
}

func (c *flowConfig) Validate() error {
	if c.Width%c.Heads != 0 {
		return FieldError{"width", fmt.Sprintf("is %d; it must be a multiple of heads, %d", c.Width, c.Heads)}
	}
	return nil
}

type picturesConfig struct {
	Guidance float64   `yaml:"guidance" min:"0"`
	Classes  []string  `yaml:"classes"`
	Scales   []float64 `yaml:"scales" min:"0" max:"10"`
	Rows     []int     `yaml:"rows" min:"1"`
	Solver   string    `yaml:"solver" oneof:"euler heun"`
	Limit    int64     `yaml:"limit"`
}

type compareConfig struct{}

type datasetConfig struct {
	Source string `yaml:"source" key:"-"` // a path; the digest stands for it
	Size   int    `yaml:"size" min:"8" max:"512"`
	Fit    string `yaml:"fit" oneof:"crop pad"`
}

func (c *datasetConfig) Validate() error {
	if c.Source == "" {
		return FieldError{"source", "is missing: a path, or critters"}
	}
	return nil
}

func newWorld(t *testing.T) *world {
	return &world{t: t, dir: t.TempDir(), images: "some images", calls: map[string]int{}, env: map[string]Env{},
		run: map[string]func(context.Context, Inputs, artifacts.Workspace, *artifacts.Builder, Listener) error{}}
}

func (w *world) kinds() Kinds {
	open := func(name string) func(any, Env) (Stage, error) {
		return func(cfg any, env Env) (Stage, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.env[name] = env
			return &toy{w, name, cfg, env}, nil
		}
	}
	training := trained{Steps: 500, Rate: 0.001, Every: 100}
	return Kinds{
		Source: SourceKind{Version: 1, Config: func() any { return &datasetConfig{Size: 32, Fit: "crop"} }, Open: w.openSource,
			Facts: func(index *artifacts.Artifact) (any, error) {
				text, err := index.ReadFile("index")
				switch string(text) {
				case "index of nothing":
					if w.unfounded != nil {
						w.unfounded()
					}
					err = errors.New("this is no index")
				case "index of the abyss":
					panic("looked back")
				}
				return string(text), err
			}},
		Stages: []Kind{
			{Name: "autoencoder", Version: 1, Data: true, Output: "autoencoder", Open: open("autoencoder"),
				Config: func() any { return &autoencoderConfig{training, 4, 4} }},
			{Name: "encode", Version: 1, Data: true, Output: "latents", Open: open("encode"),
				Inputs: []Port{{Name: "autoencoder", Artifact: "autoencoder"}},
				Config: func() any { return &encodeConfig{} }},
			{Name: "flow", Version: 2, Output: "flow", Open: open("flow"),
				Inputs: []Port{{Name: "encode", Artifact: "latents"}, {Name: "autoencoder", Artifact: "autoencoder", Via: "encode"},
					{Name: "base", Artifact: "latents", Optional: true}},
				Check: func(cfg any, at func(...string) any) error {
					if at("base") != nil && cfg.(*flowConfig).Time != "uniform" {
						return FieldError{"time", "must be uniform beside a base"}
					}
					return nil
				},
				Config: func() any { return &flowConfig{training, 64, 4, "uniform"} }},
			{Name: "decode", Version: 1, Output: "pictures", Open: open("decode"),
				Inputs: []Port{{Name: "autoencoder", Artifact: "autoencoder"}, {Name: "flow", Artifact: "flow"}},
				Check: func(cfg any, at func(...string) any) error {
					if cfg.(*picturesConfig).Solver == "euler" && at("flow").(*flowConfig).Width == 68 {
						return FieldError{"solver", "euler wants no flow of width 68"}
					}
					if cfg.(*picturesConfig).Guidance == 68 && at("flow", "encode", DataPort).(*datasetConfig).Fit == "pad" {
						return FieldError{"guidance", "68 wants no data set that is padded"}
					}
					if at("flow", "base", DataPort) != nil {
						return errors.New("the flow has a base")
					}
					return nil
				},
				CheckData: func(cfg any, at func(...string) any) error {
					switch at("flow", "encode", DataPort).(string) + " and " + at("autoencoder", DataPort).(string) {
					case "index of dull images and index of dull images":
						return errors.New("there is nothing to draw")
					case "index of images without light and index of images without light":
						return FieldError{"guidance", "wants light"}
					case "index of dull images and index of bright images":
						return errors.New("what is dull looks bright")
					case "index of a trap and index of a trap":
						panic("stepped on")
					}
					return nil
				},
				Config: func() any { return &picturesConfig{Guidance: 2, Solver: "heun"} }},
			{Name: "compare", Version: 1, Output: "report", Open: open("compare"),
				Inputs: []Port{{Name: "reference", Artifact: "flow"}, {Name: "candidate", Artifact: "flow"}},
				Config: func() any { return &compareConfig{} }},
		},
	}
}

type toySource struct {
	w    *world
	name string // of the images
}

func (w *world) openSource(cfg any, dir, cacheDir string) (Source, error) {
	if cfg.(*datasetConfig).Source == "gone" {
		return nil, FieldError{"source", "gone: no such folder"}
	}
	return toySource{w, cmp.Or(w.imagesOf[cfg.(*datasetConfig).Source], w.images)}, nil
}

func (s toySource) Digest(ctx context.Context, tell func(string, int, int, float64)) (artifacts.ID, error) {
	if s.w.digest != nil {
		if err := s.w.digest(ctx); err != nil {
			return artifacts.ID{}, err
		}
	}
	return artifacts.HashText(s.name), nil
}

func (s toySource) Index(_ context.Context, out *artifacts.Builder, warn func(string), tell func(string, int, int, float64)) error {
	s.w.count("dataset")
	tell("decoding", 1, 2, 30)
	return out.WriteFile("index", []byte("index of "+s.name))
}

type toy struct {
	w    *world
	name string
	cfg  any
	env  Env
}

func (s *toy) Run(ctx context.Context, in Inputs, work artifacts.Workspace, out *artifacts.Builder, l Listener) error {
	s.w.count(s.name)
	s.w.mu.Lock()
	run := s.w.run[s.name]
	s.w.mu.Unlock()
	if run != nil {
		if err := run(ctx, in, work, out, l); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%s of seed %d\n", s.name, s.env.Seed)
	if c, ok := s.cfg.(*encodeConfig); ok {
		text += fmt.Sprintf("flip %v\n", c.Flip)
	} else {
		text += ConfigText(s.cfg)
	}
	var ports []string
	for port := range in.Artifacts {
		ports = append(ports, port)
	}
	slices.Sort(ports)
	for _, port := range ports {
		data, err := in.Artifacts[port].ReadFile("payload")
		if err != nil {
			return err
		}
		text += port + ":\n" + string(data)
	}
	if in.Data != nil {
		data, err := in.Data.ReadFile("index")
		if err != nil || in.Source == nil {
			return errors.Join(err, errors.New("no source"))
		}
		text += string(data)
	}
	l.Progress(1, 1, 0.5, 10)
	return out.WriteFile("payload", []byte(text))
}

// hook lets a test step into a kind's Run, before its payload is written.
func (w *world) hook(kind string, f func(context.Context, Inputs, artifacts.Workspace, *artifacts.Builder, Listener) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run[kind] = f
}

// lastEnv is what the kind's last stage was opened with.
func (w *world) lastEnv(kind string) Env {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.env[kind]
}

func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[what]++
}

// computed returns the calls since it was last asked.
func (w *world) computed() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = map[string]int{}
	return calls
}

// standard is the pipeline of DESIGN's example in toys.
const standard = `name: toys
seed: 7
datasets:
  critters: {source: critters, size: 32}
stages:
  autoencoder:
    uses: autoencoder
    with: {steps: 10}
  encode:
    uses: encode
    needs: [autoencoder]
    with: {hflip: true}
  flow:
    uses: flow
    needs: [encode]
    with: {steps: 20, width: 128}
  decode:
    uses: decode
    needs: [autoencoder, flow]
`

// load writes text to pipeline.yaml and reads it.
func (w *world) load(text string, sets ...string) *Graph {
	w.t.Helper()
	file := filepath.Join(w.dir, "pipeline.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	g, err := Load(file, w.kinds(), sets)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (w *world) store() *artifacts.Store {
	w.t.Helper()
	s, err := artifacts.Open(filepath.Join(w.dir, ".lfm"))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) runner(text string, sets ...string) *Runner {
	w.t.Helper()
	return &Runner{Store: w.store(), Graph: w.load(text, sets...)}
}

// up runs a pipeline and returns what was computed for it.
func (w *world) up(text string, sets ...string) map[string]int {
	w.t.Helper()
	w.computed()
	if _, err := w.runner(text, sets...).Run(w.t.Context(), Options{}); err != nil {
		w.t.Fatal(err)
	}
	return w.computed()
}
