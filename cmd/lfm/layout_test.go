package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// gorgoniaModules are the expression graph and its tensors. ops may import them, and what
// imports ops.
var gorgoniaModules = []string{"gorgonia.org/gorgonia", "gorgonia.org/tensor", "github.com/chewxy/hm", "go4.org/unsafe/assume-no-moving-gc"}

// stageBase is what every stage may import.
var stageBase = []string{"pipeline", "artifacts", "internal/checkpoint", "internal/disk", "internal/engine", "internal/ops", "internal/rng", "internal/metrics", "internal/panics", "internal/picture", "internal/trace"}

// mayImport is the table of docs/architecture.md: for each package what it may import
// beside the standard library. A package of the module is named without "lfm/"; a
// library by the beginning of its path. What is not listed is not imported.
var mayImport = map[string][]string{
	"internal/disk":        {},
	"internal/panics":      {},
	"internal/trace":       {},
	"artifacts":            {"internal/disk"},
	"internal/checkpoint":  {"internal/disk"},
	"internal/rng":         {},
	"internal/path":        {},
	"internal/ode":         {},
	"internal/ot":          {},
	"internal/metrics":     {"internal/kernels", "internal/ot", "internal/panics", "internal/rng", "gonum.org/v1/gonum"},
	"internal/kernels":     {"internal/kernels/ref", "golang.org/x/sys/cpu", "github.com/klauspost/cpuid/v2"},
	"internal/kernels/ref": {},
	"internal/picture":     {"golang.org/x/image"},
	"internal/report":      {},
	"internal/critters":    {"internal/rng", "git.sr.ht/~sbinet/gg"},
	"internal/latent":      {"internal/disk", "github.com/apache/arrow/go/v15"},
	"internal/dataset":     {"artifacts", "internal/disk", "internal/panics", "internal/rng", "internal/critters", "github.com/disintegration/imaging", "golang.org/x/image"},
	"pipeline":             {"artifacts", "internal/panics", "internal/trace", "go.yaml.in/yaml/v3"},
	"internal/ops":         with(gorgoniaModules, "internal/kernels/ref"),
	"internal/nn":          with(gorgoniaModules, "internal/ops", "internal/rng"),
	"internal/engine":      with(gorgoniaModules, "internal/ops"),
	"internal/profile":     with(gorgoniaModules, "internal/engine", "internal/ops", "internal/kernels/ref", "internal/trace"),
	"internal/optim":       with(gorgoniaModules, "internal/ops", "internal/nn", "internal/engine"), // for the update's scalars
	"internal/engine/cpu":  with(gorgoniaModules, "internal/engine", "internal/ops", "internal/kernels", "internal/kernels/ref", "internal/panics"),
	"crossattn":            with(gorgoniaModules, "internal/nn", "internal/ops"),
	"internal/train":       with(gorgoniaModules, "internal/engine", "internal/ops", "internal/optim", "internal/checkpoint", "internal/panics", "internal/rng", "internal/nn", "internal/trace"),
	"stages/autoencoder":   with(gorgoniaModules, with(stageBase, "internal/nn", "internal/train", "internal/optim", "internal/dataset")...),
	"stages/classifier":    with(gorgoniaModules, with(stageBase, "internal/nn", "internal/train", "internal/optim", "internal/dataset")...),
	"stages/encode":        with(gorgoniaModules, with(stageBase, "stages/autoencoder", "internal/dataset", "internal/latent")...),
	"stages/flow": with(gorgoniaModules, with(stageBase, "stages/autoencoder", "crossattn", "internal/nn", "internal/train",
		"internal/optim", "internal/path", "internal/ode", "internal/ot", "internal/latent")...),
	"stages/decode":   with(gorgoniaModules, with(stageBase, "stages/autoencoder", "stages/flow")...),
	"stages/evaluate": with(stageBase, "stages/autoencoder", "stages/flow", "stages/decode", "stages/classifier", "internal/dataset", "internal/train"),
	"internal/lab": with(gorgoniaModules, "internal/engine", "internal/ops", "internal/nn", "internal/optim", "internal/metrics", "internal/ode",
		"internal/ot", "internal/path", "internal/plot", "internal/profile", "internal/rng", "stages/flow"),
	"internal/plot":  {"git.sr.ht/~sbinet/gg", "golang.org/x/image"},
	"internal/bench": nil, // stages and below
	"cmd/lfm":        nil, // everything
}

func with(base []string, more ...string) []string { return append(slices.Clone(base), more...) }

// TestImports holds every package of the module to mayImport, so that the import graph
// stays the pipeline's graph: stages know their upstream, the engine knows operations and
// not the reverse, nothing below the stages knows pipelines.
func TestImports(t *testing.T) {
	for _, p := range modulePackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "lfm/")
		allowed, listed := mayImport[name]
		if !listed {
			if !strings.Contains(name, "test") { // helpers of tests are exempt
				t.Errorf("%s stands in no row of mayImport", p.ImportPath)
			}
			continue
		}
		if allowed == nil {
			continue
		}
		for _, imported := range p.Imports {
			path, ours := strings.CutPrefix(imported, "lfm/")
			if !ours && !strings.Contains(strings.Split(imported, "/")[0], ".") {
				continue // the standard library
			}
			ok := slices.ContainsFunc(allowed, func(a string) bool {
				return path == a || !ours && strings.HasPrefix(path, a+"/")
			})
			if !ok {
				t.Errorf("%s imports %s, which its row of mayImport does not list", p.ImportPath, imported)
			}
		}
	}
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

// modulePackages asks go list for the module's packages, tests left out.
func modulePackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "lfm/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listedPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
