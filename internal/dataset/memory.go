package dataset

import (
	"bufio"
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

// digest hashes a source that is one file.
func (m *memory) digest(ctx context.Context, path string) (artifacts.ID, error) {
	info, err := os.Stat(path)
	if err != nil {
		return artifacts.ID{}, readError(err)
	}
	sums, err := m.digests(ctx, path, []file{{"", stampOf(info)}}, nil)
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
	f, _, err := openRegular(path)
	if err != nil {
		return readError(err)
	}
	f.Close()
	return fmt.Errorf("dataset: %s: cannot be read: check the disk, then run again", path)
}

// digests returns the SHA-256 of files below root, sorted by path, whose stamps were taken before the call. It reads the
// new and the changed ones alone. A file that cannot be read has a zero digest: the survey will say why. What is known is
// written down every now and then, so that a killed process has not read in vain. tell may be nil.
func (m *memory) digests(ctx context.Context, root string, files []file, tell Progress) ([]artifacts.ID, error) {
	return m.digestsEvery(ctx, root, files, tell, progressEvery)
}

// digestsEvery is digests, with reports at most so often.
func (m *memory) digestsEvery(ctx context.Context, root string, files []file, tell Progress, every time.Duration) ([]artifacts.ID, error) {
	start := time.Now()
	sums := make([]artifacts.ID, len(files))
	remembered := m.recall(files, sums)
	var unknown []int
	for i, sum := range sums {
		if sum.IsZero() {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) == 0 && remembered == len(files) {
		return sums, nil
	}
	meter := newMeter(tell, hashing, len(files)-len(unknown), len(files), every)
	for due := newSchedule(); len(unknown) > 0 && ctx.Err() == nil; {
		part := unknown[:min(len(unknown), saveAfter)]
		unknown = unknown[len(part):]
		parallel(ctx, len(part), func(k int) {
			i := part[k]
			if sum, err := hashFile(ctx, filepath.Join(root, filepath.FromSlash(files[i].path))); err == nil {
				sums[i] = sum
			}
			if ctx.Err() == nil { // else it may be unread
				meter.add()
			}
		})
		if len(unknown) > 0 && due.now() {
			m.save(files, sums, start.Add(-settled))
			due.done()
		}
	}
	m.save(files, sums, start.Add(-settled))
	return sums, ctx.Err()
}

// saveAfter is after how many files the memory may be saved: some hundredths of a second of small ones.
const saveAfter = 512

// schedule says when to save: after two seconds of work, or where saving is slow, after twenty times as long as that
// takes.
type schedule struct {
	began time.Time // the work since the last saving
	wait  time.Duration
}

const saveEvery = 2 * time.Second

func newSchedule() *schedule { return &schedule{time.Now(), saveEvery} }

func (s *schedule) now() bool {
	since := time.Since(s.began)
	if since < s.wait {
		return false
	}
	s.began = time.Now() // of saving
	return true
}

func (s *schedule) done() {
	s.wait = max(saveEvery, 20*time.Since(s.began))
	s.began = time.Now()
}

func hashFile(ctx context.Context, path string) (id artifacts.ID, err error) {
	f, _, err := openRegular(path)
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

// recall sets the sums of the files, sorted by path, that the memory has with the very stamp. It returns how many files
// the memory has; whatever is wrong with it makes it empty.
func (m *memory) recall(files []file, sums []artifacts.ID) int {
	if m.file == "" {
		return 0
	}
	f, err := os.Open(m.file)
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	n, at := 0, 0
	whole := readMemory(f, info.Size(), func(path []byte, s stamp, sum artifacts.ID) {
		n++
		for at < len(files) && files[at].path < string(path) {
			at++
		}
		if at < len(files) && files[at].path == string(path) && files[at].stamp == s {
			sums[at] = sum
		}
	})
	if !whole {
		clear(sums)
		return 0
	}
	touch(m.file)
	return n
}

// touch says that a file of the cache is in use, as far as it may be said: gc takes those that nobody touches.
func touch(path string) {
	now := time.Now()
	os.Chtimes(path, now, now)
}

// fixedPart is the length of a record without its path.
const fixedPart = 2 + 8 + 8 + 8 + 8 + 32

// readMemory calls visit with each record of a memory of size bytes, and reports whether all of it is as it was written.
func readMemory(in io.Reader, size int64, visit func(path []byte, s stamp, sum artifacts.ID)) bool {
	sum := crc32.NewIEEE()
	r := bufio.NewReaderSize(in, 1<<16)
	left := size - 4
	var buf [0xffff + fixedPart]byte
	take := func(n int) []byte { // the next bytes, nil where they are not there
		if int64(n) > left {
			return nil
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return nil
		}
		left -= int64(n)
		sum.Write(buf[:n])
		return buf[:n]
	}
	if string(take(len(memoryMagic))) != memoryMagic {
		return false
	}
	for left > 0 {
		b := take(2)
		if b == nil {
			return false
		}
		name := int(binary.LittleEndian.Uint16(b))
		if b = take(name + fixedPart - 2); b == nil {
			return false
		}
		path, b := b[:name], b[name:]
		visit(path, stamp{
			int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])),
			int64(binary.LittleEndian.Uint64(b[16:])), binary.LittleEndian.Uint64(b[24:]),
		}, artifacts.ID(b[32:]))
	}
	want := sum.Sum32()
	_, err := io.ReadFull(r, buf[:4])
	return err == nil && binary.LittleEndian.Uint32(buf[:4]) == want
}

// save writes the digests of files that last changed before a time, aside first. It is only a memory: an error is
// forgotten.
func (m *memory) save(files []file, sums []artifacts.ID, before time.Time) {
	if m.file == "" || makeCache(filepath.Dir(m.file)) != nil {
		return
	}
	d, err := disk.Create(disk.OS, filepath.Join(filepath.Dir(m.file), disk.Temp("digests")), m.file)
	if err != nil {
		return
	}
	crc := crc32.NewIEEE()
	out := bufio.NewWriterSize(d, 1<<16)
	all := io.MultiWriter(out, crc)
	io.WriteString(all, memoryMagic)
	var record []byte
	for i, f := range files {
		if f.stamp.ctime >= before.UnixNano() || sums[i].IsZero() || len(f.path) > 0xffff {
			continue
		}
		record = binary.LittleEndian.AppendUint16(record[:0], uint16(len(f.path)))
		record = append(record, f.path...)
		record = binary.LittleEndian.AppendUint64(record, uint64(f.stamp.size))
		record = binary.LittleEndian.AppendUint64(record, uint64(f.stamp.mtime))
		record = binary.LittleEndian.AppendUint64(record, uint64(f.stamp.ctime))
		record = binary.LittleEndian.AppendUint64(record, f.stamp.inode)
		record = append(record, sums[i][:]...)
		all.Write(record)
	}
	out.Write(binary.LittleEndian.AppendUint32(nil, crc.Sum32()))
	out.Flush() // Rename returns the first error of writing
	d.Rename()
}

// makeCache makes the folder of what is remembered, and not its parents: a store that somebody deleted is not to come
// back in part.
func makeCache(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
