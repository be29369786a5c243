package latent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"lfm/internal/disk"
	"lfm/internal/fuzztest"
	"lfm/internal/rng"
)

var background = context.Background()

func header(h, w, c int) Header {
	return Header{Shape: Shape{h, w, c}, Classes: []string{"cat", "dog", "größe"}, Autoencoder: strings.Repeat("a", 64), Dataset: strings.Repeat("d", 64)}
}

// captioned is a header with captions and two properties.
func captioned(h Header) Header {
	h.Captioned, h.Properties = true, []string{"x", "größe"}
	return h
}

// row makes row i of a set: every fourth is of split test, every second is mirrored.
func row(h Header, i int) Row {
	r := Row{
		ID: fmt.Sprintf("%s/%06d.png", h.Classes[i%3], i/2), Split: Train, Flip: i%2 == 1, Label: i % 3,
		Latent: make([]float32, h.Shape.Size()),
	}
	if i%4 == 3 {
		r.Split = Test
	}
	rng.New(5, "test").Uniform(r.Latent, 0, uint64(i))
	for k := range r.Latent {
		c := k % h.Shape.C
		r.Latent[k] = r.Latent[k]*float32(c+1) + 100*float32(c)
	}
	if h.Captioned {
		r.Caption = strings.Repeat("a größe ", i/2%3) + fmt.Sprint(i/5)
	}
	for k := range h.Properties {
		r.Properties = append(r.Properties, float32(i)/float32(k+3))
	}
	return r
}

// write writes the shards of a set that are not there yet.
func write(t testing.TB, dir string, h Header, rows int) (Summary, error) {
	t.Helper()
	w, err := NewWriter(disk.OS, dir, h, rows)
	if err != nil {
		return Summary{}, err
	}
	for s := range w.Shards() {
		if done, _ := w.Finished(background, s); done {
			continue
		}
		out, err := w.Create(s)
		if err != nil {
			return Summary{}, err
		}
		from, to := w.Rows(s)
		for i := from; i < to; i++ {
			if err := out.Append(row(h, i)); err != nil {
				out.Abort()
				return Summary{}, err
			}
		}
		if err := out.Close(); err != nil {
			return Summary{}, err
		}
	}
	return w.Finish()
}

