package dataset

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// folderTree is a folder of the file system. Links are followed; one that leads nowhere or back into a folder above
// itself is skipped.
type folderTree struct {
	root   string
	except string // path in the tree of a folder that is passed over, or ""
}

func (t *folderTree) list(ctx context.Context) ([]file, []Skip, error) {
	info, err := os.Stat(t.root)
	if err != nil {
		return nil, nil, readError(err)
	}
	w := walk{ctx: ctx, root: t.root, except: t.except}
	w.folder("", []fs.FileInfo{info})
	w.wait.Wait()
	if w.err != nil {
		return nil, nil, readError(w.err)
	}
	files, skipped := w.found.sorted()
	return files, skipped, ctx.Err()
}

func (t *folderTree) read(path string) ([]byte, error) {
	f, err := os.Open(filepath.Join(t.root, filepath.FromSlash(path)))
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file any more")
	}
	return readAll(f)
}

// walk is one pass over a folder tree, folders beside each other at the same time.
type walk struct {
	ctx    context.Context
	root   string
	except string
	wait   sync.WaitGroup

	mu    sync.Mutex
	found collection
	err   error // of the root
}

// folder lists one folder, given by its path in the tree. above are the folders that it lies in, itself last.
func (w *walk) folder(path string, above []fs.FileInfo) {
	if w.ctx.Err() != nil {
		return
	}
	names, err := os.ReadDir(filepath.Join(w.root, filepath.FromSlash(path)))
	var here collection
	if err != nil {
		if path == "" {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			return
		}
		here.skip(path, reason(err).Error())
	}
	for _, d := range names {
		if path := join(path, d.Name()); !hidden(d.Name()) && path != w.except {
			w.entry(&here, path, d, above)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found.files = append(w.found.files, here.files...)
	w.found.skipped = append(w.found.skipped, here.skipped...)
}

// entry looks at one name in a folder.
func (w *walk) entry(here *collection, path string, d fs.DirEntry, above []fs.FileInfo) {
	link := d.Type()&fs.ModeSymlink != 0
	if !link && !d.IsDir() && judge(d.Name()) == ignored {
		return
	}
	info, err := d.Info()
	if link {
		info, err = os.Stat(filepath.Join(w.root, filepath.FromSlash(path)))
	}
	switch {
	case link && err != nil:
		here.skip(path, "is a link that leads nowhere")
	case err != nil:
		here.skip(path, reason(err).Error())
	case info.IsDir() && link && slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) }):
		here.skip(path, "is a link to a folder that it lies in")
	case info.IsDir():
		w.wait.Go(func() { w.folder(path, append(slices.Clip(above), info)) })
	case info.Mode().IsRegular():
		here.add(path, stampOf(info))
	case judge(d.Name()) == candidate:
		here.skip(path, "is not a regular file")
	}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// reason is an error of the file system without the path, which is said beside it and is not the same on every machine.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func readError(err error) error {
	return errors.New("dataset: " + err.Error() + ": make the folder readable, or correct source")
}
