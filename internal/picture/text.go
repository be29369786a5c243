package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf8"
)

// What Texts reads at most, whatever a file claims.
const (
	maxTexts     = 1000
	maxTextBytes = 1 << 20 // of one chunk
	signature    = "\x89PNG\r\n\x1a\n"
)

// Texts returns the words that a PNG carries, in their order: those that Encode wrote, and
// what other programs wrote as tEXt or as uncompressed iTXt. Compressed ones, and ones beyond
// a MiB, are passed over. Pixels are not decoded. A file that ends early or a text whose sum
// is wrong is an error; the texts before it are returned with it.
func Texts(r io.Reader) ([]Text, error) {
	var texts []Text
	head := make([]byte, len(signature))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != signature {
		return nil, errors.New("picture: texts: not a PNG file")
	}
	for len(texts) < maxTexts {
		kind, data, err := readChunk(r)
		if err != nil {
			return texts, fmt.Errorf("picture: texts: %w", err)
		}
		if kind == "IEND" {
			break
		}
		if t, ok := parseText(kind, data); ok {
			texts = append(texts, t)
		}
	}
	return texts, nil
}

// readChunk reads the next chunk, and its data if it is a text of sane size.
func readChunk(r io.Reader) (kind string, data []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", nil, fmt.Errorf("the file ends before its end chunk: %w", io.ErrUnexpectedEOF)
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	kind = string(head[4:])
	if kind != "tEXt" && kind != "iTXt" || n > maxTextBytes {
		if _, err := io.CopyN(io.Discard, r, n+4); err != nil {
			return kind, nil, fmt.Errorf("chunk %q ends early: %w", kind, io.ErrUnexpectedEOF)
		}
		return kind, nil, nil
	}
	data = make([]byte, n+4)
	if _, err := io.ReadFull(r, data); err != nil {
		return kind, nil, fmt.Errorf("chunk %q ends early: %w", kind, io.ErrUnexpectedEOF)
	}
	sum := crc32.Update(crc32.ChecksumIEEE(head[4:]), crc32.IEEETable, data[:n])
	if sum != binary.BigEndian.Uint32(data[n:]) {
		return kind, nil, fmt.Errorf("chunk %q is damaged: its sum is wrong", kind)
	}
	return kind, data[:n], nil
}

// parseText reads the data of a text chunk (PNG, section 11.3.4):
//
//	tEXt: keyword | 0 | text in Latin-1
//	iTXt: keyword | 0 | compressed (0 or 1) | method | language | 0 | keyword in it | 0 | text in UTF-8
func parseText(kind string, data []byte) (t Text, ok bool) {
	key, rest, ok := bytes.Cut(data, []byte{0})
	if !ok || len(key) == 0 || len(key) > 79 {
		return t, false
	}
	t.Key = latin1(key)
	switch kind {
	case "tEXt":
		t.Value = latin1(rest)
		return t, true
	case "iTXt":
		if len(rest) < 2 || rest[0] != 0 {
			return t, false
		}
		_, rest, ok = bytes.Cut(rest[2:], []byte{0})
		if !ok {
			return t, false
		}
		_, rest, ok = bytes.Cut(rest, []byte{0})
		t.Value = string(rest)
		return t, ok && utf8.Valid(rest)
	}
	return t, false
}

// latin1 is bytes in which each stands for the character of its number.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}
