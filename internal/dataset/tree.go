package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"lfm/artifacts"
)

// tree is a hierarchy of files: a folder or an archive.
type tree interface {
	// list returns all files that are named like images, sorted by path, and what was skipped. Hidden files are left out.
	list(ctx context.Context) ([]file, []Skip, error)
	// read returns a file of the last list. It is safe for concurrent use.
	read(path string) ([]byte, error)
}

// file is one of a tree. Archives leave the stamp empty.
type file struct {
	path  string // in the tree, with slashes
	stamp stamp
}

// treeOrigin takes images from files in class folders.
type treeOrigin struct {
	settings
	tree  tree
	whole bool // the tree is one file, which is hashed whole

	mu     sync.Mutex
	listed bool
}

func (o *treeOrigin) describe(ctx context.Context) (string, error) {
	var b strings.Builder
	b.WriteString(describeSettings(o.Config, true))
	if o.whole {
		sum, err := o.memory.digest(ctx, o.path)
		fmt.Fprintf(&b, "archive %s\n", sum)
		return b.String(), err
	}
	files, skipped, err := o.list(ctx)
	if err != nil {
		return "", err
	}
	sums, err := o.memory.digests(ctx, o.path, files)
	if err != nil {
		return "", err
	}
	for i, f := range files {
		fmt.Fprintf(&b, "%s %q\n", sums[i], f.path)
	}
	for _, s := range skipped {
		fmt.Fprintf(&b, "skip %q %s\n", s.ID, s.Reason)
	}
	return b.String(), nil
}

func (o *treeOrigin) list(ctx context.Context) ([]file, []Skip, error) {
	files, skipped, err := o.tree.list(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listed = err == nil
	return files, skipped, err
}

func (o *treeOrigin) survey(ctx context.Context) (*Index, error) {
	files, skipped, err := o.list(ctx)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.path
	}
	placed, misplaced := arrange(paths)
	skipped = append(skipped, misplaced...)
	if len(o.Classes) == 1 {
		for i := range placed {
			if placed[i].class == onlyClass {
				placed[i].class = o.Classes[0]
			}
		}
	}
	found := o.examine(ctx, placed)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x := &Index{Origin: "tree", Size: o.Size, Fit: o.Fit, Background: colorText(o.Background), decoded: [][]byte{}}
	var classes []string
	for i, p := range placed {
		if err := found[i].err; err != nil {
			skipped = append(skipped, Skip{p.path, err.Error()})
			continue
		}
		split := p.split
		if split == "" {
			split = splitOf(p.name, o.TestFraction)
		}
		x.Items = append(x.Items, Item{ID: p.path, Split: split, Digest: found[i].digest})
		x.decoded = append(x.decoded, found[i].pix)
		classes = append(classes, p.class)
	}
	sortSkips(skipped)
	x.Skipped = skipped
	if len(x.Items) == 0 {
		return nil, o.nothing(skipped)
	}
	return x, x.finish(classes, o.Classes, o.Source)
}

// nothing is the error of a source without an image.
func (o *treeOrigin) nothing(skipped []Skip) error {
	why := ""
	if len(skipped) > 0 {
		why = fmt.Sprintf(" (%s skipped, for example %s: %s)", plural(len(skipped), "file"), skipped[0].ID, skipped[0].Reason)
	}
	return fieldError{"source", fmt.Sprintf("names %s, in which no image was found%s: expected PNG or JPEG files in a folder a class, such as cat/1.png and dog/1.jpg, perhaps below train/ and test/", o.path, why)}
}

// finding is what reading one image gave.
type finding struct {
	digest artifacts.ID
	pix    []byte // nil beyond keepBytes
	err    error
}

// examine reads and decodes every image, on all processors.
func (o *treeOrigin) examine(ctx context.Context, placed []place) []finding {
	found := make([]finding, len(placed))
	var room atomic.Int64
	room.Store(keepBytes)
	parallel(ctx, len(placed), func(i int) {
		digest, pix, err := o.load(placed[i].path)
		if room.Add(-int64(len(pix))) < 0 {
			pix = nil
		}
		found[i] = finding{digest, pix, err}
	})
	return found
}

// load reads, hashes, decodes and fits one image.
func (o *treeOrigin) load(path string) (digest artifacts.ID, pix []byte, err error) {
	data, err := o.tree.read(path)
	if err != nil {
		return digest, nil, err
	}
	digest = sha256.Sum256(data)
	img, err := decode(data, o.background)
	if err != nil {
		return digest, nil, err
	}
	return digest, fitTo(img, o.Size, o.Fit, o.background), nil
}

func (o *treeOrigin) pixels(x *Index, i int) ([]byte, error) {
	if err := o.ready(); err != nil {
		return nil, err
	}
	it := x.Items[i]
	digest, pix, err := o.load(it.ID)
	if err == nil && digest != it.Digest || err != nil && !digest.IsZero() && digest != it.Digest {
		return nil, errors.New("the file changed since it was indexed: run again")
	}
	if err != nil {
		return nil, fmt.Errorf("%w; it could be read when it was indexed: bring it back, or run again", err)
	}
	return pix, nil
}

// ready makes sure that the tree was listed once: archives find their members by it.
func (o *treeOrigin) ready() error {
	if !o.whole {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listed {
		return nil
	}
	_, _, err := o.tree.list(context.Background())
	o.listed = err == nil
	return err
}

// parallel calls work for 0…n-1 from as many goroutines as there are processors, until ctx is done.
func parallel(ctx context.Context, n int, work func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				work(i)
			}
		})
	}
	wait.Wait()
}

// judgement of a file by its name.
type judgement int

const (
	ignored   judgement = iota // not an image, or hidden
	candidate                  // to be read
	foreign                    // an image of a kind that is not read
)

// foreignKinds are extensions of images that are not read.
var foreignKinds = []string{".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".ico", ".ppm", ".pgm", ".tga", ".psd", ".jfif"}

func judge(name string) judgement {
	ext := strings.ToLower(path.Ext(name))
	switch {
	case hidden(name):
		return ignored
	case ext == ".png" || ext == ".jpg" || ext == ".jpeg":
		return candidate
	case slices.Contains(foreignKinds, ext):
		return foreign
	}
	return ignored
}

// hidden reports whether a path element is not meant to be seen.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }

// collection gathers the files of a tree by their names.
type collection struct {
	files   []file
	skipped []Skip
}

// add takes a regular file with a clean path without hidden elements.
func (c *collection) add(p string, s stamp) {
	switch judge(path.Base(p)) {
	case candidate:
		if !utf8.ValidString(p) {
			c.skip(p, "its name is not valid UTF-8: rename it")
			return
		}
		c.files = append(c.files, file{p, s})
	case foreign:
		c.skip(p, "is "+strings.ToUpper(strings.TrimPrefix(path.Ext(p), "."))+": convert it to PNG or JPEG")
	}
}

func (c *collection) skip(p, reason string) {
	c.skipped = append(c.skipped, Skip{strings.ToValidUTF8(p, "\ufffd"), reason})
}

// sorted returns what was gathered, by path.
func (c *collection) sorted() ([]file, []Skip) {
	slices.SortFunc(c.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	sortSkips(c.skipped)
	return c.files, c.skipped
}

// readAll reads a file of at most maxFile bytes.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	return data, err
}
