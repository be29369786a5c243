// Package disktest is a file system that fails where a test says.
//
// A [Faulty] counts the calls that change something. All but one do what they should; the
// chosen one meets a fault. A test chooses every call in turn, each time in a fresh folder:
//
//	disktest.Everywhere(t, prepare, work, func(t *testing.T, o disktest.Outcome) {
//		// look at what work left in o.Dir, with os
//	})
//
// It is a disk as bad as POSIX allows. Bytes are there for good only once their file is
// synced, names only once their folder is: a power loss undoes all else, the newest first,
// each name for itself. (Only a rename between two folders stays one step; it is durable
// once the folder of the new name is synced.) A Sync or Close that fails has lost the bytes.
//
// Nothing is truly synced, so it is quicker than a real disk.
package disktest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"lfm/internal/disk"
)

// Fault is what happens at the chosen call.
type Fault int

const (
	NoSpace   Fault = iota // the call fails with ENOSPC
	BadDisk                // the call fails with EIO
	Torn                   // a Write writes half and fails with ENOSPC; only calls of Write are counted
	Kill                   // the process ends: this call and all later ones do nothing and fail with ErrDead
	PowerLoss              // as Kill, and what was not synced is undone
)

// Faults are all of them.
var Faults = []Fault{NoSpace, BadDisk, Torn, Kill, PowerLoss}

func (f Fault) String() string {
	return [...]string{"no space", "bad disk", "torn write", "kill", "power loss"}[f]
}

// Ends reports whether the fault is the end of the process.
func (f Fault) Ends() bool { return f == Kill || f == PowerLoss }

// ErrDead is the error of every call after Kill or PowerLoss.
var ErrDead = errors.New("the process is dead")

// Faulty is a disk.FS that meets one fault. It may be used from any number of goroutines.
type Faulty struct {
	graves string // folder for files that were removed or replaced, while that may be undone
	at     int    // the call that meets the fault; 0 is none
	fault  Fault

	mu      sync.Mutex
	calls   int
	hit     string
	dead    bool
	buried  int
	changes []*change        // that are not durable yet, oldest first
	nodes   []*node          // files that are open, or have bytes that are not durable
	open    map[*handle]bool // what a dying process closes
}

// New returns a file system whose at-th call, counted from 1, meets a fault. graves is an
// empty folder on the same disk as all that will be changed.
func New(graves string, at int, fault Fault) *Faulty {
	return &Faulty{graves: graves, at: at, fault: fault, open: map[*handle]bool{}}
}

// Calls is how many calls there were until now.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Hit is the call that met the fault, "rename /a/b", or "" if none did.
func (f *Faulty) Hit() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hit
}

// PowerLoss ends the process and undoes what was not synced, now.
func (f *Faulty) PowerLoss() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.die()
	f.undo()
}

