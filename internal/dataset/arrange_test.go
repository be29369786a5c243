package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestArrange reads classes and splits from paths alone.
func TestArrange(t *testing.T) {
	for _, c := range []struct{ name, paths, want string }{
		{"folder a class", "cat/1 dog/2", "cat/1:cat: dog/2:dog:"},
		{"deeper", "cat/a/b/1 cat/2 dog/x/3", "cat/a/b/1:cat: cat/2:cat: dog/x/3:dog:"},
		{"split", "test/cat/1 train/cat/1 train/dog/2", "test/cat/1:cat:test train/cat/1:cat:train train/dog/2:dog:train"},
		{"split by other names", "Train/cat/1 validation/cat/2 test/dog/3", "Train/cat/1:cat:train validation/cat/2:cat:test test/dog/3:dog:test"},
		{"beside the split", "extra/1 test/cat/1 train/cat/1 z", "test/cat/1:cat:test train/cat/1:cat:train -extra/1 -z"},
		{"train alone", "train/cat/1 train/dog/1", "train/cat/1:cat: train/dog/1:dog:"},
		{"train as a class", "train/1 bus/1", "train/1:train: bus/1:bus:"},
		{"train and test without classes", "test/1 train/1 train/2", "test/1:images:test train/1:images:train train/2:images:train"},
		{"wrapped", "cifar/v1/test/cat/1 cifar/v1/train/cat/1", "cifar/v1/test/cat/1:cat:test cifar/v1/train/cat/1:cat:train"},
		{"one folder", "cat/1 cat/2", "cat/1:cat: cat/2:cat:"},
		{"no folder", "1 2", "1:images: 2:images:"},
		{"loose", "1 cat/1", "cat/1:cat: -1"},
		{"loose in a split", "test/cat/1 train/0 train/cat/1", "test/cat/1:cat:test train/cat/1:cat:train -train/0"},
		{"unicode", "дом/1 猫/2", "дом/1:дом: 猫/2:猫:"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			placed, skipped := arrange(strings.Fields(c.paths))
			var got []string
			for _, p := range placed {
				got = append(got, p.path+":"+p.class+":"+p.split)
			}
			for _, s := range skipped {
				got = append(got, "-"+s.ID)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), c.want)
			}
		})
	}
}

// TestSplitName: what a hash decides the side by does not change when a set is wrapped, packed or moved.
func TestSplitName(t *testing.T) {
	for _, wrapped := range []string{"", "set/", "a/b/"} {
		placed, _ := arrange([]string{wrapped + "cat/1.png", wrapped + "dog/2.png"})
		if got := []string{placed[0].name, placed[1].name}; !slices.Equal(got, []string{"cat/1.png", "dog/2.png"}) {
			t.Errorf("wrapped in %q: %v", wrapped, got)
		}
	}
}

// TestSplitShare wants a share that is near the fraction asked for, and larger fractions to hold smaller ones.
func TestSplitShare(t *testing.T) {
	const n = 20000
	last := map[int]bool{}
	for _, f := range []float64{0, 0.1, 0.3, 0.9} {
		test := map[int]bool{}
		for i := range n {
			if splitOf(fmt.Sprintf("cat/%d.png", i), f) == Test {
				test[i] = true
			}
		}
		// Four standard deviations of a binomial.
		if got, slack := float64(len(test))/n, 4*math.Sqrt(f*(1-f)/n); math.Abs(got-f) > slack {
			t.Errorf("fraction %v: a share of %v is for testing", f, got)
		}
		for i := range last {
			if !test[i] {
				t.Fatalf("fraction %v leaves out image %d of a smaller one", f, i)
			}
		}
		last = test
	}
}
