package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"strings"
	"unicode/utf8"
)

// Text is a word about a picture that its file carries.
type Text struct {
	Key   string // 1 to 79 printable ASCII characters
	Value string // UTF-8 without NUL
}

// Encode writes m as an 8-bit RGB PNG with texts, in their order, as iTXt chunks
// (uncompressed, UTF-8) before the image data.
func Encode(w io.Writer, m *Image, texts []Text) error {
	for _, t := range texts {
		if err := t.check(); err != nil {
			return err
		}
	}
	var file bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&file, m.rgba()); err != nil {
		return fmt.Errorf("picture: encode: %w", err)
	}
	const head = 8 + 25 // signature and IHDR, which the encoder writes first
	out := append([]byte(nil), file.Bytes()[:head]...)
	for _, t := range texts {
		// keyword 0, uncompressed, method 0, no language, no translated keyword
		out = appendChunk(out, "iTXt", append([]byte(t.Key+"\x00\x00\x00\x00\x00"), t.Value...))
	}
	out = append(out, file.Bytes()[head:]...)
	_, err := w.Write(out)
	return err
}

// maxPixels bounds what Decode reads: 4096 x 4096, more than any stage draws.
const maxPixels = 1 << 24

// Decode reads a file that Encode wrote, pixels and texts. A file that is not whole is an
// error, because each of its chunks has a sum; so is a PNG of another kind than Encode's, or
// of more pixels than 2^24, whatever bytes stand for it.
func Decode(file []byte) (m *Image, texts []Text, err error) {
	if texts, err = Texts(bytes.NewReader(file)); err != nil {
		return nil, nil, err
	}
	rgba, err := decodePixels(file)
	if err != nil {
		return nil, nil, fmt.Errorf("picture: decode: %w", err)
	}
	return fromRGBA(rgba), texts, nil
}

// decodePixels makes an error of a panic of the standard library's reader.
func decodePixels(file []byte) (rgba *image.RGBA, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the PNG reader broke down: %v", p)
		}
	}()
	c, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	if int64(c.Width)*int64(c.Height) > maxPixels {
		return nil, fmt.Errorf("%d x %d pixels are too many", c.Width, c.Height)
	}
	m, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	rgba, ok := m.(*image.RGBA)
	if !ok {
		return nil, errors.New("not a PNG of 8-bit RGB")
	}
	return rgba, nil
}

func (t Text) check() error {
	ok := len(t.Key) >= 1 && len(t.Key) <= 79 && strings.TrimSpace(t.Key) == t.Key
	for i := range len(t.Key) {
		ok = ok && t.Key[i] >= ' ' && t.Key[i] <= '~'
	}
	if !ok {
		return fmt.Errorf("picture: text key %q: want 1 to 79 printable ASCII characters", t.Key)
	}
	if !utf8.ValidString(t.Value) || strings.Contains(t.Value, "\x00") {
		return fmt.Errorf("picture: text of %s: want UTF-8 without NUL", t.Key)
	}
	return nil
}

// appendChunk adds a chunk: length, type, data, CRC of the two (PNG, section 5.3).
func appendChunk(out []byte, kind string, data []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	sum := crc32.NewIEEE()
	io.WriteString(sum, kind)
	sum.Write(data)
	out = append(out, kind...)
	out = append(out, data...)
	return binary.BigEndian.AppendUint32(out, sum.Sum32())
}