// call counts a call and is nil if it is to be done. f.mu is held.
func (f *Faulty) call(op, path string) error {
	if f.dead {
		return &fs.PathError{Op: op, Path: path, Err: ErrDead}
	}
	if f.fault == Torn && op != "write" {
		return nil
	}
	if f.calls++; f.calls != f.at {
		return nil
	}
	f.hit = op + " " + path
	var err error
	switch f.fault {
	case NoSpace, Torn:
		err = syscall.ENOSPC
	case BadDisk:
		err = syscall.EIO
	case Kill:
		f.die()
		err = ErrDead
	case PowerLoss:
		f.die()
		f.undo()
		err = ErrDead
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// die ends the process: its files are closed, and with them its locks are free.
func (f *Faulty) die() {
	f.dead = true
	for h := range f.open {
		h.file.Close()
	}
}

// ---- names ---------------------------------------------------------------------------

// change is a change of the names in a folder that may still be undone. Its paths are those
// of now: they follow later renames of the folders above.
type change struct {
	dir, name       string      // what there is since, or is no more
	fromDir, from   string      // of a rename
	grave           string      // file that was removed or replaced
	removed, folder bool        // removed, and whether it was a folder
	perm            fs.FileMode // of that folder
}

func split(path string) (dir, name string) { return filepath.Dir(path), filepath.Base(path) }

func (f *Faulty) changed(c *change) { f.changes = append(f.changes, c) }

// moved lets the paths of changes follow a folder's rename.
func moved(changes []*change, from, to string) {
	follow := func(dir *string) {
		if rest, ok := strings.CutPrefix(*dir, from); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
			*dir = to + rest
		}
	}
	for _, c := range changes {
		follow(&c.dir)
		follow(&c.fromDir)
	}
}

// undo brings back bytes and names as they were last synced. What it cannot bring back was
// gone already; so it fails no call.
func (f *Faulty) undo() {
	for _, n := range f.nodes {
		n.revert(n.durable)
	}
	for i, c := range slices.Backward(f.changes) {
		path := filepath.Join(c.dir, c.name)
		switch {
		case c.from != "":
			before := filepath.Join(c.fromDir, c.from)
			os.Rename(path, before)
			moved(f.changes[:i], path, before)
		case c.folder:
			os.Mkdir(path, c.perm)
		case !c.removed:
			os.RemoveAll(path)
		}
		if c.grave != "" {
			os.Rename(c.grave, path)
		}
	}
	f.changes = nil
}

// bury keeps a file that is about to lose its name.
func (f *Faulty) bury(path string) (grave string, err error) {
	f.buried++
	grave = filepath.Join(f.graves, strconv.Itoa(f.buried))
	return grave, os.Link(path, grave)
}

// Mkdir makes a folder.
func (f *Faulty) Mkdir(name string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.call("mkdir", name)
	if err == nil {
		err = os.Mkdir(name, perm)
	}
	if err == nil {
		dir, base := split(name)
		f.changed(&change{dir: dir, name: base})
	}
	return err
}

// Link gives a file a second name.
func (f *Faulty) Link(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.call("link", newname)
	if err == nil {
		err = os.Link(oldname, newname)
	}
	if err == nil {
		dir, base := split(newname)
		f.changed(&change{dir: dir, name: base})
	}
	return err
}

// Rename moves a file or folder; a file that has the new name is replaced.
func (f *Faulty) Rename(oldpath, newpath string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("rename", newpath); err != nil {
		return err
	}
	c := &change{}
	c.dir, c.name = split(newpath)
	c.fromDir, c.from = split(oldpath)
	if info, err := os.Lstat(newpath); err == nil && info.Mode().IsRegular() {
		if c.grave, err = f.bury(newpath); err != nil {
			return err
		}
	}
	if err := os.Rename(oldpath, newpath); err != nil {
		return err
	}
	moved(f.changes, oldpath, newpath)
	f.changed(c)
	return nil
}

// Remove removes a file or an empty folder.
func (f *Faulty) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.remove(name)
}

func (f *Faulty) remove(name string) error {
	if err := f.call("remove", name); err != nil {
		return err
	}
	info, err := os.Lstat(name)
	if err != nil {
		return os.Remove(name)
	}
	c := &change{removed: true, folder: info.IsDir(), perm: info.Mode().Perm()}
	c.dir, c.name = split(name)
	if !c.folder {
		if c.grave, err = f.bury(name); err != nil {
			return err
		}
	}
	if err := os.Remove(name); err != nil {
		return err
	}
	f.changed(c)
	return nil
}

// RemoveAll removes a file or a folder with all that is in it, each by a call of its own.
func (f *Faulty) RemoveAll(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.removeAll(path)
}

func (f *Faulty) removeAll(path string) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		entries, err := os.ReadDir(path)
		for _, e := range entries {
			if err == nil {
				err = f.removeAll(filepath.Join(path, e.Name()))
			}
		}
		if err != nil {
			return err
		}
	}
	if err := f.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncDir makes the names in a folder durable.
func (f *Faulty) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("sync folder", dir); err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	dir = filepath.Clean(dir)
	f.changes = slices.DeleteFunc(f.changes, func(c *change) bool { return c.dir == dir })
	return nil
}

// ---- bytes ---------------------------------------------------------------------------

// node is a file under whatever names.
type node struct {
	own     *os.File // by which its bytes are seen and brought back
	info    fs.FileInfo
	opened  int
	dirty   bool   // it may have bytes that are not durable
	durable []byte // what it has for good, if it is dirty
}

// bytes are a file's bytes now.
func (n *node) bytes() []byte {
	data, _ := io.ReadAll(io.NewSectionReader(n.own, 0, 1<<62))
	return data
}

// revert makes the file's bytes what they were before, if it is dirty.
func (n *node) revert(before []byte) {
	if n.dirty {
		n.own.Truncate(0)
		n.own.WriteAt(before, 0)
	}
}

// handle is a file opened by the process.
type handle struct {
	file  *os.File // not embedded: no method of it may slip past the counting
	fs    *Faulty
	node  *node
	wrote bool
	first []byte // what the file had before this handle wrote to it
}

