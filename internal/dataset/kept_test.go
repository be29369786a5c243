package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lfm/artifacts"
)

// countingTree counts what is opened of a tree, and lets a test act at each opening.
type countingTree struct {
	tree
	opened atomic.Int64
	at     func(n int64)
}

func (c *countingTree) open(path string) (io.ReadCloser, int64, error) {
	n := c.opened.Add(1)
	if c.at != nil {
		c.at(n)
	}
	return c.tree.open(path)
}

// refusingTree does not let one file be opened.
type refusingTree struct {
	tree
	path string
}

func (r *refusingTree) open(path string) (io.ReadCloser, int64, error) {
	if path == r.path {
		return nil, 0, syscall.EMFILE
	}
	return r.tree.open(path)
}

// TestRefused: an image that the system does not let be read now, but did when the source was digested, ends the indexing:
// an index without it would be another than its key says. One that could not be read then either is skipped.
func TestRefused(t *testing.T) {
	f := shades(t, 5, "cat", "dog")
	c := config4(f.write(t), 8)
	s := open(t, c, "")
	o := s.origin.(*treeOrigin)
	path := f.names()[3]
	o.tree = &refusingTree{o.tree, path}
	if _, err := s.index(context.Background(), nil); !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), path) {
		t.Errorf("the index without %s: %v", path, err)
	}
	reasons, err := o.examine(context.Background(), []place{{path: path}}, make([]artifacts.ID, 1), nil, nil)
	if err == nil {
		t.Errorf("skipped: %v", reasons)
	}
	o.unread[path] = true
	if reasons, err := o.examine(context.Background(), []place{{path: path}}, make([]artifacts.ID, 1), nil, nil); err != nil || len(reasons) != 1 {
		t.Errorf("skipped: %v, %v", reasons, err)
	}
}

// counted is the source of a folder whose openings are counted.
func counted(t *testing.T, c *Config, cache string) (*Source, *countingTree) {
	t.Helper()
	s := open(t, c, cache)
	o := s.origin.(*treeOrigin)
	tree := &countingTree{tree: o.tree}
	o.tree = tree
	return s, tree
}

// age waits until what was written is old enough to be remembered.
func age(t *testing.T) {
	t.Helper()
	time.Sleep(settled + 100*time.Millisecond)
}

