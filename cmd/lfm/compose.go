package main

import (
	"context"
	"fmt"
	"strings"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/profile"
	"lfm/internal/trace"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/classifier"
	"lfm/stages/decode"
	"lfm/stages/encode"
	"lfm/stages/evaluate"
	"lfm/stages/flow"
)

// kinds is everything that a pipeline.yaml may name.
func kinds() pipeline.Kinds {
	return pipeline.Kinds{
		Stages: []pipeline.Kind{
			autoencoder.Kind(openBackend),
			encode.Kind(openBackend),
			flow.Kind(openBackend),
			decode.Kind(openBackend),
			classifier.Kind(openBackend),
			evaluate.Kind(openBackend),
		},
		Source: pipeline.SourceKind{
			Version: 1,
			Config:  func() any { return dataset.Default() },
			Facts:   func(index *artifacts.Artifact) (any, error) { return dataset.ReadFacts(index) },
			Open: func(cfg any, dir, cacheDir string) (pipeline.Source, error) {
				return dataset.Open(cfg.(*dataset.Config), dir, cacheDir)
			},
		},
	}
}

// openBackend opens what computes: the only place that knows all back ends. Where ctx is
// traced, so is what its machines do.
func openBackend(ctx context.Context, device string, threads int) (engine.Backend, error) {
	if err := checkDevice(device); err != nil {
		return nil, err
	}
	return profile.Traced(cpu.Open(threads), trace.From(ctx)), nil
}

// checkDevice refuses a device that openBackend cannot open.
func checkDevice(device string) error {
	switch {
	case device == "", device == "auto", device == "cpu":
		return nil
	case device == "cuda", strings.HasPrefix(device, "cuda:"):
		return fmt.Errorf("device %s: this lfm computes on the CPU only; say auto or cpu", device)
	}
	return fmt.Errorf("device %q: want auto or cpu%s", device, didYouMean(device, []string{"auto", "cpu"}))
}
