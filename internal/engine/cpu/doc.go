// Package cpu runs engine plans on the processor.
//
//	backend := cpu.Open(0)                                  // as many threads as Go uses
//	machine, err := backend.Open(plan, engine.Options{})
//
// There are few types. A Backend owns a pool of workers. A Machine owns memory: one block
// for the arena, one for inputs and constants, one for parameters with their moments and averages, one
// for scratch and packed weights that stay, all outside of Go's heap (mmap), so that a running step allocates nothing
// and the collector has nothing to look at.
//
// # From a step to a kernel
//
// One table (table.go) leads from an operation's kind to a binder. When a machine opens,
// the binder of each step looks at shapes and attributes once and leaves phases behind:
//
//	phase{items, run(worker, i0, i1)}      a loop that workers may share
//
// RunAll is then nothing but running phases, one after the other; of each, every worker has
// a share, and who is done early takes of the others'; where there are few pieces to take, shares are in
// proportion to how fast workers have proved. A product has two, for example: pack the weights, multiply (one,
// where rows are few and weights are trained). Point-wise kinds have a table of their own; their passes (chains)
// run block by block, each block through all operations while it is in the first-level
// cache. A kind that is in neither table is an error when the machine opens.
//
// # Same bits
//
// Kernels give the same bits for any split of their items, and what spans the whole of a
// step (the norm of all gradients) is summed in pieces of a fixed size. So the number of
// threads never shows in a result.
package cpu