func mustWrite(t testing.TB, dir string, h Header, rows int) Summary {
	t.Helper()
	s, err := write(t, dir, h, rows)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustOpen(t testing.TB, dir string, o Options) *Set {
	t.Helper()
	s, err := Open(background, In(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func latentOf(t *testing.T, s *Set, i int) []float32 {
	t.Helper()
	dst := make([]float32, s.Shape().Size())
	if err := s.Read(dst, i); err != nil {
		t.Fatal(err)
	}
	return dst
}

// sameRows compares a set with the rows that were written, latents to the bit.
func sameRows(t *testing.T, s *Set, h Header, rows int) {
	t.Helper()
	if s.Len() != rows || s.Shape() != h.Shape || !reflect.DeepEqual(s.Classes(), h.Classes) {
		t.Fatalf("%d rows of %v, classes %q", s.Len(), s.Shape(), s.Classes())
	}
	train := 0
	for i := range rows {
		want := row(h, i)
		got := Row{s.ID(i), s.Split(i), s.Flip(i), s.Label(i), latentOf(t, s, i), s.Caption(i), nil}
		got.Properties = append(got.Properties, s.Properties(i)...)
		for k := range want.Latent {
			if math.Float32bits(got.Latent[k]) != math.Float32bits(want.Latent[k]) {
				t.Fatalf("row %d: number %d is %v, want %v", i, k, got.Latent[k], want.Latent[k])
			}
		}
		got.Latent = want.Latent
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("row %d is %+v, want %+v", i, got, want)
		}
		if want.Split == Train {
			train++
		}
	}
	if got := len(s.Rows(Train)); got != train || len(s.Rows(Test)) != rows-train {
		t.Errorf("%d rows of split train, want %d", got, train)
	}
}

// TestRoundTrip: what is written is read, to the bit, in memory and spilled, for sets of one row, of several shards, and
// of latents so large that a shard has many record batches.
func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		h    Header
		rows int
	}{{header(1, 1, 1), 1}, {header(2, 2, 3), 2*ShardRows + 7}, {header(8, 8, 4), 100}, {header(64, 64, 64), 9},
		{captioned(header(1, 1, 1)), 1}, {captioned(header(2, 2, 3)), ShardRows + 7}} {
		t.Run(fmt.Sprintf("%v,%d,%v", c.h.Shape, c.rows, c.h.Captioned), func(t *testing.T) {
			dir, work := t.TempDir(), t.TempDir()
			mustWrite(t, dir, c.h, c.rows)
			for _, o := range []Options{{}, {Memory: 1, Work: work}, {Memory: 1, Work: work}} {
				s := mustOpen(t, dir, o)
				sameRows(t, s, c.h, c.rows)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			// The second spilled opening found the file of the first.
			if files, _ := os.ReadDir(work); len(files) != 1 {
				t.Errorf("the work area has %d files, want the one flat file", len(files))
			}
			if files, _ := filepath.Glob(dir + "/*" + aside); len(files) != 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// TestBytesAreFixed: files are a pure function of the rows. The digests change only when the format does, and then
// Version must.
func TestBytesAreFixed(t *testing.T) {
	for name, want := range map[string]string{
		"part-00000.arrow": "b4131e3694a8d9a72738b06d81c3a8e6e0faab4f282f80e752921b1bae0df675",
		"part-00001.arrow": "5c5fde6b7eb70729f0d3ed4fac8db2b2f45e860bab7ae44034094132065efc7b",
		SummaryName:        "3c402435d7676328e3901b6c58edf2baeaa2fb3cfdf248fc30b84635ad554ffc",
	} {
		var first []byte
		for range 2 {
			dir := t.TempDir()
			mustWrite(t, dir, header(2, 2, 3), ShardRows+5)
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if first != nil && !bytes.Equal(b, first) {
				t.Fatalf("%s: two writings differ", name)
			}
			first = b
		}
		if sum := sha256.Sum256(first); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has digest %x, want %s", name, sum, want)
		}
	}
}

// TestResume: a writer that goes on behind finished shards, replaces a damaged one and forgets an unfinished one makes
// the same files as one that was never interrupted.
func TestResume(t *testing.T) {
	h, rows := header(2, 1, 2), 3*ShardRows+1
	straight, broken := t.TempDir(), t.TempDir()
	mustWrite(t, straight, h, rows)
	mustWrite(t, broken, h, rows)
	os.Remove(filepath.Join(broken, SummaryName))
	os.Rename(filepath.Join(broken, ShardName(2)), filepath.Join(broken, ShardName(2)+aside))
	if err := os.Truncate(filepath.Join(broken, ShardName(1)), 5000); err != nil {
		t.Fatal(err)
	}
	w, _ := NewWriter(disk.OS, broken, h, rows)
	for s, want := range []string{"true <nil>", "false", "false <nil>", "true <nil>"} {
		done, why := w.Finished(background, s)
		if got := fmt.Sprint(done, " ", why); !strings.HasPrefix(got, want) || s == 1 && why == nil {
			t.Errorf("shard %d: finished %s, want %s", s, got, want)
		}
	}
	mustWrite(t, broken, h, rows)
	for _, name := range w.Files() {
		a, _ := os.ReadFile(filepath.Join(straight, name))
		b, err := os.ReadFile(filepath.Join(broken, name))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs after a resumption: %v", name, err)
		}
	}
}

// TestStats compares the merged moments with those of all rows of split train at once, also far from zero, where sums of
// squares would cancel.
func TestStats(t *testing.T) {
	h, rows := header(2, 2, 3), 2*ShardRows+7
	got := mustWrite(t, t.TempDir(), h, rows)
	for c := range 3 {
		var n, mean, square float64
		for pass := range 2 {
			for i := range rows {
				if r := row(h, i); r.Split == Train {
					for k := c; k < len(r.Latent); k += 3 {
						if pass == 0 {
							n++
							mean += float64(r.Latent[k])
						} else {
							square += (float64(r.Latent[k]) - mean) * (float64(r.Latent[k]) - mean)
						}
					}
				}
			}
			if pass == 0 {
				mean /= n
			}
		}
		if std := math.Sqrt(square / n); math.Abs(got.Mean[c]-mean) > 1e-12*(1+math.Abs(mean)) || math.Abs(got.Std[c]-std) > 1e-12*std {
			t.Errorf("channel %d: mean %v, std %v; want %v, %v", c, got.Mean[c], got.Std[c], mean, std)
		}
	}
	if got.Counts[Train]+got.Counts[Test] != rows || got.Counts[Test] != rows/4 || got.Flips != rows/2 {
		t.Errorf("counts %v, flips %d", got.Counts, got.Flips)
	}
}

// TestNormalize: normalised latents of split train have mean 0 and deviation 1, and Denormalize takes them back; a
// channel that never varies stays finite.
func TestNormalize(t *testing.T) {
	h, dir := header(4, 4, 3), t.TempDir()
	mustWrite(t, dir, h, 200)
	s := mustOpen(t, dir, Options{})
	defer s.Close()
	sum := newMoments(3)
	one, z, back := newMoments(3), make([]float32, 48), make([]float32, 48)
	for _, i := range s.Rows(Train) {
		s.Stats().Normalize(z, latentOf(t, s, i))
		one.set(z)
		sum.merge(one)
		s.Stats().Denormalize(back, z)
		for k, v := range latentOf(t, s, i) {
			if math.Abs(float64(back[k]-v)) > 1e-4 {
				t.Fatalf("row %d: %v came back as %v", i, v, back[k])
			}
		}
	}
	for k, std := range sum.stats().Std {
		if math.Abs(sum.mean[k]) > 1e-6 || math.Abs(std-1) > 1e-6 {
			t.Errorf("channel %d: mean %v, std %v after normalisation", k, sum.mean[k], std)
		}
	}
	flat := Stats{Mean: []float64{3}, Std: []float64{0}}
	flat.Normalize(z[:1], []float32{3})
	flat.Denormalize(back[:1], z[:1])
	if z[0] != 0 || back[0] != 3 {
		t.Errorf("a constant channel becomes %v and comes back as %v", z[0], back[0])
	}
}

// TestRefusedRows: what does not fit the header, or is not finite, stops the shard, and no file appears.
func TestRefusedRows(t *testing.T) {
	h := header(1, 1, 2)
	good := row(h, 0)
	for name, spoil := range map[string]func(*Row){
		"split": func(r *Row) { r.Split = "validation" },
		"label": func(r *Row) { r.Label = 3 },
		"shape": func(r *Row) { r.Latent = r.Latent[:1] },
		"nan":   func(r *Row) { r.Latent = []float32{1, float32(math.NaN())} },
		"inf":   func(r *Row) { r.Latent = []float32{1, float32(math.Inf(-1))} },
	} {
		dir := t.TempDir()
		w, _ := NewWriter(disk.OS, dir, h, 2)
		out, err := w.Create(0)
		if err != nil {
			t.Fatal(err)
		}
		bad := good
		spoil(&bad)
		if err := out.Append(good); err != nil {
			t.Fatal(err)
		}
		if out.Append(bad) == nil || out.Append(good) == nil || out.Close() == nil {
			t.Errorf("%s: a bad row was taken", name)
		}
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Errorf("%s: %v was left behind", name, files)
		}
	}
	if _, err := NewWriter(disk.OS, t.TempDir(), h, 0); err == nil {
		t.Error("a set without rows was begun")
	}
}

// TestMissingRows: a shard that is closed early is no shard, and a set without training rows has no statistics.
func TestMissingRows(t *testing.T) {
	h, dir := header(1, 1, 2), t.TempDir()
	w, _ := NewWriter(disk.OS, dir, h, 2)
	out, _ := w.Create(0)
	out.Append(row(h, 0))
	if out.Close() == nil {
		t.Error("one row of two made a shard")
	}
	if _, err := w.Finish(); err == nil {
		t.Error("a set was finished without its shard")
	}
	w, _ = NewWriter(disk.OS, dir, h, 1)
	out, _ = w.Create(0)
	out.Append(row(h, 3))
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err == nil {
		t.Error("statistics were taken of no training row")
	}
}

// TestOtherSet: a shard of another shape, class list, autoencoder or data set is not taken for finished.
func TestOtherSet(t *testing.T) {
	h, dir := header(2, 2, 1), t.TempDir()
	mustWrite(t, dir, h, 5)
	for name, change := range map[string]func(*Header){
		"shape":       func(h *Header) { h.Shape = Shape{4, 1, 1} },
		"classes":     func(h *Header) { h.Classes = []string{"cat", "dog", "gnu"} },
		"more":        func(h *Header) { h.Classes = append(h.Classes[:3:3], "gnu") },
		"autoencoder": func(h *Header) { h.Autoencoder = "b" },
		"dataset":     func(h *Header) { h.Dataset = "e" },
	} {
		other := h
		change(&other)
		w, _ := NewWriter(disk.OS, dir, other, 5)
		if done, why := w.Finished(background, 0); done || why == nil {
			t.Errorf("%s: the shard of another set is finished", name)
		}
	}
	w, _ := NewWriter(disk.OS, dir, h, 6)
	if done, why := w.Finished(background, 0); done || why == nil {
		t.Error("a shard with a row too few is finished")
	}
}

// TestCutShort: a shard cut anywhere in its last KiB, or at any of many places before, is an error and never a panic.
func TestCutShort(t *testing.T) {
	h, dir := header(2, 2, 2), t.TempDir()
	mustWrite(t, dir, h, 40)
	whole, err := os.ReadFile(filepath.Join(dir, ShardName(0)))
	if err != nil {
		t.Fatal(err)
	}
	check := func(n int) {
		if err := readBytes(whole[:n], h, 40); err == nil {
			t.Errorf("%d of %d bytes were read without an error", n, len(whole))
		}
	}
	for n := len(whole) - 1; n >= max(0, len(whole)-1024); n-- {
		check(n)
	}
	for n := 0; n < len(whole); n += 97 {
		check(n)
	}
	if err := readBytes(whole, h, 40); err != nil {
		t.Error(err)
	}
	// The same through Open, which compares sizes first.
	os.WriteFile(filepath.Join(dir, ShardName(0)), whole[:len(whole)-8], 0o666)
	if _, err := Open(background, In(dir), Options{}); err == nil || !strings.Contains(err.Error(), ShardName(0)) {
		t.Errorf("opening a cut shard: %v", err)
	}
}

func readBytes(b []byte, h Header, rows int) error {
	return readShard(background, bytes.NewReader(b), int64(len(b)), h, rows, func(b *batch) error {
		for i := range b.rows() {
			b.row(i)
		}
		return nil
	})
}

// TestSpoiltBytes: whatever single byte is spoilt, reading returns.
func TestSpoiltBytes(t *testing.T) {
	h, dir := header(1, 1, 2), t.TempDir()
	mustWrite(t, dir, h, 3)
	whole, _ := os.ReadFile(filepath.Join(dir, ShardName(0)))
	for i := range whole {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			b := bytes.Clone(whole)
			b[i] ^= flip
			readBytes(b, h, 3)
		}
	}
}

// FuzzReadShard: no bytes make the reader panic or ask for memory that the file does not have, and the rows that it
// reads are the same when they are written and read again. Run it with -fuzzminimizetime 10x, or the fuzzer spends its
// time on making inputs shorter.
func FuzzReadShard(f *testing.F) { fuzzReadShard(f, header(1, 1, 2)) }

// FuzzReadCaptions is FuzzReadShard for shards with captions and properties.
func FuzzReadCaptions(f *testing.F) { fuzzReadShard(f, captioned(header(1, 1, 2))) }

func fuzzReadShard(f *testing.F, h Header) {
	dir := f.TempDir()
	mustWrite(f, dir, h, 3)
	whole, _ := os.ReadFile(filepath.Join(dir, ShardName(0)))
	f.Add(whole)
	f.Add(whole[:len(whole)-300])
	f.Fuzz(func(t *testing.T, b []byte) {
		var rows []Row
		var err error
		fuzztest.Bounded(t, len(b), 64, func() { rows, err = readRows(b, h, 3) })
		if err == nil {
			checkRewrite(t, h, rows)
		}
	})
}

// readRows reads a shard into rows of their own.
func readRows(b []byte, h Header, n int) (rows []Row, err error) {
	err = readShard(background, bytes.NewReader(b), int64(len(b)), h, n, func(b *batch) error {
		for i := range b.rows() {
			r := b.row(i)
			r.ID, r.Latent = strings.Clone(r.ID), slices.Clone(r.Latent)
			r.Caption, r.Properties = strings.Clone(r.Caption), slices.Clone(r.Properties)
			rows = append(rows, r)
		}
		return nil
	})
	return rows, err
}

// checkRewrite writes rows and reads them again. What cannot be written is not text or not finite.
func checkRewrite(t *testing.T, h Header, rows []Row) {
	t.Helper()
	for _, r := range rows {
		if !utf8.ValidString(r.ID+"|"+r.Caption) || slices.ContainsFunc(r.Latent, func(x float32) bool { return x-x != 0 }) ||
			slices.ContainsFunc(r.Properties, func(x float32) bool { return x != x }) {
			return
		}
	}
	dir := t.TempDir()
	w, err := NewWriter(disk.OS, dir, h, len(rows))
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := out.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, ShardName(0)))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := readRows(b, h, len(rows)); err != nil || !reflect.DeepEqual(again, rows) {
		t.Fatalf("read %+v, then %+v (%v)", rows, again, err)
	}
}

