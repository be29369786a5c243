package decode

import (
	"errors"

	"lfm/internal/panics"
	"lfm/internal/trace"
)

// delivery hands pictures to a function that takes its time, batch after batch.
type delivery struct {
	batches chan []Drawn
	ended   chan struct{} // closed when all is delivered, or err or panic says why not
	err     error
	panic   *panics.Panic
}

func newDelivery(each func(Drawn) error, track *trace.Track) *delivery {
	d := &delivery{batches: make(chan []Drawn), ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		for batch := range d.batches {
			span := track.Begin("write")
			d.panic = panics.Catch(func() { d.err = all(batch, each) })
			span.End()
			if d.err != nil || d.panic != nil {
				return
			}
		}
	}()
	return d
}

func all(batch []Drawn, each func(Drawn) error) error {
	for _, d := range batch {
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}

// hand gives a batch away once the one before it is done with. It is false after a failure,
// which end will tell.
func (d *delivery) hand(batch []Drawn) bool {
	select {
	case d.batches <- batch:
		return true
	case <-d.ended:
		return false
	}
}

// end waits until all is delivered, and joins what failed to an error.
func (d *delivery) end(err error) error {
	close(d.batches)
	<-d.ended
	d.panic.Rethrow()
	return errors.Join(d.err, err)
}
