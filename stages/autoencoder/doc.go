// Package autoencoder is the stage that learns to code images as small latents: a
// convolutional autoencoder, regularised by a Kullback-Leibler term, in the manner of latent
// diffusion (Rombach et al. 2022, section 3.1).
//
// An Arch says how large it is; Encoder and Decoder are its two halves as layers on a graph;
// NewTraining, NewEncoding and NewDecoding build the three graphs that are ever run. All
// name their parameters as PyTorch does (enc.stem.weight, dec.blocks.7.c2.bias, …), so that
// weights travel between them, and to and from PyTorch, by name.
//
//	x (N, S, S, 3) ──Encoder──▶ mean, logvar (N, s, s, C) ──+ noise──▶ z ──Decoder──▶ (N, S, S, 3)        s = S / Downsample
//
// Images are in [-1, 1]. Flow and decode use the mean as the latent.
package autoencoder
