// Package encode is the stage that turns a data set into latents: every image, and with
// hflip the mirror image of every training image, goes through the encoder once, so that
// training the flow never sees a pixel.
//
//	data set ──Read──▶ (N, S, S, 3) ──autoencoder──▶ means (N, s, s, C) ──▶ part-00000.arrow … latents.json
//
// Rows stand in the order of the data set's index, an image's mirror image behind it. Where
// the data set has captions and properties, so have the rows, and a mirror image those of its
// image. What these say of left and right is not true of it: hflip is for sets that say nothing.
// Shards are finished one by one in the work area: a kill loses at most the one at hand, and
// memory does not grow with the data set. Package latent has the files' format.
package encode
