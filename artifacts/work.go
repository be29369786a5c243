package artifacts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Workspace is the folder where an unfinished stage keeps what it has so far. It is
// named by the stage's action, so another computation never finds it, and survives a
// kill. Whoever works in it holds the action's lock.
type Workspace struct{ Dir string }

const backendName = "BACKEND"

// Work is the work area of an action, made if there is none.
func (s *Store) Work(action ID) (Workspace, error) {
	w := s.workspace(action)
	if err := os.MkdirAll(w.Dir, 0o777); err != nil {
		return Workspace{}, fmt.Errorf("artifacts: work area: %w", err)
	}
	return w, nil
}

// Unfinished reports whether an action left something in its work area, without
// making one: an interrupted stage.
func (s *Store) Unfinished(action ID) bool { return !s.workspace(action).Empty() }

func (s *Store) workspace(action ID) Workspace { return Workspace{s.path("work", action.String())} }

// Path is where a file of that name lies, or will lie. Names have slashes.
func (w Workspace) Path(name string) string {
	if !fs.ValidPath(name) {
		panic(fmt.Sprintf("artifacts: work area: bad name %q", name))
	}
	return filepath.Join(w.Dir, filepath.FromSlash(name))
}

// Empty reports whether nothing has been left here; Backend does not count, and
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
	if err := os.RemoveAll(w.Dir); err != nil {
		return fmt.Errorf("artifacts: work area: %w", err)
	}
	return nil
}

// Backend is what SetBackend noted, or "" if nothing was.
func (w Workspace) Backend() (string, error) {
	data, err := os.ReadFile(filepath.Join(w.Dir, backendName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("artifacts: work area: %w", err)
	}
	return strings.TrimSuffix(string(data), "\n"), nil
}

// SetBackend notes what the work area's content is computed on, "cpu avx512", say:
// the rest must be computed on the same to give the same bytes.
func (w Workspace) SetBackend(name string) error {
	if err := replaceFile(w.Dir, filepath.Join(w.Dir, backendName), []byte(name+"\n")); err != nil {
		return fmt.Errorf("artifacts: work area: %w", err)
	}
	return nil
}
