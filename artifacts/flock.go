//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package artifacts

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"lfm/internal/disk"
)

// flockWorks probes whether flock excludes in this folder: a second descriptor must
// be refused what the first one holds. Some network file systems have no flock and
// some pretend. Where the probe itself fails (a full disk, too many open files), it has
// no answer: a process that took leases then would not see the flocks of the others.
func flockWorks(fsys disk.FS, dir string) (bool, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, disk.Temp("probe")), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return false, err
	}
	defer fsys.Remove(f.Name())
	defer f.Close()
	g, err := fsys.OpenFile(f.Name(), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer g.Close()
	return flock(f) == nil && errors.Is(flock(g), syscall.EWOULDBLOCK), nil
}

// flock takes the exclusive lock of an open file or fails at once.
func flock(f disk.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			return err
		}
	}
}

// tryFlock takes the lock file at path by flock. Since a lock file is removed before
// it is released, the file that was locked may no longer be the one at path: then
// the lock is worth nothing, and we begin again.
func tryFlock(fsys disk.FS, path string, me []byte) (h *hold, holder []byte, err error) {
	for {
		f, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, nil, err
		}
		if err := flock(f); err != nil {
			holder, _ := io.ReadAll(io.LimitReader(f, 4096))
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, holder, nil
			}
			return nil, nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		h := &hold{fs: fsys, file: f, path: path}
		if h.lost() {
			f.Close()
			continue
		}
		err = f.Truncate(0)
		if err == nil {
			_, err = f.WriteAt(me, 0) // for those who wait; the lock is the kernel's
		}
		// A full disk has room for the lock, if not for its holder's name.
		if err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
			h.drop()
			return nil, nil, err
		}
		h.release = h.drop
		return h, nil, nil
	}
}

// drop removes the lock file while it is locked, and then lets go.
func (h *hold) drop() {
	if !h.lost() {
		h.fs.Remove(h.path)
	}
	h.file.Close()
}
