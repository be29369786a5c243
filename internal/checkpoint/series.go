package checkpoint

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lfm/internal/disk"
)

// keep is how many checkpoints a series has: the newest, and one to fall back to.
const keep = 2

const (
	prefix  = "step-"
	suffix  = ".checkpoint"
	unready = "unready" // the one being written
)

// The trailer is magic and a SHA-256 of all that stands before it.
const (
	magic       = "lfmcheck"
	trailerSize = len(magic) + sha256.Size
)

// A Series is a folder with the newest checkpoints of one run,
//
//	step-000000400.checkpoint
//	step-000000450.checkpoint
//
// for one writer at a time.
type Series struct {
	fs  disk.FS
	dir string
}

// OpenSeries is the series in dir, which Save makes when it has to.
func OpenSeries(fsys disk.FS, dir string) *Series { return &Series{fsys, dir} }

func (s *Series) path(step int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s%09d%s", prefix, step, suffix))
}

// Save adds the checkpoint of a step: written aside, synced, renamed. Then it deletes
// what is older than the newest two, and what is newer than step: that was torn, or
// belongs to a run that went on from somewhere else.
func (s *Series) Save(step int, tensors []Tensor, meta map[string]string) error {
	if step < 0 {
		panic("checkpoint: save: negative step")
	}
	if err := s.save(step, tensors, meta); err != nil {
		return fmt.Errorf("checkpoint: save step %d: %w", step, err)
	}
	return nil
}

func (s *Series) save(step int, tensors []Tensor, meta map[string]string) error {
	// Not its parents: a work area that somebody deleted is not to come back in part.
	if err := disk.Mkdir(s.fs, s.dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	draft, err := disk.Create(s.fs, filepath.Join(s.dir, unready), s.path(step))
	if err != nil {
		return err
	}
	defer draft.Abort()
	if err := writeTrailed(draft, tensors, meta); err != nil {
		return err
	}
	if err := draft.Commit(); err != nil {
		return err
	}
	steps, err := s.steps()
	if err != nil {
		return err
	}
	older := 0
	for _, have := range slices.Backward(steps) {
		if have <= step {
			older++
		}
		if have > step || older > keep {
			if err := s.fs.Remove(s.path(have)); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTrailed writes safetensors and trailer.
func writeTrailed(w io.Writer, tensors []Tensor, meta map[string]string) error {
	h := sha256.New()
	if err := Write(io.MultiWriter(w, h), tensors, meta); err != nil {
		return err
	}
	_, err := w.Write(h.Sum([]byte(magic)))
	return err
}

// Latest is the newest checkpoint that is whole, and its step: one that is torn or
// damaged is passed over. It is nil, 0, nil if there is none.
func (s *Series) Latest() (*File, int, error) {
	steps, err := s.steps()
	if err != nil {
		return nil, 0, fmt.Errorf("checkpoint: latest: %w", err)
	}
	for _, step := range slices.Backward(steps) {
		f, err := readTrailed(s.path(step))
		if err == nil {
			return f, step, nil
		}
		var sys *fs.PathError
		if errors.As(err, &sys) { // not damage: the file cannot be read at all
			return nil, 0, fmt.Errorf("checkpoint: latest: %w", err)
		}
	}
	return nil, 0, nil
}

// steps lists the steps that have a checkpoint, oldest first.
func (s *Series) steps() ([]int, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var steps []int
	for _, e := range entries {
		digits, ok := strings.CutPrefix(strings.TrimSuffix(e.Name(), suffix), prefix)
		step, err := strconv.Atoi(digits)
		if ok && err == nil && s.path(step) == filepath.Join(s.dir, e.Name()) {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

var errTorn = errors.New("torn or damaged")

// readTrailed reads a checkpoint, once to hold it against its trailer and once to
// take it in.
func readTrailed(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size() - int64(trailerSize)
	if size < 0 {
		return nil, errTorn
	}
	h := sha256.New()
	if _, err := io.Copy(h, bufio.NewReaderSize(io.NewSectionReader(r, 0, size), chunk)); err != nil {
		return nil, err
	}
	trailer := make([]byte, trailerSize)
	if err := readFull(r, trailer, size); err != nil {
		return nil, err
	}
	if !bytes.Equal(trailer, h.Sum([]byte(magic))) {
		return nil, errTorn
	}
	return read(r, size)
}
