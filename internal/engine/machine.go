package engine

import (
	"context"
	"fmt"
	"math"
	"time"

	"gorgonia.org/gorgonia"
)

// Backend is something that runs plans: the CPU, a GPU.
type Backend interface {
	Name() string
	Open(p *Plan, o Options) (Machine, error)
	Close() error
}

// Open gives the back end for a device (auto, cpu, cuda, cuda:N) with so many threads; 0 is
// all of them. ctx may carry a trace that its machines are to appear in. The program that knows
// all back ends hands one to everything that computes.
type Open func(ctx context.Context, device string, threads int) (Backend, error)

// Options of Backend.Open. The zero value is a machine of its own.
type Options struct {
	// Share is a machine of the same back end whose parameters this one uses, by name,
	// instead of memory of its own: another batch size, or an evaluation beside training.
	// What the other learns is seen here at once. Either may be closed first.
	Share Machine

	// Weights says which of Share's: the weights, or their moving averages.
	Weights Weights

	// Limit is the memory in bytes that the machine may take; 0 is what the device has.
	// Needing more is a *MemoryError.
	Limit int64
}

// Weights are a parameter's numbers that a machine computes with.
type Weights uint8

const (
	Raw     Weights = iota // as the optimizer left them
	Average                // their exponential moving average; the weights of an untrained parameter
)

// Machine runs a plan: RunAll computes the outputs and then, where the plan has updates,
// moves the parameters.
//
// A node without a place in the plan, or a slice of another length than the node's
// tensor, is a mistake of the program and panics. A machine serves one goroutine at a time.
type Machine interface {
	gorgonia.VM // RunAll, Reset, Close

	Plan() *Plan

	// Set fills an input or starts a parameter: the weights and their average become v, the
	// moments zero. What is set stays until it is set again. A leaf that had a gorgonia
	// value bound when the machine opened starts with it, others start with zeros.
	Set(n *gorgonia.Node, v []float32)

	// Get copies an input, a parameter, a wanted output or a wanted gradient into dst.
	Get(n *gorgonia.Node, dst []float32)

	// SetScalars gives the optimizer's numbers for the steps to come.
	SetScalars(s Scalars)

	// Report says what became of the last step's update.
	Report() Report

	// State and SetState copy a parameter's state out and in, for checkpoints. Asking for a
	// state that the plan does not keep returns false and does nothing.
	State(param *gorgonia.Node, s State, dst []float32) bool
	SetState(param *gorgonia.Node, s State, v []float32) bool

	// Blame computes the passes once more, without updates, and names the first tensor that
	// is not finite: an input, a parameter, or an operation's result. It is empty if all are.
	Blame() string

	// Profile has f called after every pass with the pass's number and the time it took,
	// and with len(Plan().Passes) for the updates. Nil turns it off, at no cost.
	Profile(f func(pass int, d time.Duration))

	// Memory is what the machine holds, in bytes, scratch included, shared parameters not.
	Memory() int64
}

// State names what is kept of a parameter.
type State uint8

const (
	StateWeights State = iota // what Set and Get see
	StateMoment1              // AdamW's first moment
	StateMoment2              // AdamW's second moment
	StateAverage              // the moving average of the weights
)

// Scalars are the optimizer's numbers of one step, see package optim. A trained parameter
// w with gradient g moves by AdamW (Loshchilov and Hutter 2019, as PyTorch computes it):
//
//	g ← g · ClipFactor(‖all gradients‖, Clip)
//	w ← w - Rate·WeightDecay·w                   where the update says Decay
//	m ← Beta1·m + (1-Beta1)·g
//	v ← Beta2·v + (1-Beta2)·g²
//	w ← w - Rate/Correct1 · m / (√(v/Correct2) + Eps)
//	a ← EMA·a + (1-EMA)·w                        where the update says EMA
type Scalars struct {
	Rate, Beta1, Beta2, Eps, WeightDecay float64
	Correct1, Correct2                   float64 // 1 - Beta^t at the t-th step
	Clip                                 float64 // greatest norm of all gradients together; 0 is no clipping
	EMA                                  float64 // decay of the moving averages
}

// Report is the outcome of a step's update.
type Report struct {
	Loss     float64 // the first output
	GradNorm float64 // L2 norm of all gradients together, before clipping
	Skipped  bool    // nothing moved, because loss or norm was not finite
}

// ClipFactor is what gradients of a norm are multiplied by so that it is at most limit, as
// torch.nn.utils.clip_grad_norm_ computes it; 1 where limit is 0.
func ClipFactor(norm, limit float64) float64 {
	if limit == 0 {
		return 1
	}
	return min(1, limit/(norm+1e-6))
}

// Finite says whether x is neither infinite nor a NaN.
func Finite(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }

// MemoryError says that a machine does not fit.
type MemoryError struct {
	Need, Limit int64 // bytes
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("engine: needs %.1f MiB of memory, %.1f MiB are allowed; a smaller batch needs less", mib(e.Need), mib(e.Limit))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
