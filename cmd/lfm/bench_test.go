package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestBenchUsage: what bench cannot do is said before anything is measured, and exits with 2.
func TestBenchUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--only encoed":        `did you mean "encode"?`,
		"--repeats 0":          "--repeats 0",
		"--tokens 100":         "--tokens 100",
		"--unet --ops":         "--profile shows",
		"--tokens 128 --ops":   "--profile shows",
		"--unet --only encode": "cases: flow-train, flow-sample-10",
		"--batch -1":           "--batch -1",
		"--batch 4,0":          "--batch 4,0",
		"--batch 4,8 --ops":    "one batch",
		"--precision bf16":     "fp32 only",
		"--device abacus":      `"abacus"`,
		"--threads -2":         "--threads -2",
		"encode":               "encode",
		"--precison fp32":      "--precison",
		"--only encode,code":   `no case "code"`,
	} {
		var out, err bytes.Buffer
		code := Main(append([]string{"bench"}, strings.Fields(args)...), streams{In: strings.NewReader(""), Out: &out, Err: &err})
		if code != exitUsage || !strings.Contains(err.String(), want) || out.Len() > 0 {
			t.Errorf("bench %s: exit %d, %q, printed %q; want exit %d and %s", args, code, err.String(), out.String(), exitUsage, want)
		}
	}
}
