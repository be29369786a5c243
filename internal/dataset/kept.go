package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"lfm/artifacts"
)

// keptBytes bounds the file of pictures of one source. Images beyond it are decoded at every reading.
const keptBytes = 16 << 30

// kept is the file in the cache in which a source keeps what became of its images: pixels that are ready for use, or why
// there are none. So an image is decoded once and not once a reading, in any process, however often one is killed; and
// memory holds no pixels. The file:
//
//	"lfm pictures 1, " settings "\n" | records, in any order
//	record: SHA-256 of the image's file (32) | length, bit 31 set for a reason (4) | CRC-32C of all else in the record (4)
//	        | pixels (H, W, 3), or the reason
//
// A record is one write at the end of the file, so that several processes may keep at the same time. What is torn or
// damaged is not believed, and made again. Where nothing can be kept (no cache, no room), it is nil or stops taking:
// that costs time and nothing else.
type kept struct {
	file *os.File
	size int // bytes of an image's pixels

	mu    sync.Mutex
	bound int64
	full  bool
}

// verdict is what became of an image: pixels of the size wanted, or a reason.
type verdict struct {
	pix    []byte
	reason string
}

const (
	keptHead  = 32 + 4 + 4
	isReason  = 1 << 31
	maxReason = 1 << 12
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openKept opens the file of a source with the settings that decide pixels. nil is a kept that keeps nothing.
func openKept(dir, source string, c Config) *kept {
	if dir == "" {
		return nil
	}
	if abs, err := filepath.Abs(source); err == nil && !c.generated() {
		source = abs
	}
	// Another version of Go may decode a JPEG to other pixels.
	settings := fmt.Sprintf("lfm pictures 1, %s, size %d, fit %s, background %s\n", runtime.Version(), c.Size, c.Fit, colorText(c.Background))
	path := filepath.Join(dir, "pictures-"+artifacts.HashText(source+"\n"+settings).Short()+".kept")
	k := &kept{size: 3 * c.Size * c.Size, bound: keptBytes}
	err := makeCache(dir)
	if err == nil {
		k.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	}
	if err != nil { // another's, or read-only: what it has may be read
		if k.file, err = os.Open(path); err != nil {
			return nil
		}
		k.full = true
	}
	touch(path)
	head := make([]byte, len(settings))
	n, err := k.file.ReadAt(head, 0)
	if string(head[:n]) == settings {
		return k
	}
	// New, or cut in its first line. Who has it open finds no record any more, and makes its own.
	if err != nil && !errors.Is(err, io.EOF) || k.full || k.file.Truncate(0) != nil {
		k.file.Close()
		return nil
	}
	if _, err := k.file.WriteString(settings); err != nil {
		k.stop()
	}
	return k
}

// table finds records by the first 8 bytes of their images' digests. Another image of the same 8 bytes is found out when
// the record is read.
type table map[uint64]int64

func tableKey(digest artifacts.ID) uint64 { return binary.LittleEndian.Uint64(digest[:]) }

// scan looks where the records are. What lies behind a record that makes no sense is cut off.
func (k *kept) scan() table {
	found := table{}
	if k == nil {
		return found
	}
	k.mu.Lock() // a record of ours that is being written is not to be taken for a torn one
	defer k.mu.Unlock()
	at, size := k.first(), int64(0)
	if info, err := k.file.Stat(); err == nil {
		size = info.Size()
	}
	var head [keptHead]byte
	for at < size {
		if _, err := k.file.ReadAt(head[:], at); err != nil {
			break
		}
		n, sensible := k.length(head[:])
		if !sensible || at+keptHead+int64(n) > size {
			break
		}
		found[binary.LittleEndian.Uint64(head[:])] = at
		at += keptHead + int64(n)
	}
	if at < size {
		k.file.Truncate(at)
	}
	return found
}

// first is where the first record begins.
func (k *kept) first() int64 {
	var head [256]byte
	n, _ := k.file.ReadAt(head[:], 0)
	return int64(strings.IndexByte(string(head[:n]), '\n') + 1)
}

// length is what a record's head says of what follows, and whether that can be.
func (k *kept) length(head []byte) (n int, sensible bool) {
	v := binary.LittleEndian.Uint32(head[32:])
	n = int(v &^ isReason)
	if v&isReason != 0 {
		return n, n > 0 && n <= maxReason
	}
	return n, n == k.size
}

// room is how long a buffer must be for get.
func (k *kept) room() int {
	if k == nil {
		return keptHead + maxReason
	}
	return keptHead + max(k.size, maxReason)
}

// get reads the record at a place into buf, room bytes, where the verdict's pixels stay. ok is false unless it is whole
// and of the image with that digest.
func (k *kept) get(at int64, digest artifacts.ID, buf []byte) (v verdict, ok bool) {
	b := buf[:keptHead+k.size]
	n, _ := k.file.ReadAt(b, at)
	if n < keptHead || artifacts.ID(b[:32]) != digest {
		return v, false
	}
	length, sensible := k.length(b)
	if !sensible {
		return v, false
	}
	if need := keptHead + length; n < need {
		more, _ := k.file.ReadAt(buf[n:need], at+int64(n))
		if n += more; n < need {
			return v, false
		}
	}
	b = buf[:keptHead+length]
	if recordSum(b) != binary.LittleEndian.Uint32(b[36:]) {
		return v, false
	}
	if binary.LittleEndian.Uint32(b[32:])&isReason != 0 {
		return verdict{reason: string(b[keptHead:])}, true
	}
	return verdict{pix: b[keptHead:]}, true
}

func recordSum(record []byte) uint32 {
	return crc32.Update(crc32.Checksum(record[:36], castagnoli), castagnoli, record[keptHead:])
}

// put keeps a verdict. It returns where, if it is kept.
func (k *kept) put(digest artifacts.ID, v verdict) (at int64, ok bool) {
	if k == nil {
		return 0, false
	}
	record, length := make([]byte, keptHead, keptHead+len(v.pix)+len(v.reason)), uint32(len(v.pix))
	copy(record, digest[:])
	record = append(record, v.pix...)
	if v.reason != "" {
		if len(v.reason) > maxReason {
			return 0, false
		}
		record, length = append(record, v.reason...), isReason|uint32(len(v.reason))
	}
	binary.LittleEndian.PutUint32(record[32:], length)
	binary.LittleEndian.PutUint32(record[36:], recordSum(record))

	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full {
		return 0, false
	}
	if _, err := k.file.Write(record); err != nil {
		k.stop()
		return 0, false
	}
	end, err := k.file.Seek(0, io.SeekCurrent) // behind this record, whoever wrote in between
	if err != nil {
		return 0, false
	}
	k.full = end > k.bound
	return end - int64(len(record)), true
}

// stop takes no more. The disk is full: what was kept is given back to those who cannot do without.
func (k *kept) stop() {
	k.full = true
	k.file.Truncate(0)
}
