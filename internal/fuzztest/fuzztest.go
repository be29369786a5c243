// Package fuzztest helps fuzz tests to hold a reader to a bound of memory.
package fuzztest

import (
	"runtime/metrics"
	"testing"
)

// slack is what the fuzzer and the runtime take meanwhile.
const slack = 4 << 20

// Bounded calls read, which reads n bytes, and fails the test if it takes more memory than factor bytes for each of
// them: what a file claims must cost nothing that the file does not bear out. All that is allocated counts, also
// what is free again.
func Bounded(t *testing.T, n, factor int, read func()) {
	t.Helper()
	before := allocated()
	read()
	if taken := allocated() - before; taken > uint64(n)*uint64(factor)+slack {
		t.Fatalf("%d bytes of memory for %d bytes of input, more than %d for each", taken, n, factor)
	}
}

// allocated is how many bytes were ever taken from the heap.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
