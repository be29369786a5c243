package dataset

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"lfm/artifacts"
)

// listing is an index file opened for use. What it holds in memory of an image is its ID, its label and its side, some 30
// bytes; the digests stay in the file.
type listing struct {
	origin     string
	size       int
	fit        string
	background string
	classes    []string
	skipped    []Skip // the first of them
	labels     []int32
	test       []bool
	ids        []byte // end to end
	ends       []uint32

	file    io.ReaderAt
	digests int64 // where they begin in the file
}

// mostSkips is how many skipped images a listing tells.
const mostSkips = 100

func (l *listing) len() int { return len(l.labels) }

func (l *listing) id(i int) string {
	from := uint32(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	return string(l.ids[from:l.ends[i]])
}

func (l *listing) split(i int) string {
	if l.test[i] {
		return Test
	}
	return Train
}

func (l *listing) item(i int) Item { return Item{l.id(i), int(l.labels[i]), l.split(i)} }

// digest reads the digest of image i from the file, by way of a buffer of 64 bytes or more.
func (l *listing) digest(i int, buf []byte) (id artifacts.ID, err error) {
	if _, err := l.file.ReadAt(buf[:64], l.digests+64*int64(i)); err != nil {
		return id, fmt.Errorf("%s: %w", indexFile, err)
	}
	_, err = hex.Decode(id[:], buf[:64])
	return id, err
}

// readListing reads what Index.write wrote, of size bytes, in one pass, and trusts none of it. each is called with every
// digest in order.
func readListing(file io.ReaderAt, size int64, each func(i int, digest artifacts.ID)) (*listing, error) {
	r := readIndex(file, size)
	l, _ := r.head()
	r.lines("skipped", ",", func(line []byte) {
		if len(l.skipped) < mostSkips {
			var s Skip
			r.parse(line, &s)
			l.skipped = append(l.skipped, s)
		}
	})
	r.numbers("labels", len(l.classes), func(label int) { l.labels = append(l.labels, int32(label)) })
	l.test = make([]bool, len(l.labels))
	r.numbers("test", len(l.labels), func(i int) { l.test[i] = true })
	r.exact(`"digests": "`)
	l.digests = r.at
	for i := range l.labels {
		digest := r.digest()
		if r.err != nil {
			break
		}
		if each != nil {
			each(i, digest)
		}
	}
	r.exact("\",\n")
	if r.err == nil {
		l.ids, l.ends = make([]byte, 0, size-r.at), make([]uint32, 0, len(l.labels))
	}
	r.lines("ids", "}", func(line []byte) {
		var id string
		r.parse(line, &id)
		if l.ids = append(l.ids, id...); len(l.ids) > 1<<32-1 {
			r.fail("IDs of more than 4 GiB")
		}
		l.ends = append(l.ends, uint32(len(l.ids)))
	})
	if r.err == nil && r.at != size {
		r.fail("it does not end here")
	}
	if r.err == nil && len(l.ends) != len(l.labels) {
		r.fail(fmt.Sprintf("%d ids and %d labels", len(l.ends), len(l.labels)))
	}
	if r.err != nil {
		return nil, fmt.Errorf("not an index: %w", r.err)
	}
	return l, nil
}

// readIndex begins to read an index file of so many bytes.
func readIndex(file io.ReaderAt, size int64) *indexReader {
	return &indexReader{in: bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 1<<16), size: size, file: file}
}

// head reads what an index says of its set as a whole, which stands before its images, and how many images each class
// has in each split.
func (r *indexReader) head() (l *listing, counts map[string][]int) {
	l = &listing{file: r.file}
	var format string
	var stated int
	r.exact(`{"format": `)
	r.value(&format)
	if r.err == nil && format != indexFormat {
		r.err = fmt.Errorf("format is %q, this program reads %q", format, indexFormat)
	}
	r.field("origin", &l.origin)
	r.field("size", &l.size)
	r.field("channels", &stated)
	r.field("fit", &l.fit)
	r.field("background", &l.background)
	r.lines("classes", ",", func(line []byte) {
		var name string
		r.parse(line, &name)
		l.classes = append(l.classes, name)
	})
	r.field("counts", &counts)
	if r.err == nil && (stated != channels || l.size < 1) {
		r.fail(fmt.Sprintf("images of %d channels and size %d", stated, l.size))
	}
	return l, counts
}