// TestIndexResumes interrupts indexing again and again. What was read is not read again, in all no more than the images
// under way at each interruption; the index has the bytes of a straight run; and what is left of a torn write, as a kill
// leaves it, costs one image.
func TestIndexResumes(t *testing.T) {
	t.Parallel() // it waits
	f := shades(t, 20, "cat", "dog", "fox")
	f["cat/bad.png"], f["dog/bad.jpg"] = []byte("x"), nil
	path := f.write(t)
	age(t)
	c := config4(path, 8)
	x, err := open(t, c, "").index(context.Background(), nil)
	must(t, err)
	want := x.encode()

	cache, opened, stops := t.TempDir(), 0, 0
	for ; ; stops++ {
		ctx, cancel := context.WithCancel(context.Background())
		s, tree := counted(t, c, cache)
		tree.at = func(n int64) {
			if n == 7 {
				cancel()
			}
		}
		x, err := s.index(ctx, nil)
		cancel()
		opened += int(tree.opened.Load())
		if err == nil {
			if !bytes.Equal(x.encode(), want) {
				t.Errorf("index\n%s\nwant\n%s", x.encode(), want)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		tear(t, cache, stops%5)
	}
	// A torn write loses one image a stop. Without what is kept it would never end.
	if stops < 3 || opened > len(f)+stops {
		t.Errorf("%d stops, %d images opened of %d", stops, opened, len(f))
	}
	s, tree := counted(t, c, cache)
	set, _, err := build(t, s)
	must(t, err)
	for i := range set.Len() {
		read(t, set, i, false)
	}
	if n := tree.opened.Load(); n > 1 {
		t.Errorf("%d images were opened though all are kept but the last that was torn", n)
	}
}

// tear cuts bytes off the end of the file of pictures.
func tear(t *testing.T, cache string, n int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(cache, "pictures-*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%q, %v", names, err)
	}
	info, err := os.Stat(names[0])
	must(t, err)
	must(t, os.Truncate(names[0], max(0, info.Size()-int64(n))))
}

// TestHashingIsSaved: digests survive a stop in the middle of hashing.
func TestHashingIsSaved(t *testing.T) {
	t.Parallel() // it waits
	f := files{}
	for i := range 3 * saveAfter {
		f[fmt.Sprintf("a/%04d.png", i)] = []byte{byte(i)}
	}
	path, cache := f.write(t), t.TempDir()
	age(t)
	ctx, cancel := context.WithCancel(context.Background())
	list, _, err := (&folderTree{root: path}).list(ctx)
	must(t, err)
	m := newMemory(cache, path)
	var hashed int
	tell := func(_ string, done, total int, _ float64) {
		if hashed = done; done > saveAfter {
			cancel()
		}
	}
	if _, err := m.digestsEvery(ctx, path, list, tell, 0); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	if got := m.recall(list, make([]artifacts.ID, len(list))); got < hashed || got == len(list) {
		t.Errorf("%d digests are remembered of %d hashed before the stop", got, hashed)
	}
	first := -1
	_, err = m.digestsEvery(context.Background(), path, list, func(_ string, done, _ int, _ float64) {
		if first < 0 {
			first = done
		}
	}, 0)
	must(t, err)
	if first <= hashed {
		t.Errorf("the next scan begins at %d, the one before came to %d", first, hashed)
	}
}

func digestOf(i int) artifacts.ID { return artifacts.HashText(fmt.Sprint(i)) }

// keeper opens a file of pictures of 2 x 2 pixels.
func keeper(t *testing.T, cache string) *kept {
	t.Helper()
	k := openKept(cache, "there", *config4("there", 2))
	if k == nil {
		t.Fatal("nothing is kept")
	}
	return k
}

// check reads everything that a kept has and compares it with what was kept under the digests: pixels i, or reason i.
func (k *kept) check(t *testing.T, n int) (found int) {
	t.Helper()
	at := k.scan()
	buf := make([]byte, k.room())
	for i := range n {
		place, ok := at[tableKey(digestOf(i))]
		if !ok {
			continue
		}
		v, ok := k.get(place, digestOf(i), buf)
		if !ok {
			continue
		}
		found++
		if want := verdictOf(i); v.reason != want.reason || !bytes.Equal(v.pix, want.pix) {
			t.Fatalf("image %d is %v, want %v", i, v, want)
		}
	}
	return found
}

func verdictOf(i int) verdict {
	if i%3 == 0 {
		return verdict{reason: strings.Repeat("r", 1+i%50)}
	}
	return verdict{pix: bytes.Repeat([]byte{byte(i)}, 12)}
}

// TestKeptDamage: whatever byte of the file is changed, and wherever it is cut, what is read was kept; and the file takes
// and gives again.
func TestKeptDamage(t *testing.T) {
	const n = 7
	cache := t.TempDir()
	k := keeper(t, cache)
	for i := range n {
		if _, ok := k.put(digestOf(i), verdictOf(i)); !ok {
			t.Fatal("it takes nothing")
		}
	}
	name := k.file.Name()
	whole, err := os.ReadFile(name)
	must(t, err)
	for i := range 2 * len(whole) {
		data := slices.Clone(whole)
		if i < len(whole) {
			data[i] ^= 1 << (i % 8)
		} else {
			data = data[:i-len(whole)]
		}
		must(t, os.WriteFile(name, data, 0o644))
		k := keeper(t, cache)
		k.check(t, n)
		at, ok := k.put(digestOf(n), verdictOf(n))
		if _, good := k.get(at, digestOf(n), make([]byte, k.room())); !ok || !good {
			t.Fatalf("byte %d changed: nothing is kept any more", i)
		}
		k.check(t, n)
		k.file.Close()
	}
}

// TestKeptTogether: processes that keep in one file at the same time find what each has kept.
func TestKeptTogether(t *testing.T) {
	cache := t.TempDir()
	keeper(t, cache)
	var wait sync.WaitGroup
	for p := range 4 {
		k := keeper(t, cache)
		wait.Go(func() {
			for i := p; i < 400; i += 4 {
				at, ok := k.put(digestOf(i), verdictOf(i))
				if v, good := k.get(at, digestOf(i), make([]byte, k.room())); !ok || !good || v.reason != verdictOf(i).reason {
					t.Errorf("image %d is not where it was kept", i)
				}
			}
		})
	}
	wait.Wait()
	if got := keeper(t, cache).check(t, 400); got != 400 {
		t.Errorf("%d of 400 images are found", got)
	}
}

// TestKeptBounds: the file stops at its bound, gives its room back where the disk is full, and is nobody's with other
// settings or without a cache.
func TestKeptBounds(t *testing.T) {
	cache := t.TempDir()
	k := keeper(t, cache)
	k.bound = 500
	for i := range 100 {
		k.put(digestOf(i), verdictOf(i))
	}
	info, err := k.file.Stat()
	must(t, err)
	if info.Size() < 500 || info.Size() > 500+keptHead+maxReason {
		t.Errorf("%d bytes with a bound of 500", info.Size())
	}
	if openKept("", "there", *config4("there", 2)).scan() == nil || openKept(filepath.Join(cache, "not", "there"), "x", *config4("x", 2)) != nil {
		t.Error("something is kept where nothing can be")
	}
	other := openKept(cache, "there", *config4("there", 3))
	if len(other.scan()) != 0 {
		t.Error("pictures of another size are found")
	}
	must(t, os.Chmod(cache, 0o555))
	defer os.Chmod(cache, 0o755)
	must(t, os.Chmod(k.file.Name(), 0o444))
	if k := openKept(cache, "there", *config4("there", 2)); k == nil || k.check(t, 100) == 0 {
		t.Error("a file that may only be read is not read")
	}
	k.stop()
	if info, err = k.file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%d bytes are left on a full disk", info.Size())
	}
	if _, ok := k.put(digestOf(1), verdictOf(1)); ok {
		t.Error("it takes more on a full disk")
	}
}

