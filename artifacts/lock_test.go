package artifacts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lfm/internal/disk"
)

// TestMain turns the test binary into a process that uses locks:
//
//	hold DIR NAME     takes the lock, says so, and waits for its input to end
//	use DIR           holds Use in the same way
//	count DIR N       adds 1 to DIR/count, N times, under a lock
//	publish DIR NAME  holds the lock NAME in the same way, then publishes key NAME; its
//	                  locks are leases of another host, with a heartbeat each 10 ms
func TestMain(m *testing.M) {
	args := strings.Fields(os.Getenv("ARTIFACTS_TEST_CHILD"))
	if len(args) == 0 {
		os.Exit(m.Run())
	}
	if err := child(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(args []string) error {
	s, err := Open(args[1])
	if err != nil {
		return err
	}
	if args[0] == "publish" {
		return publishUnderLease(s, args[2])
	}
	var unlock func()
	switch args[0] {
	case "hold":
		unlock, err = s.Lock(context.Background(), args[2], nil)
	case "use":
		unlock, err = s.Use(context.Background(), nil)
	case "count":
		n, _ := strconv.Atoi(args[2])
		return count(s, n)
	}
	if err != nil {
		return err
	}
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadString('\n')
	unlock()
	return nil
}

func publishUnderLease(s *Store, name string) error {
	here := thisProcess()
	here.Host = "elsewhere"
	thisProcess = func() process { return here }
	s.locks = newLeases(disk.OS, 10*time.Millisecond, time.Minute).locker(s.path("locks"))
	unlock, err := s.Lock(context.Background(), name, nil)
	if err != nil {
		return err
	}
	defer unlock()
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadString('\n')
	b, err := s.Build("flow")
	if err != nil {
		return err
	}
	defer b.Discard()
	if err := b.WriteFile("made-by", []byte("the first")); err != nil {
		return err
	}
	_, err = b.Publish(HashText(name), name, nil)
	return err
}

// count adds n to a number in a file, which goes wrong unless one at a time does so.
func count(s *Store, n int) error {
	path := s.path("count")
	for range n {
		unlock, err := s.Lock(context.Background(), "count", nil)
		if err != nil {
			return err
		}
		text, _ := os.ReadFile(path)
		have, _ := strconv.Atoi(string(text))
		time.Sleep(time.Millisecond)
		err = os.WriteFile(path, []byte(strconv.Itoa(have+1)), 0o666)
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// A proc is a child that holds something until its input ends.
type proc struct {
	*exec.Cmd
	in     io.Closer
	stderr *bytes.Buffer
}

// start starts the test binary as a child.
func start(t *testing.T, args ...string) proc {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ARTIFACTS_TEST_CHILD="+strings.Join(args, " "))
	stderr := new(bytes.Buffer)
	cmd.Stderr = io.MultiWriter(stderr, os.Stderr)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if args[0] != "count" {
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
			t.Fatalf("child says %q, %v", line, err)
		}
	}
	return proc{cmd, in, stderr}
}

// bothKinds runs a test with flock, where there is one, and with leases.
func bothKinds(t *testing.T, f func(t *testing.T, s *Store)) {
	for kind, env := range map[string]string{"flock": "", "lease": "1"} {
		t.Run(kind, func(t *testing.T) {
			t.Setenv("LFM_NO_FLOCK", env)
			s := open(t, t.TempDir())
			if kind == "flock" && s.locks.suffix != ".lock" {
				if runtime.GOOS == "linux" {
					t.Fatalf("the probe finds no flock in %s; every local file system of Linux has it (a temporary folder on a network may not: set TMPDIR)", s.Dir())
				}
				t.Skip("flock does not work here")
			}
			f(t, s)
		})
	}
}

// soon is a context that ends long before a lease goes stale by age.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// locked reports whether a lock is held.
func locked(t *testing.T, s *Store, name string) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // one try
	unlock, err := s.Lock(ctx, name, nil)
	if err == nil {
		unlock()
	} else if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return err != nil
}

// TestLockKill takes a lock from a process that is killed: the waiter is told who
// holds it, and has it soon after. Another name is free all the time.
func TestLockKill(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *Store) {
		cmd := start(t, "hold", s.Dir(), "flow")
		if !locked(t, s, "flow") || locked(t, s, "encode") {
			t.Fatal("a lock is not held where it should be, or the other way")
		}
		told := make(chan string, 10)
		go func() {
			if who := <-told; !strings.Contains(who, fmt.Sprintf("process %d ", cmd.Process.Pid)) {
				t.Errorf("held by %q, want process %d", who, cmd.Process.Pid)
			}
			cmd.Process.Kill() // not waited for yet: on unix it is a zombie from here on
		}()
		unlock, err := s.Lock(soon(t), "flow", func(holder string) { told <- holder })
		if err != nil {
			t.Fatal(err)
		}
		if !locked(t, s, "flow") {
			t.Error("taken, and still free")
		}
		unlock()
		unlock()
		if locked(t, s, "flow") {
			t.Error("released, and still held")
		}
		if left, _ := os.ReadDir(s.path("locks")); len(left) != 0 {
			t.Errorf("lock files left: %v", left)
		}
	})
}

