// Package trace writes down who did what when, as a file that chrome://tracing and
// https://ui.perfetto.dev show.
//
//	t, err := trace.Create("step.json", trace.DefaultSteps)
//	p := t.Process("autoencoder")         // a group of tracks
//	ctx = trace.With(ctx, p)              // who is handed ctx finds it with trace.From
//	k := p.Track("training")              // one goroutine's time, from left to right
//	s := k.Begin("step")
//	s.End()
//	err = t.Close()
//
// Whoever works asks for tracks and spans whether or not there is a tracer: of a nil one
// everything is nil, and costs a comparison.
//
// # What is left out
//
// A run of a million steps must not write gigabytes. Of the spans of one name that lie at the
// top of a track, the first few are written, with everything that lies in them. Of the later
// ones only what stands still is: a wait (Track.Wait) or a time without any span, once it is
// long. An entry "left out" at the end of a track says how many others there were, and how
// long they took together.
//
// # The file
//
// It is written as it comes, so that memory stays flat, and is an array of events, which is
// good without its end: of a killed process all but the last second is there. Close makes it
// an object with the member traceEvents, and valid JSON:
//
//	{"name":"step","ph":"X","pid":2,"tid":3,"ts":1500.25,"dur":310.5}             a span, in µs
//	{"name":"thread_name","ph":"M","pid":2,"tid":3,"args":{"name":"training"}}    a track's name
//
// A span that computes says so: "args":{"gflop_per_s":92.1,"gb_per_s":3.4}, where bytes are
// those of its operands and results, each once.
package trace
