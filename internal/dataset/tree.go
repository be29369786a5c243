package dataset

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode/utf8"

	"lfm/artifacts"
	"lfm/internal/panics"
)

// tree is a hierarchy of files: a folder or an archive.
type tree interface {
	// list returns all files that are named like images, sorted by path, and what was skipped. Hidden files are left out.
	list(ctx context.Context) ([]file, []Skip, error)
	// open opens a file of the last list and says how long it is, or claims to be. It is safe for concurrent use.
	open(path string) (r io.ReadCloser, size int64, err error)
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
	unread map[string]bool // files that describe could not read
}

func (o *treeOrigin) describe(ctx context.Context, out io.Writer, tell Progress) error {
	b := bufio.NewWriter(out)
	b.WriteString(describeSettings(o.Config, true))
	if o.whole {
		sum, err := o.memory.digest(ctx, o.path)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "archive %s\n", sum)
		return b.Flush()
	}
	files, skipped, err := o.list(ctx)
	if err != nil {
		return err
	}
	sums, err := o.memory.digests(ctx, o.path, files, tell)
	if err != nil {
		return err
	}
	unread := map[string]bool{}
	for i, f := range files {
		fmt.Fprintf(b, "%s %q\n", sums[i], f.path)
		if sums[i].IsZero() {
			unread[f.path] = true
		}
	}
	o.mu.Lock()
	o.unread = unread
	o.mu.Unlock()
	for _, s := range skipped {
		fmt.Fprintf(b, "skip %q %s\n", s.ID, s.Reason)
	}
	return b.Flush()
}