// indexReader reads the file from its beginning. After the first error it reads nothing more.
type indexReader struct {
	in   *bufio.Reader
	file io.ReaderAt
	at   int64 // of the next byte
	size int64
	err  error
}

func (r *indexReader) fail(msg string) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %s", r.at, msg)
	}
}

// take returns the next n bytes, fewer than the buffer has. They are good until the next call.
func (r *indexReader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	b, err := r.in.Peek(n)
	if err != nil {
		r.fail("it ends early")
		return nil
	}
	r.in.Discard(n)
	r.at += int64(n)
	return b
}

func (r *indexReader) exact(want string) {
	if got := r.take(len(want)); r.err == nil && string(got) != want {
		r.fail(fmt.Sprintf("%q, want %q", got, want))
	}
}

// line returns the next line without its end. It is good until the next call.
func (r *indexReader) line() []byte {
	if r.err != nil {
		return nil
	}
	b, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) { // a class name or a path of more than 64 KiB, or counts of many classes
		head := bytes.Clone(b)
		b, err = r.in.ReadBytes('\n')
		b = append(head, b...)
	}
	r.at += int64(len(b))
	if err != nil {
		r.fail("it ends early")
		return nil
	}
	return b[:len(b)-1]
}

func (r *indexReader) parse(data []byte, v any) {
	if r.err != nil {
		return
	}
	if err := json.Unmarshal(data, v); err != nil {
		r.fail(err.Error())
	}
}

// value reads a value that fills its line, and the comma behind it.
func (r *indexReader) value(v any) {
	line, comma := bytes.CutSuffix(r.line(), []byte(","))
	if !comma {
		r.fail("a line without a comma")
	}
	r.parse(line, v)
}

func (r *indexReader) field(name string, v any) {
	r.exact(fmt.Sprintf("%q: ", name))
	r.value(v)
}

// lines reads a list with a value a line; after is what stands behind its bracket.
func (r *indexReader) lines(name, after string, each func(line []byte)) {
	r.exact(fmt.Sprintf("%q: [", name))
	end := []byte("]" + after)
	line := r.line()
	if bytes.Equal(line, end) {
		return
	}
	if len(line) > 0 {
		r.fail("a list that begins on the line of its name")
	}
	for r.err == nil {
		line := r.line()
		if last, ends := bytes.CutSuffix(line, end); ends {
			each(last)
			return
		}
		line, comma := bytes.CutSuffix(line, []byte(","))
		if !comma {
			r.fail("a line without a comma")
			return
		}
		each(line)
	}
}

// numbers reads a list of numbers from 0 to below bound, on a line.
func (r *indexReader) numbers(name string, bound int, each func(n int)) {
	r.exact(fmt.Sprintf("%q: [", name))
	var digits []byte
	for r.err == nil {
		c := r.take(1)
		if r.err != nil {
			return
		}
		if c[0] >= '0' && c[0] <= '9' && len(digits) < 10 {
			digits = append(digits, c[0])
			continue
		}
		if len(digits) == 0 && c[0] == ']' {
			r.exact(",\n")
			return
		}
		n, err := strconv.Atoi(string(digits))
		if err != nil || n >= bound || c[0] != ',' && c[0] != ']' {
			r.fail(fmt.Sprintf("%q in %s, want a number below %d", string(digits)+string(c), name, bound))
			return
		}
		each(n)
		if digits = digits[:0]; c[0] == ']' {
			r.exact(",\n")
			return
		}
	}
}

// digest reads 64 hexadecimal digits.
func (r *indexReader) digest() (id artifacts.ID) {
	if digits := r.take(64); r.err == nil {
		if _, err := hex.Decode(id[:], digits); err != nil {
			r.fail(err.Error())
		}
	}
	return id
}
