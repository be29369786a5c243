package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/critters"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/latent"
	"lfm/internal/nn"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/decode"
	"lfm/stages/encode"
	"lfm/stages/flow"
)

// The sets that stages work on.
const (
	stageImages   = 512 // JPEG files
	stageJPEG     = 96  // width and height of each, brought to 32
	stageQuality  = 90
	stagePerClass = 4 // PNG files of each of ten classes
)

// staged is a whole stage, from files on the disk to a published artifact in a store there.
type staged struct {
	dir    string
	store  *artifacts.Store
	kind   pipeline.Kind
	config any
	source func() (pipeline.Source, error) // nil where it reads no images
	in     pipeline.Inputs
	done   int // runs
}

// openStaged makes a store in a temporary folder.
func openStaged() (*staged, error) {
	dir, err := os.MkdirTemp("", "lfm-bench-")
	if err != nil {
		return nil, err
	}
	s := &staged{dir: dir, in: pipeline.Inputs{Artifacts: map[string]*artifacts.Artifact{}}}
	if s.store, err = artifacts.Open(filepath.Join(dir, "store")); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *staged) Close() error { return os.RemoveAll(s.dir) }

// backend gives a stage the back end that is measured, and keeps it open.
func backend(b engine.Backend) engine.Open {
	return func(context.Context, string, int) (engine.Backend, error) { return kept{b}, nil }
}

type kept struct{ engine.Backend }

func (kept) Close() error { return nil }

// openEncodeStage is the stage that encodes a folder of JPEG files.
func openEncodeStage(b engine.Backend, batch, images int) (workload, error) {
	s, err := openStaged()
	if err != nil {
		return nil, err
	}
	if err := s.encode(b, batch, images); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *staged) encode(b engine.Backend, batch, images int) error {
	folder := filepath.Join(s.dir, "images")
	if err := writeJPEGs(folder, images); err != nil {
		return err
	}
	s.kind, s.config = encode.Kind(backend(b)), &encode.Config{Batch: batch}
	s.source = func() (pipeline.Source, error) {
		c := dataset.Default()
		c.Source = folder
		return dataset.Open(c, s.dir, "") // without a cache, so that every run decodes every file
	}
	source, err := s.source()
	if err != nil {
		return err
	}
	if s.in.Data, err = s.publish("dataset", func(out *artifacts.Builder) error {
		return source.Index(context.Background(), out, func(string) {}, nil)
	}); err != nil {
		return err
	}
	return s.putAutoencoder()
}

// openDecodeStage is the stage that draws guided samples and writes them as PNG files.
func openDecodeStage(b engine.Backend, batch, perClass int) (workload, error) {
	s, err := openStaged()
	if err != nil {
		return nil, err
	}
	if err := s.decode(b, batch, perClass); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *staged) decode(b engine.Backend, batch, perClass int) error {
	c := decode.DefaultConfig()
	c.PerClass, c.Batch, c.Guidance, c.Steps, c.Solver, c.Weights = perClass, batch, sampleGuidance, sampleSteps, "euler", "raw"
	s.kind, s.config = decode.Kind(backend(b)), c
	if err := s.putAutoencoder(); err != nil {
		return err
	}
	return s.putFlow()
}

// step runs the stage once, from nothing.
func (s *staged) step(ctx context.Context) error {
	in := s.in
	if s.source != nil {
		source, err := s.source()
		if err != nil {
			return err
		}
		in.Source = source
	}
	s.done++
	work, err := s.store.Work(artifacts.HashText(fmt.Sprintf("run %d of %s", s.done, s.kind.Name)))
	if err != nil {
		return err
	}
	stage, err := s.kind.Open(s.config, pipeline.Env{Seed: seed})
	if err != nil {
		return err
	}
	_, err = s.publish(s.kind.Output, func(out *artifacts.Builder) error {
		return stage.Run(ctx, in, work, out, nil)
	})
	if err != nil {
		return err
	}
	return work.Remove()
}

// publish makes an artifact whose key is nobody else's.
func (s *staged) publish(kind string, write func(out *artifacts.Builder) error) (*artifacts.Artifact, error) {
	out, err := s.store.Build(kind)
	if err != nil {
		return nil, err
	}
	defer out.Discard()
	if err := write(out); err != nil {
		return nil, err
	}
	key := fmt.Sprintf("made by bench: %s %d\n", kind, s.done)
	return out.Publish(artifacts.HashText(key), key, nil)
}

// put publishes a model that was never trained.
func (s *staged) put(port, kind, specFile, weightsFile string, spec any, params *nn.Params) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	weights, err := untrainedFile(params)
	if err != nil {
		return err
	}
	files := map[string][]byte{specFile: text, weightsFile: weights}
	s.in.Artifacts[port], err = s.publish(kind, func(out *artifacts.Builder) error {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := out.WriteFile(name, files[name]); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (s *staged) putAutoencoder() error {
	t, err := autoencoder.NewTraining(autoencoder.R1, 1)
	if err != nil {
		return err
	}
	return s.put("autoencoder", autoencoder.Output, "autoencoder.json", "autoencoder.safetensors",
		autoencoder.NewModel(autoencoder.R1, nil).Spec, t.Params)
}

func (s *staged) putFlow() error {
	e, err := flow.NewEvaluation(flow.R1, 1, 1)
	if err != nil {
		return err
	}
	classes := make([]string, flow.R1.Classes)
	for i := range classes {
		classes[i] = fmt.Sprintf("class %d", i)
	}
	return s.put("flow", flow.Output, "flow.json", "flow.safetensors", flow.Spec{
		Format: 1, Arch: flow.R1, Latent: latent.Shape{H: 8, W: 8, C: 4},
		Stats:   latent.Stats{Mean: make([]float64, 4), Std: []float64{1, 1, 1, 1}},
		Classes: classes, Path: "straight", Autoencoder: s.in.Artifacts["autoencoder"].ID.String(),
	}, e.Params)
}

// untrainedFile is a model as training finds it, as safetensors.
func untrainedFile(params *nn.Params) ([]byte, error) {
	var tensors []checkpoint.Tensor
	for _, p := range params.All() {
		tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Shape(), Data: initial(p)})
	}
	var file bytes.Buffer
	err := checkpoint.Write(&file, tensors, nil)
	return file.Bytes(), err
}

// writeJPEGs fills a folder with drawn animals.
func writeJPEGs(folder string, images int) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	for i := range images {
		picture, _ := critters.Draw(seed, i, stageJPEG)
		var file bytes.Buffer
		if err := jpeg.Encode(&file, picture, &jpeg.Options{Quality: stageQuality}); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%04d.jpg", i)), file.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