func (o *treeOrigin) list(ctx context.Context) ([]file, []Skip, error) {
	files, skipped, err := o.tree.list(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listed = err == nil
	return files, skipped, err
}

func (o *treeOrigin) survey(ctx context.Context, k *kept, tell Progress) (*Index, error) {
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
	digests := o.known(files, placed)
	reasons, err := o.examine(ctx, placed, digests, k, tell)
	if err != nil {
		return nil, err
	}
	x := &Index{Origin: "tree", Size: o.Size, Fit: o.Fit, Background: colorText(o.Background), Items: make([]entry, 0, len(placed)-len(reasons))}
	classes := make([]string, 0, len(placed))
	for i, p := range placed {
		if why, bad := reasons[i]; bad {
			skipped = append(skipped, Skip{p.path, why})
			continue
		}
		split := p.split
		if split == "" {
			split = splitOf(p.name, o.TestFraction)
		}
		x.Items = append(x.Items, entry{Item{ID: p.path, Split: split}, digests[i]})
		classes = append(classes, p.class)
	}
	sortSkips(skipped)
	x.Skipped = skipped
	if len(x.Items) == 0 {
		return nil, o.nothing(skipped)
	}
	return x, x.finish(classes, o.Classes, o.Source)
}

// known returns the digests that are remembered of placed files, in the order of all files; zero for the others.
func (o *treeOrigin) known(files []file, placed []place) []artifacts.ID {
	sums := make([]artifacts.ID, len(files))
	if o.whole { // members of an archive have no stamps to know them by
		return sums[:len(placed)]
	}
	o.memory.recall(files, sums)
	from := 0
	for i, p := range placed {
		for files[from].path != p.path {
			from++
		}
		sums[i] = sums[from]
		from++
	}
	return sums[:len(placed)]
}

// nothing is the error of a source without an image.
func (o *treeOrigin) nothing(skipped []Skip) error {
	why := ""
	if len(skipped) > 0 {
		why = fmt.Sprintf(" (%s skipped, for example %s: %s)", plural(len(skipped), "file"), skipped[0].ID, skipped[0].Reason)
	}
	return fieldError{"source", fmt.Sprintf("names %s, in which no image was found%s: expected PNG or JPEG files in a folder a class, such as cat/1.png and dog/1.jpg, perhaps below train/ and test/", o.path, why)}
}

// examine reads and decodes every image, on all processors, unless what became of it is kept already. It completes the
// digests, and returns the reasons why images are none, by their number. That the system does not let one be read is such
// a reason only if describe met it too: else the index would lack an image that its key has.
func (o *treeOrigin) examine(ctx context.Context, placed []place, digests []artifacts.ID, k *kept, tell Progress) (map[int]string, error) {
	var (
		mu      sync.Mutex
		reasons = map[int]string{}
		found   = k.scan()
		buffers = sync.Pool{New: func() any { b := make([]byte, k.room()); return &b }}
		work    []int
		failure error
	)
	parent := ctx
	ctx, stop := context.WithCancel(parent)
	defer stop()
	skip := func(i int, why string) {
		mu.Lock()
		defer mu.Unlock()
		reasons[i] = why
	}
	recall := func(i int) bool {
		at, ok := found[tableKey(digests[i])]
		if !ok {
			return false
		}
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		v, ok := k.get(at, digests[i], *buf)
		if ok && v.reason != "" {
			skip(i, v.reason)
		}
		return ok
	}
	for i := range placed {
		if digests[i].IsZero() || !recall(i) {
			work = append(work, i)
		}
	}
	meter := newMeter(tell, decoding, len(placed)-len(work), len(placed), progressEvery)
	parallel(ctx, len(work), func(n int) {
		i := work[n]
		defer meter.add()
		data, leave, err := o.read(placed[i].path)
		if err != nil {
			if failed := o.failed(placed[i].path, err); failed != nil {
				mu.Lock()
				failure = failed
				mu.Unlock()
				stop()
				return
			}
			skip(i, err.Error())
			return
		}
		defer leave()
		digests[i] = sha256.Sum256(data)
		if recall(i) {
			return
		}
		v := o.judge(data)
		if v.reason != "" {
			skip(i, v.reason)
		}
		k.put(digests[i], v)
	})
	if failure != nil {
		return nil, failure
	}
	return reasons, parent.Err()
}

// failed is the error of a system that does not let an image be read though describe had no trouble with it; nil if the
// image itself is to blame, or could not be read then either, or is gone, which the next digest shows.
func (o *treeOrigin) failed(path string, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var refused syscall.Errno
	if !errors.As(err, &refused) || errors.Is(err, fs.ErrNotExist) || o.unread[path] {
		return nil
	}
	return fmt.Errorf("dataset: %s: %s could be read a moment ago, and now: %w: run again when the source is at rest", o.path, path, err)
}

// judge makes of the bytes of a file what the set shows of it.
func (o *treeOrigin) judge(data []byte) verdict {
	w, h, err := dimensions(data)
	if err != nil {
		return verdict{reason: err.Error()}
	}
	defer inWork.enter(int64(w) * int64(h))()
	img, err := decode(data, o.background)
	if err != nil {
		return verdict{reason: err.Error()}
	}
	return verdict{pix: fitTo(img, o.Size, o.Fit, o.background)}
}

// inWork bounds the pixels of the images being decoded, of all decoders together.
var inWork = newGate(maxPixels)

// reading bounds the bytes of image files in memory, of all decoders together.
var reading = newGate(2 * maxFile)

// read returns the bytes of an image file. leave must be called when they are not needed any more.
func (o *treeOrigin) read(path string) (data []byte, leave func(), err error) {
	defer recovered(&err, "make "+o.path+" again")
	r, size, err := o.tree.open(path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	if size > maxFile {
		return nil, nil, fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	leave = reading.enter(2 * size) // twice: see readAll
	defer func() {
		if data == nil {
			leave()
		}
	}()
	data, err = readAll(r, size)
	return data, leave, err
}

func (o *treeOrigin) pixels(_ int, id string, want artifacts.ID) ([]byte, error) {
	if err := o.ready(); err != nil {
		return nil, err
	}
	data, leave, err := o.read(id)
	if err != nil {
		return nil, fmt.Errorf("%w; it could be read when it was indexed: bring it back, or run again", err)
	}
	defer leave()
	if sha256.Sum256(data) != want {
		return nil, errors.New("the file changed since it was indexed: run again")
	}
	v := o.judge(data)
	if v.reason != "" {
		return nil, errors.New(v.reason)
	}
	return v.pix, nil
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
	var wait panics.Group
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

// gathered puts collections together.
func gathered(parts []collection) *collection {
	n := 0
	for _, c := range parts {
		n += len(c.files)
	}
	all := &collection{files: make([]file, 0, n)}
	for i, c := range parts {
		all.files = append(all.files, c.files...)
		all.skipped = append(all.skipped, c.skipped...)
		parts[i] = collection{} // its memory is not needed any more
	}
	return all
}

// sorted returns what was gathered, by path.
func (c *collection) sorted() ([]file, []Skip) {
	slices.SortFunc(c.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	sortSkips(c.skipped)
	return c.files, c.skipped
}

// readAll reads a file of size bytes. A size that is only claimed takes no memory: that grows as bytes come, and what it
// takes is never more than twice the size.
func readAll(r io.Reader, size int64) ([]byte, error) {
	data := make([]byte, 0, min(size+1, 1<<20)) // one more, to see the end
	for {
		if len(data) == cap(data) {
			data = append(make([]byte, 0, min(size+1, 2*int64(cap(data)))), data...)
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > size:
			return nil, errors.New("is longer than it was said to be: run again when it is at rest")
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, reason(err)
		}
	}
}
