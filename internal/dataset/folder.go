package dataset

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"lfm/internal/panics"
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
	w := walk{ctx: ctx, root: t.root, except: t.except, places: make(chan struct{}, maxOpenFolders)}
	w.folder("", []fs.FileInfo{info})
	w.wait.Wait()
	if w.err != nil {
		return nil, nil, readError(w.err)
	}
	files, skipped := gathered(w.found).sorted()
	return files, skipped, ctx.Err()
}

func (t *folderTree) open(path string) (io.ReadCloser, int64, error) {
	f, size, err := openRegular(filepath.Join(t.root, filepath.FromSlash(path)))
	if err != nil {
		return nil, 0, reason(err)
	}
	return f, size, nil
}

// openRegular opens a file and says how long it is. What is no regular file, such as a pipe that came in its place, is an
// error and not waited for.
func openRegular(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// maxOpenFolders bounds the folders that are open at the same time.
const maxOpenFolders = 32

// walk is one pass over a folder tree, folders beside each other at the same time.
type walk struct {
	ctx    context.Context
	root   string
	except string
	wait   panics.Group
	places chan struct{} // taken by folders being listed

	mu    sync.Mutex
	found []collection // of each folder
	err   error        // of the root
}

// folder lists one folder, given by its path in the tree. above are the folders that it lies in, itself last.
func (w *walk) folder(path string, above []fs.FileInfo) {
	w.places <- struct{}{}
	defer func() { <-w.places }()
	var here collection
	err := w.list(&here, path, above)
	if err != nil && path == "" {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
		return
	}
	if err != nil {
		here.skip(path, reason(err).Error())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, here)
}

// list looks at the names in a folder, some at a time.
func (w *walk) list(here *collection, path string, above []fs.FileInfo) error {
	f, err := os.Open(filepath.Join(w.root, filepath.FromSlash(path)))
	if err != nil {
		return err
	}
	defer f.Close()
	for w.ctx.Err() == nil {
		names, err := f.ReadDir(512)
		for _, d := range names {
			if path := join(path, d.Name()); !hidden(d.Name()) && path != w.except {
				w.entry(here, path, d, above)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
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
