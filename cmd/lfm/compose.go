package main

import (
	"fmt"
	"strings"

	"lfm/internal/dataset"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/decode"
	"lfm/stages/encode"
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
		},
		Source: pipeline.SourceKind{
			Version: 1,
			Config:  func() any { return dataset.Default() },
			Open: func(cfg any, dir, cacheDir string) (pipeline.Source, error) {
				return dataset.Open(cfg.(*dataset.Config), dir, cacheDir)
			},
		},
	}
}

// openBackend opens what computes: the only place that knows all back ends.
func openBackend(device string, threads int) (engine.Backend, error) {
	switch {
	case device == "", device == "auto", device == "cpu":
		return cpu.Open(threads), nil
	case device == "cuda", strings.HasPrefix(device, "cuda:"):
		return nil, fmt.Errorf("device %s: this lfm computes on the CPU only; say device: auto or cpu", device)
	}
	return nil, fmt.Errorf("device %q: want auto or cpu", device)
}
