package critters

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestDescribe: a caption names the animal of the label and one colour, and colour, place and size are those of the
// picture's traits.
func TestDescribe(t *testing.T) {
	if len(Colours) != len(coats) || len(places) != len(grounds) {
		t.Fatalf("%d colours for %d coats, %d places for %d grounds", len(Colours), len(coats), len(places), len(grounds))
	}
	if all := slices.Compact(slices.Sorted(slices.Values(Colours))); len(all) != len(coats) {
		t.Errorf("two coats share a word: %q", all)
	}
	said := map[string]bool{}
	for i := range 2000 {
		d, tr, label := Describe(3, i), first(traitsOf(3, i)), i%len(Classes)
		words := strings.Fields(d.Caption)
		if words[1] != Colours[tr.worn] || words[2] != Classes[label] {
			t.Fatalf("picture %d is of a %s %s: %q", i, Colours[tr.worn], Classes[label], d.Caption)
		}
		if !strings.HasSuffix(d.Caption, places[tr.behind]) || grounds[tr.behind] != tr.back {
			t.Fatalf("picture %d stands %s: %q", i, places[tr.behind], d.Caption)
		}
		if want := fmt.Sprint([]float32{float32(tr.x), float32(tr.y), float32(tr.scale)}); fmt.Sprint(d.Numbers) != want {
			t.Fatalf("picture %d has numbers %v, want %v", i, d.Numbers, want)
		}
		for _, w := range words {
			said[w] = true
		}
	}
	for _, w := range slices.Concat(Colours, Classes) {
		if !said[w] {
			t.Errorf("no caption says %q", w)
		}
	}
}

func first(t traits, _ int) traits { return t }
