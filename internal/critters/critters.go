package critters

import (
	"fmt"
	"image"

	"lfm/internal/rng"
)

// Version numbers the look of the pictures. It is part of the key of whatever is made from them: raise it with every
// change that alters a pixel or a word.
const Version = 1

// Classes names the animals in the order of their labels.
var Classes = []string{"cat", "dog", "rabbit", "bear", "fox", "pig", "owl", "penguin", "frog", "fish"}

// animals draws them, in the order of Classes.
var animals = []func(pen, traits){cat, dog, rabbit, bear, fox, pig, owl, penguin, frog, fish}

// Draw returns picture index of the set that belongs to a seed, size pixels wide and high, as an opaque *image.RGBA,
// and its label: index modulo the number of classes. It panics on a negative index or a size below 1.
func Draw(seed uint64, index, size int) (image.Image, int) {
	if index < 0 || size < 1 {
		panic(fmt.Sprintf("critters: picture %d of %d pixels", index, size))
	}
	t, label := traitsOf(seed, index)
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	p := newPen(img)
	scene(p, img, t)
	p.placed(t, func() { animals[label](p, t) })
	return img, label
}

// traitsOf is what chance decides about picture index of a seed, and the picture's label.
func traitsOf(seed uint64, index int) (t traits, label int) {
	return drawTraits(newLot(rng.New(seed, "critters"), uint64(index))), index % len(Classes)
}
