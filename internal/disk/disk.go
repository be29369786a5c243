package disk

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// FS is what changes files and folders. Its methods are those of package os, errors
// included.
type FS interface {
	// OpenFile opens a file for writing, or for locking it.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Mkdir(name string, perm fs.FileMode) error
	Rename(oldpath, newpath string) error
	Link(oldname, newname string) error
	Remove(name string) error
	RemoveAll(path string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
}

// File is an open file, as *os.File.
type File interface {
	io.Reader // for who writes what a lock file says
	io.Writer
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
	Name() string
	Stat() (fs.FileInfo, error)
	Fd() uintptr
}

// OS is the real file system.
var OS FS = osFS{}

type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // and not a File that holds a nil *os.File
	}
	return f, nil
}

func (osFS) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }
func (osFS) Rename(oldpath, newpath string) error      { return os.Rename(oldpath, newpath) }
func (osFS) Link(oldname, newname string) error        { return os.Link(oldname, newname) }
func (osFS) Remove(name string) error                  { return os.Remove(name) }
func (osFS) RemoveAll(path string) error               { return os.RemoveAll(path) }

// SyncDir does nothing on Windows, which keeps names itself and cannot sync a folder. Some
// file systems answer that they need not.
func (osFS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// Mkdir makes a folder, durably.
func Mkdir(fsys FS, dir string) error {
	if err := fsys.Mkdir(dir, 0o777); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(dir))
}

// MkdirAll makes a folder and those above it that are missing, durably.
func MkdirAll(fsys FS, dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := MkdirAll(fsys, parent); err != nil {
			return err
		}
	}
	err := Mkdir(fsys, dir)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil // somebody else made it
		}
	}
	return err
}

// A Draft is a file that is being written aside. It ends in Commit or Rename, which give
// it its name in one step, or in Abort.
type Draft struct {
	fs   FS
	file File
	path string
	err  error // the first that Write met
	over bool
}

// Create begins the file at path under the name aside, of the same file system, in place of
// what an earlier process left there.
func Create(fsys FS, aside, path string) (*Draft, error) {
	f, err := fsys.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	return &Draft{fs: fsys, file: f, path: path}, nil
}

// Write appends to the file.
func (d *Draft) Write(p []byte) (int, error) {
	n, err := d.file.Write(p)
	if d.err == nil {
		d.err = err
	}
	return n, err
}

// Commit replaces path by the file, durably. If anything failed, now or in a Write, path is
// what it was, and aside is gone. (After an error of syncing the folder at the very end it
// may be either.)
func (d *Draft) Commit() error {
	if d.err == nil {
		d.err = d.file.Sync()
	}
	if err := d.Rename(); err != nil {
		return err
	}
	return d.fs.SyncDir(filepath.Dir(d.path))
}

// Rename is Commit without waiting for the disk: path is whole, or what it was, unless the
// machine itself ends. It is for files that their readers check.
func (d *Draft) Rename() error {
	d.over = true
	err := d.err
	if cerr := d.file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.fs.Rename(d.file.Name(), d.path)
	}
	if err != nil {
		d.fs.Remove(d.file.Name())
	}
	return err
}

// Abort gives the file up and removes it. After Commit, Rename or Abort it does nothing.
func (d *Draft) Abort() {
	if d.over {
		return
	}
	d.over = true
	d.file.Close()
	d.fs.Remove(d.file.Name())
}

// Replace replaces path by data, whole or not at all, and durably. The file is written in
// the folder aside, which is on the same file system.
func Replace(fsys FS, aside, path string, data []byte) error {
	d, err := Create(fsys, filepath.Join(aside, Temp("file")), path)
	if err != nil {
		return err
	}
	d.Write(data) // Commit returns its error
	return d.Commit()
}

// Place is Replace without waiting for the disk (Draft.Rename), for pictures that people look
// at and for memories that may be lost. It makes path's folder.
func Place(fsys FS, path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := MkdirAll(fsys, dir); err != nil {
		return err
	}
	d, err := Create(fsys, filepath.Join(dir, Temp("part")), path)
	if err != nil {
		return err
	}
	d.Write(data) // Rename returns its error
	return d.Rename()
}

// Temp is a fresh name that begins with a dot, for a file that is not there for long.
func Temp(what string) string { return "." + what + "-" + rand.Text() }
