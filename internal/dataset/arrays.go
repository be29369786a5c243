package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"lfm/artifacts"
)

// array is a run of images of one size with their labels, uncompressed in memory.
type array struct {
	split   string // Train or Test, which also begins the IDs
	h, w, c int    // c is 1 or 3
	pix     []byte // (N, H, W, C)
	labels  []byte // (N)
}

// image returns picture i as opaque RGB.
func (a *array) image(i int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, a.w, a.h))
	src := a.raw(i)
	for p := range a.h * a.w {
		r, g, b := src[p*a.c], src[p*a.c], src[p*a.c]
		if a.c == 3 {
			g, b = src[p*3+1], src[p*3+2]
		}
		copy(img.Pix[4*p:], []byte{r, g, b, 255})
	}
	return img
}

func (a *array) raw(i int) []byte {
	n := a.h * a.w * a.c
	return a.pix[i*n : (i+1)*n]
}

// arrayOrigin takes images from files of numbers: IDX or CIFAR-10. The arrays are read once, and
// stay in memory unless all pixels are kept in the cache.
type arrayOrigin struct {
	settings
	kind  string   // "idx" or "cifar"
	files []string // in the folder of the source
	read  func() ([]array, error)
	names []string // of the classes, where the files say

	mu     sync.Mutex
	arrays []array
}

func (o *arrayOrigin) describe(ctx context.Context, out io.Writer, tell Progress) error {
	var files []file
	for _, name := range slices.Sorted(slices.Values(o.files)) {
		info, err := os.Stat(filepath.Join(o.path, name))
		if err != nil {
			return readError(err)
		}
		files = append(files, file{name, stampOf(info)})
	}
	sums, err := o.memory.digests(ctx, o.path, files, tell)
	if err != nil {
		return err
	}
	io.WriteString(out, describeSettings(o.Config, true))
	for _, name := range o.files {
		i := slices.IndexFunc(files, func(f file) bool { return f.path == name })
		if err := readable(filepath.Join(o.path, name), sums[i]); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %q\n", sums[i], name)
	}
	return nil
}

// load returns the arrays, read anew if fresh is set.
func (o *arrayOrigin) load(fresh bool) ([]array, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.arrays != nil && !fresh {
		return o.arrays, nil
	}
	arrays, err := o.read()
	if err != nil {
		return nil, fmt.Errorf("dataset: %w: get the files anew", err)
	}
	o.arrays = arrays
	return arrays, nil
}

func (o *arrayOrigin) survey(ctx context.Context, k *kept, tell Progress) (*Index, error) {
	arrays, err := o.load(true)
	if err != nil {
		return nil, err
	}
	name, wanted, err := o.naming(arrays)
	if err != nil {
		return nil, err
	}
	x := &Index{Origin: o.kind, Size: o.Size, Fit: o.Fit, Background: colorText(o.Background)}
	splitKnown := len(arrays) > 1
	var classes []string
	for _, a := range arrays {
		for i, label := range a.labels {
			id := arrayID(a.split, i)
			split := a.split
			if !splitKnown {
				split = splitOf(id, o.TestFraction)
			}
			x.Items = append(x.Items, entry{Item: Item{ID: id, Split: split}})
			classes = append(classes, name(label))
		}
	}
	if len(x.Items) == 0 {
		return nil, fieldError{"source", fmt.Sprintf("names %s, whose files hold no image", o.path)}
	}
	if err := o.examine(ctx, arrays, x, k, tell); err != nil {
		return nil, err
	}
	return x, x.finish(classes, wanted, o.Source)
}

// examine gives the images their digests and keeps their pixels. If all are kept, the arrays need not stay in memory.
func (o *arrayOrigin) examine(ctx context.Context, arrays []array, x *Index, k *kept, tell Progress) error {
	found := k.scan()
	meter, first := newMeter(tell, decoding, 0, len(x.Items), progressEvery), 0
	var lost atomic.Bool
	for _, a := range arrays {
		parallel(ctx, len(a.labels), func(i int) {
			digest := artifacts.ID(sha256.Sum256(a.raw(i)))
			x.Items[first+i].digest = digest
			if _, ok := found[tableKey(digest)]; !ok {
				_, ok = k.put(digest, verdict{pix: fitTo(a.image(i), o.Size, o.Fit, o.background)})
				if !ok {
					lost.Store(true)
				}
			}
			meter.add()
		})
		first += len(a.labels)
	}
	if !lost.Load() {
		o.mu.Lock()
		o.arrays = nil
		o.mu.Unlock()
	}
	return ctx.Err()
}

// naming returns the name of each label, and the classes wanted, in order.
func (o *arrayOrigin) naming(arrays []array) (name func(label byte) string, wanted []string, err error) {
	var present [256]bool
	highest := 0
	for _, a := range arrays {
		for _, label := range a.labels {
			present[label] = true
			highest = max(highest, int(label))
		}
	}
	names, wanted := o.names, o.Classes
	if len(names) == 0 {
		names = o.Classes
	}
	if len(names) > 0 {
		if highest >= len(names) {
			return nil, nil, fieldError{"classes", fmt.Sprintf("has %d names, but labels go up to %d: name them all, from 0", len(names), highest)}
		}
		if len(wanted) == 0 {
			wanted = names
		}
		return func(label byte) string { return names[label] }, wanted, nil
	}
	for label, there := range present {
		if there {
			wanted = append(wanted, strconv.Itoa(label))
		}
	}
	return func(label byte) string { return strconv.Itoa(int(label)) }, wanted, nil
}

func arrayID(split string, i int) string { return fmt.Sprintf("%s/%05d", split, i) }

func (o *arrayOrigin) pixels(_ int, id string, digest artifacts.ID) ([]byte, error) {
	arrays, err := o.load(false)
	if err != nil {
		return nil, err
	}
	part, number, _ := strings.Cut(id, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	for k := range arrays {
		a := &arrays[k]
		if a.split != part || n >= len(a.labels) {
			continue
		}
		if artifacts.ID(sha256.Sum256(a.raw(n))) != digest {
			break
		}
		return fitTo(a.image(n), o.Size, o.Fit, o.background), nil
	}
	return nil, errors.New("the files changed since they were indexed: run again")
}

// namesOf returns the names in a folder that a test picks, sorted.
func namesOf(entries []os.DirEntry, pick func(string) bool) []string {
	var names []string
	for _, d := range entries {
		if !d.IsDir() && pick(d.Name()) {
			names = append(names, d.Name())
		}
	}
	sort.Strings(names)
	return names
}
