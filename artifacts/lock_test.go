package artifacts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain turns the test binary into a process that uses locks:
//
//	hold DIR NAME     takes the lock, says so, and waits for its input to end
//	use DIR           holds Use in the same way
//	count DIR N       adds 1 to DIR/count, N times, under a lock
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
	in io.Closer
}

// start starts the test binary as a child.
func start(t *testing.T, args ...string) proc {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ARTIFACTS_TEST_CHILD="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
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
	return proc{cmd, in}
}

// bothKinds runs a test with flock, where there is one, and with leases.
func bothKinds(t *testing.T, f func(t *testing.T, s *Store)) {
	for kind, env := range map[string]string{"flock": "", "lease": "1"} {
		t.Run(kind, func(t *testing.T) {
			t.Setenv("LFM_NO_FLOCK", env)
			s := open(t, t.TempDir())
			if kind == "flock" && s.locks.suffix != ".lock" {
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

// TestLeaseStale states when a lease may be broken.
func TestLeaseStale(t *testing.T) {
	me := self()
	change := func(f func(*process)) string {
		p := me
		f(&p)
		return string(p.text())
	}
	const bound = time.Minute
	for _, tt := range []struct {
		name, text string
		age        time.Duration
		free       bool
		onlyProc   bool // needs the start time of processes
	}{
		{"alive", change(func(p *process) {}), 0, false, false},
		{"alive, long stopped", change(func(p *process) {}), 2 * bound, false, true},
		{"dead", change(func(p *process) { p.PID = 1 << 30 }), 0, true, false},
		{"number used again", change(func(p *process) { p.Start = "another" }), 0, true, true},
		{"other host", change(func(p *process) { p.Host, p.PID = "elsewhere", 1<<30 }), 0, false, false},
		{"other host, silent", change(func(p *process) { p.Host = "elsewhere" }), 2 * bound, true, false},
		{"other container", change(func(p *process) { p.Machine, p.PID = "other", 1<<30 }), 0, false, false},
		{"before the last boot", change(func(p *process) { p.Machine = "other" }), 2 * bound, true, false},
		{"being written", "", 0, false, false},
		{"died writing", `{"host": `, 2 * bound, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.onlyProc && me.Start == "" {
				t.Skip("this system does not tell when a process started")
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "flow.lease")
			write(t, path, tt.text)
			then := time.Now().Add(-tt.age)
			if err := os.Chtimes(path, then, then); err != nil {
				t.Fatal(err)
			}
			release, _, err := leases(dir, t.TempDir(), time.Second, bound).try(path, self().text())
			if err != nil || (release != nil) != tt.free {
				t.Errorf("taken %v, want %v, %v", release != nil, tt.free, err)
			}
			if release != nil {
				release()
			}
		})
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
	dir := t.TempDir()
	path := filepath.Join(dir, "flow.lease")
	dead := self()
	dead.PID = 1 << 30
	write(t, path, string(dead.text()))
	write(t, path+".break", "")
	then := time.Now().Add(-time.Hour)
	os.Chtimes(path+".break", then, then)
	l := leases(dir, t.TempDir(), time.Second, time.Minute)
	for range 2 {
		if release, _, err := l.try(path, self().text()); err != nil {
			t.Fatal(err)
		} else if release != nil {
			release()
			return
		}
	}
	t.Error("still held")
}

// TestLeaseHeartbeat: a holder keeps its lease young.
func TestLeaseHeartbeat(t *testing.T) {
	dir, aside := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "flow.lease")
	release, _, err := leases(dir, aside, 10*time.Millisecond, time.Minute).try(path, self().text())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
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
