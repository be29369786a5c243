package train

import (
	"errors"
	"strings"
	"testing"

	"lfm/internal/engine"
)

// TestFit: with 100 bytes for the weights, 10 for each item and 20 of scratch, a limit
// decides which half, quarter, … of a batch of 64 is named.
func TestFit(t *testing.T) {
	peak := func(batch int) (int64, error) { return 100 + 10*int64(batch), nil }
	for _, c := range []struct {
		limit int64
		want  string
	}{
		{700, "batch: 32 fits"},
		{440, "batch: 32 fits"},
		{439, "batch: 16 fits"},
		{130, "batch: 1 fits"},
		{129, "not even batch: 1 fits"},
	} {
		full := &engine.MemoryError{Need: 760, Limit: c.limit}
		err := Fit(full, 64, peak)
		if !errors.Is(err, full) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("limit %d: %v, want %q", c.limit, err, c.want)
		}
	}
	other := errors.New("no such device")
	if err := Fit(other, 64, peak); err != other {
		t.Errorf("another error became %v", err)
	}
}
