package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lfm/artifacts"
	"lfm/internal/disk"
)

// stamp is what the file system says about a file without reading it: if it is the same as before, so are the bytes,
// but for files that are young.
type stamp struct {
	size         int64
	mtime, ctime int64 // nanoseconds; where there is no ctime it is the mtime
	inode        uint64
}

// settled is how old a change must be for a stamp to tell it from the next: file systems count in steps of up to two
// seconds.
const settled = 2 * time.Second

// memory remembers the digests of a source's files between processes. Its file:
//
//	"lfm digests 1\n" | records | CRC-32 of all before (4 bytes, little-endian)
//	record: length of the path (2) | path | size (8) | mtime (8) | ctime (8) | inode (8) | SHA-256 (32)
//
// A file that is damaged, or cannot be written, costs time and nothing else.
type memory struct{ file string }

const memoryMagic = "lfm digests 1\n"

// newMemory returns the memory of the source at a path. An empty dir remembers nothing.
func newMemory(dir, source string) *memory {
	if dir == "" {
		return &memory{}
	}
	if abs, err := filepath.Abs(source); err == nil {
		source = abs
	}
	return &memory{filepath.Join(dir, "files-"+artifacts.HashText(source).Short()+".digests")}
}

type remembered struct {
	stamp
	digest artifacts.ID
}

// digest hashes a source that is one file.
func (m *memory) digest(ctx context.Context, path string) (artifacts.ID, error) {
	info, err := os.Stat(path)
	if err != nil {
		return artifacts.ID{}, readError(err)
	}
	sums, err := m.digests(ctx, path, []file{{"", stampOf(info)}})
	if err != nil {
		return artifacts.ID{}, err
	}
	return sums[0], readable(path, sums[0])
}

// readable returns why a file has no digest.
func readable(path string, sum artifacts.ID) error {
	if !sum.IsZero() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return readError(err)
	}
	f.Close()
	return fmt.Errorf("dataset: %s: cannot be read: check the disk, then run again", path)
}

// digests returns the SHA-256 of files below root, whose stamps were taken before the call. It reads the new and the
// changed ones alone. A file that cannot be read has a zero digest: the survey will say why.
func (m *memory) digests(ctx context.Context, root string, files []file) ([]artifacts.ID, error) {
	old := m.load()
	sums := make([]artifacts.ID, len(files))
	var unknown []int
	for i, f := range files {
		if r, ok := old[f.path]; ok && r.stamp == f.stamp {
			sums[i] = r.digest
		} else {
			unknown = append(unknown, i)
		}
	}
	start := time.Now()
	parallel(ctx, len(unknown), func(k int) {
		i := unknown[k]
		if sum, err := hashFile(ctx, filepath.Join(root, filepath.FromSlash(files[i].path))); err == nil {
			sums[i] = sum
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(unknown) > 0 || len(old) != len(files) {
		m.save(files, sums, start.Add(-settled))
	}
	return sums, nil
}

func hashFile(ctx context.Context, path string) (id artifacts.ID, err error) {
	f, err := os.Open(path)
	if err != nil {
		return id, err
	}
	defer f.Close()
	h, buf := sha256.New(), make([]byte, 64<<10)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			return artifacts.ID(h.Sum(nil)), nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return id, err
		}
	}
}

// load reads the memory; whatever is wrong with it makes it empty.
func (m *memory) load() map[string]remembered {
	if m.file == "" {
		return nil
	}
	data, err := os.ReadFile(m.file)
	if err != nil {
		return nil
	}
	return parseMemory(data)
}

func parseMemory(data []byte) map[string]remembered {
	const fixed = 8 + 8 + 8 + 8 + 32
	n := len(data) - 4
	if n < len(memoryMagic) || !bytes.HasPrefix(data, []byte(memoryMagic)) || crc32.ChecksumIEEE(data[:n]) != binary.LittleEndian.Uint32(data[n:]) {
		return nil
	}
	all := make(map[string]remembered, n/(fixed+32))
	for data = data[len(memoryMagic):n]; len(data) > 0; {
		if len(data) < 2 {
			return nil
		}
		name := int(binary.LittleEndian.Uint16(data))
		if len(data) < 2+name+fixed {
			return nil
		}
		b := data[2+name:]
		all[string(data[2:2+name])] = remembered{stamp{
			int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])),
			int64(binary.LittleEndian.Uint64(b[16:])), binary.LittleEndian.Uint64(b[24:]),
		}, artifacts.ID(b[32:fixed])}
		data = b[fixed:]
	}
	return all
}

// save writes the digests of files that last changed before a time, aside first. It is only a memory: an error is
// forgotten.
func (m *memory) save(files []file, sums []artifacts.ID, before time.Time) {
	if m.file == "" {
		return
	}
	data := []byte(memoryMagic)
	for i, f := range files {
		if f.stamp.ctime >= before.UnixNano() || sums[i].IsZero() || len(f.path) > 0xffff {
			continue
		}
		data = binary.LittleEndian.AppendUint16(data, uint16(len(f.path)))
		data = append(data, f.path...)
		data = binary.LittleEndian.AppendUint64(data, uint64(f.stamp.size))
		data = binary.LittleEndian.AppendUint64(data, uint64(f.stamp.mtime))
		data = binary.LittleEndian.AppendUint64(data, uint64(f.stamp.ctime))
		data = binary.LittleEndian.AppendUint64(data, f.stamp.inode)
		data = append(data, sums[i][:]...)
	}
	data = binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(data))
	// Not its parents: a store that somebody deleted is not to come back in part.
	if err := os.Mkdir(filepath.Dir(m.file), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return
	}
	disk.Place(disk.OS, m.file, data)
}
