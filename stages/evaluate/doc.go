// Package evaluate is the stage that measures how good samples are, without any network but a
// classifier of the data set's own classes.
//
//	                      ┌ class accuracy    the class that was asked for is the one that the classifier sees
//	n pictures ─classifier┼ fd_cls, kid_cls   Fréchet and kernel distance of its features from those of the test images
//	    │                 └ precision, recall, density, coverage    neighbours among the same features
//	    ├─ views ──┬ sw2         sliced Wasserstein distance of pixels from the test images
//	    │          └ memorised   distance to the nearest training image, over that of a test image
//	    └─ cas      accuracy on test images of a classifier that has learned from the n pictures alone
//
// (Ravuri & Vinyals 2019 for cas, package metrics for the others.) The distances are not FID and KID, whose
// features are another network's: they compare with themselves alone.
//
// Every set is held to the whole test split, and all have the same n, because most figures depend on it:
//
//	floor             n training images: how near the distances come to nought for real ones. The judge has learned from
//	                  them, so their class_accuracy is above that of a perfect model, which is judge_accuracy: the judge's
//	                  own on the test images
//	reconstructions   the same n through the autoencoder: the ceiling, which no flow on its latents passes
//	samples           as many of each class as among those n, for each guidance, number of steps,
//	                  solver and kind of weights
//
// For memorised, a training image and its reconstruction pass over that image itself: all sets of
// new pictures are about 1, and copies are 0.
//
// Beside the sets, likelihood_images measures how well the flow foretells the latents of test images, in bits a number.
// With likelihood_probes: 0 it is exact, and each of the tens of evaluations along an image's way takes as many products
// with the Jacobian as a latent has numbers: hours, where network or latents are not small.
//
// # Memory and resuming
//
// Pictures lie in the work area, in 8 bits, in files of 256; a set's files go when its figures are there.
// What is in memory is features and views (a picture's products with 128 random directions, from
// which distances of pixels can be told), one row a picture. A killed run goes on from the last file, and a
// likelihood from the sums over the images measured so far, which lie there too.
package evaluate
