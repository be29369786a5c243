package train

import (
	"context"

	"gorgonia.org/gorgonia"

	"lfm/internal/panics"
	"lfm/internal/trace"
)

// feed draws the inputs of the next steps while the machine is at work on this one.
type feed struct {
	ready chan drawn
	free  chan [][]float32
	quit  chan struct{} // closed to end the drawing
	ended chan struct{} // closed when it has ended
	now   [][]float32   // what next gave out
}

// drawn are the inputs of a step.
type drawn struct {
	inputs [][]float32
	err    error
	panic  *panics.Panic
}

// ahead is how many steps' inputs there are at a time.
const ahead = 2

// newFeed draws for steps from … to-1, in order.
func newFeed(nodes []*gorgonia.Node, draw func(int, [][]float32) error, from, to int, track *trace.Track) *feed {
	f := &feed{
		ready: make(chan drawn, ahead), free: make(chan [][]float32, ahead),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	for range ahead {
		inputs := make([][]float32, len(nodes))
		for i, n := range nodes {
			inputs[i] = make([]float32, n.Shape().TotalSize())
		}
		f.free <- inputs
	}
	go func() {
		defer close(f.ended)
		for step := from; step < to; step++ {
			var d drawn
			span := track.Wait("a free buffer")
			select {
			case d.inputs = <-f.free:
			case <-f.quit:
				return
			}
			span.End()
			span = track.Begin("draw")
			d.panic = panics.Catch(func() { d.err = draw(step, d.inputs) })
			span.End()
			select {
			case f.ready <- d:
			case <-f.quit:
				return
			}
			if d.err != nil || d.panic != nil {
				return
			}
		}
	}()
	return f
}

// next waits for the next step's inputs, which are good until release, or for the end of ctx.
// Where draw panicked, it does.
func (f *feed) next(ctx context.Context) ([][]float32, error) {
	select {
	case d := <-f.ready:
		d.panic.Rethrow()
		f.now = d.inputs
		return d.inputs, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// release gives the inputs back to be drawn into.
func (f *feed) release() { f.free <- f.now }

// stop ends the drawing and waits until nothing is drawn any more, so that what is drawn
// from may be closed.
func (f *feed) stop() {
	close(f.quit)
	<-f.ended
}
