package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"lfm/artifacts"
	"lfm/internal/disk"
	"lfm/pipeline"
)

// defaultFile is the pipeline of a folder.
const defaultFile = "pipeline.yaml"

// lastRun is what is remembered of the last run from a folder, so that resume, generate
// and the read commands find its pipeline again from there. It lives in the user's cache
// folder: losing it costs an -f.
type lastRun struct {
	Folder string `json:"folder"` // where lfm was called
	File   string `json:"file"`   // the pipeline, absolute
	Store  string `json:"store"`  // its store, absolute
}

// remember notes a run as the last one from the working folder, best effort.
func remember(file, store string) {
	folder, err := os.Getwd()
	if err != nil {
		return
	}
	data, err := json.Marshal(lastRun{Folder: folder, File: file, Store: store})
	if err != nil {
		return
	}
	disk.Place(disk.OS, lastRunPath(folder), data)
}

// recall reads what remember noted for the working folder; false if there is nothing, or
// its pipeline is gone.
func recall() (lastRun, bool) {
	var last lastRun
	folder, err := os.Getwd()
	if err != nil {
		return last, false
	}
	data, err := os.ReadFile(lastRunPath(folder))
	if err != nil || json.Unmarshal(data, &last) != nil || last.Folder != folder {
		return last, false
	}
	_, err = os.Stat(last.File)
	return last, err == nil
}

func lastRunPath(folder string) string {
	base := os.Getenv("LFM_CACHE_DIR")
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			user = os.TempDir()
		}
		base = filepath.Join(user, "lfm")
	}
	sum := sha256.Sum256([]byte(folder))
	return filepath.Join(base, "last", hex.EncodeToString(sum[:8])+".json")
}

// here is the pipeline that a command works on, read, with its store open.
type here struct {
	graph *pipeline.Graph
	store *artifacts.Store
}

// use says what a command opens a pipeline for.
type use bool

const (
	toRun  use = false // as the command line has it
	toRead use = true  // as the last run from here had it, where the command line is silent: its store, its --set
)

// open finds the pipeline and its store, and reads it: the pipeline that is named, else -f,
// else ./pipeline.yaml, else the one last run from this folder.
func (a *app) open(named string, u use) (*here, error) {
	file, dir, err := a.locate(named, u)
	if err != nil {
		return nil, err
	}
	sets := a.sets
	if u == toRead && len(sets) == 0 {
		if sets, err = a.lastSets(dir, file); err != nil {
			return nil, err
		}
	}
	graph, err := pipeline.Load(shown(file), kinds(), sets)
	if err != nil {
		return nil, usageError{err}
	}
	store, err := artifacts.Open(dir)
	if err != nil {
		return nil, err
	}
	return &here{graph: graph, store: store}, nil
}

// locate finds the pipeline file and the folder of its store, both absolute.
func (a *app) locate(named string, u use) (file, dir string, err error) {
	last, ran := recall()
	if file, err = a.find(named, last, ran); err != nil {
		return "", "", err
	}
	beside := filepath.Join(filepath.Dir(file), ".lfm")
	switch {
	case a.store != "":
		dir, err = filepath.Abs(a.store)
		return file, dir, err
	case u == toRead && ran && last.File == file && last.Store != beside && isDir(last.Store):
		a.notef("as in the last run: --store %s", shown(last.Store))
		return file, last.Store, nil
	}
	return file, beside, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// find gives the absolute path of the pipeline file.
func (a *app) find(named string, last lastRun, ran bool) (string, error) {
	file := named
	switch {
	case file != "" && a.file != "":
		return "", usagef("%s and -f %s: name one pipeline", file, a.file)
	case file == "":
		file = a.file
	}
	if file == "" {
		if _, err := os.Stat(defaultFile); err == nil {
			file = defaultFile
		} else if ran {
			file = last.File
			a.notef("%s, last run from here", shown(file))
		} else {
			return "", usagef("no %s here, and nothing was run from this folder yet; name one with -f FILE, or write one with: lfm init", defaultFile)
		}
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", usagef("%s: no such file; write a starter with: lfm init", shown(file))
	} else if err == nil && info.IsDir() {
		return "", usagef("%s is a folder; name the pipeline.yaml in it", shown(file))
	}
	return file, nil
}

// lastSets are the --set of the last run of a pipeline, said on stderr.
func (a *app) lastSets(dir, file string) ([]string, error) {
	if !isDir(dir) {
		return nil, nil // no store, no runs
	}
	store, err := artifacts.Open(dir)
	if err != nil {
		return nil, err
	}
	record := pipeline.LastRecord(store, file)
	if record == nil {
		return nil, nil
	}
	for _, s := range record.Sets {
		a.notef("as in the last run: --set %s", s)
	}
	return record.Sets, nil
}

// shown is a path as a person would say it: relative to the working folder where that is
// shorter.
func shown(path string) string {
	if folder, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(folder, path); err == nil && len(rel) < len(path) {
			return rel
		}
	}
	return path
}

// openStore opens the store alone, --store or that of the pipeline here, which need not be
// one that can be read. It makes none.
func (a *app) openStore() (*artifacts.Store, error) {
	dir := a.store
	if dir == "" {
		var err error
		if _, dir, err = a.locate("", toRead); err != nil {
			return nil, err
		}
	}
	if !isDir(dir) {
		return nil, usagef("there is no store %s yet; make one with: lfm run", shown(dir))
	}
	return artifacts.Open(dir)
}

// use keeps gc away from a store that is read, until done. One that cannot be written needs
// none of that.
func (a *app) use(ctx context.Context, store *artifacts.Store) (done func(), err error) {
	done, err = store.Use(ctx, func(holder string) { a.notef("waiting for %s, which cleans up the store", holder) })
	var readOnly *artifacts.ReadOnlyError
	if errors.As(err, &readOnly) {
		return func() {}, nil
	}
	return done, err
}
