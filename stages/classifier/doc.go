// Package classifier is the stage that learns to tell the classes of a data set apart: a small
// convolutional network, trained on the training split and measured on the held-out one. It
// is a kind of its own so that all who judge pictures of a data set judge by the same artifact.
//
//	x (N, S, S, 3) ──stages of conv3x3/2, group norm, SiLU──▶ (N, s, s, C) ──linear, SiLU──▶ features (N, F) ──linear──▶ logits (N, K)
//
// A Judge runs a trained one. Its features are what Fréchet and kernel distances are taken on; those
// distances are called FD-cls and KID-cls here, because the numbers of another network, of FID's
// Inception say, are other numbers.
//
// Train is the training itself, of whatever pictures: package evaluate trains the same network on
// samples (Ravuri & Vinyals 2019).
package classifier
