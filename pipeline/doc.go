// Package pipeline turns a pipeline.yaml into a graph of stages and brings that graph up
// to date: what was computed before is taken from the store, what was interrupted goes on,
// and only the rest runs.
//
// There are few types. A [Kind] says what a sort of stage is: its input ports, its output,
// its settings, and how to open one. [Load] reads a pipeline.yaml against the known [Kinds]
// and gives a [Graph] of [Node]s, one for each data set and each stage. A [Runner] has a
// graph and a store; it runs, dry-runs, explains and withdraws. Everything that happens is
// told to one [Listener] as [Event]s: the package itself prints nothing.
//
//	graph, err := pipeline.Load("pipeline.yaml", kinds, nil)
//	store, err := artifacts.Open(".lfm")
//	runner := &pipeline.Runner{Store: store, Graph: graph, Listen: show}
//	summary, err := runner.Run(ctx, pipeline.Options{})
//
// # Keys
//
// A stage's action ID is the hash of its key text, a complete description of the
// computation that a person can read and diff (lfm explain):
//
//	kind: flow 1
//	with.batch: 64
//	with.depth: 4
//	…                           every setting, sorted, defaults filled in
//	seed: 7
//	device: cpu                 only if pipeline.yaml pins one
//	input encode: 5be0…         output ID of what stands at that port
//	data: 90aa…                 output ID of the data set's index, if the kind reads images
//
// Keys name the *content* of the inputs, so a stage that is run again and makes the same
// bytes as before stops the ripple: everything behind it is still cached. What cannot
// change the bytes (threads, jobs, paths, names, comments, the settings of other stages)
// never enters. A data set is a node without inputs; its output is the index of its
// images, and its key text holds the digest of everything it reads instead of a path.
//
// # Files
//
// config.go is the struct-tag machinery: decoding, ranges, canonical text and schema from
// one struct. yaml.go reads a file into nodes that know their places, load.go makes a graph
// of them, wire.go connects the ports, key.go writes key texts, status.go compares them
// with the store, run.go schedules, compute.go brings one node up to date, telling.go tells
// of it and writes it down, record.go remembers runs.
//
// # Caveats
//
// A panic of a stage becomes an error with its stack in the run record, also one in a
// goroutine that the stage starts by way of package panics; any other such goroutine's ends
// the process. A stage that ignores its context cannot be interrupted.
package pipeline
