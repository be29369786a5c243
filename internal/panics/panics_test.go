package panics

import (
	"strings"
	"sync/atomic"
	"testing"
)

func burst() { panic("kernels: gemm: b too short") }

// TestCatch: a panic is caught once, with the stack of where it began, however often it is
// passed on; what does not panic gives nil.
func TestCatch(t *testing.T) {
	if p := Catch(func() {}); p != nil {
		t.Errorf("caught %v", p)
	}
	first := Catch(burst)
	if first == nil || first.Value != "kernels: gemm: b too short" || !strings.Contains(first.Stack, "panics.burst") {
		t.Fatalf("caught %+v", first)
	}
	if again := Catch(first.Rethrow); again != first {
		t.Errorf("passed on, it is %+v", again)
	}
	if text := first.Error(); !strings.HasPrefix(text, "kernels: gemm: b too short\n") || !strings.Contains(text, first.Stack) {
		t.Errorf("its text is %q", text)
	}
}

// TestGroup: Wait panics with what a goroutine did, after all have ended.
func TestGroup(t *testing.T) {
	var ended atomic.Int32
	var g Group
	bang := make(chan struct{})
	for range 3 {
		g.Go(func() { <-bang; ended.Add(1) })
	}
	g.Go(func() { defer close(bang); burst() })
	p := Catch(g.Wait)
	if p == nil || !strings.Contains(p.Stack, "panics.burst") {
		t.Errorf("Wait panics with %+v", p)
	}
	if n := ended.Load(); n != 3 {
		t.Errorf("%d of 3 goroutines had ended", n)
	}
	var calm Group
	calm.Go(func() {})
	calm.Wait()
}
