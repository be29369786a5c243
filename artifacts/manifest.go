package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names that the store keeps for itself in an artifact's folder.
const (
	manifestName = "manifest.json"
	suspectName  = "suspect.txt"
)

// A File is one file of a payload.
type File struct {
	Name   string `json:"name"` // relative, with slashes
	Size   int64  `json:"size"` // bytes
	Digest ID     `json:"sha256"`
}

// An Artifact is a published payload and its manifest. It does not change.
type Artifact struct {
	ID         ID                `json:"id"`
	Kind       string            `json:"kind"`
	Files      []File            `json:"files"`                // sorted by name
	Provenance map[string]string `json:"provenance,omitempty"` // device, instruction set, versions: not in the ID

	// The action that made it and that action's inputs. Two actions may lead to one
	// output: Lookup fills in those of the action it was asked for, Get and List give
	// those of the first that made it.
	Action ID   `json:"action"`
	Inputs []ID `json:"inputs"`

	Created time.Time `json:"created"`

	// Damage is why Get may refuse it; only List sets it.
	Damage string `json:"-"`

	dir string
}

// manifest is an Artifact as it stands on disk.
type manifest struct {
	Format int `json:"format"`
	*Artifact
}

// Dir is the artifact's folder.
func (a *Artifact) Dir() string { return a.dir }

// Path is where the payload's file of that name lies.
func (a *Artifact) Path(name string) string {
	return filepath.Join(a.dir, filepath.FromSlash(name))
}

// File finds a file by name.
func (a *Artifact) File(name string) (File, bool) {
	i, ok := slices.BinarySearchFunc(a.Files, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return File{}, false
	}
	return a.Files[i], true
}

// Open opens a file of the payload for reading.
func (a *Artifact) Open(name string) (*os.File, error) {
	if _, ok := a.File(name); !ok {
		return nil, fmt.Errorf("artifacts: %s %s: %w", a.Kind, a.ID.Short(), &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist})
	}
	return os.Open(a.Path(name))
}

// ReadFile reads a file of the payload.
func (a *Artifact) ReadFile(name string) ([]byte, error) {
	f, err := a.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Size is the payload's size in bytes.
func (a *Artifact) Size() int64 {
	var sum int64
	for _, f := range a.Files {
		sum += f.Size
	}
	return sum
}

// outputID is the hash of
//
//	lfm artifact 1
//	kind "flow"
//	file "weights.safetensors" 1234 9f86d081…
//
// with one line a file, sorted by name. It covers the payload and nothing else.
func outputID(kind string, files []File) ID {
	h := sha256.New()
	fmt.Fprintf(h, "lfm artifact %d\nkind %q\n", Format, kind)
	for _, f := range files {
		fmt.Fprintf(h, "file %q %d %s\n", f.Name, f.Size, f.Digest)
	}
	return ID(h.Sum(nil))
}

// damage is what is wrong with a file of the store. It becomes a Miss or the error
// of Verify, and is never the operating system's fault.
type damage struct{ file, what string }

func (d *damage) Error() string { return d.file + ": " + d.what }

// checkName accepts names that stay inside a payload's folder on any system.
func checkName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)):
		return fmt.Errorf("%q is no name for a payload's file: want a relative one, with slashes, in which no part is . or .. itself", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(`\:*?"<>|`, r) }):
		return fmt.Errorf(`%q is no name for a payload's file: it holds one of \:*?"<>| or a control character`, name)
	case strings.EqualFold(name, manifestName) || strings.EqualFold(name, suspectName):
		return fmt.Errorf("%q is the store's own name", name)
	}
	return nil
}

// Reserved says that a name belongs to the store, in a payload's folder or in a work area: files and folders of a stage,
// right in there, are called otherwise. Upper and lower case are one, as they are on some systems.
func Reserved(name string) bool {
	return slices.ContainsFunc([]string{manifestName, suspectName, backendName}, func(own string) bool { return strings.EqualFold(name, own) })
}

// load reads the artifact of that output ID: its manifest, whether that is the
// output's, and the sizes of its files. It returns fs.ErrNotExist, a *damage, or the
// operating system's error.
func (s *Store) load(output ID) (*Artifact, error) {
	a, err := s.readManifest(output)
	if err != nil {
		return nil, err
	}
	for _, f := range a.Files {
		if err := a.checkSize(f); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (s *Store) readManifest(output ID) (*Artifact, error) {
	dir := s.path("artifacts", output.String())
	a := &Artifact{}
	m := manifest{Artifact: a}
	if err := readJSON(filepath.Join(dir, manifestName), &m); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if _, statErr := os.Lstat(dir); statErr == nil {
				return nil, &damage{manifestName, "missing"}
			}
		}
		return nil, err
	}
	if m.Format != Format {
		return nil, &damage{manifestName, fmt.Sprintf("format %d, want %d", m.Format, Format)}
	}
	if what := a.validate(); what != "" {
		return nil, &damage{manifestName, what}
	}
	if a.ID != output || outputID(a.Kind, a.Files) != output {
		return nil, &damage{manifestName, "does not describe output " + output.Short()}
	}
	a.dir = dir
	return a, nil
}

// validate says what a manifest read from disk must not say.
func (a *Artifact) validate() string {
	if a.Kind == "" {
		return "no kind"
	}
	for i, f := range a.Files {
		if err := checkName(f.Name); err != nil {
			return err.Error()
		}
		if f.Size < 0 {
			return fmt.Sprintf("%q has size %d", f.Name, f.Size)
		}
		if i > 0 && f.Name <= a.Files[i-1].Name {
			return fmt.Sprintf("%q is listed twice or out of order", f.Name)
		}
	}
	return ""
}

func (a *Artifact) checkSize(f File) error {
	info, err := os.Lstat(a.Path(f.Name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &damage{f.Name, "missing"}
	case err != nil:
		return asDamage(f.Name, err)
	case !info.Mode().IsRegular():
		return &damage{f.Name, "not a regular file"}
	case info.Size() != f.Size:
		return &damage{f.Name, fmt.Sprintf("has %d bytes, want %d", info.Size(), f.Size)}
	}
	return nil
}

// checkDigests reads every file.
func (a *Artifact) checkDigests(ctx context.Context) error {
	for _, f := range a.Files {
		digest, _, err := hashFile(ctx, a.Path(f.Name))
		if err != nil {
			return asDamage(f.Name, err)
		}
		if digest != f.Digest {
			return &damage{f.Name, fmt.Sprintf("its bytes have SHA-256 %s…, want %s…", hex.EncodeToString(digest[:6]), f.Digest.Short())}
		}
	}
	return nil
}

// hashFile is the digest and the size of the file at path.
func hashFile(ctx context.Context, path string) (ID, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return ID{}, 0, err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<18)
	var size int64
	for {
		if err := ctx.Err(); err != nil {
			return ID{}, 0, err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
		if err == io.EOF {
			return ID(h.Sum(nil)), size, nil
		}
		if err != nil {
			return ID{}, 0, err
		}
	}
}
