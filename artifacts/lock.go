package artifacts

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lfm/internal/disk"
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
	try func(path string, me []byte) (h *hold, holder []byte, err error)
	// doubtful reports whether a lock that try found held may yet turn out to be free, if
	// one goes on trying.
	doubtful func(path string) bool
}

// A hold is a lock file that this process holds.
type hold struct {
	fs      disk.FS
	file    disk.File
	path    string
	release func()
}

// lost reports whether the file at path is no longer the one that is held: another process
// broke the lease, or somebody deleted the file.
func (h *hold) lost() bool {
	here, err := h.file.Stat()
	if err != nil {
		return true
	}
	// Network file systems refresh what they know of a file when it is opened.
	if f, err := os.Open(h.path); err == nil {
		defer f.Close()
	}
	there, err := os.Stat(h.path)
	return err != nil || !os.SameFile(here, there)
}

// newLocker chooses flock where it works, leases where not. Where that cannot be found out,
// no lock can be had.
// Files for a moment go to aside, where gc finds those that a kill leaves.
func newLocker(fsys disk.FS, dir, aside string) locker {
	if os.Getenv("LFM_NO_FLOCK") != "1" {
		works, err := flockWorks(fsys, aside)
		none := func(string) bool { return false }
		switch {
		case err != nil:
			return locker{dir, ".lock", func(string, []byte) (*hold, []byte, error) { return nil, nil, err }, none}
		case works:
			try := func(path string, me []byte) (*hold, []byte, error) { return tryFlock(fsys, path, me) }
			return locker{dir, ".lock", try, none}
		}
	}
	return newLeases(fsys, leaseBeat, leaseBound).locker(dir)
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
		h, held, err := s.locks.try(path, me)
		if err != nil {
			return nil, s.refused(fmt.Errorf("artifacts: lock %s: %w", name, err))
		}
		if h != nil {
			return s.holds.add(h), nil
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

// holds are the locks that a Store holds.
type holds struct {
	mu  sync.Mutex
	all map[*hold]bool
}

// add notes a lock until the release that it returns.
func (hs *holds) add(h *hold) (release func()) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.all == nil {
		hs.all = map[*hold]bool{}
	}
	hs.all[h] = true
	return sync.OnceFunc(func() {
		hs.mu.Lock()
		delete(hs.all, h)
		hs.mu.Unlock()
		h.release()
	})
}

// lost is a lock that is no longer held, or nil.
func (hs *holds) lost() *hold {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for h := range hs.all {
		if h.lost() {
			return h
		}
	}
	return nil
}

// LostError is the error of Check, and of a Publish that therefore did nothing.
type LostError struct{ what string }

func (e *LostError) Error() string { return "artifacts: " + e.what }

// Check is nil while the store is where it was opened and every lock that was taken through
// s is still held. It is a *LostError if the store was deleted, or if this process stood
// still for so long that another one took it for dead and a lock from it. Publish checks;
// whoever computes for hours may want to know sooner.
func (s *Store) Check() error {
	if _, err := os.Stat(s.path("FORMAT")); errors.Is(err, fs.ErrNotExist) {
		return &LostError{fmt.Sprintf("store %s is gone: it was deleted or moved while in use; lfm run begins a new one", s.dir)}
	}
	if h := s.holds.lost(); h != nil {
		return &LostError{fmt.Sprintf("%s is no longer ours: this process stood still for so long that another took its place, or somebody deleted the file; nothing is lost, and lfm run goes on", h.path)}
	}
	return nil
}

// Use says that this process uses the store, until done is called: Collect keeps away.
// It waits for a Collect that is under way. In a store that can only be read, the error is a
// *ReadOnlyError; whoever wants no more than to read may go on.
func (s *Store) Use(ctx context.Context, onWait func(holder string)) (done func(), err error) {
	gate, err := s.Lock(ctx, gateName, onWait)
	if err != nil {
		return nil, err
	}
	defer gate()
	return s.Lock(ctx, "use-"+rand.Text(), nil)
}

// anyHeld is a holder of any lock but one, or "". Lock files of dead processes go. It waits
// until it is known of every holder whether it lives.
func (l locker) anyHeld(ctx context.Context, but string) (string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), l.suffix)
		if !ok || name == but {
			continue
		}
		holder, err := l.heldBy(ctx, filepath.Join(l.dir, e.Name()))
		if holder != "" || err != nil {
			return holder, err
		}
	}
	return "", nil
}

// heldBy is the holder of the lock file at path, or "".
func (l locker) heldBy(ctx context.Context, path string) (string, error) {
	for poll := pollMin; ; poll = min(2*poll, pollMax) {
		h, held, err := l.try(path, self().text())
		if err != nil {
			return "", err
		}
		if h != nil {
			h.release()
			return "", nil
		}
		if !l.doubtful(path) {
			return holderText(held), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for a sign of life of %s: %w", holderText(held), ctx.Err())
		case <-time.After(poll):
		}
	}
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
