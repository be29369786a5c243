package pipeline

import (
	"maps"
	"strings"
	"testing"
)

func wantComputed(t *testing.T, what string, got map[string]int, want ...string) {
	t.Helper()
	counts := map[string]int{}
	for _, name := range want {
		counts[name]++
	}
	if !maps.Equal(got, counts) {
		t.Errorf("%s: computed %v, want %v", what, got, counts)
	}
}

// TestCaching counts work: what was computed once is not computed again, an edit that
// changes no computation reruns nothing, and a changed setting reruns its stage and what
// is made from it.
func TestCaching(t *testing.T) {
	w := newWorld(t)
	wantComputed(t, "first run", w.up(standard), "dataset", "autoencoder", "encode", "flow", "decode")
	wantComputed(t, "second run", w.up(standard))
	edited := "# a comment\n" + strings.Replace(standard, "{steps: 10}", "{\n      steps: 0xa,  # ten\n      checkpoint_every: 3}", 1)
	wantComputed(t, "comment, notation, key:\"-\"", w.up(edited))
	wantComputed(t, "default written out", w.up(strings.Replace(standard, "{hflip: true}", "{quality: 0, hflip: true}", 1)))
	wantComputed(t, "name", w.up(strings.Replace(standard, "name: toys", "name: other", 1)))
	wantComputed(t, "renamed stage", w.up(strings.NewReplacer("  decode:", "  pictures:", "critters:", "animals:").Replace(standard)))
	wantComputed(t, "flow setting", w.up(strings.Replace(standard, "steps: 20", "steps: 21", 1)), "flow", "decode")
	wantComputed(t, "and back", w.up(standard))
	wantComputed(t, "--set", w.up(standard, "stages.flow.with.steps=22"), "flow", "decode")
	wantComputed(t, "autoencoder setting", w.up(standard, "stages.autoencoder.with.lr=0.5"), "autoencoder", "encode", "flow", "decode")
	wantComputed(t, "no effect on the payload", w.up(standard, "stages.encode.with.quality=3"), "encode")
	wantComputed(t, "seed of one stage", w.up(standard, "stages.decode.seed=8"), "decode")
	wantComputed(t, "pinned device", w.up(standard, "device=cpu"), "autoencoder", "encode", "flow", "decode")
	w.images = "other images"
	wantComputed(t, "images", w.up(standard), "dataset", "autoencoder", "encode", "flow", "decode")
}
