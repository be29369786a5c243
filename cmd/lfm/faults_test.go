package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"lfm/artifacts"
	"lfm/internal/disk"
	"lfm/internal/disk/disktest"
	"lfm/pipeline"
)

// faulty is the main job as small as can be. Its stages keep checkpoints, and the flow shows
// previews. measured are the stages that go on from there.
const faulty = `
seed: 3
datasets: {dots: {source: ../dots, size: 8}}
stages:
  autoencoder:
    uses: autoencoder
    with: {latent_channels: 1, downsample: 4, channels: 4, batch: 2, steps: 3, checkpoint_every: 1}
  encode: {uses: encode, needs: [autoencoder], with: {hflip: true}}
  flow:
    uses: flow
    needs: [encode]
    with: {arch: transformer, width: 8, depth: 1, heads: 1, context_tokens: 2, batch: 2, steps: 1, previews: true}
  decode: {uses: decode, needs: [autoencoder, flow], with: {per_class: 1, steps: 1, solver: euler}}
`

const measured = `  classifier: {uses: classifier, with: {channels: 4, features: 4, batch: 2, steps: 2, checkpoint_every: 1}}
  evaluate:
    uses: evaluate
    needs: [classifier, autoencoder, flow]
    with: {samples: 8, guidance: [1], steps: [1], solver: [euler], cas_steps: 1}
`

// A broken is a run of a pipeline in a folder of its own.
type broken struct {
	dir   string
	store string
}

// newBroken fills the folder; from is a store to begin with, or "".
func newBroken(base, name, text, from string) (broken, error) {
	b := broken{filepath.Join(base, name), filepath.Join(base, name, ".lfm")}
	err := errors.Join(os.Mkdir(b.dir, 0o777), os.WriteFile(filepath.Join(b.dir, defaultFile), []byte(text), 0o666))
	if err == nil && from != "" {
		err = os.CopyFS(b.store, os.DirFS(from))
	}
	return b, err
}

// run is what lfm run does, on a file system.
func (b broken) run(fsys disk.FS) (pipeline.Summary, error) {
	graph, err := pipeline.Load(filepath.Join(b.dir, defaultFile), kinds(), nil)
	if err != nil {
		return pipeline.Summary{}, err
	}
	store, err := artifacts.OpenOn(fsys, b.store)
	if err != nil {
		return pipeline.Summary{}, err
	}
	r := &pipeline.Runner{Store: store, Graph: graph, Threads: 1}
	return r.Run(context.Background(), pipeline.Options{})
}

// made are the outputs by stage.
func made(s pipeline.Summary) map[string]artifacts.ID {
	ids := map[string]artifacts.ID{}
	for _, stage := range s.Stages {
		ids[stage.Name] = stage.Output
	}
	return ids
}

// sound checks that whatever the store shows is whole.
func (b broken) sound() error {
	store, err := artifacts.Open(b.store)
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return err
	}
	for _, a := range list {
		if err := store.Verify(context.Background(), a.ID); err != nil {
			return err
		}
	}
	_, err = store.Garbage(artifacts.Keep{})
	return err
}

// swept deletes the garbage and lists what is in the store then, run records apart.
func (b broken) swept() ([]string, error) {
	store, err := artifacts.Open(b.store)
	if err != nil {
		return nil, err
	}
	garbage, err := store.Garbage(artifacts.Keep{})
	if err != nil {
		return nil, err
	}
	if _, err := store.Collect(context.Background(), garbage); err != nil {
		return nil, err
	}
	tree, err := disktest.Tree(b.store)
	maps.DeleteFunc(tree, func(name, _ string) bool { return strings.HasPrefix(name, "runs/") })
	return slices.Sorted(maps.Keys(tree)), err
}

// TestFaults: wherever the disk fails a run, or the process ends, or the power, what the store
// shows is whole, the error names a file, the next run makes what a straight one makes, and
// gc takes all that was left behind. It breaks every 37th call; LFM_FAULTS=1 (make faults)
// breaks all of them.
func TestFaults(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	if memory, err := os.MkdirTemp("/dev/shm", "lfm-faults-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(memory) })
		base = memory
	}
	if err := writeIDX(filepath.Join(base, "dots"), 60); err != nil {
		t.Fatal(err)
	}
	trained := breakEverywhere(t, faultCase{base: base, name: "train", pipeline: faulty})
	breakEverywhere(t, faultCase{base: base, name: "measure", pipeline: faulty + measured, from: trained.store})
}