// FuzzSummary: latents.json that is believed is the same when it is written and read again, and promises no more rows
// than its files have bytes for.
func FuzzSummary(f *testing.F) {
	h, dir := header(2, 2, 1), f.TempDir()
	mustWrite(f, dir, h, 5)
	good, err := os.ReadFile(filepath.Join(dir, SummaryName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.ReplaceAll(good, []byte(`"rows": 5`), []byte(`"rows": 9223372036854775807`)))
	f.Add(bytes.ReplaceAll(good, []byte(`"bytes": `), []byte(`"bytes": -`)))
	f.Add([]byte(`{"format":"latents","version":1,"shape":{"h":65536,"w":65536,"c":65536}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Summary
		var err error
		fuzztest.Bounded(t, len(text), 64, func() { s, err = decodeSummary(text) })
		if err != nil {
			return
		}
		bytes := int64(0)
		for _, sh := range s.Shards {
			bytes += sh.Bytes
		}
		if int64(s.Rows)*int64(s.Shape.Size())*4 > bytes {
			t.Fatalf("%d rows of %v in %d bytes", s.Rows, s.Shape, bytes)
		}
		first, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeSummary(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := again.encode(); err != nil || string(second) != string(first) {
			t.Fatalf("wrote %s, then %s (%v)", first, second, err)
		}
	})
}

// FuzzRoundTrip: whatever the text and the finite numbers, they come back to the bit.
func FuzzRoundTrip(f *testing.F) {
	f.Add("cat/1.png", "cat", uint32(0x80000000), uint32(1), false)
	f.Add("\xff", "", uint32(0x7f7fffff), uint32(0xff7fffff), true)
	f.Add("x", "\xff", uint32(0), uint32(0), false)
	f.Fuzz(func(t *testing.T, id, class string, a, b uint32, flip bool) {
		x, y := math.Float32frombits(a), math.Float32frombits(b)
		if x-x != 0 || y-y != 0 {
			return // not finite: TestRefusedRows
		}
		dir := t.TempDir()
		h := header(1, 1, 2)
		h.Classes = []string{"other", class}
		w, err := NewWriter(disk.OS, dir, h, 1)
		if !utf8.ValidString(class) {
			if err == nil {
				t.Errorf("class %q was taken", class)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Create(0)
		if err != nil {
			t.Fatal(err)
		}
		out.Append(Row{ID: id, Split: Train, Flip: flip, Label: 1, Latent: []float32{x, y}})
		id = strings.ToValidUTF8(id, "\uFFFD")
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		whole, _ := os.ReadFile(filepath.Join(dir, ShardName(0)))
		err = readShard(background, bytes.NewReader(whole), int64(len(whole)), h, 1, func(bt *batch) error {
			if r := bt.row(0); r.ID != id || r.Flip != flip || r.Label != 1 ||
				math.Float32bits(r.Latent[0]) != a || math.Float32bits(r.Latent[1]) != b {
				t.Errorf("wrote %q %v %08x %08x, read %+v", id, flip, a, b, r)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestLyingSummary: latents.json that cannot be true is an error before anything is allocated by it.
func TestLyingSummary(t *testing.T) {
	h, dir := header(2, 2, 1), t.TempDir()
	mustWrite(t, dir, h, 5)
	path := filepath.Join(dir, SummaryName)
	good, _ := os.ReadFile(path)
	for _, change := range [][2]string{
		{`"rows": 5`, `"rows": 5000000000`}, {`"h": 2`, `"h": 65536`}, {`"h": 2`, `"h": 4294967296`}, {`"h": 2`, `"h": -2`},
		{`part-00000`, `../../etc/x`}, {`"version": 1`, `"version": 2`}, {`"latents"`, `"poems"`}, {`"c": 1`, `"c": 2`}, {`{`, `[`},
	} {
		bad := strings.ReplaceAll(string(good), change[0], change[1])
		if bad == string(good) {
			t.Fatalf("%q is not in latents.json", change[0])
		}
		os.WriteFile(path, []byte(bad), 0o666)
		if _, err := Open(background, In(dir), Options{}); err == nil {
			t.Errorf("%s was believed", change[1])
		}
	}
	os.WriteFile(path, good, 0o666)
	mustOpen(t, dir, Options{}).Close()
}

// TestNoFolder: a set that may not be in memory is refused where no folder is given for it, and nothing is written elsewhere.
func TestNoFolder(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", elsewhere)
	mustWrite(t, dir, header(2, 2, 1), 5)
	if _, err := Open(background, In(dir), Options{Memory: 1}); err == nil || !strings.Contains(err.Error(), "no folder is given") {
		t.Errorf("opened: %v", err)
	}
	if files, _ := os.ReadDir(elsewhere); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestInterrupted: opening stops when its context does, and leaves no half-spilled file.
func TestInterrupted(t *testing.T) {
	h, dir, work := header(2, 2, 1), t.TempDir(), t.TempDir()
	mustWrite(t, dir, h, 5)
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := Open(ctx, In(dir), Options{Memory: 1, Work: work}); err == nil {
		t.Error("a cancelled opening succeeded")
	}
	if files, _ := os.ReadDir(work); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func BenchmarkOpen(b *testing.B) {
	h, dir := header(8, 8, 4), b.TempDir()
	mustWrite(b, dir, h, 2*ShardRows)
	b.SetBytes(2 * ShardRows * 256 * 4)
	b.ReportAllocs()
	for b.Loop() {
		mustOpen(b, dir, Options{}).Close()
	}
}
