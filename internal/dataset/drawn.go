package dataset

import (
	"context"
	"fmt"
	"image"
	"slices"

	"lfm/artifacts"
	"lfm/internal/critters"
)

// drawn is the built-in set: critters. An image is known by the numbers that it is drawn from, so neither describe nor
// survey draws anything.
type drawn struct {
	cfg    Config
	labels []int // critters' labels of the wanted classes
}

func newDrawn(cfg Config) *drawn {
	d := &drawn{cfg: cfg}
	for _, name := range cfg.Classes {
		d.labels = append(d.labels, slices.Index(critters.Classes, name))
	}
	if len(cfg.Classes) == 0 {
		for label := range critters.Classes {
			d.labels = append(d.labels, label)
		}
	}
	return d
}

func (d *drawn) describe(context.Context) (string, error) {
	return describeSettings(d.cfg, false) + fmt.Sprintf("critters version %d, seed %d, count %d\n", critters.Version, d.cfg.Seed, d.cfg.Count), nil
}

// number returns the picture that image i is: the wanted classes take turns.
func (d *drawn) number(i int) int {
	return i/len(d.labels)*len(critters.Classes) + d.labels[i%len(d.labels)]
}

func (d *drawn) survey(context.Context) (*Index, error) {
	x := &Index{
		Origin: fmt.Sprintf("critters version %d seed %d", critters.Version, d.cfg.Seed),
		Size:   d.cfg.Size, Fit: "crop", Background: "#ffffff",
		Items: make([]Item, d.cfg.Count),
	}
	for _, label := range d.labels {
		x.Classes = append(x.Classes, critters.Classes[label])
	}
	for i := range x.Items {
		label := i % len(d.labels)
		id := fmt.Sprintf("%s/%06d", x.Classes[label], d.number(i))
		made := fmt.Sprintf("%s size %d picture %d", x.Origin, d.cfg.Size, d.number(i))
		x.Items[i] = Item{ID: id, Label: label, Split: splitOf(id, d.cfg.TestFraction), Digest: artifacts.HashText(made)}
	}
	return x, nil
}

func (d *drawn) pixels(x *Index, i int) ([]byte, error) {
	img, _ := critters.Draw(uint64(d.cfg.Seed), d.number(i), d.cfg.Size)
	return rgbBytes(img.(*image.RGBA)), nil
}
