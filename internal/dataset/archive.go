package dataset

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"strings"
	"sync"
)

// member is a file in an archive: where it is found.
type member struct {
	offset, size int64     // in a tar
	file         *zip.File // in a zip
}

// archive is what tars and zips have in common: an open file and its members by path.
type archive struct {
	mu      sync.Mutex
	file    *os.File
	members map[string]member
}

// renew replaces the open file. The old one is left to the garbage collector, since a read may be under way.
func (a *archive) renew(f *os.File, members map[string]member) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.file, a.members = f, members
}

func (a *archive) find(path string) (*os.File, member, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, ok := a.members[path]
	if !ok {
		return nil, m, errors.New("is not in the archive any more")
	}
	return a.file, m, nil
}

// memberPath cleans the name of a member; ok is false for what is hidden or lies outside of the archive.
func memberPath(name string) (p string, ok bool) {
	p = path.Clean(strings.TrimLeft(strings.ReplaceAll(name, `\`, "/"), "/"))
	for _, elem := range strings.Split(p, "/") {
		if hidden(elem) { // .. too
			return "", false
		}
	}
	return p, true
}

// gather adds one member; a later one of the same path takes the place of an earlier one, as in unpacking.
func gather(found *collection, members map[string]member, name string, m member) {
	p, ok := memberPath(name)
	if !ok {
		return
	}
	if _, again := members[p]; !again {
		found.add(p, stamp{})
	}
	members[p] = m
}

// tarTree is a plain .tar: members are read in place.
type tarTree struct {
	archive
	path string
}

func (t *tarTree) list(ctx context.Context) (files []file, skipped []Skip, err error) {
	defer recovered(&err, "make "+t.path+" again")
	f, err := os.Open(t.path)
	if err != nil {
		return nil, nil, readError(err)
	}
	var found collection
	members := map[string]member{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			f.Close()
			return nil, nil, fmt.Errorf("dataset: %s: %w: make the archive again (a plain .tar, not compressed)", t.path, err)
		}
		// The reader reads headers block by block and never ahead, so the file stands at the payload.
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			f.Close()
			return nil, nil, readError(err)
		}
		switch {
		case h.Typeflag == tar.TypeReg && !sparse(h):
			gather(&found, members, h.Name, member{offset: offset, size: h.Size})
		case h.Typeflag == tar.TypeReg, h.Typeflag == tar.TypeLink, h.Typeflag == tar.TypeSymlink, h.Typeflag == tar.TypeGNUSparse:
			if p, ok := memberPath(h.Name); ok && judge(path.Base(p)) == candidate {
				found.skip(p, "is a link or a sparse file in the archive: archive the file itself")
			}
		}
	}
	t.renew(f, members)
	files, skipped = found.sorted()
	return files, skipped, nil
}

// sparse reports whether a file is stored without its holes, so that its bytes cannot be read in place: GNU tar's
// records for that in the PAX format. Its older format has a type of its own.
func sparse(h *tar.Header) bool {
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func (t *tarTree) open(path string) (io.ReadCloser, int64, error) {
	f, m, err := t.find(path)
	if err != nil {
		return nil, 0, err
	}
	return io.NopCloser(io.NewSectionReader(f, m.offset, m.size)), m.size, nil
}

// zipTree is a .zip.
type zipTree struct {
	archive
	path string
}

func (t *zipTree) list(ctx context.Context) (files []file, skipped []Skip, err error) {
	defer recovered(&err, "make "+t.path+" again")
	f, err := os.Open(t.path)
	if err != nil {
		return nil, nil, readError(err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, readError(err)
	}
	r, err := zip.NewReader(f, info.Size())
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("dataset: %s: %w: make the archive again", t.path, err)
	}
	var found collection
	members := map[string]member{}
	for _, m := range r.File {
		if m.Mode().IsRegular() && !strings.HasSuffix(m.Name, "/") {
			gather(&found, members, m.Name, member{file: m})
		}
	}
	t.renew(f, members)
	files, skipped = found.sorted()
	return files, skipped, ctx.Err()
}

func (t *zipTree) open(path string) (io.ReadCloser, int64, error) {
	_, m, err := t.find(path)
	if err != nil {
		return nil, 0, err
	}
	r, err := m.file.Open()
	return r, int64(min(m.file.UncompressedSize64, math.MaxInt64)), err
}
