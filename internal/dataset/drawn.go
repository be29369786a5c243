package dataset

import (
	"context"
	"fmt"
	"image"
	"io"
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

func (d *drawn) describe(_ context.Context, out io.Writer, _ Progress) error {
	_, err := fmt.Fprintf(out, "%scritters version %d, seed %d, count %d\n", describeSettings(d.cfg, false), critters.Version, d.cfg.Seed, d.cfg.Count)
	return err
}

// number returns the picture that image i is: the wanted classes take turns.
func (d *drawn) number(i int) int {
	return i/len(d.labels)*len(critters.Classes) + d.labels[i%len(d.labels)]
}

func (d *drawn) survey(ctx context.Context, _ *kept, _ Progress) (*Index, error) {
	x := &Index{
		Origin: fmt.Sprintf("critters version %d seed %d", critters.Version, d.cfg.Seed),
		Size:   d.cfg.Size, Fit: "crop", Background: "#ffffff",
		Items: make([]entry, d.cfg.Count),
	}
	for _, label := range d.labels {
		x.Classes = append(x.Classes, critters.Classes[label])
	}
	for i := range x.Items {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		label := i % len(d.labels)
		id := fmt.Sprintf("%s/%06d", x.Classes[label], d.number(i))
		made := fmt.Sprintf("%s size %d picture %d", x.Origin, d.cfg.Size, d.number(i))
		x.Items[i] = entry{Item{id, label, splitOf(id, d.cfg.TestFraction)}, artifacts.HashText(made)}
	}
	return x, nil
}

func (d *drawn) pixels(i int, _ string, _ artifacts.ID) ([]byte, error) {
	img, _ := critters.Draw(uint64(d.cfg.Seed), d.number(i), d.cfg.Size)
	return rgbBytes(img.(*image.RGBA)), nil
}
