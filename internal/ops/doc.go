// Package ops holds the operations that lfm's models are made of, for gorgonia's
// expression graph.
//
// A constructor (Linear, Conv2d, Attention, …) takes nodes of a graph and returns the node
// of the result. It checks shapes and panics on misuse, naming the operation and both
// shapes; Check turns such a panic into an error. Each operation brings its own backward
// operations through SymDiff, so Grad builds the backward pass and nothing else in this
// module differentiates.
//
//	g := gorgonia.NewGraph()
//	x := gorgonia.NewTensor(g, tensor.Float32, 2, gorgonia.WithShape(8, 3), gorgonia.WithName("x"))
//	w := gorgonia.NewTensor(g, tensor.Float32, 2, gorgonia.WithShape(4, 3), gorgonia.WithName("w"))
//	loss := ops.Mean(ops.SiLU(ops.Linear(x, w, nil)))
//	grads, err := ops.Grad(loss, w) // dw, of the shape of w
//
// There are only a few types: Op is what a back end needs to know of an operation (its
// Kind, its exported attributes, the shapes of its Results and its Reference), Reference is
// its definition in float32 and float64, Update asks an engine for an optimizer's step.
// Do runs the reference, so every graph runs on gorgonia.NewTapeMachine as it is; engines
// look the kind up in a table of their own kernels.
//
// # Shapes
//
// N batch, H and W image size, C channels, L latent tokens, M context tokens, D width.
// Activations are (N, H, W, C) or (N, L, D), weights have PyTorch's shapes, labels are
// float32 (N). Everything is float32 and row-major; a scalar (rank 0) has the type
// tensor.Float32 itself, which Grad wants of a loss.
//
// # Several results
//
// An operation of gorgonia has one value. A computation with several results (a bundle: all
// backward operations with more than one gradient, and GroupNorm, LayerNorm, Attention with
// the statistics that their backward operations read) is one node whose value is a flat
// vector, the results end to end. Part(n, i) takes one of them. A forward bundle has one
// part that can be differentiated, the first: Part hands its gradient on, in the shape of
// the part, and the bundle's SymDiff expects it so. The other parts are made inside SymDiff
// and read by backward operations alone.
//
// # Caveats
//
// Grad works once a graph. The graph it builds holds two kinds of node that are not ours:
// the sum where gradients meet (IsSum) and the constant one at its root (Constant).
// Gorgonia merges nodes by a 32-bit hash; every operation writes its attributes and the
// number of nodes that stood in the graph before it into that hash, so none of ours merge,
// and the same construction gives the same graph each time.
package ops
