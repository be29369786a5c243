// Package ref defines what the operations of this project compute.
//
// Every function here is the plain loop over its formula: destination first, no
// threads, no blocking, no scratch memory, generic over float32 and float64. It is what
// the reader reads, what gorgonia's tape machine runs, and what package kernels and the
// CUDA back end are measured against, most often in float64.
//
//	y := make([]float64, rows*out)
//	ref.Linear(y, x, w, b, rows, in, out)
//
// # Conventions
//
// Tensors are row-major; images are (N, H, W, C). Weights have PyTorch's shapes and
// order: (out, in) for a linear layer, (Cout, Cin, K, K) for a convolution. dx is the
// gradient of the loss by x; the gradient of an operation overwrites its destinations.
// Slices are as long as their shapes say; longer ones are used from their start. A
// destination never overlaps a source unless a function says so.
//
// Products are written F(a*b) + c: without the conversion Go fuses the two on some
// processors and the same program would give other bits there.
//
// # The rule of 16
//
// A sum over the samples of a batch (the gradient of a weight, of a bias, the mean of
// a loss) is 16 partial sums added in a fixed binary tree. Partial sum p runs in order over
// samples [p·N/16, (p+1)·N/16); some are empty when N < 16. So the bits of the result
// depend on N alone, and a group of processes that share a batch get the same bits when
// each owns whole ranges. See [Part] and [Tree].
package ref