// TestLockRelease: a process that releases lets the next one in.
func TestLockRelease(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *Store) {
		cmd := start(t, "hold", s.Dir(), "flow")
		time.AfterFunc(50*time.Millisecond, func() { cmd.in.Close() })
		unlock, err := s.Lock(soon(t), "flow", nil)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestLockExcludes counts with several processes, and several goroutines in each.
func TestLockExcludes(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *Store) {
		const each = 15
		procs := []proc{start(t, "count", s.Dir(), strconv.Itoa(each)), start(t, "count", s.Dir(), strconv.Itoa(each))}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := count(s, each); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, p := range procs {
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
		}
		if text, _ := os.ReadFile(s.path("count")); string(text) != strconv.Itoa(4*each) {
			t.Errorf("counted %s, want %d", text, 4*each)
		}
	})
}

// TestCollectUse: gc keeps away while another process uses the store or holds a lock
// of it, and goes to work when that one is killed.
func TestCollectUse(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *Store) {
		publish(t, s, "key", "bytes")
		g, err := s.Garbage(Keep{})
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"use", s.Dir()}, {"hold", s.Dir(), "flow"}} {
			cmd := start(t, args...)
			var inUse *InUse
			if _, err := s.Collect(soon(t), g); !errors.As(err, &inUse) || !strings.Contains(inUse.Holder, strconv.Itoa(cmd.Process.Pid)) {
				t.Fatalf("collect beside %v: %v", args, err)
			}
			cmd.Process.Kill()
			cmd.Wait()
		}
		wantHit(t, s, "key")
		if _, err := s.Collect(soon(t), g); err != nil {
			t.Fatal(err)
		}
		wantMiss(t, s, "key", NeverComputed)
		if left, _ := os.ReadDir(s.path("locks")); len(left) != 0 {
			t.Errorf("lock files left: %v", left)
		}
	})
}

// TestUseWaits: whoever begins to use the store waits for a gc under way, and users do
// not wait for each other.
func TestUseWaits(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *Store) {
		gate, err := s.Lock(soon(t), gateName, nil)
		if err != nil {
			t.Fatal(err)
		}
		done1, err := s.Use(soon(t), func(string) { gate() })
		if err != nil {
			t.Fatal(err)
		}
		done2, err := s.Use(soon(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		done1()
		done2()
	})
}

