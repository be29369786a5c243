package artifacts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Root is a pipeline file that used the store. What its actions led to, and what
// those were made from, is never garbage.
type Root struct {
	File    string    // absolute path of the pipeline file
	Actions []ID      // what it last wanted
	Used    time.Time // when it last said so
	Gone    bool      // there is no such file any more
}

// rootRecord is a Root on disk. A file inside the store's parent folder is written
// relative to the store, so that a project may be moved, store and all.
type rootRecord struct {
	File    string    `json:"file"`
	Actions []ID      `json:"actions"`
	Used    time.Time `json:"used"`
}

// SetRoot says which actions a pipeline file wants, in place of those it wanted
// before. Call it as soon as an action ID is known, before its stage runs: gc removes
// the work areas of actions that nobody wants.
func (s *Store) SetRoot(pipelineFile string, actions []ID) error {
	name, path, err := s.rootPath(pipelineFile)
	if err == nil {
		err = s.writeJSON(path, rootRecord{name, append([]ID{}, actions...), s.stamp()})
	}
	if err != nil {
		return fmt.Errorf("artifacts: root %s: %w", pipelineFile, err)
	}
	return nil
}

// DropRoot forgets a pipeline file, so that gc may have what only it wanted.
func (s *Store) DropRoot(pipelineFile string) error {
	_, path, err := s.rootPath(pipelineFile)
	if err == nil {
		err = s.fs.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("artifacts: root %s: %w", pipelineFile, err)
	}
	return nil
}

// rootPath is a pipeline file's name in the record, and the record's path.
func (s *Store) rootPath(pipelineFile string) (name, path string, err error) {
	name, err = filepath.Abs(pipelineFile)
	if err != nil {
		return "", "", err
	}
	if rel, err := filepath.Rel(filepath.Dir(s.dir), name); err == nil && filepath.IsLocal(rel) {
		name = "../" + filepath.ToSlash(rel)
	}
	return name, s.path("roots", HashText(name).String()+".json"), nil
}

// Roots lists the pipeline files that used the store, sorted by path.
func (s *Store) Roots() ([]Root, error) {
	ids, err := s.ids("roots", ".json")
	if err != nil {
		return nil, err
	}
	var roots []Root
	for _, id := range ids {
		var rec rootRecord
		if err := readJSON(s.path("roots", id.String()+".json"), &rec); err != nil {
			// Without this record gc would take what it protects: stop here.
			return nil, fmt.Errorf("artifacts: roots/%s.json: %w: delete it if its pipeline has run since", id, err)
		}
		file := rec.File
		if strings.HasPrefix(file, "../") {
			file = s.path(filepath.FromSlash(file))
		}
		_, err := os.Stat(file)
		roots = append(roots, Root{file, rec.Actions, rec.Used, errors.Is(err, fs.ErrNotExist)})
	}
	slices.SortFunc(roots, func(x, y Root) int { return strings.Compare(x.File, y.File) })
	return roots, nil
}
