//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package latent

import "os"

// onDisk reads each row when it is asked for, where files cannot be mapped.
type onDisk struct {
	file *os.File
	size int
}

func mapFile(path string, size, rows int) (flatFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &onDisk{f, size}, nil
}

// row panics when the file cannot be read any more, as a mapping would fault.
func (d *onDisk) row(i int) []float32 {
	row := make([]float32, d.size)
	if _, err := d.file.ReadAt(bytesOf(row), int64(i)*int64(d.size)*4); err != nil {
		panic("latent: " + err.Error())
	}
	return row
}

func (d *onDisk) close() error { return d.file.Close() }
