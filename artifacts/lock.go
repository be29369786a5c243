package artifacts

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	gateName = "gc" // held by Collect, and for a moment by Use
	patience = 200 * time.Millisecond
	pollMin  = 5 * time.Millisecond
	pollMax  = 250 * time.Millisecond
)

// A locker takes exclusive locks in one folder, by one means. Lock files are removed
// by whoever releases them; one that is there and free was left by a process that died.
type locker struct {
	dir    string
	suffix string
	// try takes the lock file at path and writes me into it, or returns nil and what
	// the holder wrote.
	try func(path string, me []byte) (release func(), holder []byte, err error)
}

// newLocker chooses flock where it works, leases where not.
// Files for a moment go to aside, where gc finds those that a kill leaves.
func newLocker(dir, aside string) locker {
	if os.Getenv("LFM_NO_FLOCK") != "1" && flockWorks(aside) {
		return locker{dir, ".lock", tryFlock}
	}
	return leases(dir, aside, leaseBeat, leaseBound)
}

// Lock waits for the exclusive lock of that name (letters, digits, '-', '_', '.') and
// takes it. If it is not free soon, onWait is told who holds it. Two locks of one
// name exclude each other within a process too. The lock frees itself when the
// process dies; unlock may be called more than once.
func (s *Store) Lock(ctx context.Context, name string, onWait func(holder string)) (unlock func(), err error) {
	checkLockName(name)
	var (
		me      = self().text()
		path    = filepath.Join(s.locks.dir, name+s.locks.suffix)
		poll    = pollMin
		started = time.Now()
		told    string
	)
	for {
		release, held, err := s.locks.try(path, me)
		if err != nil {
			return nil, fmt.Errorf("artifacts: lock %s: %w", name, err)
		}
		if release != nil {
			return sync.OnceFunc(release), nil
		}
		who := holderText(held)
		if onWait != nil && who != told && time.Since(started) >= patience {
			onWait(who)
			told = who
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("artifacts: lock %s: held by %s: %w", name, who, ctx.Err())
		case <-time.After(poll):
			poll = min(2*poll, pollMax)
		}
	}
}

// Use says that this process uses the store, until done is called: Collect keeps away.
// It waits for a Collect that is under way.
func (s *Store) Use(ctx context.Context, onWait func(holder string)) (done func(), err error) {
	gate, err := s.Lock(ctx, gateName, onWait)
	if err != nil {
		return nil, err
	}
	defer gate()
	return s.Lock(ctx, "use-"+rand.Text(), nil)
}

// anyHeld is a holder of any lock but one, or "". Lock files of dead processes go.
func (l locker) anyHeld(but string) (string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), l.suffix)
		if !ok || name == but {
			continue
		}
		release, held, err := l.try(filepath.Join(l.dir, e.Name()), self().text())
		if err != nil {
			return "", err
		}
		if release == nil {
			return holderText(held), nil
		}
		release()
	}
	return "", nil
}

func checkLockName(name string) {
	bad := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r))
	}
	if name == "" || name[0] == '.' || strings.ContainsFunc(name, bad) {
		panic(fmt.Sprintf("artifacts: bad lock name %q", name))
	}
}

// A process is who holds a lock, as lock files tell it.
type process struct {
	Host    string    `json:"host"`
	Machine string    `json:"machine,omitempty"` // boot and process namespace: where PID has a meaning
	PID     int       `json:"pid"`
	Start   string    `json:"start,omitempty"` // when the process started, in the system's own words
	Since   time.Time `json:"since"`
	Token   string    `json:"token"` // tells two holds of one process apart
}

// self describes this process, with a fresh token.
func self() process {
	p := thisProcess()
	p.Since, p.Token = time.Now().UTC().Truncate(time.Second), rand.Text()
	return p
}

var thisProcess = sync.OnceValue(func() process {
	host, _ := os.Hostname()
	start, _ := processState(os.Getpid())
	return process{Host: host, Machine: machine(), PID: os.Getpid(), Start: start}
})

// machine names the running system and the process namespace we live in, where the
// system tells; two processes with the same one see each other's PIDs.
func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, _ := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + " " + space
}

type condition int

const (
	unknown condition = iota
	alive
	dead
)

// condition says whether p lives, as far as this process can know.
func (p process) condition() condition {
	me := thisProcess()
	if p.PID <= 0 || p.Host != me.Host || p.Machine != me.Machine {
		return unknown
	}
	start, c := processState(p.PID)
	switch {
	case c != alive:
		return c
	case start == "" || p.Start == "":
		return unknown // it may be another process under the same number
	case start != p.Start:
		return dead
	}
	return alive
}

func (p process) text() []byte {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(data, '\n')
}

func holderText(data []byte) string {
	var p process
	if json.Unmarshal(data, &p) != nil || p.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d on %s (since %s)", p.PID, p.Host, p.Since.Local().Format(time.DateTime))
}