// breakEverywhere runs a pipeline with every fault at every call, from the same beginning, and
// returns a straight run.
func breakEverywhere(t *testing.T, straight faultCase) (end broken) {
	t.Helper()
	leg := straight.name
	counts := map[disktest.Fault]int{}
	for _, fault := range []disktest.Fault{disktest.NoSpace, disktest.Torn} {
		straight.fault, straight.name = fault, leg+" "+fault.String()
		b, f, summary, err := straight.first()
		if err != nil {
			t.Fatal(err)
		}
		f.Free()
		straight.outputs, end = made(summary), b
		if straight.files, err = b.swept(); err != nil {
			t.Fatal(err)
		}
		counts[fault] = f.Calls()
	}
	every := 37 // prime, so that calls and faults mix
	if n, err := strconv.Atoi(os.Getenv("LFM_FAULTS")); err == nil && n > 0 {
		every = n
	}
	var cases []faultCase
	for _, fault := range disktest.Faults {
		calls := counts[disktest.NoSpace]
		if fault == disktest.Torn {
			calls = counts[fault]
		}
		for n := 1 + int(fault)*every/len(disktest.Faults); n <= calls+1; n += every { // behind the last one, nothing fails
			c := straight
			c.fault, c.at, c.name = fault, n, fmt.Sprintf("%s %d-%d", leg, fault, n)
			cases = append(cases, c)
		}
	}
	queue := make(chan faultCase)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for c := range queue {
				if hit, err := c.check(); err != nil {
					t.Errorf("%v at call %d, %s: %v", c.fault, c.at, hit, err)
				}
			}
		})
	}
	for _, c := range cases {
		queue <- c
	}
	close(queue)
	workers.Wait()
	t.Logf("%s: %d calls that change the disk, %d of them writes; %d runs broken", leg, counts[disktest.NoSpace], counts[disktest.Torn], len(cases))
	return end
}

// A faultCase is one fault at one call of a run.
type faultCase struct {
	base, name     string
	pipeline, from string // its text, and the store that it begins with
	fault          disktest.Fault
	at             int

	outputs map[string]artifacts.ID // of a straight run
	files   []string                // in its store
}

// first runs the pipeline on the faulty disk.
func (c faultCase) first() (b broken, f *disktest.Faulty, s pipeline.Summary, err error) {
	if b, err = newBroken(c.base, c.name, c.pipeline, c.from); err != nil {
		return b, nil, s, err
	}
	graves := filepath.Join(b.dir, "graves")
	if err = os.Mkdir(graves, 0o777); err != nil {
		return b, nil, s, err
	}
	f = disktest.New(graves, c.at, c.fault)
	s, err = b.run(f)
	return b, f, s, err
}

func (c faultCase) check() (hit string, err error) {
	b, f, _, failed := c.first()
	if f == nil {
		return "", failed
	}
	defer os.RemoveAll(b.dir)
	hit = strings.ReplaceAll(f.Hit(), b.dir, "")
	if hit == "" || c.at%2 == 0 {
		f.PowerLoss() // right behind
	}
	f.Free()
	var path *fs.PathError
	if failed != nil && (hit == "" || !c.fault.Ends() && !errors.As(failed, &path)) {
		return hit, fmt.Errorf("names no file: %w", failed)
	}
	if err := b.sound(); err != nil {
		return hit, fmt.Errorf("afterwards: %w", err)
	}
	s, err := b.run(disk.OS)
	if err != nil {
		return hit, fmt.Errorf("the next run: %w", err)
	}
	if got := made(s); !maps.Equal(got, c.outputs) {
		return hit, fmt.Errorf("the next run made %v, want %v", got, c.outputs)
	}
	if failed == nil && s.Executed > 0 {
		return hit, fmt.Errorf("the run ended well, and the next one executed %d stages again", s.Executed)
	}
	files, err := b.swept()
	if err != nil {
		return hit, fmt.Errorf("gc: %w", err)
	}
	if !slices.Equal(files, c.files) {
		return hit, fmt.Errorf("left over are %v", difference(files, c.files))
	}
	return hit, nil
}

// difference marks what is in one of two lists only.
func difference(got, want []string) (diff []string) {
	for _, name := range got {
		if !slices.Contains(want, name) {
			diff = append(diff, "+"+name)
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			diff = append(diff, "-"+name)
		}
	}
	return diff
}
