//go:build !linux && !darwin

package dataset

import "io/fs"

// stampOf makes do with size and mtime.
func stampOf(info fs.FileInfo) stamp {
	mtime := info.ModTime().UnixNano()
	return stamp{size: info.Size(), mtime: mtime, ctime: mtime}
}
