package latent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Arrow's metadata are flatbuffers: tables whose fields are found by offsets. The library follows them and asks for as
// much memory as they say, without looking whether the file has it. verifyFile therefore walks a whole file's metadata
// first, by the tables of Arrow's format (Schema.fbs, Message.fbs, File.fbs), and holds every offset and length to the
// bytes that are there. It knows the types that latents are made of and no others.
//
//	file    = "ARROW1" 0 0 | blocks … | footer | u32 length of footer | "ARROW1"
//	block   = u32 0xffffffff | i32 length | message | body
//	table   = i32 back to its vtable | fields;  vtable = u16 own size | u16 table size | u16 place of each field, 0 none

// corrupt is what the walk panics with; guard turns it, and any panic of the library, into an error.
type corrupt string

func fail(format string, args ...any) { panic(corrupt(fmt.Sprintf(format, args...))) }

// guard calls f and makes an error of a panic.
func guard(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case corrupt:
			err = errors.New(string(p))
		default:
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	return f()
}

// block is where a message and its body lie.
type block struct{ offset, meta, body int64 }

const magic = "ARROW1"

// verifyFile panics with corrupt unless the metadata of a file of size bytes is sound.
func verifyFile(r io.ReaderAt, size int64) {
	tail := int64(len(magic) + 4)
	if size < 8+tail {
		fail("%d bytes are too few for an Arrow file", size)
	}
	end := read(r, size-tail, tail)
	if string(end[4:]) != magic || string(read(r, 0, int64(len(magic)))) != magic {
		fail("not a whole Arrow file: it does not begin and end in %s", magic)
	}
	length := int64(binary.LittleEndian.Uint32(end))
	if length < 8 || length > size-8-tail {
		fail("a footer of %d bytes does not fit", length)
	}
	start := size - tail - length
	columns, dictionaries, batches := verifyFooter(read(r, start, length))
	words := parts{nodes: 1, buffers: 3} // a dictionary is one column of text
	for i, list := range [][]block{dictionaries, batches} {
		for _, b := range list {
			if b.offset < 8 || b.meta < 16 || b.body < 0 || b.offset > start || b.meta > start || b.body > start || b.offset+b.meta+b.body > start {
				fail("a block of %d + %d bytes at %d does not fit", b.meta, b.body, b.offset)
			}
			verifyMessage(read(r, b.offset, b.meta), b.body, []byte{headerDictionary, headerBatch}[i], []parts{words, columns}[i])
		}
	}
}

// read returns n bytes at an offset, which were checked to be there.
func read(r io.ReaderAt, offset, n int64) []byte {
	b := make([]byte, n)
	if _, err := r.ReadAt(b, offset); err != nil {
		fail("cannot read %d bytes at %d: %v", n, offset, err)
	}
	return b
}

// Numbers of the unions MessageHeader and Type.
const (
	headerDictionary, headerBatch = 2, 3

	typeInt, typeFloat, typeText, typeBool, typeFixedList = 2, 3, 5, 6, 16
)

// parts counts what a record batch has for its columns. The library takes as many as the schema wants, without asking
// how many there are.
type parts struct{ nodes, buffers int }

func (p *parts) add(o parts) { p.nodes, p.buffers = p.nodes+o.nodes, p.buffers+o.buffers }

func verifyFooter(b []byte) (columns parts, dictionaries, batches []block) {
	t := newFlat(b).root()
	t.scalar(0, 2) // version
	schema, ok := t.child(1)
	if !ok {
		fail("the footer has no schema")
	}
	columns = verifySchema(schema)
	verifyPairs(t, 4)
	return columns, t.blocks(2), t.blocks(3)
}

func verifySchema(t table) (p parts) {
	if at := t.scalar(0, 2); at != 0 && t.f.u16(at) != 0 {
		fail("the file is big-endian")
	}
	for _, field := range t.children(1) {
		p.add(verifyField(field, 0))
	}
	verifyPairs(t, 2)
	t.vector(3, 8) // features
	return p
}

func verifyField(t table, depth int) (p parts) {
	if depth > 1 {
		fail("columns are nested too deeply")
	}
	t.text(0)      // name
	t.scalar(1, 1) // nullable
	kind := byte(0)
	if at := t.scalar(2, 1); at != 0 {
		kind = t.f.b[at]
	}
	typ, ok := t.child(3)
	if !ok {
		fail("a column has no type")
	}
	switch kind {
	case typeInt:
		verifyInt(typ)
		p = parts{1, 2}
	case typeFloat:
		typ.scalar(0, 2) // precision
		p = parts{1, 2}
	case typeText:
		p = parts{1, 3}
	case typeBool:
		p = parts{1, 2}
	case typeFixedList:
		typ.scalar(0, 4) // size
		p = parts{1, 1}
	default:
		fail("a column is of a type (%d) that latents are not made of", kind)
	}
	if d, ok := t.child(4); ok { // dictionary
		d.scalar(0, 8) // id
		index, ok := d.child(1)
		if !ok {
			fail("a dictionary has no type of index")
		}
		verifyInt(index)
		d.scalar(2, 1) // ordered
		d.scalar(3, 2) // kind
		if kind != typeText {
			fail("a dictionary is not of text")
		}
		p = parts{1, 2} // in a batch there are the indices alone
	}
	children := t.children(5)
	if (kind == typeFixedList) != (len(children) == 1) || len(children) > 1 {
		fail("a column has %d columns within", len(children))
	}
	for _, c := range children {
		p.add(verifyField(c, depth+1))
	}
	verifyPairs(t, 6)
	return p
}

