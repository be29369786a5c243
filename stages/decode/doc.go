// Package decode is the stage that draws: guided samples of a flow, decoded to 8-bit PNG
// files with their settings in text chunks, and a labelled grid of them.
//
//	noise ──flow.Sampler──▶ latents (N, s, s, C) ──decoder──▶ images (N, S, S, 3) ──8 bit──▶ CLASS/0000.png … grid.png
//
// Generate is all of that but the files; the stage, lfm generate and whoever else wants
// pictures call it. A picture depends on its class, number, seed and settings, and on
// nothing that it is drawn beside. Its file says them all, so that one that is there already
// is not drawn again: the stage keeps its pictures in the work area, and a kill loses at most
// the batch that is being written and the next, which is drawn meanwhile.
package decode
