// Package optim says how parameters move: which, at what rate, and with what average.
//
// It computes nothing over tensors. Updates lists the parameters for engine.Compile, as
// data; AdamW turns a step's number into the scalars that the engine's update wants.
//
//	settings := optim.AdamW{Rate: 1e-3, Clip: 1, EMA: 0.999, Schedule: optim.Cosine{Warm: 50, Steps: 500}}
//	plan, err := engine.Compile(g, gorgonia.Nodes{loss}, optim.Updates(params, grads, true))
//	machine.SetScalars(settings.Scalars(step))
//
// Everything is a pure function of the step, so a resumed run needs to know nothing else.
package optim
