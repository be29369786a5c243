// Package panics hands a panic over from the goroutine that it happened in to the one that
// waits for it. Go ends the whole process at a panic that its own goroutine does not catch,
// whoever else would have known what to do: a mistake in one kernel would take a run's record,
// its exit code and the stages beside it along. So whatever computes on goroutines of its own
// runs them through Group or Catch, and the caller panics in their stead, where package pipeline
// makes an error of it that names the stage.
//
// What is passed on is a *Panic, which knows the stack of where it began.
package panics