// TestReadAllocates: reading an image that is kept takes no memory, so that a training step needs none.
func TestReadAllocates(t *testing.T) {
	set, _ := built(t, config4("critters", 8, func(c *Config) { c.Count = 20 }))
	dst := make([]float32, 8*8*3)
	all := func() {
		for i := range set.Len() {
			must(t, set.Read(dst, i, i%2 == 0))
		}
	}
	all() // they are drawn, and kept
	if n := testing.AllocsPerRun(10, all); n != 0 {
		t.Errorf("reading %d images that are kept allocates %v times", set.Len(), n)
	}
}

// TestTouch: what the cache has of a source becomes new when it is used, so that gc leaves it.
func TestTouch(t *testing.T) {
	t.Parallel() // it waits
	path, cache := shades(t, 3, "cat").write(t), t.TempDir()
	age(t)
	use := func() []string {
		_, _, err := build(t, open(t, config4(path, 8), cache))
		must(t, err)
		names, err := filepath.Glob(filepath.Join(cache, "*"))
		must(t, err)
		return names
	}
	names, old := use(), time.Now().Add(-time.Hour)
	if len(names) != 2 {
		t.Fatalf("the cache has %q", names)
	}
	for _, name := range names {
		must(t, os.Chtimes(name, old, old))
	}
	for _, name := range use() {
		if info, err := os.Stat(name); err != nil || time.Since(info.ModTime()) > time.Minute {
			t.Errorf("%s was used and is old still: %v", name, err)
		}
	}
}

// TestGate: what is inside never exceeds the room, and everybody gets in.
func TestGate(t *testing.T) {
	g := newGate(10)
	var inside, passed atomic.Int64
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			n := int64(1 + i%10)
			leave := g.enter(n)
			if now := inside.Add(n); now > 10 {
				t.Errorf("%d are inside", now)
			}
			runtime.Gosched()
			inside.Add(-n)
			leave()
			passed.Add(1)
		})
	}
	wait.Wait()
	if passed.Load() != 200 || g.room != 10 {
		t.Errorf("%d passed, room for %d is left", passed.Load(), g.room)
	}
}

// TestDecodersWait: a decoder waits while others have all the pixels that there may be, or all the bytes of files.
func TestDecodersWait(t *testing.T) {
	path := files{"a/1.png": pngOf(t, slope(4, 4))}.write(t)
	o := open(t, config4(path, 4), "").origin.(*treeOrigin)
	for name, c := range map[string]struct {
		*gate
		all int64
	}{"pixels": {inWork, maxPixels}, "bytes": {reading, 2 * maxFile}} {
		leave := c.enter(c.all)
		done := make(chan error)
		go func() {
			data, leave, err := o.read("a/1.png")
			if err == nil {
				o.judge(data)
				leave()
			}
			done <- err
		}()
		select {
		case <-done:
			t.Errorf("%s: it did not wait", name)
		case <-time.After(50 * time.Millisecond):
			leave()
			must(t, <-done)
		}
	}
}

// TestClaims: what an image claims takes no memory before it is refused.
func TestClaims(t *testing.T) {
	for name, data := range map[string][]byte{"60000 x 60000": hugePNG(60000, 60000), "8193 x 8192": hugePNG(8193, 8192)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decode(data, white)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %d bytes", name, err, took)
		}
	}
}
