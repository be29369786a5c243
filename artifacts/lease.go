package artifacts

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// A lease is a lock for file systems without flock: a file that exists while the lock
// is held and names its holder, who touches it now and then. It is stale, and may be
// removed by anybody,
//
//   - when its holder ran on this machine and is dead (the process is gone, or its
//     number belongs to one that started at another time), or
//   - when nothing is known of the holder (another host, another process namespace) and
//     leaseBound passed since the last heartbeat, both by the file system's own clock.
//
// A holder known to be alive keeps its lease however long it is stopped.
const (
	leaseBeat  = 10 * time.Second
	leaseBound = 2 * time.Minute
)

// maxLease is how much of a lease is read; what holdLease writes is shorter.
const maxLease = 4096

func leases(dir, aside string, beat, bound time.Duration) locker {
	try := func(path string, me []byte) (release func(), holder []byte, err error) {
		for {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
			if err == nil {
				return holdLease(f, path, me, beat)
			}
			if !errors.Is(err, fs.ErrExist) {
				return nil, nil, err
			}
			holder, stale, err := readLease(aside, path, bound)
			if errors.Is(err, fs.ErrNotExist) {
				continue // just released
			}
			if err != nil || !stale {
				return nil, holder, err
			}
			if broken, err := breakLease(aside, path, holder, bound); err != nil || !broken {
				return nil, holder, err
			}
		}
	}
	return locker{dir, ".lease", try}
}

// holdLease writes a lease's text and keeps its heart beating until release.
func holdLease(f *os.File, path string, me []byte, beat time.Duration) (release func(), holder []byte, err error) {
	write := func() error {
		if _, err := f.WriteAt(me, 0); err != nil {
			return err
		}
		return f.Sync()
	}
	if err := write(); err != nil {
		f.Close()
		os.Remove(path)
		return nil, nil, err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(beat)
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
	release = func() {
		close(stop)
		<-stopped
		ours := isFileAt(f, path)
		f.Close() // first: some systems do not remove an open file
		if ours {
			os.Remove(path)
		}
	}
	return release, nil, nil
}

// readLease reads who holds a lease and whether it is stale. The file is opened, not
// just looked at, because network file systems refresh times on opening.
func readLease(aside, path string, bound time.Duration) (holder []byte, stale bool, err error) {
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
		p = process{} // being written, or torn: only its age tells
	}
	switch p.condition() {
	case alive:
		return holder, false, nil
	case dead:
		return holder, true, nil
	}
	now, err := fileTime(aside)
	return holder, now.Sub(info.ModTime()) > bound, err
}

// breakLease removes a stale lease if it still is the one that was read. Only one
// process at a time may do so, or the second would remove the first one's new lease.
func breakLease(aside, path string, stale []byte, bound time.Duration) (broken bool, err error) {
	guard := path + ".break"
	f, err := os.OpenFile(guard, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		// Somebody is at it, or died at it.
		now, err := fileTime(aside)
		if info, statErr := os.Stat(guard); err == nil && statErr == nil && now.Sub(info.ModTime()) > bound {
			os.Remove(guard)
		}
		return false, err
	}
	if err != nil {
		return false, err
	}
	defer os.Remove(guard)
	defer f.Close()
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || string(have[:min(len(have), maxLease)]) != string(stale) {
		return false, err
	}
	return true, os.Remove(path)
}

// fileTime is the time by the clock that stamps the store's files, which may be another
// machine's.
func fileTime(aside string) (time.Time, error) {
	f, err := os.CreateTemp(aside, "clock-*")
	if err != nil {
		return time.Time{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write([]byte("now\n")); err != nil {
		return time.Time{}, err
	}
	if err := f.Sync(); err != nil {
		return time.Time{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// isFileAt reports whether f is the file that path names now.
func isFileAt(f *os.File, path string) bool {
	here, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(here, there)
}
