package latent

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIndependentReader: Arrow for JavaScript reads the same rows, latents to the bit. It needs node, and LFM_ARROW_JS to
// name a folder with node_modules/apache-arrow; testdata/read.mjs says how to make one.
func TestIndependentReader(t *testing.T) {
	home := os.Getenv("LFM_ARROW_JS")
	if home == "" {
		t.Skip("LFM_ARROW_JS names no folder with apache-arrow; see testdata/read.mjs")
	}
	h, rows, dir := header(4, 2, 3), ShardRows+50, t.TempDir()
	mustWrite(t, dir, h, rows)
	var want strings.Builder
	for i := range rows {
		if i%ShardRows == 0 {
			m := h.metadata()
			for k, key := range m.Keys() {
				fmt.Fprintln(&want, key, m.Values()[k])
			}
		}
		r := row(h, i)
		fmt.Fprint(&want, r.ID, " ", r.Split, " ", r.Flip, " ", h.Classes[r.Label])
		for _, v := range r.Latent {
			fmt.Fprintf(&want, " %08x", math.Float32bits(v))
		}
		fmt.Fprintln(&want)
	}
	got, err := exec.Command("node", "testdata/read.mjs", filepath.Join(home, "node_modules/apache-arrow/Arrow.node.mjs"),
		filepath.Join(dir, ShardName(0)), filepath.Join(dir, ShardName(1))).Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	a, b := strings.Split(want.String(), "\n"), strings.Split(string(got), "\n")
	if len(a) != len(b) {
		t.Fatalf("node printed %d lines, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("line %d is\n%s\nwant\n%s", i+1, b[i], a[i])
		}
	}
}
