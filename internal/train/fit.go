package train

import (
	"errors"
	"fmt"

	"lfm/internal/engine"
)

// Fit adds to the error of a training graph that is too large for the machine (an
// *engine.MemoryError) the batch that does fit: the largest of batch/2, batch/4, … by what
// peak, the bytes that a batch's plan needs, says. Other errors pass unchanged.
func Fit(err error, batch int, peak func(batch int) (int64, error)) error {
	var memory *engine.MemoryError
	if !errors.As(err, &memory) {
		return err
	}
	whole, perr := peak(batch)
	if perr != nil {
		return errors.Join(err, perr)
	}
	scratch := memory.Need - whole // what the back end needs beside the plan
	for n := batch / 2; n >= 1; n /= 2 {
		need, perr := peak(n)
		if perr != nil {
			return errors.Join(err, perr)
		}
		if need+scratch <= memory.Limit {
			return fmt.Errorf("%w: batch: %d fits", err, n)
		}
	}
	return fmt.Errorf("%w: not even batch: 1 fits; make the model or the images smaller", err)
}