var _ disk.FS = (*Faulty)(nil)

// OpenFile opens a file.
func (f *Faulty) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("open", name); err != nil {
		return nil, err
	}
	_, missing := os.Lstat(name)
	file, err := os.OpenFile(name, flag&^os.O_TRUNC, perm)
	if err != nil {
		return nil, err
	}
	if missing != nil {
		dir, base := split(name)
		f.changed(&change{dir: dir, name: base})
	}
	h := &handle{file: file, fs: f}
	if h.node, err = f.node(file); err == nil && flag&os.O_TRUNC != 0 && missing == nil {
		h.touch()
		err = file.Truncate(0)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	h.node.opened++
	f.open[h] = true
	return h, nil
}

// node finds what is known of an open file.
func (f *Faulty) node(file *os.File) (*node, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(f.nodes, func(n *node) bool { return os.SameFile(n.info, info) }); i >= 0 {
		return f.nodes[i], nil
	}
	own, err := os.OpenFile(file.Name(), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		own, err = os.Open(file.Name()) // nobody can write to it
	}
	if err != nil {
		return nil, err
	}
	n := &node{own: own, info: info}
	f.nodes = append(f.nodes, n)
	return n, nil
}

// touch notes what the file has before it is written to.
func (h *handle) touch() {
	if !h.wrote {
		h.wrote, h.first = true, h.node.bytes()
	}
	if !h.node.dirty {
		h.node.dirty, h.node.durable = true, h.node.bytes()
	}
}

// Name is the name by which the file was opened.
func (h *handle) Name() string { return h.file.Name() }

// Stat, Fd and Read change nothing, and are os's.
func (h *handle) Stat() (fs.FileInfo, error) { return h.file.Stat() }
func (h *handle) Fd() uintptr                { return h.file.Fd() }
func (h *handle) Read(p []byte) (int, error) { return h.file.Read(p) }

// Write appends bytes, or writes them where the file stands.
func (h *handle) Write(p []byte) (int, error) {
	return h.write(p, h.file.Write)
}

// WriteAt writes bytes at an offset.
func (h *handle) WriteAt(p []byte, offset int64) (int, error) {
	return h.write(p, func(p []byte) (int, error) { return h.file.WriteAt(p, offset) })
}

func (h *handle) write(p []byte, write func([]byte) (int, error)) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	err := h.fs.call("write", h.Name())
	if err != nil && (h.fs.dead || h.fs.fault != Torn) {
		return 0, err
	}
	h.touch()
	if err != nil {
		n, _ := write(p[:len(p)/2])
		return n, err
	}
	return write(p)
}

// Truncate cuts the file to a size.
func (h *handle) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.call("truncate", h.Name()); err != nil {
		return err
	}
	h.touch()
	return h.file.Truncate(size)
}

// Sync makes the file's bytes durable, or loses those that were not.
func (h *handle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.call("sync", h.Name()); err != nil {
		if !h.fs.dead {
			h.node.revert(h.node.durable)
		}
		return err
	}
	h.node.dirty = false
	return nil
}

// Close closes the file. If that fails, what was written by this handle is lost, synced or
// not.
func (h *handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	failed := h.fs.call("close", h.Name())
	if h.fs.dead {
		return failed
	}
	if failed != nil && h.wrote {
		h.node.dirty = true
		h.node.revert(h.first)
		h.node.durable = h.first
	}
	err := h.file.Close()
	if err == nil {
		delete(h.fs.open, h)
		h.fs.forget(h.node)
	}
	if failed != nil {
		return failed
	}
	return err
}

// forget lets go of a file that is closed for the last time, unless a power loss changes it.
func (f *Faulty) forget(n *node) {
	if n.opened--; n.opened == 0 && !n.dirty {
		n.own.Close()
		f.nodes = slices.DeleteFunc(f.nodes, func(m *node) bool { return m == n })
	}
}

// Free closes the files that it holds to bring back lost bytes. Call it at the test's end.
func (f *Faulty) Free() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.die()
	for _, n := range f.nodes {
		n.own.Close()
	}
	f.nodes = nil
}

// Tree is what lies in a folder: the bytes of each file by its path with slashes, and folders
// with a slash behind.
func Tree(dir string) (map[string]string, error) {
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			tree[filepath.ToSlash(rel)+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(path)
		tree[filepath.ToSlash(rel)] = string(data)
		return err
	})
	return tree, err
}
