package artifacts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lfm/internal/disk"
)

// A Workspace is the folder where an unfinished stage keeps what it has so far. It is
// named by the stage's action, so another computation never finds it, and survives a
// kill. Whoever works in it holds the action's lock.
type Workspace struct {
	Dir string
	FS  disk.FS // for changing what is in it
}

const backendName = "BACKEND"

// Work is the work area of an action, made if there is none.
func (s *Store) Work(action ID) (Workspace, error) {
	w := s.workspace(action)
	if err := disk.Mkdir(s.fs, w.Dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return Workspace{}, fmt.Errorf("artifacts: work area: %w", err)
	}
	return w, nil
}

// Unfinished reports whether an action left something in its work area, without
// making one: an interrupted stage.
func (s *Store) Unfinished(action ID) bool { return !s.workspace(action).Empty() }

func (s *Store) workspace(action ID) Workspace {
	return Workspace{s.path("work", action.String()), s.fs}
}

// Path is where a file of that name lies, or will lie. Names have slashes.
func (w Workspace) Path(name string) string {
	if !fs.ValidPath(name) {
		panic(fmt.Sprintf("artifacts: work area: bad name %q", name))
	}
	return filepath.Join(w.Dir, filepath.FromSlash(name))
}

// Empty reports whether nothing has been left here; what Claim notes does not count, and
// neither does a file whose name begins with a dot.
func (w Workspace) Empty() bool {
	entries, _ := os.ReadDir(w.Dir)
	for _, e := range entries {
		if e.Name() != backendName && !strings.HasPrefix(e.Name(), ".") {
			return false
		}
	}
	return true
}

// Remove deletes the work area.
func (w Workspace) Remove() error {
	if err := w.FS.RemoveAll(w.Dir); err != nil {
		return fmt.Errorf("artifacts: work area: %w", err)
	}
	return nil
}

// Claim notes what the work area's content is computed on from here on, "cpu avx512", say.
// Back ends round differently, so what one began and another went on with would be neither's,
// to the bit: where something of another is here, that is an error, unless inexact.
func (w Workspace) Claim(backend string, inexact bool) error {
	path := filepath.Join(w.Dir, backendName)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("artifacts: work area: %w", err)
	}
	switch before := strings.TrimSuffix(string(text), "\n"); {
	case before == backend:
		return nil
	case before != "" && !inexact && !w.Empty():
		return fmt.Errorf("artifacts: work area: what is there was computed on %q, this is %q, so the result would not be exact: go on there, or accept it with --accept-inexact", before, backend)
	}
	if err := disk.Replace(w.FS, w.Dir, path, []byte(backend+"\n")); err != nil {
		return fmt.Errorf("artifacts: work area: %w", err)
	}
	return nil
}
