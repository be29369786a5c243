package artifacts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"lfm/internal/disk"
)

// A Builder is a payload in the making, in a folder aside. It ends in Publish or
// Discard. Its methods are safe for concurrent use, each file's writer is not.
type Builder struct {
	store *Store
	kind  string
	dir   string

	mu         sync.Mutex
	files      map[string]*File // nil while the file is open, or after its writing failed
	provenance map[string]string
}

// Build begins a payload of an artifact kind.
func (s *Store) Build(kind string) (*Builder, error) {
	if kind == "" {
		panic("artifacts: build: empty kind")
	}
	dir := s.path("aside", "build-"+rand.Text())
	if err := s.fs.Mkdir(dir, 0o777); err != nil {
		return nil, fmt.Errorf("artifacts: build %s: %w", kind, err)
	}
	return &Builder{store: s, kind: kind, dir: dir, files: map[string]*File{}, provenance: map[string]string{}}, nil
}

// reserve claims a name and makes its folder.
func (b *Builder) reserve(name string) (path string, err error) {
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("artifacts: build %s: %w", b.kind, err)
	}
	if first, _, _ := strings.Cut(name, "/"); Reserved(first) {
		return "", fmt.Errorf("artifacts: build %s: %q: %s is a name of the store's own", b.kind, name, first)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, dup := b.files[name]; dup {
		return "", fmt.Errorf("artifacts: build %s: %s is there already", b.kind, name)
	}
	path = filepath.Join(b.dir, filepath.FromSlash(name))
	_, err = os.Stat(b.dir) // a store that was deleted is not to come back in part
	if err == nil {
		err = disk.MkdirAll(b.store.fs, filepath.Dir(path))
	}
	if err != nil {
		return "", fmt.Errorf("artifacts: build %s: %w", b.kind, err)
	}
	b.files[name] = nil
	return path, nil
}

func (b *Builder) done(f File) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[f.Name] = &f
}

// Create begins a file of the payload. It is hashed while it is written, and must be
// closed before Publish. A name may have slashes, but stays inside the payload.
func (b *Builder) Create(name string) (io.WriteCloser, error) {
	path, err := b.reserve(name)
	if err != nil {
		return nil, err
	}
	f, err := b.store.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("artifacts: build %s: %w", b.kind, err)
	}
	return &fileWriter{b: b, name: name, f: f, hash: sha256.New()}, nil
}

// A fileWriter writes one file of a payload and tells its builder when it is whole.
type fileWriter struct {
	b    *Builder
	name string
	f    disk.File
	hash hash.Hash
	size int64
	err  error
}

func (w *fileWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.hash.Write(p[:n])
	w.size += int64(n)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

func (w *fileWriter) Close() error {
	err := w.err
	if err == nil {
		err = w.f.Sync()
	}
	if cerr := w.f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("artifacts: build %s: %w", w.b.kind, err)
	}
	w.b.done(File{Name: w.name, Size: w.size, Digest: ID(w.hash.Sum(nil))})
	return nil
}

// WriteFile adds a file with the given bytes.
func (b *Builder) WriteFile(name string, data []byte) error {
	w, err := b.Create(name)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// AddFile adds the finished file at path, a shard in the work area, say. It is linked
// where the file system can, else copied, and stays where it was: a stage killed
// before Publish finds it there. Nobody may write to it any more.
func (b *Builder) AddFile(name, path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return fmt.Errorf("artifacts: build %s: %w", b.kind, err)
	}
	dst, err := b.reserve(name)
	if err != nil {
		return err
	}
	file := File{Name: name}
	if b.store.fs.Link(path, dst) != nil {
		err = b.store.copyFile(dst, path)
	}
	if err == nil {
		err = b.store.syncFile(dst)
	}
	if err == nil {
		file.Digest, file.Size, err = hashFile(context.Background(), dst)
	}
	if err != nil {
		return fmt.Errorf("artifacts: build %s: %w", b.kind, err)
	}
	b.done(file)
	return nil
}

