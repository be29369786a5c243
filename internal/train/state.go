package train

import (
	"bytes"
	"fmt"
	"strconv"

	"lfm/internal/checkpoint"
	"lfm/internal/engine"
	"lfm/internal/nn"
)

// states are what a checkpoint holds of each parameter, by the prefix of its name there.
var states = []struct {
	prefix string
	state  engine.State
}{
	{"weights.", engine.StateWeights},
	{"moment1.", engine.StateMoment1},
	{"moment2.", engine.StateMoment2},
	{"ema.", engine.StateAverage},
}

// The meta of a checkpoint.
const (
	metaMetrics   = "metrics"   // lines so far
	metaWindow    = "window"    // and the sums of the line to come
	metaSkipped   = "skipped"   // updates in a row
	metaEvaluated = "evaluated" // steps done at the last evaluation
)

// restore goes on from the newest checkpoint, or begins.
func (r *run) restore() error {
	file, step, err := r.Series.Latest()
	if err != nil {
		return err
	}
	if file == nil {
		for _, p := range r.Params.All() {
			r.Machine.Set(p.Node, p.Initial(r.Seed))
		}
		return nil
	}
	for _, p := range r.Params.All() {
		if err := r.restoreParam(file, p); err != nil {
			return unfit(step, err)
		}
	}
	if err := r.restoreMeta(file.Meta); err != nil {
		return unfit(step, err)
	}
	r.done, r.saved = step, step
	if r.Observe.Resumed != nil {
		r.Observe.Resumed(step)
	}
	return nil
}

// unfit is the error of a whole checkpoint that is not of this model.
func unfit(step int, err error) error {
	return fmt.Errorf("train: checkpoint of step %d: %w: begin the stage anew with lfm run --force", step, err)
}

// restoreMeta takes in what is not a tensor.
func (r *run) restoreMeta(meta map[string]string) (err error) {
	if r.metrics.window, err = parseWindow(meta[metaWindow]); err != nil {
		return err
	}
	if r.skipped, err = strconv.Atoi(meta[metaSkipped]); err != nil {
		return err
	}
	if r.evaluated, err = strconv.Atoi(meta[metaEvaluated]); err != nil {
		return err
	}
	r.metrics.rows = []byte(meta[metaMetrics])
	return nil
}

// restoreParam sets all that the machine keeps of one parameter.
func (r *run) restoreParam(file *checkpoint.File, p *nn.Param) error {
	for _, s := range states {
		if !r.Machine.State(p.Node, s.state, make([]float32, p.Size())) {
			continue // nothing moves this parameter, or no average is kept of it
		}
		values, err := file.Floats(s.prefix+p.Name, p.Shape()...)
		if err != nil {
			return err
		}
		r.Machine.SetState(p.Node, s.state, values)
	}
	return nil
}

// EncodeWeights gives a model's weights as a safetensors file: the last ones, or their moving
// average. It is false where the machine keeps none.
func EncodeWeights(m engine.Machine, params *nn.Params, state engine.State, meta map[string]string) (file []byte, ok bool) {
	var tensors []checkpoint.Tensor
	for _, p := range params.All() {
		values := make([]float32, p.Size())
		if !m.State(p.Node, state, values) {
			return nil, false
		}
		tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Shape(), Data: values})
	}
	var b bytes.Buffer
	if err := checkpoint.Write(&b, tensors, meta); err != nil {
		panic("train: " + err.Error()) // names and shapes of a model are in order
	}
	return b.Bytes(), true
}
