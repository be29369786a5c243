package dataset

import (
	"crypto/sha256"
	"encoding/binary"
)

// splitOf puts an image on a side by a hash of its name, so that images that come or go move no other: a share of
// fraction is Test.
func splitOf(name string, fraction float64) string {
	h := sha256.Sum256([]byte("split " + name))
	if float64(binary.BigEndian.Uint64(h[:])>>11)*0x1p-53 < fraction {
		return Test
	}
	return Train
}