// TestLeaseStale states when a lease may be broken. Whoever wants it looks at it, and again
// after a time, on a clock of the test's own; the file's own time is a day off, either way.
func TestLeaseStale(t *testing.T) {
	me := self()
	change := func(f func(*process)) string {
		p := me
		f(&p)
		return string(p.text())
	}
	const (
		bound = time.Minute
		day   = 24 * time.Hour
	)
	for _, tt := range []struct {
		name, text string
		later      time.Duration // the second look
		beats      bool          // and a heartbeat in between
		free       bool
		onlyProc   bool // needs the start time of processes
	}{
		{"alive", change(func(p *process) {}), 0, false, false, false},
		{"alive, long stopped", change(func(p *process) {}), 2 * bound, false, false, true},
		{"dead", change(func(p *process) { p.PID = 1 << 30 }), 0, false, true, false},
		{"number used again", change(func(p *process) { p.Start = "another" }), 0, false, true, true},
		{"other host", change(func(p *process) { p.Host, p.PID = "elsewhere", 1<<30 }), bound / 2, false, false, false},
		{"other host, silent", change(func(p *process) { p.Host = "elsewhere" }), bound, false, true, false},
		{"other host, at work", change(func(p *process) { p.Host = "elsewhere" }), 2 * bound, true, false, false},
		{"other container", change(func(p *process) { p.Machine, p.PID = "other", 1<<30 }), bound / 2, false, false, false},
		{"before the last boot", change(func(p *process) { p.Machine = "other" }), bound, false, true, false},
		{"being written", "", bound / 2, false, false, false},
		{"died writing", `{"host": `, bound, false, true, false},
	} {
		for _, off := range []time.Duration{-day, 0, day} {
			t.Run(fmt.Sprintf("%s, clock off by %v", tt.name, off), func(t *testing.T) {
				if tt.onlyProc && me.Start == "" {
					t.Skip("this system does not tell when a process started")
				}
				now := time.Now()
				l := newLeases(disk.OS, time.Second, bound)
				l.now = func() time.Time { return now }
				path := filepath.Join(t.TempDir(), "flow.lease")
				write(t, path, tt.text)
				touch := func(at time.Time) {
					if err := os.Chtimes(path, at, at); err != nil {
						t.Fatal(err)
					}
				}
				touch(now.Add(off))
				h, _, err := l.try(path, self().text())
				if h == nil && err == nil {
					if now = now.Add(tt.later); tt.beats {
						touch(now.Add(off))
					}
					h, _, err = l.try(path, self().text())
				}
				if err != nil || (h != nil) != tt.free {
					t.Errorf("taken %v, want %v, %v", h != nil, tt.free, err)
				}
				if h != nil {
					h.release()
				}
			})
		}
	}
}

// TestLeaseDoubt: gc does not take a silent holder on another host for alive, nor for dead
// before it has watched for the bound; of one whose heart beats it is sure at the next beat.
func TestLeaseDoubt(t *testing.T) {
	s := open(t, t.TempDir())
	elsewhere := self()
	elsewhere.Host = "elsewhere"
	path := s.path("locks", "use-x.lease")
	write(t, path, string(elsewhere.text()))

	const bound = 300 * time.Millisecond
	began := time.Now()
	holder, err := newLeases(disk.OS, time.Second, bound).locker(s.path("locks")).anyHeld(soon(t), gateName)
	if took := time.Since(began); err != nil || holder != "" || took < bound {
		t.Errorf("a silent one is %q after %v, %v; want it gone after %v", holder, took, err, bound)
	}

	write(t, path, string(elsewhere.text()))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for at := time.Now(); ; at = at.Add(time.Second) {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				os.Chtimes(path, at, at)
			}
		}
	}()
	holder, err = newLeases(disk.OS, time.Second, time.Hour).locker(s.path("locks")).anyHeld(soon(t), gateName)
	if err != nil || !strings.Contains(holder, "elsewhere") {
		t.Errorf("held by %q, %v", holder, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	write(t, path, string(elsewhere.text()))
	if _, err := newLeases(disk.OS, time.Second, time.Hour).locker(s.path("locks")).anyHeld(ctx, gateName); !errors.Is(err, context.Canceled) {
		t.Errorf("watching does not end with its context: %v", err)
	}
}

// TestLeaseBroken lets many find the same stale lease at once: still one at a time.
func TestLeaseBroken(t *testing.T) {
	t.Setenv("LFM_NO_FLOCK", "1")
	s := open(t, t.TempDir())
	dead := self()
	dead.PID = 1 << 30
	write(t, s.path("locks", "count.lease"), string(dead.text()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := count(s, 2); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if text, _ := os.ReadFile(s.path("count")); string(text) != "16" {
		t.Errorf("counted %s, want 16", text)
	}
}

// TestLeaseBreakerDied: a process that died while it broke a lease does not keep the
// others out for ever.
func TestLeaseBreakerDied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flow.lease")
	dead := self()
	dead.PID = 1 << 30
	write(t, path, string(dead.text()))
	write(t, path+".break", string(dead.text()))
	l := newLeases(disk.OS, time.Second, time.Minute)
	for range 2 {
		if h, _, err := l.try(path, self().text()); err != nil {
			t.Fatal(err)
		} else if h != nil {
			h.release()
			return
		}
	}
	t.Error("still held")
}

// TestLeaseHeartbeat: a holder keeps its lease young.
func TestLeaseHeartbeat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flow.lease")
	h, _, err := newLeases(disk.OS, 10*time.Millisecond, time.Minute).try(path, self().text())
	if err != nil {
		t.Fatal(err)
	}
	defer h.release()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(info.ModTime()) < time.Minute {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no heartbeat")
		}
	}
}

