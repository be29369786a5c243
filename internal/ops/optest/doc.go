// Package optest is the one list of operation cases, which every back end is held to.
//
// Cases lists small graphs, one or more an operation. Build turns a case into a graph with
// an output, a scalar loss that weighs every element of the output, and the gradients of the
// loss by every learned input, so that forward and backward operations are tested alike.
// Interpret runs any graph of package ops by the references, in float32 or float64, and is
// the truth that engines are compared with:
//
//	for _, c := range optest.Cases {
//		g, err := c.Build()
//		want := optest.Interpret[float64](g.Graph, g.Feeds)
//		got := …              // run g.Output, g.Loss and g.Grads on the back end, fed with g.Feeds
//		optest.Distance(got, want[g.Output]) <= c.Tolerance
//	}
//
// To add an operation, add a row to Cases. Package ops itself holds the references to
// central differences in float64 over the same list.
package optest
