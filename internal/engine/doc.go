// Package engine compiles an expression graph of gorgonia into a plan, and says what a
// back end must do to run one.
//
//	plan, err := engine.Compile(g, gorgonia.Nodes{loss}, updates)
//	machine, err := backend.Open(plan, engine.Options{})   // engine/cpu, say
//	machine.Set(x, pixels)
//	machine.SetScalars(scalars)                             // this step's rate, decay, …
//	err = machine.RunAll()                                  // forward, backward, update
//	machine.Get(loss, value[:])
//
// There are few types. A Plan is pure data: Values (tensors), Buffers (where they lie),
// Passes (what is done, in order) and Updates (which parameter moves along which
// gradient). A Backend opens a plan and gives a Machine, which is a gorgonia.VM. Nothing
// here imports a back end, and nothing in a plan is a function, so that one plan serves
// the CPU, a GPU, and whoever wants to read it (Plan.String).
//
// # What Compile does
//
//	nodes that no output and no update needs are dropped
//	   └ the rest, topologically sorted, becomes steps; reshapes, parts and contiguous
//	     slices become views and cost nothing
//	       └ a group norm with its SiLU, a product with the sum behind it become one step
//	         └ neighbouring point-wise steps become one pass over memory (a chain)
//	           └ results take over the buffer of an operand that dies there, where safe
//	             └ what is left gets an offset in one arena, reused as soon as it is free
//
// so that peak memory is known before the first step (Plan.Peak), and a step allocates
// nothing. Plan.Check proves that no pass reads a tensor that another one has
// overwritten; the tests run it over random graphs.
//
// # Several results
//
// An operation with several results (an attention's backward, say) is one node of the
// graph, and ops.Part nodes take its results. The plan gives each result a buffer of its
// own. A result that nobody wants has Out -1: a back end skips it.
//
// # Parameters
//
// A leaf that an ops.Update names is a parameter; every other leaf is an input. An update
// without gradient names a parameter that stays as it is: an evaluation graph lists its
// parameters so, and its machine can then share the memory of a training machine, the
// weights or their moving average, by name (Options.Share).
//
// # Caveats
//
// Everything is float32. The only operations known are those of internal/ops, gorgonia's
// constants, and gorgonia's own + of two equal shapes, which its differentiation puts
// where gradients meet. A graph does not change once it is compiled: the plan holds its
// nodes as keys.
package engine
