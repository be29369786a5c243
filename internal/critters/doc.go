// Package critters draws an endless set of small animal pictures: the data that lfm trains on when no images are at
// hand.
//
//	img, label := critters.Draw(seed, index, 32) // the same picture for the same three numbers, always
//	name := critters.Classes[label]
//	words := critters.Describe(seed, index).Caption // "a red cat on a hill at dusk"
//
// A picture shows one animal of a flat storybook kind. What the animal is can be read from its shape alone: every
// class wears every coat of one palette, on any background whose brightness tells it from the coat, turned, tilted,
// moved and scaled a little. So colour gives nothing away: a linear classifier on raw pixels does poorly (a test holds
// it under 60 %), where a small convolutional network finds nearly all.
//
//	+-----------------------+   scene.go     the ground: plain, gradient, hill, disc
//	|     /\_____/\         |   palette.go   coats, grounds, and what goes with a coat
//	|    (  o   o  )        |   traits.go    what is drawn by lot for one picture
//	|     \   v   /         |   face.go      eyes, cheeks, mouths, the body under a face
//	|      \_____/          |   portraits.go cat, dog, rabbit, bear, fox, pig: a face and a sitting body
//	|    /       \          |   figures.go   owl, penguin, frog, fish: whole animals
//	+-----------------------+   pen.go       ellipses, petals and strokes in a square from -1 to 1, y down
//
// Everything is drawn as vectors with exact coverage at the edges, so any size works and needs no larger canvas. All
// chance comes from one stream of [lfm/internal/rng]: the animals of one (seed, index) are alike at every size.
package critters
