package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image/color"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"lfm/artifacts"
)

// Source is a data set that was found but not read. Its methods are safe for concurrent use.
type Source struct {
	cfg    Config
	origin origin

	path     string
	captions string // path of the file of captions, or ""
	cache    string // folder of what is remembered, or ""

	mu     sync.Mutex
	digest artifacts.ID // what Digest saw last
	kept   *kept        // nil until it is needed, or if nothing is kept
	opened bool
}

// origin is where images come from: files of a tree, arrays of numbers, or a pen.
type origin interface {
	// describe writes a text that changes whenever an image, its name, its class or its split does.
	describe(ctx context.Context, out io.Writer, tell Progress) error
	// survey lists the images, having read each one, and keeps what became of them.
	survey(ctx context.Context, k *kept, tell Progress) (*Index, error)
	// pixels returns image i of an index that survey made, of that ID and digest: (H, W, 3) bytes. It is safe for
	// concurrent use.
	pixels(i int, id string, digest artifacts.ID) ([]byte, error)
}

// Open finds the data set that cfg describes. A relative path is taken from dir, the folder of pipeline.yaml; what stands
// in dir/out is lfm's own and not part of any set. Digests of files are remembered in cacheDir, which need not exist
// where its parent does, or not at all if it is empty.
func Open(cfg *Config, dir, cacheDir string) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o, err := openOrigin(*cfg, dir, cacheDir)
	if err != nil {
		return nil, err
	}
	return &Source{cfg: *cfg, origin: o, path: sourcePath(cfg, dir), captions: captionsPath(cfg, dir), cache: cacheDir}, nil
}

// sourcePath is where a source lies, or its name if it is generated.
func sourcePath(c *Config, dir string) string {
	if c.generated() || filepath.IsAbs(c.Source) {
		return c.Source
	}
	return filepath.Join(dir, c.Source)
}

func openOrigin(cfg Config, dir, cacheDir string) (origin, error) {
	if cfg.generated() {
		return newDrawn(cfg), nil
	}
	path := sourcePath(&cfg, dir)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fieldError{"source", fmt.Sprintf("names %s, which does not exist", path)}
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	background, err := parseColor(cfg.Background)
	if err != nil {
		return nil, err
	}
	s := settings{Config: cfg, path: path, output: outputIn(path, dir), memory: newMemory(cacheDir, path), background: background}
	lower := strings.ToLower(path)
	switch {
	case info.IsDir():
		return openFolder(s)
	case !info.Mode().IsRegular():
		return nil, fieldError{"source", fmt.Sprintf("names %s, which is neither a folder nor a file", path)}
	case strings.HasSuffix(lower, ".tar"):
		return &treeOrigin{settings: s, tree: &tarTree{path: path}, whole: true}, nil
	case strings.HasSuffix(lower, ".zip"):
		return &treeOrigin{settings: s, tree: &zipTree{path: path}, whole: true}, nil
	}
	return nil, fieldError{"source", fmt.Sprintf("names %s, which is neither a folder nor a .tar nor a .zip: unpack it first", path)}
}

// settings is what every origin that reads files needs.
type settings struct {
	Config
	path       string // absolute, or relative to the process
	output     string // path in the source of the folder where lfm leaves pictures, or ""
	memory     *memory
	background color.RGBA
}

func openFolder(s settings) (origin, error) {
	names, err := os.ReadDir(s.path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	for _, d := range names {
		if _, ok := parseIDXName(d.Name()); ok {
			return newIDX(s, names)
		}
	}
	for _, d := range names {
		if cifarBatch.MatchString(d.Name()) {
			return newCIFAR(s, names)
		}
	}
	return &treeOrigin{settings: s, tree: &folderTree{root: s.path, except: s.output}}, nil
}

// outputIn returns where the out folder beside a pipeline.yaml in dir lies in the tree at path, with slashes, or "" if it
// does not lie there. A pipeline may stand among the images that it reads; its own pictures are none of them.
func outputIn(path, dir string) string {
	rel, err := filepath.Rel(path, filepath.Join(dir, "out"))
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return ""
	}
	return filepath.ToSlash(rel)
}

// describeSettings is the part of every description that decides pixels and order. Settings that a source has no use
// for are left out, so that changing them changes nothing.
func describeSettings(c Config, reads bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lfm data set 1\nsize: %d\n", c.Size)
	if reads {
		fmt.Fprintf(&b, "fit: %s\nbackground: %s\n", c.Fit, colorText(c.Background))
	}
	fmt.Fprintf(&b, "classes: %q\ntest_fraction: %v\n", c.Classes, c.TestFraction)
	return b.String()
}

// colorText is the one way to write a colour.
func colorText(name string) string {
	c, err := parseColor(name)
	if err != nil {
		return name
	}
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}

// Digest returns an ID of everything that the index and the pixels depend on: the settings that matter, and all files
// with their paths in the source. It decodes nothing, and hashes only files that are new or changed. tell may be nil.
func (s *Source) Digest(ctx context.Context, tell Progress) (artifacts.ID, error) {
	text := sha256.New()
	if err := s.origin.describe(ctx, text, tell); err != nil {
		return artifacts.ID{}, err
	}
	if err := s.describeCaptions(ctx, text); err != nil {
		return artifacts.ID{}, err
	}
	id := artifacts.ID(text.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.digest = id
	return id, nil
}

// Index reads every image once and writes the payload of the index artifact. Killed, it goes on where it was: what the
// cache has of an image is not made again. What a user should know goes to warn: images that were skipped (one warning
// for all), a single class, no test images. warn and tell may be nil.
func (s *Source) Index(ctx context.Context, out *artifacts.Builder, warn func(string), tell Progress) error {
	x, err := s.index(ctx, tell)
	if err != nil {
		return err
	}
	if warn == nil {
		warn = func(string) {}
	}
	for _, w := range x.warnings() {
		warn(w)
	}
	f, err := out.Create(indexFile)
	if err != nil {
		return err
	}
	if err := errors.Join(x.write(f), f.Close()); err != nil || x.told == nil {
		return err
	}
	return out.WriteFile(captionsFile, x.told.encode())
}

// keeping opens what the source keeps.
func (s *Source) keeping() *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opened {
		s.opened, s.kept = true, openKept(s.cache, s.path, s.cfg)
	}
	return s.kept
}

// index surveys the images and makes sure that they did not change meanwhile.
func (s *Source) index(ctx context.Context, tell Progress) (*Index, error) {
	s.mu.Lock()
	before := s.digest
	s.mu.Unlock()
	if before.IsZero() {
		var err error
		if before, err = s.Digest(ctx, tell); err != nil {
			return nil, err
		}
	}
	x, err := s.origin.survey(ctx, s.keeping(), tell)
	if err != nil {
		return nil, err
	}
	if err := s.caption(ctx, x); err != nil {
		return nil, err
	}
	after, err := s.Digest(ctx, nil)
	if err != nil {
		return nil, err
	}
	if after != before {
		return nil, fmt.Errorf("dataset: %s changed while it was being read: run again when it is at rest", s.cfg.Source)
	}
	if counts := x.counts(); sum(counts[Train]) == 0 {
		if x.heldOut > 0 {
			return nil, fieldError{"test_captions", fmt.Sprintf("holds out %s of %s, and none is left to train on: name fewer phrases", several(x.heldOut, "image", "images"), s.cfg.Source)}
		}
		return nil, fieldError{"source", fmt.Sprintf("names %s, of which no image is left to train on, and %d to test with: give it more, or set test_fraction: 0", s.cfg.Source, sum(counts[Test]))}
	}
	return x, nil
}
