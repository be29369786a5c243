package dataset

import (
	"bytes"
	"encoding/binary"
	"image"

	"github.com/disintegration/imaging"
)

// orientation reads the EXIF orientation of a JPEG, 1 to 8; 1, upright, if there is none that makes sense.
//
// A JPEG is a run of segments FF xx, length, payload until FF DA. EXIF is the payload "Exif\0\0" of segment FF E1: a
// TIFF header (byte order, 42, offset of the first directory), and directories of a count and entries of 12 bytes: tag,
// type, count, value. Tag 0112 of type 3 is the orientation.
func orientation(data []byte) int {
	if !bytes.HasPrefix(data, []byte("\xff\xd8")) {
		return 1
	}
	for data = data[2:]; len(data) >= 4 && data[0] == 0xff; {
		marker, n := data[1], int(binary.BigEndian.Uint16(data[2:]))
		if marker == 0xff { // fill byte
			data = data[1:]
			continue
		}
		if marker == 0xda || n < 2 || 2+n > len(data) {
			break
		}
		if payload := data[4 : 2+n]; marker == 0xe1 && bytes.HasPrefix(payload, []byte("Exif\x00\x00")) {
			return tiffOrientation(payload[6:])
		}
		data = data[2+n:]
	}
	return 1
}

func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if bytes.HasPrefix(b, []byte("II*\x00")) {
		order = binary.LittleEndian
	} else if !bytes.HasPrefix(b, []byte("MM\x00*")) {
		return 1
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	entries := b[at+2:]
	for n := order.Uint16(b[at:]); n > 0 && len(entries) >= 12; n-- {
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == 3 {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// upright turns an image whose row 0 and column 0 lie where an EXIF orientation says.
func upright(img *image.RGBA, orientation int) *image.RGBA {
	switch orientation {
	case 2:
		return opaque(imaging.FlipH(img))
	case 3:
		return opaque(imaging.Rotate180(img))
	case 4:
		return opaque(imaging.FlipV(img))
	case 5:
		return opaque(imaging.Transpose(img))
	case 6:
		return opaque(imaging.Rotate270(img))
	case 7:
		return opaque(imaging.Transverse(img))
	case 8:
		return opaque(imaging.Rotate90(img))
	}
	return img
}
