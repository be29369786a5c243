// Package pipelinetest runs single stages in tests: on a store of the test's own, without a
// pipeline.yaml.
//
//	b := pipelinetest.New(t)
//	index := b.Data(source)
//	a := b.Run(autoencoder.Kind(pipelinetest.CPU), cfg, pipeline.Inputs{Data: index, Source: source})
//
// Interrupted runs a stage in two parts, to see whether the bytes are those of a whole run.
package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"lfm/artifacts"
	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/pipeline"
)

// CPU opens the back end that tests compute on.
func CPU(_ context.Context, _ string, threads int) (engine.Backend, error) {
	return cpu.Open(threads), nil
}

// Bench is a store, and what stages run on it are told.
type Bench struct {
	Store *artifacts.Store
	Env   pipeline.Env

	t    testing.TB
	made int // artifacts published without a stage
}

// New opens a store in a folder that goes with the test. Stages get seed 7 and one thread.
func New(t testing.TB) *Bench {
	t.Helper()
	store, err := artifacts.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return &Bench{Store: store, Env: pipeline.Env{Seed: 7, Threads: 1}, t: t}
}

// Artifact publishes files as an artifact that a stage may be made from.
func (b *Bench) Artifact(kind string, files map[string][]byte) *artifacts.Artifact {
	b.t.Helper()
	return b.publish(kind, func(out *artifacts.Builder) error {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := out.WriteFile(name, files[name]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Data publishes the index of a data set.
func (b *Bench) Data(source pipeline.Source) *artifacts.Artifact {
	b.t.Helper()
	return b.publish("dataset", func(out *artifacts.Builder) error {
		return source.Index(b.t.Context(), out, nil, nil)
	})
}

// publish makes an artifact whose key is nobody's but this call's.
func (b *Bench) publish(kind string, write func(out *artifacts.Builder) error) *artifacts.Artifact {
	b.t.Helper()
	out, err := b.Store.Build(kind)
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Discard()
	if err := write(out); err != nil {
		b.t.Fatal(err)
	}
	b.made++
	key := fmt.Sprintf("made for %s: %d\n", b.t.Name(), b.made)
	a, err := out.Publish(artifacts.HashText(key), key, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// Run runs a stage to its end.
func (b *Bench) Run(k pipeline.Kind, cfg any, in pipeline.Inputs) *artifacts.Artifact {
	b.t.Helper()
	a, err := b.Start(b.t.Context(), k, cfg, in, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// Start runs a stage until it ends or fails. Its work area stays if it fails: started again
// with the same settings and inputs, it goes on there.
func (b *Bench) Start(ctx context.Context, k pipeline.Kind, cfg any, in pipeline.Inputs, l pipeline.Listener) (*artifacts.Artifact, error) {
	b.t.Helper()
	key := fmt.Sprintf("kind: %s %d\n%sseed: %d\n", k.Name, k.Version, pipeline.ConfigText(cfg), b.Env.Seed)
	for _, port := range slices.Sorted(maps.Keys(in.Artifacts)) {
		key += fmt.Sprintf("input %s: %s\n", port, in.Artifacts[port].ID)
	}
	if in.Data != nil {
		key += fmt.Sprintf("data: %s\n", in.Data.ID)
	}
	action := artifacts.HashText(key)
	work, err := b.Store.Work(action)
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := b.Store.Build(k.Output)
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Discard()
	if err := pipeline.Check(cfg); err != nil {
		return nil, err
	}
	stage, err := k.Open(cfg, b.Env)
	if err != nil {
		return nil, err
	}
	if err := stage.Run(ctx, in, work, out, l); err != nil {
		return nil, err
	}
	a, err := out.Publish(action, key, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := work.Remove(); err != nil {
		b.t.Fatal(err)
	}
	return a, nil
}

// Interrupted runs a stage, ends its context at the first event of that name and step, and
// runs it again to its end. resumed is the step that it went on from.
func (b *Bench) Interrupted(k pipeline.Kind, cfg any, in pipeline.Inputs, event string, step int) (a *artifacts.Artifact, resumed int) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	_, err := b.Start(ctx, k, cfg, in, func(e pipeline.Event) {
		if e.Event == event && e.Step == step {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		b.t.Fatalf("%s, interrupted at %s of step %d, returned: %v", k.Name, event, step, err)
	}
	var last pipeline.Event
	a, err = b.Start(b.t.Context(), k, cfg, in, func(e pipeline.Event) {
		switch e.Event {
		case pipeline.StageResumed:
			resumed = e.Step
		case pipeline.StageProgress:
			last = e
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if last.Steps > 0 && last.Done() != 1 {
		b.t.Errorf("%s, resumed at step %d, ended when %g of the work was done: %+v", k.Name, resumed, last.Done(), last)
	}
	return a, resumed
}

// Read gives a file of an artifact.
func (b *Bench) Read(a *artifacts.Artifact, name string) []byte {
	b.t.Helper()
	data, err := a.ReadFile(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}