// TestFence: a holder that stood still for so long that another took its lease publishes
// nothing when it goes on, says why, and leaves the other's lock alone.
func TestFence(t *testing.T) {
	s := open(t, t.TempDir())
	s.locks = newLeases(disk.OS, 10*time.Millisecond, 250*time.Millisecond).locker(s.path("locks"))
	first := start(t, "publish", s.Dir(), "flow")
	if !locked(t, s, "flow") {
		t.Fatal("the child holds nothing")
	}
	pause(t, first)
	unlock, err := s.Lock(soon(t), "flow", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := publish(t, s, "flow", "the second")
	resume(t, first)
	first.in.Close()
	if err := first.Wait(); err == nil {
		t.Error("the one that lost its lock published")
	}
	if text := first.stderr.String(); !strings.Contains(text, "flow.lease is no longer ours") {
		t.Errorf("it says %q", text)
	}
	if have := wantHit(t, s, "flow"); have.ID != a.ID {
		t.Errorf("the action leads to %s, want %s", have.ID.Short(), a.ID.Short())
	}
	if !locked(t, s, "flow") || s.Check() != nil {
		t.Errorf("the second's lock is gone: %v", s.Check())
	}
	unlock()
}

// TestFenceLate: what the fence cannot see, a holder that stands still between the check and
// the last rename, does no harm: however many install one output at once, with no lock
// at all, it is there in the end, whole, and nobody ever reads broken bytes.
func TestFenceLate(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				b, err := s.Build("flow")
				if err != nil {
					t.Error(err)
					return
				}
				if err := b.WriteFile("weights", []byte("bytes")); err != nil {
					t.Error(err)
				}
				a, err := b.seal(HashText("key"), nil)
				if err == nil {
					if a, err = s.install(a, b.dir); err == nil {
						err = s.record(HashText("key"), "key", nil, a.ID)
					}
				}
				if err != nil && !strings.Contains(err.Error(), "not empty") {
					t.Error(err)
				}
				b.Discard()
			}
		})
	}
	wg.Wait()
	if err := s.Verify(context.Background(), wantHit(t, s, "key").ID); err != nil {
		t.Error(err)
	}
}

// TestCheck: a store that is deleted in use is missed, and not begun anew by what still
// writes to it.
func TestCheck(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *Store) {
		done, err := s.Use(soon(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Build("flow")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(s.Dir()); err != nil {
			t.Fatal(err)
		}
		var lost *LostError
		if err := s.Check(); !errors.As(err, &lost) || !strings.Contains(err.Error(), "deleted") {
			t.Errorf("check: %v", err)
		}
		for what, err := range map[string]error{
			"file":      b.WriteFile("a/b", nil),
			"work area": second(s.Work(HashText("key"))),
			"record":    second(s.NewRun()),
			"lock":      second(s.Lock(soon(t), "flow", nil)),
		} {
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %v", what, err)
			}
		}
		done()
		if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the store is back: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestProbeFails: a process that cannot find out whether flock works takes no lock at all,
// rather than a lease that those with flock do not see.
func TestProbeFails(t *testing.T) {
	t.Setenv("LFM_NO_FLOCK", "")
	s := open(t, t.TempDir())
	if s.locks.suffix != ".lock" {
		t.Skip("flock does not work here")
	}
	l := newLocker(disk.OS, s.path("locks"), s.path("none"))
	if h, _, err := l.try(s.path("locks", "flow"+l.suffix), self().text()); h != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("taken %v, %v", h != nil, err)
	}
}

// TestOpenAtOnce: many may begin one store at once.
func TestOpenAtOnce(t *testing.T) {
	for range 20 {
		dir := filepath.Join(t.TempDir(), "store")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := Open(dir); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
