// Package bench times the reference model R1 at seven tasks, or the flow that the default settings
// train at its two, and says how much work that is.
//
//	case             batch   a step is
//	ae-train            64   one AdamW step of the autoencoder
//	encode             256   images to latents
//	decode             256   latents to images
//	flow-train          64   one AdamW step of the flow, moving average included
//	flow-sample-10      64   samples in ten Euler steps at guidance 3: 20 evaluations each
//	encode-stage       256   the whole stage encode on 512 JPEG files of 96x96
//	decode-stage        20   the whole stage decode: 40 samples as flow-sample-10's, decoded, as PNG
//
// Everything that runs is what the stages run: their graphs, plans and back ends, their
// Coder and Sampler, their way of noising a batch. Noise, times and dropped labels are drawn
// inside of the timed step.
//
// The two stages run from files on the disk to a published artifact, in a store of their own in
// a temporary folder, which keeps no decoded pixels: every run decodes every JPEG.
//
// A Case is opened, stepped a few times to warm up, and stepped under the clock; a Result
// holds the median. The two training cases also have a loss: that before the 20th of 20
// steps from weights and inputs which any language can make for itself (see fill), to be
// held to PyTorch's in testdata/losses.jsonl.
//
// # Work
//
// An item's work is counted over the graph as it is written: two for each multiply-add of
// convolutions, linear layers and attention, forward; three times that for training; every
// evaluation of a guided sample. A back end that computes less to the same end is not
// credited with less, so rates can be compared, and may exceed what the multiplications
// alone would allow.
//
// Operations alone (RunOps) are those of the two training graphs, each size once, in a graph that
// has little but that operation and its gradients.
//
// # Comparing
//
// Figures of one machine say nothing of another, nor of the same machine on a busier day.
// Compare within one run, on an idle machine: make bench-peer alternates between this
// package and the same model in PyTorch, and prints ratios.
//
// make bench-page measures the same and more on one machine: one thread beside two, AVX2 beside
// AVX-512, batches and tokens of other sizes, the flow of the default settings, where the time goes. It
// writes docs/performance.md from it, which nobody edits.
package bench