func (s *Store) copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := s.fs.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// syncFile makes a file's bytes durable. Windows wants a writable handle for that,
// which a read-only file does not give.
func (s *Store) syncFile(path string) error {
	f, err := s.fs.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = s.fs.OpenFile(path, os.O_RDONLY, 0)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Provenance notes in the manifest what made the payload: device, instruction set,
// library versions. It never enters the output ID.
func (b *Builder) Provenance(key, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.provenance[key] = value
}

// Publish ends the payload: it becomes an artifact, and the action, which must be the
// hash of keyText, from now on leads to it. Inputs are the output IDs that went in.
// Where the store has the same output already, intact, that one serves; a damaged
// one is replaced. Publish leaves the work area alone.
func (b *Builder) Publish(action ID, keyText string, inputs []ID) (*Artifact, error) {
	if HashText(keyText) != action {
		panic("artifacts: publish: the action ID is not the hash of the key text")
	}
	a, err := b.seal(action, inputs)
	if err != nil {
		return nil, fmt.Errorf("artifacts: publish %s: %w", b.kind, err)
	}
	defer b.Discard()
	unlock, err := b.store.publishing()
	if err != nil {
		return nil, fmt.Errorf("artifacts: publish %s: %w", b.kind, err)
	}
	defer unlock()
	if err := b.store.Check(); err != nil {
		return nil, fmt.Errorf("artifacts: publish %s: %w", b.kind, err)
	}
	if a, err = b.store.install(a, b.dir); err != nil {
		return nil, fmt.Errorf("artifacts: publish %s: %w", b.kind, err)
	}
	if err := b.store.record(action, keyText, inputs, a.ID); err != nil {
		return nil, fmt.Errorf("artifacts: publish %s: %w", b.kind, err)
	}
	return a, nil
}

// seal writes the manifest, after everything else is on disk.
func (b *Builder) seal(action ID, inputs []ID) (*Artifact, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := &Artifact{Kind: b.kind, Provenance: b.provenance, Action: action, Inputs: append([]ID{}, inputs...), Created: b.store.stamp()}
	folders := map[string]bool{}
	for name, f := range b.files {
		if f == nil {
			return nil, fmt.Errorf("%s was not closed, or not wholly written", name)
		}
		a.Files = append(a.Files, *f)
		for dir := filepath.Dir(filepath.Join(b.dir, filepath.FromSlash(name))); len(dir) > len(b.dir); dir = filepath.Dir(dir) {
			folders[dir] = true
		}
	}
	slices.SortFunc(a.Files, func(x, y File) int { return strings.Compare(x.Name, y.Name) })
	a.ID = outputID(a.Kind, a.Files)
	for dir := range folders {
		if err := b.store.fs.SyncDir(dir); err != nil {
			return nil, err
		}
	}
	if err := b.store.writeJSON(filepath.Join(b.dir, manifestName), manifest{Format, a}); err != nil {
		return nil, err
	}
	return a, nil
}

// install renames a sealed payload into place and returns it, or the one that is
// there already. It runs under the publishing lock.
func (s *Store) install(a *Artifact, dir string) (*Artifact, error) {
	dst := s.path("artifacts", a.ID.String())
	if have, err := s.load(a.ID); err == nil && have.checkDigests(context.Background()) == nil {
		return have, s.trust(have)
	}
	if err := s.discard(dst); err != nil {
		return nil, err
	}
	if err := s.fs.Rename(dir, dst); err != nil {
		if have, there := s.load(a.ID); there == nil { // by one who took our place meanwhile
			return have, nil
		}
		return nil, err
	}
	a.dir = dst
	return a, s.fs.SyncDir(filepath.Dir(dst))
}

// discard moves a folder aside, so that it is never seen half deleted, and deletes it.
func (s *Store) discard(dir string) error {
	grave := s.path("aside", "gone-"+rand.Text())
	if err := s.fs.Rename(dir, grave); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return s.fs.RemoveAll(grave)
}

// publishing serialises what replaces artifacts and entries; it is held briefly.
func (s *Store) publishing() (unlock func(), err error) {
	return s.Lock(context.Background(), "publish", nil)
}

// Discard ends the payload without publishing it. After Publish it does nothing.
func (b *Builder) Discard() { b.store.fs.RemoveAll(b.dir) }
