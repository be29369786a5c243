// Package train is the one training loop that the trained stages share.
//
// A Job is a compiled training graph, its parameters, and a function that fills the graph's
// inputs for a step. Run takes it from the last checkpoint, or from the first values of the
// parameters, to the last step:
//
//	draw(step+1) ─ ahead of time, on a goroutine of its own
//	   │
//	   ▼
//	inputs ──▶ Machine.RunAll: loss, gradients, AdamW, EMA ──▶ metrics
//	                                                             │ now and then a copy
//	                                                             ▼
//	                                                         checkpoint ─ written while it goes on
//
// # Resuming
//
// Everything drawn is a pure function of the step. A checkpoint holds weights, moments,
// averages, the step, and the metrics so far; batches drawn ahead are thrown away. So T steps
// straight, and k steps, a kill, and T-k steps, end in the same bytes, metrics included. A
// kill loses at most the steps since the last checkpoint: a checkpoint is a copy that is
// written while the next step is computed, and that step counts as done, and is told of, only
// when the file is durable. Where time decides (checkpoint_every: 0), more steps may pass.
//
// # Numbers that are not finite
//
// A step whose loss or gradient is not finite moves nothing and is counted in the metrics.
// Five in a row are a *Diverged, which names the first tensor that went wrong.
package train
