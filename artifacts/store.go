package artifacts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lfm/internal/disk"
)

// Format is the version of the directory's layout that this package writes. A store
// of a newer one is refused, never guessed at.
const Format = 1

const formatPrefix = "lfm store "

const readme = `This folder is the store of lfm: what pipeline stages made, by content, so that it
is computed once. 'lfm artifacts ls' lists it, 'lfm artifacts verify' checks it and
'lfm artifacts gc' removes what no pipeline file wants any more. Deleting the whole
folder is safe while no lfm runs; everything in it can then be computed again.
`

// A Store is one store directory. Any number of them, in any number of processes,
// may be open on the same directory.
type Store struct {
	dir   string
	fs    disk.FS
	locks locker
	holds holds
	now   func() time.Time
}

var subfolders = []string{"aside", "actions", "artifacts", "work", "runs", "roots", "locks"}

// Open opens the store in dir, creating it where there is none. It refuses a folder
// that holds something else, and a store that a newer lfm wrote.
func Open(dir string) (*Store, error) { return OpenOn(disk.OS, dir) }

// OpenOn is Open on another file system than the real one: everything that the store
// changes on disk, it changes through fsys.
func OpenOn(fsys disk.FS, dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("artifacts: store %s: %w", dir, err)
	}
	s := &Store{dir: abs, fs: fsys, now: time.Now}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("artifacts: store %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() error {
	if info, err := os.Stat(s.dir); err == nil && !info.IsDir() {
		return errors.New("is a file: choose a folder with --store")
	}
	if err := disk.MkdirAll(s.fs, s.dir); err != nil {
		return err
	}
	format, err := os.ReadFile(s.path("FORMAT"))
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.create(); err != nil {
			return err
		}
		format, err = os.ReadFile(s.path("FORMAT"))
	}
	if err != nil {
		return err
	}
	if err := checkFormat(string(format)); err != nil {
		return err
	}
	for _, name := range subfolders {
		if err := disk.MkdirAll(s.fs, s.path(name)); err != nil {
			return err
		}
	}
	s.locks = newLocker(s.fs, s.path("locks"), s.path("aside"))
	return nil
}

func checkFormat(text string) error {
	number, ok := strings.CutPrefix(strings.TrimSpace(text), formatPrefix)
	version, err := strconv.Atoi(number)
	if !ok || err != nil || version < 1 {
		return fmt.Errorf("its FORMAT file says %.40q, which is none of lfm's: choose another folder with --store", text)
	}
	if version > Format {
		return fmt.Errorf("written by a newer lfm (format %d, this one knows %d): update lfm, or choose another folder with --store", version, Format)
	}
	return nil
}

// create fills a fresh folder. FORMAT comes last, so that a kill leaves a folder
// that create accepts again: one with none but the store's own names.
func (s *Store) create() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "FORMAT" {
			return nil // another process was faster
		}
		if e.Name() != "README" && !slices.Contains(subfolders, e.Name()) {
			return fmt.Errorf("holds %s but no FORMAT file, so it is no store of lfm: choose an empty folder with --store", e.Name())
		}
	}
	if err := disk.MkdirAll(s.fs, s.path("aside")); err != nil {
		return err
	}
	if err := s.writeFile(s.path("README"), []byte(readme)); err != nil {
		return err
	}
	return s.writeFile(s.path("FORMAT"), fmt.Appendf(nil, "%s%d\n", formatPrefix, Format))
}

// Dir is the store's directory, absolute.
func (s *Store) Dir() string { return s.dir }

// Cache is a folder of the store for what saves time and may be lost at any time. Whoever keeps
// something there makes it, and touches a file that it uses: gc takes what was not touched for
// 30 days.
func (s *Store) Cache() string { return s.path("cache") }

// ReadOnlyError is the error of what needs to write to a store that this process may only
// read.
type ReadOnlyError struct {
	Dir string
	Err error
}

func (e *ReadOnlyError) Error() string {
	return fmt.Sprintf("the store %s cannot be written (%v): make it writable, or name another one with --store", e.Dir, e.Err)
}

func (e *ReadOnlyError) Unwrap() error { return e.Err }

// refused turns an error that says that the store cannot be written into a *ReadOnlyError.
func (s *Store) refused(err error) error {
	if readOnly(err) {
		return &ReadOnlyError{s.dir, err}
	}
	return err
}

func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// Writable is nil where files can be made in every folder of the store: worth to know before
// hours of work for it. The error is a *ReadOnlyError where this process may not write, or
// says what else is in the way, a full disk, say.
func (s *Store) Writable() error {
	for _, name := range subfolders {
		if err := s.probe(name); err != nil {
			return s.refused(fmt.Errorf("artifacts: %w", err))
		}
	}
	return nil
}

// probe makes a file in a folder and removes it again. It is always the same one, so that the
// next probe removes what a kill leaves.
func (s *Store) probe(folder string) error {
	f, err := s.fs.OpenFile(s.path(folder, ".probe"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("probe\n"))
	f.Close()
	if gone := s.fs.Remove(f.Name()); err == nil && !errors.Is(gone, fs.ErrNotExist) { // another process's probe may have removed it
		err = gone
	}
	return err
}

// path joins elements to the store's directory.
func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// writeFile replaces path by data, whole or not at all.
func (s *Store) writeFile(path string, data []byte) error {
	return disk.Replace(s.fs, s.path("aside"), path, data)
}

// writeJSON is writeFile of v, indented for people.
func (s *Store) writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return s.writeFile(path, append(data, '\n'))
}

// asDamage turns an error that another file system entry would not give into a
// *damage: a folder where a file belongs, or the other way, or a bad disk. The rest
// (no file, no permission, too many open files) is not the file's fault.
func asDamage(name string, err error) error {
	for _, bad := range []error{syscall.EISDIR, syscall.ENOTDIR, syscall.EIO} {
		if errors.Is(err, bad) {
			return &damage{name, bad.Error()}
		}
	}
	return err
}

// readJSON decodes the file at path into v. Whatever is not JSON is a *damage; that
// there is no file, or none that we may read, is the operating system's error.
func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return asDamage(filepath.Base(path), err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &damage{filepath.Base(path), "no valid JSON: " + err.Error()}
	}
	return nil
}