func verifyInt(t table) {
	t.scalar(0, 4) // bits
	t.scalar(1, 1) // signed
}

// verifyPairs walks a vector of keys and values.
func verifyPairs(t table, slot int) {
	for _, p := range t.children(slot) {
		p.text(0)
		p.text(1)
	}
}

// verifyMessage walks the message of a block whose body has so many bytes and whose columns have so many parts.
func verifyMessage(b []byte, body int64, want byte, columns parts) {
	if binary.LittleEndian.Uint32(b) != 0xffffffff {
		fail("a block does not begin with a message")
	}
	if n := binary.LittleEndian.Uint32(b[4:]); int64(n) > int64(len(b)-8) {
		fail("a message of %d bytes does not fit", n)
	}
	t := newFlat(b[8:]).root()
	t.scalar(0, 2) // version
	if p := t.scalar(1, 1); p == 0 || t.f.b[p] != want {
		fail("a message is of the wrong kind")
	}
	header, ok := t.child(2)
	if !ok {
		fail("a message has no header")
	}
	t.scalar(3, 8) // length of the body
	verifyPairs(t, 4)
	if want == headerDictionary {
		header.scalar(0, 8) // id
		header.scalar(2, 1) // is it a delta
		if header, ok = header.child(1); !ok {
			fail("a dictionary has no data")
		}
	}
	header.scalar(0, 8) // rows
	if _, n := header.vector(1, 16); n != columns.nodes {
		fail("a batch has %d nodes, want %d", n, columns.nodes)
	}
	p, n := header.vector(2, 16)
	if n != columns.buffers {
		fail("a batch has %d buffers, want %d", n, columns.buffers)
	}
	for i := range n {
		offset, length := header.f.i64(p+16*i), header.f.i64(p+16*i+8)
		if offset < 0 || length < 0 || offset > body || length > body-offset {
			fail("a buffer of %d bytes at %d lies outside a body of %d", length, offset, body)
		}
	}
	if _, ok := header.child(3); ok {
		fail("the file is compressed; latents are not")
	}
	header.vector(4, 8) // variadic counts
}

// flat is one flatbuffer. left is how many more bytes may be visited: tables may be shared, and without a limit a small
// buffer could describe an endless tree.
type flat struct {
	b    []byte
	left int
}

func newFlat(b []byte) *flat { return &flat{b, 16*len(b) + 1024} }

// need panics unless n bytes lie at p.
func (f *flat) need(p, n int) {
	if p < 0 || n < 0 || p > len(f.b) || n > len(f.b)-p {
		fail("metadata points outside of itself")
	}
	if f.left -= n; f.left < 0 {
		fail("metadata points at the same place too often")
	}
}

func (f *flat) u16(p int) int   { return int(binary.LittleEndian.Uint16(f.b[p:])) }
func (f *flat) u32(p int) int   { return int(binary.LittleEndian.Uint32(f.b[p:])) }
func (f *flat) i64(p int) int64 { return int64(binary.LittleEndian.Uint64(f.b[p:])) }

func (f *flat) root() table {
	f.need(0, 4)
	return f.table(f.u32(0))
}

// table is one table: where it lies, and where its vtable of end bytes does.
type table struct {
	f         *flat
	p, v, end int
}

func (f *flat) table(p int) table {
	f.need(p, 4)
	v := p - int(int32(f.u32(p)))
	f.need(v, 4)
	t := table{f, p, v, f.u16(v)}
	if t.end < 4 || t.end%2 != 0 {
		fail("a table's vtable has %d bytes", t.end)
	}
	f.need(v, t.end)
	f.need(p, f.u16(v+2))
	return t
}

// scalar returns where field i of so many bytes lies, or 0.
func (t table) scalar(i, bytes int) int {
	at := 4 + 2*i
	if at >= t.end {
		return 0
	}
	o := t.f.u16(t.v + at)
	if o == 0 {
		return 0
	}
	t.f.need(t.p+o, bytes)
	return t.p + o
}

// reference returns where field i points, or 0.
func (t table) reference(i int) int {
	p := t.scalar(i, 4)
	if p == 0 {
		return 0
	}
	p += t.f.u32(p)
	t.f.need(p, 4)
	return p
}

func (t table) child(i int) (table, bool) {
	p := t.reference(i)
	if p == 0 {
		return table{}, false
	}
	return t.f.table(p), true
}

func (t table) text(i int) { t.vector(i, 1) }

// vector returns where the elements of field i begin and how many there are.
func (t table) vector(i, bytes int) (p, n int) {
	if p = t.reference(i); p == 0 {
		return 0, 0
	}
	n = t.f.u32(p)
	if n > len(t.f.b) {
		fail("metadata points outside of itself")
	}
	t.f.need(p+4, n*bytes)
	return p + 4, n
}

// children returns the tables of vector i.
func (t table) children(i int) []table {
	p, n := t.vector(i, 4)
	all := make([]table, n)
	for k := range all {
		q := p + 4*k
		all[k] = t.f.table(q + t.f.u32(q))
	}
	return all
}

// blocks returns vector i of the struct Block: i64 offset, i32 length of the message, 4 bytes unused, i64 length of the body.
func (t table) blocks(i int) []block {
	p, n := t.vector(i, 24)
	all := make([]block, n)
	for k := range all {
		q := p + 24*k
		all[k] = block{t.f.i64(q), int64(int32(t.f.u32(q + 8))), t.f.i64(q + 16)}
	}
	return all
}
