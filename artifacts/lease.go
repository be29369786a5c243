package artifacts

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"lfm/internal/disk"
)

// A lease is a lock for file systems without flock: a file that exists while the lock
// is held and names its holder, who touches it now and then. It is stale, and may be
// removed by anybody,
//
//   - when its holder ran on this machine and is dead (the process is gone, or its
//     number belongs to one that started at another time), or
//   - when nothing is known of the holder (another host, another process namespace) and
//     whoever wants the lock has watched the file for leaseBound and seen no heartbeat.
//
// Watching asks no clock what time it is: a host whose clock is a day off neither loses
// its leases nor breaks another's. A holder known to be alive keeps its lease however
// long it is stopped; one that is not, and goes on after its lease was broken, finds that
// out before it publishes (Store.Check).
const (
	leaseBeat  = 10 * time.Second
	leaseBound = 2 * time.Minute
)

// maxLease is how much of a lease is read; what hold writes is shorter.
const maxLease = 4096

// leases is the means of leases, in one process's eyes.
type leases struct {
	fs          disk.FS
	beat, bound time.Duration
	now         func() time.Time // monotonic; only differences count

	mu   sync.Mutex
	seen map[string]sighting
}

// A sighting is what a lease file looked like, and since when.
type sighting struct {
	text    string
	beat    time.Time // the file's time: compared with itself alone
	since   time.Time
	living  bool // its holder is known to live, or a heartbeat was seen
	unknown bool // only watching tells
}

func newLeases(fsys disk.FS, beat, bound time.Duration) *leases {
	return &leases{fs: fsys, beat: beat, bound: bound, now: time.Now, seen: map[string]sighting{}}
}

func (l *leases) locker(dir string) locker { return locker{dir, ".lease", l.try, l.doubtful} }

func (l *leases) try(path string, me []byte) (h *hold, holder []byte, err error) {
	for {
		f, err := l.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			h, err := l.hold(f, path, me)
			return h, nil, err
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, nil, err
		}
		holder, stale, err := l.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // just released
		}
		if err != nil || !stale {
			return nil, holder, err
		}
		if broken, err := l.breakLease(path, holder, me); err != nil || !broken {
			return nil, holder, err
		}
	}
}

// hold writes a lease's text and keeps its heart beating until release.
func (l *leases) hold(f disk.File, path string, me []byte) (*hold, error) {
	write := func() error {
		if _, err := f.WriteAt(me, 0); err != nil {
			return err
		}
		return f.Sync()
	}
	if err := write(); err != nil {
		f.Close()
		l.fs.Remove(path)
		return nil, err
	}
	h := &hold{fs: l.fs, file: f, path: path}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(l.beat)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				write() // a failure shows as a late heartbeat
			}
		}
	}()
	h.release = func() {
		close(stop)
		<-stopped
		ours := !h.lost()
		f.Close() // first: some systems do not remove an open file
		if ours {
			l.fs.Remove(path)
		}
	}
	return h, nil
}

// read reads who holds a lease and whether it is stale. The file is opened, not just
// looked at, because network file systems refresh times on opening.
func (l *leases) read(path string) (holder []byte, stale bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	holder, err = io.ReadAll(io.LimitReader(f, maxLease))
	if err != nil {
		return nil, false, err
	}
	var p process
	if json.Unmarshal(holder, &p) != nil {
		p = process{} // being written, or torn: only watching tells
	}
	c := p.condition()
	quiet := l.watch(path, string(holder), info.ModTime(), c)
	return holder, c == dead || c == unknown && quiet >= l.bound, nil
}

// watch notes what a lease looks like now, and says for how long it has looked so.
func (l *leases) watch(path, text string, beat time.Time, c condition) (quiet time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, before := l.seen[path]
	switch {
	case !before || s.text != text:
		s = sighting{text: text, beat: beat, since: l.now()}
	case !s.beat.Equal(beat):
		s.beat, s.since, s.living = beat, l.now(), true
	}
	s.unknown = c == unknown
	l.seen[path] = s
	return l.now().Sub(s.since)
}

// doubtful reports whether a lease that was found held may yet turn out to be stale: nothing
// is known of its holder, and no heartbeat was seen so far.
func (l *leases) doubtful(path string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.seen[path]
	return s.unknown && !s.living
}

// breakLease removes a stale lease if it still is the one that was read. Only one
// process at a time may do so, or the second would remove the first one's new lease.
func (l *leases) breakLease(path string, stale, me []byte) (broken bool, err error) {
	guard := path + ".break"
	f, err := l.fs.OpenFile(guard, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		// Somebody is at it, or died at it.
		_, stale, err := l.read(guard)
		if stale {
			l.fs.Remove(guard)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	if err != nil {
		return false, err
	}
	defer l.fs.Remove(guard)
	defer f.Close()
	if _, err := f.Write(me); err != nil {
		return false, err
	}
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || string(have[:min(len(have), maxLease)]) != string(stale) {
		return false, err
	}
	return true, l.fs.Remove(path)
}
