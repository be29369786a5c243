package panics

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Panic is a panic that was caught.
type Panic struct {
	Value any    // what was panicked with
	Stack string // of the goroutine that did
}

// Error says what was panicked with: should nobody recover, Go prints it before the stack of
// where the Panic was rethrown, so the stack of where it began is below.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Of is the Panic behind a value that recover gave, which must not be nil. It is to be called
// by the function that recovers, while the stack still shows who panicked.
func Of(recovered any) *Panic {
	if p, ok := recovered.(*Panic); ok {
		return p
	}
	return &Panic{recovered, string(debug.Stack())}
}

// Catch calls f and returns what it panicked with, or nil.
func Catch(f func()) (p *Panic) {
	defer func() {
		if r := recover(); r != nil {
			p = Of(r)
		}
	}()
	f()
	return nil
}

// Rethrow panics with p, unless that is nil.
func (p *Panic) Rethrow() {
	if p != nil {
		panic(p)
	}
}

// Group is a sync.WaitGroup whose Wait panics, once all goroutines have ended, if one of them
// did. The zero value is ready.
type Group struct {
	wait  sync.WaitGroup
	first atomic.Pointer[Panic]
}

// Go calls f in a goroutine of its own.
func (g *Group) Go(f func()) {
	g.wait.Go(func() {
		if p := Catch(f); p != nil {
			g.first.CompareAndSwap(nil, p)
		}
	})
}

// Wait waits for the end of all goroutines.
func (g *Group) Wait() {
	g.wait.Wait()
	g.first.Load().Rethrow()
}
